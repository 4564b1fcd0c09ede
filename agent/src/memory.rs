//! How much memory the service manager leaves this program, how near to that it is, and so what gives way.
//!
//! The cap is the lowest `memory.high` or `memory.max` of the program's control group (Linux, version 2) and of those
//! above it; where there is none, nothing is looked at. What counts is what the kernel cannot take back: `RssAnon`.
//! Past five eighths closed windows are not kept for late readings any more, past three quarters series that are not
//! known yet are refused; a sixteenth below that each is over. The last quarter is for what comes of the series that
//! are known: messages up to `[buffer] memory` (past it they are on disk) and the checkpoint. If that is not enough the
//! kernel ends the program, and it goes on from its checkpoint, with room to spare.

use headwater_pipeline::pipeline::Pressure;
use headwater_settings::format_size;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// New series between two looks. A payload may bring thousands; this many take a few hundred KiB.
const SERIES_UNSEEN: u32 = 64;

/// The cap, and where the program is below it.
pub(crate) struct MemoryCap {
    /// Bytes; `None`: no cap.
    cap: Option<u64>,
    /// What `/proc/self/status` is.
    status: PathBuf,
    pressure: Cell<Pressure>,
    unseen: Cell<u32>,
}

impl MemoryCap {
    /// This program's.
    pub(crate) fn own() -> Self {
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::new(cap(Path::new("/sys/fs/cgroup"), &group), "/proc/self/status".into())
    }

    fn new(cap: Option<u64>, status: PathBuf) -> Self {
        Self { cap, status, pressure: Cell::default(), unseen: Cell::default() }
    }

    /// What the program may take (bytes); `None`: as much as there is.
    pub(crate) fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// Looks again: how much has to give way if that is not what it was.
    pub(crate) fn look(&self) -> Option<Pressure> {
        self.unseen.set(0);
        let taken = anonymous(&fs::read_to_string(self.cap.map(|_| &self.status)?).ok()?)?;
        let pressure = pressure(taken, self.cap?, self.pressure.get());
        (self.pressure.replace(pressure) != pressure).then_some(pressure)
    }

    /// Whether to look again, now that there may be one series more.
    pub(crate) fn is_due(&self) -> bool {
        self.unseen.set(self.unseen.get() + 1);
        self.unseen.get() >= SERIES_UNSEEN
    }

    /// What gives way.
    pub(crate) fn pressure(&self) -> Pressure {
        self.pressure.get()
    }

    /// The trouble in words, if there is one.
    pub(crate) fn trouble(&self) -> Option<String> {
        let what = match self.pressure.get() {
            Pressure::None => return None,
            Pressure::Some => "closed windows are not kept for late readings",
            Pressure::Full => "series that are not known yet are refused",
        };
        let cap = format_size(self.cap? >> 20 << 20);
        Some(format!("memory is short ({cap} is all that the service may take, MemoryMax): {what}"))
    }
}

/// How much has to give way: a little more than at which it began has to be free before it ends.
fn pressure(taken: u64, cap: u64, before: Pressure) -> Pressure {
    let past = |sixteenths: u64, pressure: Pressure| {
        taken.saturating_mul(16) >= cap.saturating_mul(sixteenths - u64::from(before >= pressure))
    };
    match (past(12, Pressure::Full), past(10, Pressure::Some)) {
        (true, _) => Pressure::Full,
        (false, true) => Pressure::Some,
        (false, false) => Pressure::None,
    }
}

/// The lowest cap on a group and those above it (bytes); `group` is `/proc/self/cgroup`.
fn cap(root: &Path, group: &str) -> Option<u64> {
    let path = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let groups = Path::new(path).ancestors().map(|group| root.join(group));
    let caps = groups.flat_map(|group| [group.join("memory.high"), group.join("memory.max")]);
    caps.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

/// Memory that no file stands behind (bytes), from `/proc/self/status`.
fn anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_cap_on_the_way_up_counts() {
        let root = std::env::temp_dir().join(format!("headwater-memory-{}", std::process::id()));
        let unit = root.join("system.slice/headwater.service");
        fs::create_dir_all(&unit).unwrap();
        let group = "12:memory:/elsewhere\n0::/system.slice/headwater.service\n";
        assert_eq!(cap(&root, group), None);
        fs::write(unit.join("memory.max"), "201326592\n").unwrap();
        fs::write(unit.join("memory.high"), "max\n").unwrap();
        assert_eq!(cap(&root, group), Some(192 << 20));
        fs::write(unit.join("memory.high"), "134217728\n").unwrap();
        assert_eq!(cap(&root, group), Some(128 << 20));
        fs::write(root.join("system.slice/memory.max"), "1048576\n").unwrap();
        assert_eq!(cap(&root, group), Some(1 << 20));
        assert_eq!(cap(&root, "12:memory:/system.slice\n"), None, "version 1");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn what_gives_way_is_told_once_and_ends_a_sixteenth_below() {
        let status = std::env::temp_dir().join(format!("headwater-status-{}", std::process::id()));
        let memory = MemoryCap::new(Some(16 << 20), status.clone());
        let at = |mib: u64| {
            fs::write(&status, format!("VmRSS:\t1 kB\nRssAnon:\t{:8} kB\n", mib << 10)).unwrap();
            memory.look()
        };
        let seen = [5, 10, 11, 12, 11, 10, 9, 8].map(at);
        let (some, full) = (Some(Pressure::Some), Some(Pressure::Full));
        assert_eq!(seen, [None, some, None, full, None, some, None, Some(Pressure::None)]);
        assert_eq!(at(20), full);
        assert!(memory.trouble().unwrap().contains("16 MiB"));
        fs::remove_file(&status).unwrap();
        assert_eq!(MemoryCap::new(None, status).look(), None, "no cap");
        assert_eq!((0..SERIES_UNSEEN).filter(|_| memory.is_due()).count(), 1);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        assert!(anonymous(&fs::read_to_string("/proc/self/status").unwrap()).unwrap() > 0);
    }
}
