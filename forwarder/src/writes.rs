//! Counts the bytes that are written to storage, per day in UTC: those of this program, as the kernel counts them,
//! and those of all programs, as the device counts them. Flash wears by the latter.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// The unit of a device's counters (bytes), whatever its sectors are.
const SECTOR_BYTES: u64 = 512;

/// The bytes that were written in a day, to be kept over restarts; see [`crate::Forwarder::written`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Days since the Unix epoch, in UTC.
    pub day: i64,
    /// By this program (bytes).
    pub own_bytes: u64,
    /// To the device that the buffer lies on, by everybody, as far as it counts (bytes).
    pub device_bytes: u64,
}

/// Both counters since the day began, or since the first look if that was later; and the count of an earlier run
/// of that day.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// By an earlier run. Its day may come only when the clock is set.
    earlier: Written,
    day: Option<i64>,
    /// When the count of the day began [ms since the Unix epoch].
    since_ms: i64,
    own_before: u64,
    device_before: Option<u64>,
    /// By this program (bytes).
    pub(crate) today: u64,
    /// To the device (bytes), if it counts.
    pub(crate) device_today: Option<u64>,
    told: bool,
}

impl Writes {
    /// What an earlier run has counted.
    pub(crate) fn go_on(&mut self, earlier: Written) {
        // The next look begins the day anew, with all that this run has written.
        *self = Self { earlier, ..Self::default() };
    }

    /// The count so far.
    pub(crate) fn written(&self) -> Written {
        let device_bytes = self.device_today.unwrap_or(0);
        Written { day: self.day.unwrap_or(0), own_bytes: self.today, device_bytes }
    }

    /// How long the day has been counted (ms).
    pub(crate) fn counted_ms(&self, now_ms: i64) -> i64 {
        self.day.map_or(0, |_| now_ms.saturating_sub(self.since_ms).clamp(0, DAY_MS))
    }

    /// Takes both counts so far; true once a day, when the program's passes `budget`.
    pub(crate) fn update(&mut self, now_ms: i64, own: u64, device: Option<u64>, budget: u64) -> bool {
        let day = Some(now_ms.div_euclid(DAY_MS));
        if day != self.day {
            // All that the program has written so far was today, if this is its first day.
            let own_before = if self.day.is_none() { 0 } else { own };
            let earlier = self.earlier;
            // What an earlier run of the day counted, it counted from midnight on, as far as anybody knows.
            let since_ms = if self.day.is_some() || Some(earlier.day) == day {
                now_ms.div_euclid(DAY_MS) * DAY_MS
            } else {
                now_ms
            };
            *self = Self { earlier, day, since_ms, own_before, device_before: device, ..Self::default() };
        }
        let is_of_today = Some(self.earlier.day) == day;
        let Written { own_bytes, device_bytes, .. } =
            if is_of_today { self.earlier } else { Written::default() };
        self.today = own_bytes + own.saturating_sub(self.own_before);
        let device = device.zip(self.device_before).map(|(now, before)| now.saturating_sub(before));
        self.device_today = device.map(|today| device_bytes + today);
        let news = self.today > budget && !self.told;
        self.told |= news;
        news
    }
}

/// Bytes that this program has caused to be written to storage; 0 where the kernel does not say.
pub(crate) fn own_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Bytes written to the device that a folder lies on, or will lie on; `None`: it is none that counts.
pub(crate) fn device_bytes(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(device_of(folder)?.join("stat")).ok()?;
    sectors_written(&text).map(|sectors| sectors * SECTOR_BYTES)
}

/// The size of that device, whole: a card wears as one, however it is parted (bytes).
pub(crate) fn device_size_bytes(folder: &Path) -> Option<u64> {
    // A link into the tree of devices, where a part lies below its whole.
    let device = std::fs::canonicalize(device_of(folder)?).ok()?;
    let is_part = device.join("partition").exists();
    let whole = if is_part { device.parent()? } else { &device };
    let sectors = std::fs::read_to_string(whole.join("size")).ok()?;
    Some(sectors.trim().parse::<u64>().ok()?.saturating_mul(SECTOR_BYTES))
}

/// Where the system describes the device that a folder lies on, or will lie on.
fn device_of(folder: &Path) -> Option<PathBuf> {
    let device = folder.ancestors().find_map(|folder| Some(std::fs::metadata(folder).ok()?.dev()))?;
    // As the system packs them: makedev(3).
    let (major, minor) = (device >> 8 & 0xfff | device >> 32 & !0xfff, device & 0xff | device >> 12 & !0xff);
    Some(format!("/sys/dev/block/{major}:{minor}").into())
}

/// The seventh number, as the kernel's Documentation/block/stat.rst has it.
fn sectors_written(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_day_and_the_budget_told_once() {
        let mut writes = Writes::default();
        let day = 20_000 * DAY_MS;
        assert!(!writes.update(day, 50, Some(7_000), 100));
        assert_eq!((writes.today, writes.device_today), (50, Some(0)));
        assert_eq!((writes.counted_ms(day), writes.counted_ms(day + 9)), (0, 9));
        assert!(writes.update(day + 1, 150, Some(7_400), 100));
        assert!(!writes.update(day + 2, 250, Some(7_500), 100));
        assert_eq!((writes.today, writes.device_today), (250, Some(500)));
        assert!(!writes.update(day + DAY_MS, 260, Some(7_600), 100));
        assert_eq!((writes.today, writes.device_today), (0, Some(0)));
        assert!(writes.update(day + DAY_MS, 400, None, 100));
        assert_eq!((writes.today, writes.device_today), (140, None));
        assert_eq!(writes.counted_ms(day + DAY_MS + 70), 70);
    }

    #[test]
    fn a_restart_goes_on_counting_the_day_that_it_was() {
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        let mut before = Writes::default();
        before.update(noon, 60, Some(5_000), 100);
        before.update(noon, 80, Some(5_300), 100);
        let left = before.written();
        assert_eq!(left, Written { day: 20_000, own_bytes: 80, device_bytes: 300 });
        let mut after = Writes::default();
        after.go_on(left);
        // A clock that is not set yet.
        after.update(0, 5, Some(10), 100);
        assert_eq!((after.today, after.device_today), (5, Some(0)));
        assert!(!after.update(noon, 10, Some(20), 100));
        assert_eq!((after.today, after.device_today), (80, Some(300)));
        assert_eq!(after.counted_ms(noon), DAY_MS / 2, "since midnight, as far as known");
        assert!(after.update(noon + 1, 40, Some(60), 100), "past the budget together");
        assert_eq!((after.today, after.device_today), (110, Some(340)));
        after.update(noon + DAY_MS, 50, Some(70), 100);
        assert_eq!((after.today, after.device_today), (0, Some(0)));
    }

    #[test]
    fn a_devices_counter_is_read() {
        let stat = "  1067 0 140624 441 1573 1126 43512 1086 0 1368 1528 0 0 0 0 0 0";
        assert_eq!(sectors_written(stat), Some(43_512));
        assert_eq!(sectors_written("1 2 3"), None);
        // Here there may be none; looking must not fail.
        let _ = device_bytes(Path::new("/nowhere/at/all"));
        assert_eq!(device_bytes(Path::new("/proc/self")), None);
        assert_eq!(device_size_bytes(Path::new("/proc/self")), None);
    }
}
