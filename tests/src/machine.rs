//! A simulated machine for the real agent. A test switches it on and off and sets its wall clock. Its time since boot
//! begins with each boot.
//!
//! The machine has a time namespace (`unshare --time`) and its own `/proc/sys/kernel/random/boot_id` in a mount namespace.
//! libfaketime fakes the wall clock alone.

use crate::process::command;
use crate::{Agent, TempDir, now_ms};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A fake wall clock.
pub struct FakeClock {
    file: PathBuf,
    library: String,
}

impl FakeClock {
    /// Makes a clock that is right. `None`, with the reason printed: there is no libfaketime.
    #[must_use]
    pub fn new(dir: &TempDir) -> Option<Self> {
        let architectures = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
        let found =
            architectures.map(|path| path.join("faketime/libfaketime.so.1")).find(|path| path.exists());
        let Some(library) = found else {
            crate::skip("there is no libfaketime (Debian: faketime)");
            return None;
        };
        let clock = Self { file: dir.join("faketime"), library: library.display().to_string() };
        clock.is_off_by(0);
        Some(clock)
    }

    /// Sets the clock to about this time (ms since the Unix epoch). The distance to the true time is in whole seconds.
    pub fn says(&self, ms: i64) {
        self.is_off_by((ms - now_ms()) / 1_000);
    }

    /// Sets the clock's distance to the true time (s).
    ///
    /// # Panics
    /// When the file that libfaketime reads cannot be written.
    pub fn is_off_by(&self, seconds: i64) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n"))
            .and_then(|()| std::fs::rename(&next, &self.file))
            .expect("a fake clock");
    }

    /// The variables that a program needs to see this clock.
    ///
    /// # Panics
    /// When the path is not UTF-8.
    #[must_use]
    pub fn environment(&self) -> [(&str, &str); 5] {
        [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().expect("a path in UTF-8")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("TZ", "UTC"),
        ]
    }
}

/// A simulated machine, whose disk is a directory.
pub struct Machine {
    /// The machine's disk.
    pub dir: TempDir,
    /// The machine's wall clock.
    pub clock: FakeClock,
    boots: u32,
    /// The machine's time since boot, less the host's (s).
    offset_s: i64,
}

impl Machine {
    /// Makes a machine that is off. `None`, with the reason printed: this user cannot make the namespaces.
    #[must_use]
    pub fn new() -> Option<Self> {
        let dir = TempDir::new();
        let clock = FakeClock::new(&dir)?;
        let machine = Self { dir, clock, boots: 0, offset_s: 0 };
        machine.write_boot_id();
        let tried = machine.wrapped("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !tried.is_ok_and(|status| status.success()) {
            crate::skip("this user cannot unshare time and mounts on this machine");
            return None;
        }
        Some(machine)
    }

    /// Boots the machine. Its wall clock shows `wall_ms` (ms since the Unix epoch) or the true time. No agent may run.
    pub fn boot(&mut self, wall_ms: Option<i64>) {
        self.boots += 1;
        self.write_boot_id();
        self.offset_s = -up_s();
        wall_ms.map_or_else(|| self.clock.is_off_by(0), |ms| self.clock.says(ms));
    }

    /// The id of the current boot.
    #[must_use]
    pub fn boot_id(&self) -> String {
        format!("{:08x}-0000-4000-8000-{:012x}", 0xb007_0000_u32 + self.boots, self.boots)
    }

    /// Starts the agent on the machine.
    #[must_use]
    pub fn start(&self, config: &str) -> Agent {
        Agent::start_by(&self.dir, config, &self.clock.environment(), |program| self.wrapped(program))
    }

    fn write_boot_id(&self) {
        self.dir.write("boot_id", self.boot_id() + "\n");
    }

    /// A command that makes the namespaces and then becomes the program, in the same process.
    fn wrapped(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let offset = self.offset_s.to_string();
        let mut command = command("unshare");
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        command.args((!is_root).then_some("--map-root-user"));
        command.args([
            "--mount",
            "--time",
            "--boottime",
            &offset,
            "--monotonic",
            &offset,
            "sh",
            "-c",
            PREPARE,
        ]);
        command.arg(self.dir.join("boot_id")).arg(program);
        command
    }
}

/// Puts a file in the place of the boot's id, and becomes a program.
const PREPARE: &str = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";

/// A command that runs a program in another boot of this host, as far as the program can tell.
#[must_use]
pub fn in_boot(dir: &TempDir, boot: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let id = dir.write("boot_id", format!("{boot:08x}-0000-4000-8000-000000000000\n"));
    let mut command = command("unshare");
    command.args(["--mount", "sh", "-c", PREPARE]).arg(id).arg(program);
    command
}

/// The host's time since boot (s).
fn up_s() -> i64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}
