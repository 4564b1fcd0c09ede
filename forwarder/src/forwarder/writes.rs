//! What is written to storage, per day in UTC: by this program, as the kernel counts it, and to the device by everybody, as
//! the device counts it. Flash wears by the latter.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// The unit of a device's counters (bytes), whatever its sectors are.
const SECTOR_BYTES: u64 = 512;

/// Both counters since the day began, or since the first look if that was later.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    day: Option<i64>,
    own_before: u64,
    device_before: Option<u64>,
    /// By this program (bytes).
    pub(crate) today: u64,
    /// To the device (bytes), if it counts.
    pub(crate) device_today: Option<u64>,
    told: bool,
}

impl Writes {
    /// Takes both counts so far; true once a day, when the program's passes `budget`.
    pub(crate) fn update(&mut self, now_ms: i64, own: u64, device: Option<u64>, budget: u64) -> bool {
        let day = Some(now_ms.div_euclid(DAY_MS));
        if day != self.day {
            // All that the program has written so far was today, if this is its first day.
            let own_before = if self.day.is_none() { 0 } else { own };
            *self = Self { day, own_before, device_before: device, ..Self::default() };
        }
        self.today = own.saturating_sub(self.own_before);
        self.device_today = device.zip(self.device_before).map(|(now, before)| now.saturating_sub(before));
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
    let device = folder.ancestors().find_map(|folder| Some(std::fs::metadata(folder).ok()?.dev()))?;
    // As the system packs them: makedev(3).
    let (major, minor) = (device >> 8 & 0xfff | device >> 32 & !0xfff, device & 0xff | device >> 12 & !0xff);
    let text = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    sectors_written(&text).map(|sectors| sectors * SECTOR_BYTES)
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
        assert!(writes.update(day + 1, 150, Some(7_400), 100));
        assert!(!writes.update(day + 2, 250, Some(7_500), 100));
        assert_eq!((writes.today, writes.device_today), (250, Some(500)));
        assert!(!writes.update(day + DAY_MS, 260, Some(7_600), 100));
        assert_eq!((writes.today, writes.device_today), (0, Some(0)));
        assert!(writes.update(day + DAY_MS, 400, None, 100));
        assert_eq!((writes.today, writes.device_today), (140, None));
    }

    #[test]
    fn a_devices_counter_is_read() {
        let stat = "  1067 0 140624 441 1573 1126 43512 1086 0 1368 1528 0 0 0 0 0 0";
        assert_eq!(sectors_written(stat), Some(43_512));
        assert_eq!(sectors_written("1 2 3"), None);
        // Here there may be none; looking must not fail.
        let _ = device_bytes(Path::new("/nowhere/at/all"));
        assert_eq!(device_bytes(Path::new("/proc/self")), None);
    }
}
