//! How an agent ends: when one of its tasks ends by itself, and when it is stopped.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::{find_line, state_dir};
use headwater_tests::ports::free_port;
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, wait_for};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// `TimeoutStopSec` of the packaged unit.
const STOP: Duration = Duration::from_secs(30);

/// A disk that hangs when checkpoints are written. In place of their files there are pipes that nobody reads.
struct HungDisk(Vec<PathBuf>);

impl HungDisk {
    /// Hangs when a whole checkpoint is written, before an agent's start or while it runs.
    fn new(dir: &TempDir) -> Self {
        Self::with(dir, &["windows.checkpoint.new"])
    }

    /// Hangs also when the first delta is written, while an agent runs.
    fn with_deltas(dir: &TempDir) -> Self {
        Self::with(dir, &["windows.checkpoint.new", "windows.checkpoint.deltas"])
    }

    fn with(dir: &TempDir, files: &[&str]) -> Self {
        std::fs::create_dir_all(state_dir(dir)).expect("a state directory");
        let hang = |file: &&str| {
            let (pipe, made) = (state_dir(dir).join(file), state_dir(dir).join("a-pipe"));
            assert!(Command::new("mkfifo").arg(&made).status().is_ok_and(|status| status.success()));
            std::fs::rename(&made, &pipe).expect("a pipe");
            pipe
        };
        Self(files.iter().map(hang).collect())
    }

    /// Ends the hang. A write that hangs fails, and later ones succeed.
    fn answer(&self) {
        // Linux: without it, the call waits for a write, which may be over.
        const O_NONBLOCK: i32 = 0o4000;
        for pipe in &self.0 {
            let away = pipe.with_extension("pipe");
            if std::fs::rename(pipe, &away).is_err() {
                continue; // a whole checkpoint has taken it away
            }
            drop(OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&away).expect("the pipe"));
            std::fs::remove_file(&away).expect("the pipe");
        }
    }
}

/// A task that panics ends the agent with 1, after a checkpoint and a line in the log. The service manager then starts the
/// agent again.
#[test]
fn no_part_of_an_agent_dies_in_silence() {
    if !cfg!(debug_assertions) {
        println!("skipped: only debug builds can be made to panic");
        return;
    }
    let parts = ["ticker", "clock", "memory", "reports", "losses", "status", "checkpoints", "source field"]
        .map(|part| {
            let dir = TempDir::new();
            let config = Config::new(free_port(), free_port()).text();
            let agent = Agent::start_with(&dir, &config, &[("HEADWATER_TEST_PANIC", part)]);
            (part, agent, dir)
        });
    for (part, agent, dir) in parts {
        let (status, log) = agent.wait_end();
        assert_eq!(status.code(), Some(1), "{part}");
        let words = [" error ", &format!("`{part}` panicked: a test wants")];
        assert!(find_line(&log, &words).is_some(), "{part}:\n{log}");
        assert!(find_line(&log, &["a checkpoint has been written"]).is_some(), "{part}:\n{log}");
        assert!(state_dir(&dir).join("windows.checkpoint").exists(), "{part}");

        let mut next = Agent::start(&dir, &config_of(&dir));
        next.wait_logs(&["running agent="], 2);
        next.check_running();
        assert!(next.terminate().success(), "{part}");
    }
}

fn config_of(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.join("headwater.toml")).expect("the config")
}

/// A start does not wait for the disk: the agent reads its sources at once. It sends nothing before the first checkpoint,
/// because after a crash the next run could say something else.
#[test]
fn a_disk_that_hangs_at_the_start_holds_up_no_source() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let disk = HungDisk::new(&dir);
    let mut config = Config::new(broker.port, broker.port);
    config.streams = "[streams.raw]\nwindow = { type = \"none\" }".into();
    let mut agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    publish(&mut Publisher::new(broker.port), "roof", "temp", &[(1_700_000_000_000, 1.0)]);
    wait_for("the agent's status", || subscriber.messages().last_state().map(drop));
    let early = subscriber.after(Duration::from_secs(1));
    assert!(early.of("reading").count() == 0, "told before a checkpoint: {}", early.digest());
    disk.answer();
    subscriber.wait_until("the reading", |messages| messages.of("reading").count() == 1);
    agent.check_running();
    agent.wait_logs(&["cannot write the checkpoint"], 1);
    assert!(agent.terminate().success());
    assert!(state_dir(&dir).join("windows.checkpoint").exists(), "the last one is written");
    subscriber.messages().check_accounts();
}

/// An agent on a disk that hangs stops before the service manager kills it, and says what is missing.
#[test]
fn a_stop_on_a_disk_that_hangs_takes_less_than_the_unit_allows() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    wait_for("a checkpoint", || state_dir(&dir).join("windows.checkpoint").exists().then_some(()));
    let _disk = HungDisk::new(&dir);
    let start = Instant::now();
    let (status, log) = agent.stop();
    assert!(status.success(), "{log}");
    assert!(start.elapsed() < STOP - Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(
        find_line(&log, &["error", "cannot write the last checkpoint: the disk does not take it in time"])
            .is_some(),
        "{log}"
    );
}

/// A disk that answers in time costs nothing. The stop waits for the checkpoint under way and writes the last one.
#[test]
fn a_stop_on_a_slow_disk_is_clean() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let config = Config::new(broker.port, broker.port).text();
    let agent = Agent::start(&dir, &config);
    wait_source(&broker, 1);
    agent.wait_log(&["checkpoint written"]);
    let disk = HungDisk::with_deltas(&dir);
    let begun = agent.log().matches("writing a checkpoint").count();
    publish(&mut Publisher::new(broker.port), "roof", "temp", &[(1_700_000_000_000, 1.0)]);
    agent.wait_logs(&["writing a checkpoint"], begun + 1);
    let stopped = std::thread::spawn(move || agent.stop());
    subscriber.wait_until("the report of the stop", |messages| messages.has_cause("stop"));
    disk.answer();
    let (status, log) = stopped.join().expect("a stop");
    assert!(status.success(), "{log}");
    assert!(find_line(&log, &["last checkpoint"]).is_none(), "it is written: {log}");
    let next = Agent::start(&dir, &config);
    subscriber.wait_until("the report of the start", |messages| {
        messages.of("report").filter(|report| report.text("cause") == "restart").count() == 2
    });
    assert!(next.terminate().success());
    subscriber.messages().check_accounts();
}
