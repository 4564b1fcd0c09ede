//! The memory that the service manager allows this program, how near the program is to that, and what gives way.
//!
//! The cap is the lowest `memory.high` or `memory.max` of the program's control group (Linux, version 2) and of those
//! above it. Without a cap nothing is checked. The program's use is `RssAnon`, which the kernel cannot take back. Past
//! five eighths of the cap no closed window is kept for late readings. Past three quarters new series are refused. Each
//! ends a sixteenth below its beginning. The last quarter is for the known series: for messages up to `[buffer] memory`
//! and for the checkpoint. If the quarter is not enough, the kernel ends the program, and the next run goes on from the
//! checkpoint.

use headwater_pipeline::pipeline::Pressure;
use headwater_settings::format_size;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// The number of new series after which memory is checked. They take a few hundred KiB; one payload may bring thousands.
const SERIES_UNSEEN: u32 = 64;

/// The cap, and the program's use of it.
pub(crate) struct MemoryCap {
    /// The cap (bytes); `None`: there is none.
    cap: Option<u64>,
    /// The path of `/proc/self/status`.
    status: PathBuf,
    pressure: Cell<Pressure>,
    unseen: Cell<u32>,
}

impl MemoryCap {
    /// The cap of this program.
    pub(crate) fn own() -> Self {
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::new(cap(Path::new("/sys/fs/cgroup"), &group), "/proc/self/status".into())
    }

    fn new(cap: Option<u64>, status: PathBuf) -> Self {
        Self { cap, status, pressure: Cell::default(), unseen: Cell::default() }
    }

    /// The most that the program may take (bytes); `None`: all that there is.
    pub(crate) fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// The resident memory of the program (bytes); `None`: the system does not say.
    pub(crate) fn resident(&self) -> Option<u64> {
        line_bytes(&fs::read_to_string(&self.status).ok()?, "VmRSS:")
    }

    /// Checks the memory. Returns the pressure if it has changed.
    pub(crate) fn look(&self) -> Option<Pressure> {
        self.unseen.set(0);
        let taken = line_bytes(&fs::read_to_string(self.cap.map(|_| &self.status)?).ok()?, ANONYMOUS)?;
        let pressure = pressure(taken, self.cap?, self.pressure.get());
        (self.pressure.replace(pressure) != pressure).then_some(pressure)
    }

    /// Counts a new series. Returns whether the memory is to be checked.
    pub(crate) fn is_due(&self) -> bool {
        self.unseen.set(self.unseen.get() + 1);
        self.unseen.get() >= SERIES_UNSEEN
    }

    /// The pressure, as it was checked last.
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

/// The pressure at a use. It ends a sixteenth below its beginning.
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

/// The line of `/proc/self/status` with the anonymous memory.
const ANONYMOUS: &str = "RssAnon:";

/// What a line of `/proc/self/status` says (bytes).
fn line_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
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
        let memory = MemoryCap::new(None, "/proc/self/status".into());
        let anonymous = line_bytes(&fs::read_to_string(&memory.status).unwrap(), ANONYMOUS).unwrap();
        assert!(anonymous > 0 && memory.resident().unwrap() >= anonymous / 2);
    }
}
