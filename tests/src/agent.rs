//! The real binary, on a config of the test's own.

use crate::process::{Process, build_dir, tail};
use crate::{PATIENCE, TempDir, wait_for, wait_within};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// A running agent, which is killed when dropped.
pub struct Agent {
    process: Process,
    log: PathBuf,
}

impl Agent {
    /// Runs `headwater run` on a config, with its state, its log and the config in `dir`. A second agent of the same
    /// directory goes on where the first one ended.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(dir: &TempDir, config: &str) -> Self {
        Self::start_with(dir, config, &[])
    }

    /// As [`Agent::start`], with more variables in the agent's environment.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_with(dir: &TempDir, config: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_by(dir, config, environment, crate::process::command)
    }

    /// As [`Agent::start_with`], by a command of the caller's that runs the given program.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_by(
        dir: &TempDir,
        config: &str,
        environment: &[(&str, &str)],
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Self {
        Self::start_fully(dir, config, environment, command, (Stdio::null(), Stdio::null()))
    }

    /// As [`Agent::start`], with a standard input and a standard output.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_piped(dir: &TempDir, config: &str, input: Stdio, output: Stdio) -> Self {
        Self::start_fully(dir, config, &[], crate::process::command, (input, output))
    }

    fn start_fully(
        dir: &TempDir,
        config: &str,
        environment: &[(&str, &str)],
        command: impl FnOnce(PathBuf) -> Command,
        (input, output): (Stdio, Stdio),
    ) -> Self {
        let path = dir.write("headwater.toml", config);
        let log = dir.join("headwater.log");
        let out = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let mut command = clean(command(existing_program()));
        // Tests wait for lines about checkpoints.
        command.env("HEADWATER_LOG", "info,headwater::engine=debug");
        command.envs(environment.iter().copied());
        command.arg("run").arg("--config").arg(path).env("STATE_DIRECTORY", state_dir(dir));
        let process = Process::start(command.stdin(input).stdout(output).stderr(out));
        Self { process, log }
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// When it has ended already.
    #[track_caller]
    pub fn kill9(mut self) {
        self.check_running();
    }

    /// SIGSTOP: the agent stands still.
    #[track_caller]
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// SIGCONT: the agent goes on.
    #[track_caller]
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// SIGHUP: the agent reads its config again.
    #[track_caller]
    pub fn reload(&self) {
        self.process.signal("HUP");
    }

    /// Writes another config, and has the agent go on with it.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn reload_with(&self, dir: &TempDir, config: &str) {
        let words = ["went on with another config"];
        let before = lines_with(&self.log(), &words).count();
        dir.write("headwater.toml", config);
        self.reload();
        self.wait_logs(&words, before + 1);
    }

    /// Ends the agent by SIGTERM. Returns how it ended.
    ///
    /// # Panics
    /// When it has ended already or does not end.
    #[track_caller]
    pub fn terminate(mut self) -> ExitStatus {
        self.check_running();
        self.process.signal("TERM");
        wait_for("the agent to end", || self.process.ended())
    }

    /// Ends the agent by SIGTERM. Returns how it ended, and the whole log.
    ///
    /// # Panics
    /// When it has ended already or does not end.
    #[track_caller]
    #[must_use]
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.check_running();
        self.process.signal("TERM");
        self.wait_end()
    }

    /// Waits for the agent to end by itself. Returns how it ended, and the whole log.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    #[must_use]
    pub fn wait_end(mut self) -> (ExitStatus, String) {
        let status = wait_for("the agent to end by itself", || self.process.ended());
        (status, self.log())
    }

    /// Checks that the agent still runs.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn check_running(&mut self) {
        let ended = self.process.ended();
        assert!(ended.is_none(), "the agent ended by itself: {ended:?}");
    }

    /// The agent's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How often its threads wake after waiting for something, in a span. What a thread did that ends in it is not known.
    #[must_use]
    pub fn wake_ups_within(&self, span: Duration) -> u64 {
        let before = self.wake_ups();
        std::thread::sleep(span);
        let of = |(task, count): (OsString, u64)| count - before.get(&task).copied().unwrap_or(0);
        self.wake_ups().into_iter().map(of).sum()
    }

    /// So far, by thread.
    fn wake_ups(&self) -> BTreeMap<OsString, u64> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten();
        let of = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            Some((task.file_name(), line.trim().parse().ok()?))
        };
        tasks.filter_map(Result::ok).filter_map(of).collect()
    }

    /// The log of the agent and of its predecessors in the directory.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits for a line of the log that has all of the words, in any case. Returns the line.
    #[track_caller]
    pub fn wait_log(&self, words: &[&str]) -> String {
        wait_for(&format!("{words:?} in the log:\n{}", self.log()), || find_line(&self.log(), words))
    }
}

impl Agent {
    /// Waits for a durable checkpoint with so many readings. The messages before it are safe then.
    #[track_caller]
    pub fn wait_durable(&self, readings: usize) {
        self.wait_durable_within(PATIENCE, readings);
    }

    /// The same, with a patience of the caller's.
    #[track_caller]
    pub fn wait_durable_within(&self, patience: Duration, readings: usize) {
        self.wait_checkpoint_that(patience, "knows of all readings", |line| {
            field(line, "received") >= Some(readings)
        });
    }

    /// As the one above, with all windows closed.
    #[track_caller]
    pub fn wait_settled(&self, readings: usize) {
        self.wait_checkpoint_that(PATIENCE, "knows of all readings, and of no window", |line| {
            field(line, "received") >= Some(readings) && field(line, "in_windows") == Some(0)
        });
    }

