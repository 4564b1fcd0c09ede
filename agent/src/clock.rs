//! The only reader of the system clocks; everything else is told the time.
//!
//! What is known of the wall clock, and from where ([`Trust::Auto`]; the first that applies):
//!
//! | what is seen | the wall clock is |
//! |---|---|
//! | a time before this program was built | wrong, whoever says otherwise |
//! | `/run/systemd/timesync/synchronized`, or `timedatectl` says that the kernel's clock is synchronised (STA_UNSYNC clear, maxerror in bounds; every NTP daemon sees to that) | right |
//! | a real-time clock has set it (`/sys/class/rtc/*/hctosys`) and still says about the same | right, unless it is behind the last time in the state |
//! | a time daemon is at work (systemd-timesyncd, chrony, ntpd, OpenNTPD) | not known yet |
//! | nothing: a container, a virtual machine, another system | right, unless it is behind the last time in the state |
//!
//! A real-time clock without a battery (that of a Pi 5) begins in 1970, and systemd sets the wall clock to when it was built,
//! or to the last time it knows: then both differ, and nobody knows the time.
//!
//! `timedatectl` is asked because no safe, kept crate reads `adjtimex` on 32-bit ARM; where it is not there or may not be
//! started, the rest of the table decides. Nothing is asked any more once the time is known.

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

/// What makes the wall clock believable, `[clock] trust`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// What the system says; where it says nothing, any time that can be.
    #[default]
    Auto,
    /// Only that it is synchronised: for containers on boards without a real-time clock.
    Synced,
    /// Any time that can be: for clocks that are set by other means.
    Always,
}

/// `[clock]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockConfig {
    /// What was made before the time is known is held for so long while an output is connected (ms); `None`: for ever.
    pub wait_ms: Option<i64>,
    /// What makes the wall clock believable.
    pub trust: Trust,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { wait_ms: Some(600_000), trust: Trust::Auto }
    }
}

/// Now, by the system's wall clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)))
}

/// A time for people, by RFC 3339.
pub(crate) fn utc(time: Time) -> impl Display {
    // Outside the years that it writes, the number must do.
    let known = jiff::Timestamp::from_millisecond(time.0).ok();
    known.map_or_else(|| format!("{} ms", time.0), |known| known.to_string())
}

/// Time since boot, suspension included where the system counts it: not on macOS (ms).
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

/// This boot's id; where the system gives none, what is the same for as long as the machine is up.
#[must_use]
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = id.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(36).collect();
    let coarse = || format!("boot-{}", now().0.saturating_sub(up_ms()) / 10_000);
    if id.is_empty() { coarse() } else { id }
}

/// Both clocks at one moment; `kernel` is what the kernel was last heard to say.
#[must_use]
pub(crate) fn sample(trust: Trust, kernel: Option<bool>) -> Sample {
    /// Between two readings the program may have slept.
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

/// The wall clock, and whether it can be believed, as an agent that begins now would see it.
#[must_use]
pub(crate) fn believed(trust: Trust) -> Now {
    let sample = sample(trust, ask_kernel());
    let synced = Timeline::new(sample, Time::MIN, None, None).is_synced();
    Now { synced, ..Now::uncorrected(sample.wall) }
}

/// What the system says of its wall clock.
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

/// Whether a real-time clock below `folder` has set the wall clock, and nobody has set that since.
fn is_of_hardware(folder: &Path, wall: Time) -> bool {
    /// A real-time clock says whole seconds, and drifts.
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

/// Asks whether the kernel's clock is synchronised; `None`: nobody can say. Blocks for as long as the answer takes.
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
