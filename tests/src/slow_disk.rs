//! A disk of a test's own that takes 5 s for every sync, as a worn SD card does, or none at all.
//!
//! The C library's calls that wait for the disk are taken over by a small library, which is compiled here.

use crate::agent::run;
use crate::{TempDir, wait_for};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A disk that can be slow; it is fast at first.
pub struct SlowDisk {
    /// The file that makes the disk slow while it exists.
    switch: PathBuf,
    library: PathBuf,
}

impl SlowDisk {
    /// How long a sync takes while it is slow.
    pub const SYNC: Duration = Duration::from_secs(5);

    /// The disk of programs that are started with its environment; `None`, and the reason printed, where there is no C
    /// compiler.
    #[must_use]
    pub fn new(dir: &TempDir) -> Option<Self> {
        let disk = Self { switch: dir.join("slow"), library: dir.join("slow_disk.so") };
        let source = dir.write("sync.c", include_str!("slow_disk/sync.c"));
        let mut compiler = Command::new("cc");
        compiler.arg(format!("-DDELAY_S={}", Self::SYNC.as_secs())).args(["-shared", "-fPIC", "-o"]);
        compiler.arg(&disk.library).arg(source).arg("-ldl").stderr(Stdio::null());
        if !compiler.status().is_ok_and(|status| status.success()) {
            crate::skip("no C compiler makes a library on this machine");
            return None;
        }
        Some(disk)
    }

    /// The variables that a program needs to have this disk.
    ///
    /// # Panics
    /// When a path is not UTF-8.
    #[must_use]
    pub fn environment(&self) -> [(&str, &str); 2] {
        let paths = [("LD_PRELOAD", &self.library), ("SLOW_DISK", &self.switch)];
        paths.map(|(name, path)| (name, path.to_str().expect("a path in UTF-8")))
    }

    /// Every sync from now on takes [`SlowDisk::SYNC`].
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn slow_down(&self) {
        std::fs::write(&self.switch, "").expect("a file");
    }

    /// No sync ends from now on, until [`SlowDisk::speed_up`].
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn stop(&self) {
        std::fs::write(&self.switch, "stopped").expect("a file");
    }

    /// Every sync from now on takes what it takes.
    ///
    /// # Panics
    /// When the disk is not slow.
    pub fn speed_up(&self) {
        std::fs::remove_file(&self.switch).expect("a slow disk");
    }
}

/// Waits until many messages wait for their output and no more come: the source waits until there is room. Answers how many.
///
/// # Panics
/// When their number does not stand still.
#[must_use]
#[track_caller]
pub fn wait_standstill(dir: &TempDir) -> i64 {
    const MANY: i64 = 1_000;
    // So often their number is the same.
    const LOOKS: u32 = 5;
    let (mut before, mut looks) = (0, 0);
    wait_for("the source to wait for room", || {
        let status = run(dir, &["status", "--json", "--config", "headwater.toml"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
        let waiting = status["buffer"]["waiting"].as_i64()?;
        looks = if waiting > MANY && waiting == before { looks + 1 } else { 0 };
        before = waiting;
        (looks == LOOKS).then_some(waiting)
    })
}