    /// Waits for a durable checkpoint that begins after this call. There is one only after a change, such as a report.
    #[track_caller]
    pub fn wait_checkpoint(&self) {
        let begun = self.log().matches("writing a checkpoint").count();
        let written = || self.log().matches("writing a checkpoint").count() > begun;
        wait_for("a checkpoint to begin", || written().then_some(()));
        let after = |log: &str| log.match_indices("writing a checkpoint").nth(begun).map(|(place, _)| place);
        let is_done = |log: &str| after(log).is_some_and(|place| log[place..].contains("checkpoint written"));
        wait_for("a checkpoint to be written", || is_done(&self.log()).then_some(()));
    }

    /// The size of the last checkpoint as a whole, if one has been written (bytes).
    #[must_use]
    pub fn checkpoint_bytes(&self) -> Option<usize> {
        let log = self.log();
        let (before, _) = log.rsplit_once("checkpoint written")?;
        let begun = before.lines().rev().find(|line| line.contains("writing a checkpoint"))?;
        field(begun, "bytes")
    }

    #[track_caller]
    fn wait_checkpoint_that(&self, patience: Duration, what: &str, is_it: impl Fn(&str) -> bool) {
        let found = |log: &str| lines_with(log, &["checkpoint written"]).any(&is_it);
        wait_within(patience, &format!("a checkpoint that {what}"), || found(&self.log()).then_some(()));
    }

    /// Waits until so many lines of the log, that of predecessors included, have all of the words.
    #[track_caller]
    pub fn wait_logs(&self, words: &[&str], count: usize) {
        wait_for(&format!("{count} times {words:?} in the log:\n{}", self.log()), || {
            (lines_with(&self.log(), words).count() >= count).then_some(())
        });
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the agent's last lines:\n{}", tail(&self.log, 80));
        }
    }
}

/// The first line that has all of the words, in any case.
#[must_use]
pub fn find_line(text: &str, words: &[&str]) -> Option<String> {
    lines_with(text, words).next().map(str::to_owned)
}

/// The number behind `name=` in a line of the log.
fn field(line: &str, name: &str) -> Option<usize> {
    let mut words = line.split_whitespace().filter_map(|word| word.split_once('='));
    words.find(|(known, _)| *known == name)?.1.parse().ok()
}

fn lines_with<'t>(text: &'t str, words: &[&str]) -> impl Iterator<Item = &'t str> {
    let has = |line: &str| words.iter().all(|word| line.to_lowercase().contains(&word.to_lowercase()));
    text.lines().filter(move |line| has(line))
}

/// The state directory of an agent of this directory.
#[must_use]
pub fn state_dir(dir: &TempDir) -> PathBuf {
    dir.join("state")
}

/// The directory for the temporary files of a program of this directory.
#[must_use]
pub fn scratch_dir(dir: &TempDir) -> PathBuf {
    dir.join("tmp")
}

/// Runs the binary to its end, within a generous time.
///
/// # Panics
/// When it cannot be started or does not end.
#[track_caller]
pub fn run(dir: &TempDir, arguments: &[&str]) -> Output {
    let (out, err) = (dir.join("stdout"), dir.join("stderr"));
    let create = |path: &Path| std::fs::File::create(path).expect("an output file");
    let mut command = command();
    command.args(arguments).current_dir(dir).env("STATE_DIRECTORY", state_dir(dir));
    command.stdin(Stdio::null()).stdout(create(&out)).stderr(create(&err));
    let status = Process::start(&mut command).wait();
    let bytes = |path: &Path| std::fs::read(path).expect("an output file");
    Output { status, stdout: bytes(&out), stderr: bytes(&err) }
}

/// The binary at work beside a test, which keeps its output. It is killed when dropped.
pub struct Background {
    process: Process,
    out: PathBuf,
}

impl Background {
    /// Runs the binary in a directory.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(dir: &TempDir, arguments: &[&str]) -> Self {
        let out = dir.join("background.stdout");
        let file = std::fs::File::create(&out).expect("an output file");
        std::fs::create_dir_all(scratch_dir(dir)).expect("a scratch directory");
        let mut command = command();
        command
            .args(arguments)
            .current_dir(dir)
            .env("TMPDIR", scratch_dir(dir))
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null());
        Self { process: Process::start(&mut command), out }
    }

    /// The standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.out).unwrap_or_default()).into_owned()
    }

    /// Ends the program by SIGINT, as Ctrl-C does. Returns how it ended.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn interrupt(self) -> ExitStatus {
        self.process.signal("INT");
        self.process.wait()
    }
}

/// The binary: `HEADWATER_BIN`, or the one built beside this test.
#[must_use]
pub fn program() -> PathBuf {
    std::env::var_os("HEADWATER_BIN").map_or_else(|| build_dir().join("headwater"), PathBuf::from)
}

/// The variables that the packaged unit sets in the agent's environment.
#[must_use]
pub fn service_environment() -> Vec<(&'static str, &'static str)> {
    let unit = include_str!("../../systemd/headwater.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    lines.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('=')).collect()
}

fn command() -> Command {
    clean(crate::process::command(existing_program()))
}

fn existing_program() -> PathBuf {
    let program = program();
    assert!(program.exists(), "no binary at {}: run `cargo build` first, or tests/run", program.display());
    program
}

fn clean(mut command: Command) -> Command {
    command.env_remove("HEADWATER_LOG").env_remove("NOTIFY_SOCKET").env_remove("CREDENTIALS_DIRECTORY");
    command
}
