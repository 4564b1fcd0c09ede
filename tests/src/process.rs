//! Child processes: signals, bounded waits, and what `/proc` knows of them.

use crate::wait_for;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus};

/// A command for a child that ends with the thread that starts it, even if that thread is killed. This needs util-linux.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    const KEEPER: &str = "/usr/bin/setpriv";
    if !Path::new(KEEPER).exists() {
        return Command::new(program);
    }
    let mut command = Command::new(KEEPER);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A child that is killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts a child.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal; the name is without `SIG`.
    ///
    /// # Panics
    /// When it is gone already.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} to {}", self.pid());
    }

    /// Its standard input, which was piped.
    ///
    /// # Panics
    /// When it was not, or is taken already.
    #[must_use]
    pub fn take_input(&mut self) -> ChildStdin {
        self.0.stdin.take().expect("a piped input")
    }

    /// How the child ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Waits for the child to end, for at most [`crate::PATIENCE`].
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait(mut self) -> ExitStatus {
        wait_for(&format!("process {} to end", self.pid()), || self.ended())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Begins `VmHWM`, the peak of a process' memory, anew (proc(5), `clear_refs`).
///
/// # Panics
/// When there is no such process.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a running process");
}

/// A number of `/proc/PID/status`, such as `VmRSS`, in KiB.
#[must_use]
pub fn status_kib(pid: u32, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// CPU time that a process has taken, user and system [s, in steps of 10 ms].
#[must_use]
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks = |index| after_name.split_whitespace().nth(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// The last lines of a file, for a failing test's output.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let from = text.lines().count().saturating_sub(lines);
    text.lines().skip(from).collect::<Vec<_>>().join("\n")
}

/// The directory with the programs of the profile that this one was built with, e.g. `target/debug`.
///
/// # Panics
/// When this program does not know where it is.
#[must_use]
pub fn build_dir() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this program");
    let dir = own.ancestors().skip(1).find(|dir| !dir.ends_with("deps"));
    dir.expect("the directory above deps/").to_owned()
}
