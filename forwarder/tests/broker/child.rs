//! A process with a forwarder in it, to be killed: the test's own program, started again.

use super::{Plain, forwarder_with, run};
use headwater_forwarder::{BufferConfig, Lane, Message};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const PORT: &str = "HEADWATER_TEST_PORT";
const FOLDER: &str = "HEADWATER_TEST_FOLDER";
const FIRST: &str = "HEADWATER_TEST_FIRST";

/// Messages a second, in bursts.
const PER_SECOND: usize = 2_000;
const BURST: usize = 20;

/// Bodies are numbers, filled up to this.
const BODY_BYTES: usize = 200;

/// If this is the process to be killed: pushes numbers for ever, and says on stdout which were pushed (`p`) and which
/// are safe (`k`).
pub fn serve_if_child() {
    let Ok(port) = std::env::var(PORT) else { return };
    let folder = std::env::var(FOLDER).unwrap();
    let first: usize = std::env::var(FIRST).unwrap().parse().unwrap();
    run(async move {
        let forwarder =
            forwarder_with(port.parse().unwrap(), Path::new(&folder), BufferConfig::default(), "", Plain);
        let (mut n, mut positions, mut out) = (first, VecDeque::new(), std::io::stdout());
        loop {
            for _ in 0..BURST {
                let lane = if n % 50 == 0 { Lane::Alert } else { Lane::Data };
                let body = format!("{n:<BODY_BYTES$}").into();
                forwarder.push(Message { lane, made_ms: n as i64, body });
                n += 1;
            }
            writeln!(out, "p {n}").unwrap();
            positions.push_back((forwarder.position(), n));
            while positions.front().is_some_and(|(position, _)| forwarder.is_kept(position)) {
                let (_, n) = positions.pop_front().unwrap();
                writeln!(out, "k {n}").unwrap();
            }
            tokio::time::sleep(Duration::from_secs(1) * BURST as u32 / PER_SECOND as u32).await;
        }
    });
}

/// What the process has said of a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Numbers below this were pushed.
    pub pushed: usize,
    /// Numbers below this were pushed a second before.
    pub pushed_a_second_ago: usize,
    /// Numbers below this were acknowledged or on disk.
    pub kept: usize,
}

pub struct Victim {
    child: Child,
    lines: Receiver<(Instant, String)>,
    pushed: Vec<(Instant, usize)>,
    said: Said,
}

impl Victim {
    /// `test` is the name of the test that calls [`serve_if_child`].
    pub fn start(test: &str, port: u16, folder: &Path, first: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(PORT, port.to_string()).env(FOLDER, folder).env(FIRST, first.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send((Instant::now(), line));
            }
        });
        let said = Said { pushed: first, pushed_a_second_ago: first, kept: first };
        Self { child, lines, pushed: Vec::new(), said }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// What it has said by now.
    pub fn said(&mut self) -> Said {
        for (at, line) in self.lines.try_iter() {
            let Some((word, number)) = line.split_once(' ') else { continue };
            match (word, number.parse()) {
                ("p", Ok(number)) => self.pushed.push((at, number)),
                ("k", Ok(number)) => self.said.kept = number,
                _ => {}
            }
        }
        let now = Instant::now();
        let old = self.pushed.iter().rev().find(|(at, _)| now - *at > Duration::from_secs(1));
        self.said.pushed_a_second_ago = old.map_or(self.said.pushed_a_second_ago, |(_, number)| *number);
        self.said.pushed = self.pushed.last().map_or(self.said.pushed, |(_, number)| *number);
        self.said
    }

    /// Kills it; what it had said.
    pub fn kill(&mut self) -> Said {
        let said = self.said();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What was pushed and not told yet counts too.
        let pushed = self.said().pushed;
        Said { pushed, ..said }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
