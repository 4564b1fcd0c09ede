//! Reads the system clocks; no other code does. Everything else receives the time as an argument.
//!
//! Whether the wall clock is right ([`Trust::Auto`]; the first row that applies):
//!
//! | observation | the wall clock is |
//! |---|---|
//! | a time before this program was built | wrong, whatever else indicates otherwise |
//! | `/run/systemd/timesync/synchronized`, or `timedatectl` says that the kernel's clock is synchronised (STA_UNSYNC clear, maxerror in bounds; every NTP daemon sees to that) | right |
//! | a real-time clock has set it (`/sys/class/rtc/*/hctosys`) and still agrees with it | right, unless it is behind the last time in the state |
//! | a time daemon is running (systemd-timesyncd, chrony, ntpd, OpenNTPD) | not known yet |
//! | none: a container, a virtual machine, another system | right, unless it is behind the last time in the state |
//!
//! A real-time clock without a battery (that of a Pi 5) begins in 1970, and systemd sets the wall clock to its own
//! build time, or to the last time it knows: then the two clocks differ, and the time is unknown.
//!
//! `timedatectl` is asked because no safe, maintained crate reads `adjtimex` on 32-bit ARM. Where it is missing or
//! may not be started, the rest of the table decides. Once the time is known, nothing is asked again.

mod boots;
mod steady;
mod sync_timeout;
mod timeline;

pub(crate) use boots::{Boots, Correction};
pub(crate) use steady::Steady;
pub(crate) use sync_timeout::SyncTimeout;
pub(crate) use timeline::{Change, Sample, SyncState, Timeline};

use headwater_kernel::time::{Now, Time};
use std::fmt::Display;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// When the wall clock is trusted, `[clock] trust`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// When the system says so; if the system says nothing, whenever the time is possible.
    #[default]
    Auto,
    /// Only when it is synchronised: for containers on boards without a real-time clock.
    Synced,
    /// Whenever the time is possible: for clocks that are set by other means.
    Always,
}

/// `[clock]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockConfig {
    /// How long events from before the time is known are held while an output is connected (ms); `None`: for ever.
    pub wait_ms: Option<i64>,
    /// When the wall clock is trusted.
    pub trust: Trust,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { wait_ms: Some(600_000), trust: Trust::Auto }
    }
}

/// The present time of the system's wall clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)))
}

/// A time for people, in RFC 3339.
pub(crate) fn utc(time: Time) -> impl Display {
    // RFC 3339 cannot write every time; the number is the fallback.
    let known = jiff::Timestamp::from_millisecond(time.0).ok();
    known.map_or_else(|| format!("{} ms", time.0), |known| known.to_string())
}

/// Time since boot (ms), suspension included where the system counts it: not on macOS.
#[must_use]
#[inline]
pub(crate) fn up_ms() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(CLOCK);
    #[allow(clippy::useless_conversion)] // 32 bits elsewhere
    let (seconds, nanoseconds) = (i64::from(time.tv_sec), i64::from(time.tv_nsec));
    seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

/// This boot's id; where the system has none, the time of the boot.
#[must_use]
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = id.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(36).collect();
    let coarse = || format!("boot-{}", now().0.saturating_sub(up_ms()) / 10_000);
    if id.is_empty() { coarse() } else { id }
}

/// Both clocks at one moment; `kernel` is the last answer of the kernel.
#[must_use]
pub(crate) fn sample(trust: Trust, kernel: Option<bool>) -> Sample {
    /// The program may be suspended between two readings.
    const TRIES: usize = 3;
    let mut best: Option<(i64, Sample)> = None;
    for _ in 0..TRIES {
        let before_ms = up_ms();
        let wall = now();
        let after_ms = up_ms();
        let took_ms = after_ms - before_ms;
        let sample = Sample { wall, up_ms: before_ms + took_ms / 2, sync: SyncState::Unknown };
        if best.is_none_or(|(best_ms, _)| took_ms < best_ms) {
            best = Some((took_ms, sample));
        }
        if took_ms <= 1 {
            break;
        }
    }
    let sample =
        best.map_or(Sample { wall: now(), up_ms: up_ms(), sync: SyncState::Unknown }, |(_, sample)| sample);
    Sample { sync: sync(trust, kernel), ..sample }
}

/// The wall clock, and whether an agent that starts now would trust it.
#[must_use]
pub(crate) fn believed(trust: Trust) -> Now {
    let sample = sample(trust, ask_kernel());
    let synced = Timeline::new(sample, Time::MIN, None, None).is_synced();
    Now { synced, ..Now::uncorrected(sample.wall) }
}

/// Whether the system's wall clock is synchronised.
fn sync(trust: Trust, kernel: Option<bool>) -> SyncState {
    let stamp = || Path::new("/run/systemd/timesync/synchronized").exists();
    match trust {
        Trust::Always => SyncState::Unknown,
        _ if kernel == Some(true) || stamp() => SyncState::Synced,
        Trust::Synced => SyncState::Unsynced,
        Trust::Auto if !has_time_daemon() || is_of_hardware(Path::new("/sys/class/rtc"), now()) => {
            SyncState::Unknown
        }
        Trust::Auto => SyncState::Unsynced,
    }
}

/// Whether a real-time clock below `folder` has set the wall clock, and nothing has set it since.
fn is_of_hardware(folder: &Path, wall: Time) -> bool {
    /// A real-time clock has whole seconds, and drifts.
    const APART_MS: u64 = 60_000;
    let Ok(clocks) = std::fs::read_dir(folder) else { return false };
    let says = |clock: &Path, file: &str| std::fs::read_to_string(clock.join(file)).unwrap_or_default();
    clocks.flatten().map(|clock| clock.path()).any(|clock| {
        let seconds = says(&clock, "since_epoch").trim().parse::<i64>().unwrap_or(i64::MIN);
        let apart_ms = Time(seconds.saturating_mul(1_000)).since(wall).unsigned_abs();
        says(&clock, "hctosys").trim() == "1" && apart_ms <= APART_MS
    })
}

fn has_time_daemon() -> bool {
    const TRACES: [&str; 6] = [
        "/run/systemd/timesync",
        "/run/chrony",
        "/run/chronyd",
        "/run/ntpd.pid",
        "/run/ntpd",
        "/run/openntpd.sock",
    ];
    TRACES.iter().any(|path| Path::new(path).exists())
}

/// Asks whether the kernel's clock is synchronised; `None`: there is no answer. Blocks until the answer comes.
#[must_use]
pub(crate) fn ask_kernel() -> Option<bool> {
    let asked = std::process::Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output();
    match asked.ok()?.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_time_clock_is_believed_if_it_says_what_the_wall_clock_says() {
        let folder = std::env::temp_dir().join(format!("headwater-rtc-{}", std::process::id()));
        let wall = Time(1_800_000_000_900);
        for (hctosys, since_epoch, is_believed) in [
            ("1\n", "1800000000\n", true),
            ("1\n", "1800000040\n", true),
            ("0\n", "1800000000\n", false),
            ("1\n", "5\n", false),
            ("1\n", "1799996400\n", false),
            ("1\n", "", false),
        ] {
            let clock = folder.join("rtc0");
            std::fs::create_dir_all(&clock).unwrap();
            std::fs::write(clock.join("hctosys"), hctosys).unwrap();
            std::fs::write(clock.join("since_epoch"), since_epoch).unwrap();
            assert_eq!(is_of_hardware(&folder, wall), is_believed, "{since_epoch}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(!is_of_hardware(&folder, wall));
    }
}
