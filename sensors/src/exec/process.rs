//! One run of a program: a process group, and what it prints.

use crate::line_splitter::{LINE_FEED, LineSplitter};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a program may take to end when it is told to, and at a stop of the agent.
pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const STOP_GRACE: Duration = Duration::from_secs(1);

/// The longest line of its standard error that is shown (bytes).
pub(super) const WORD_BYTES: usize = 1 << 10;

/// How long what the program has forked may go on printing after it.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// The most that is read at once (bytes).
const CHUNK_BYTES: usize = 16 << 10;

/// What the service manager tells the agent alone.
const OWN_VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// A running program. Its whole process group ends when this is dropped.
pub(super) struct Program {
    child: Child,
    group: Option<Pid>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    printed: Vec<u8>,
    /// What it says on its standard error.
    words: LineSplitter,
    said: VecDeque<String>,
    last_said: String,
    /// How it has ended, and until when what it has forked may go on printing.
    ended: Option<(io::Result<ExitStatus>, Instant)>,
}

/// What a program does next.
pub(super) enum Output {
    /// It has printed so many bytes, which [`Program::printed`] shows.
    Printed(usize),
    /// It has said this on its standard error.
    Said(String),
    /// It has ended; an error says how.
    Ended(Result<(), String>),
}

impl Program {
    /// Starts a program, as the leader of a process group.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn start(command: &[String], environment: &[(String, String)]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        for name in OWN_VARIABLES {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        Ok(Self {
            child,
            group,
            stdout,
            stderr,
            printed: vec![0; CHUNK_BYTES],
            words: LineSplitter::new(LINE_FEED, WORD_BYTES),
            said: VecDeque::new(),
            last_said: String::new(),
            ended: None,
        })
    }

    /// The first bytes of what it has printed last.
    pub(super) fn printed(&self, count: usize) -> &[u8] {
        self.printed.get(..count).unwrap_or_default()
    }

    /// Waits for what it does next.
    pub(super) async fn next(&mut self) -> Output {
        loop {
            if let Some(line) = self.said.pop_front() {
                return Output::Said(line);
            }
            let until = self.ended.as_ref().map(|(_, until)| *until);
            if self.stdout.is_none() && self.stderr.is_none() && self.ended.is_some() {
                return Output::Ended(self.explain());
            }
            let mut words = [0; 512];
            tokio::select! {
                count = read(&mut self.stdout, &mut self.printed), if self.stdout.is_some() => match count {
                    0 => self.stdout = None,
                    count => return Output::Printed(count),
                },
                count = read(&mut self.stderr, &mut words), if self.stderr.is_some() => {
                    self.hear(words.get(..count).unwrap_or_default());
                }
                status = self.child.wait(), if self.ended.is_none() => {
                    self.ended = Some((status, Instant::now() + AFTERWARDS));
                    // Its children end with it.
                    self.signal(Signal::KILL);
                }
                () = past(until), if until.is_some() => (self.stdout, self.stderr) = (None, None),
            }
        }
    }

    /// Takes what it says on its standard error; nothing: it says no more.
    fn hear(&mut self, words: &[u8]) {
        let Self { said, last_said, .. } = self;
        let on_line = |line: Option<&[u8]>| {
            let line = line.map_or("(a long line)".into(), String::from_utf8_lossy);
            if !line.trim().is_empty() {
                *last_said = line.trim().to_owned();
                said.push_back(last_said.clone());
            }
        };
        if words.is_empty() {
            self.stderr = None;
            self.words.finish(on_line);
        } else {
            self.words.feed(words, on_line);
        }
    }

    /// Tells it to end, and makes it end.
    pub(super) async fn end(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // What it prints meanwhile is lost, so that it does not wait for a reader.
        (self.stdout, self.stderr) = (None, None);
        let is_over = self.ended.is_some() || timeout(grace, self.child.wait()).await.is_ok();
        self.signal(Signal::KILL);
        if !is_over {
            // Nothing survives this signal, but the kernel may hold a process in a call.
            let _ = timeout(grace, self.child.wait()).await;
        }
        self.group = None;
    }

    /// Signals all that is left of its group.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // An error means that nothing of it is left.
            let _ = kill_process_group(group, signal);
        }
    }

    fn explain(&self) -> Result<(), String> {
        let how = match &self.ended {
            Some((Ok(status), _)) if status.success() => return Ok(()),
            Some((Ok(status), _)) => status.to_string(),
            Some((Err(error), _)) => error.to_string(),
            None => return Ok(()),
        };
        let said = if self.last_said.is_empty() { String::new() } else { format!(": {}", self.last_said) };
        Err(format!("the program has ended with {how}{said}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::KILL);
        }
    }
}

/// The number of bytes that came; 0: there will be none.
async fn read<R: tokio::io::AsyncRead + Unpin>(from: &mut Option<R>, to: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(to).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// Returns at that time.
async fn past(until: Option<Instant>) {
    match until {
        Some(until) => drop(timeout_at(until, std::future::pending::<()>()).await),
        None => std::future::pending().await,
    }
}
