//! An agent on a disk that takes 5 s for every sync. It starts, it stops before the service manager kills it, and it loses
//! nothing.

use crate::{Config, publish};
use headwater_tests::agent::state_dir;
use headwater_tests::machine::in_boot;
use headwater_tests::process::command;
use headwater_tests::{
    Agent, Gate, Messages, Mosquitto, PATIENCE, Publisher, SlowDisk, Subscriber, TempDir, wait_for,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// `TimeoutStopSec` of the packaged unit.
const STOP: Duration = Duration::from_secs(30);

const FIRST_MS: i64 = 1_700_000_000_000;

/// The values of the received readings, which are consecutive numbers.
fn values(messages: &Messages) -> BTreeSet<i64> {
    messages.of("reading").map(|reading| reading.number("value") as i64).collect()
}

/// An agent that forwards every reading, with its brokers and its disk.
struct Field {
    dir: TempDir,
    disk: SlowDisk,
    source: Mosquitto,
    subscriber: Subscriber,
    gate: Gate,
    source_keys: &'static str,
    published: i64,
    starts: usize,
    boot: u32,
    _uplink: Mosquitto,
}

impl Field {
    /// Brokers and a disk; the uplink is down. `None`: this machine can have no slow disk.
    fn new() -> Option<Self> {
        let (dir, uplink) = (TempDir::new(), Mosquitto::start());
        Some(Self {
            disk: SlowDisk::new(&dir)?,
            dir,
            source: Mosquitto::start(),
            subscriber: Subscriber::new(uplink.port),
            gate: Gate::to(uplink.port),
            source_keys: "topics = [\"sensors/{place}\"]\nfields = [\"temp\"]\ntime = \"ts\"",
            published: 0,
            starts: 0,
            boot: 0,
            _uplink: uplink,
        })
    }

    /// Starts the agent and waits until it has subscribed.
    fn start(&mut self) -> Agent {
        let mut config = Config::new(self.source.port, self.gate.port);
        config.source_keys = self.source_keys;
        config.streams = "[streams.raw]\nwindow = { type = \"none\" }".into();
        let runtime = self.dir.join("run");
        let mut environment = self.disk.environment().to_vec();
        environment.push(("RUNTIME_DIRECTORY", runtime.to_str().unwrap()));
        let agent = Agent::start_by(&self.dir, &config.text(), &environment, |program| match self.boot {
            0 => command(program),
            boot => in_boot(&self.dir, boot, program),
        });
        self.starts += 1;
        agent.wait_logs(&["source connected"], self.starts);
        agent
    }

    /// Publishes so many more readings. Returns when the broker has them.
    fn publish(&mut self, count: i64) {
        let times = (self.published..self.published + count).map(|n| (FIRST_MS + n, n as f64));
        publish(&mut Publisher::new(self.source.port), "roof", "temp", &times.collect::<Vec<_>>());
        self.published += count;
    }

    /// The machine boots again: what lay in memory is gone, the runtime directory too.
    fn reboot(&mut self) {
        self.boot += 1;
        let _ = std::fs::remove_dir_all(self.dir.join("run"));
    }

    /// Stops the agent, which must end in time and call no message lost.
    #[track_caller]
    fn stop(&self, agent: Agent) {
        let start = Instant::now();
        let (status, log) = agent.stop();
        println!("stopped after {:?}", start.elapsed());
        assert!(status.success(), "{log}");
        assert!(start.elapsed() < STOP - Duration::from_secs(2), "{:?}", start.elapsed());
        assert!(!log.contains("lost"), "{log}");
    }

    /// Mends the disk and the uplink. The next run must send every reading.
    #[track_caller]
    fn check_all_arrive(mut self) {
        self.disk.speed_up();
        self.gate.open();
        let agent = self.start();
        let published: BTreeSet<i64> = (0..self.published).collect();
        let (messages, _) =
            self.subscriber.wait_at_most(PATIENCE, |messages| values(messages).len() == published.len());
        let missing: Vec<i64> = published.difference(&values(&messages)).copied().collect();
        assert!(
            missing.is_empty(),
            "{} readings are missing, from {:?} to {:?}: {}",
            missing.len(),
            missing.first(),
            missing.last(),
            messages.digest()
        );
        assert!(agent.terminate().success());
        let messages = self.subscriber.messages();
        messages.check_accounts();
        messages.check_repeats();
        assert!(messages.reports().iter().all(|report| report.map["total"]["messages"]["lost"] == 0));
    }
}

#[test]
fn a_stop_with_messages_on_a_slow_disk_and_in_memory_loses_nothing() {
    let Some(mut field) = Field::new() else { return };
    let agent = field.start();
    field.publish(1_000);
    wait_for("a database", || state_dir(&field.dir).join("buffer").exists().then_some(()));
    field.disk.slow_down();
    field.publish(1_000);
    field.stop(agent);
    field.check_all_arrive();
}

/// The worst moment: neither the first checkpoint nor any message is on the disk.
#[test]
fn a_stop_right_after_a_start_on_a_slow_disk_loses_nothing() {
    let Some(mut field) = Field::new() else { return };
    field.disk.slow_down();
    let agent = field.start();
    field.publish(500);
    field.stop(agent);
    field.check_all_arrive();
}

/// The broker hands over again what no checkpoint on the disk holds; what the journal kept of it counts once.
#[test]
fn a_stop_on_a_slow_disk_acknowledges_nothing_that_is_not_safe() {
    let Some(mut field) = Field::new() else { return };
    field.source_keys =
        "topics = [\"sensors/{place}\"]\nfields = [\"temp\"]\ntime = \"ts\"\nack = \"durable\"";
    let agent = field.start();
    field.publish(100);
    wait_for("a database", || state_dir(&field.dir).join("buffer").exists().then_some(()));
    field.disk.slow_down();
    field.publish(400);
    field.stop(agent);
    field.check_all_arrive();
}

/// The machine boots again after the stop, or without one. What the slow disk has not taken of a durable source lies in the
/// journal beside the checkpoint, not in the runtime directory; what is not there either, the broker has.
#[test]
fn a_boot_after_a_slow_disk_loses_nothing_of_a_durable_source() {
    for stops in [true, false] {
        let Some(mut field) = Field::new() else { return };
        field.source_keys =
            "topics = [\"sensors/{place}\"]\nfields = [\"temp\"]\ntime = \"ts\"\nack = \"durable\"";
        let agent = field.start();
        field.publish(100);
        wait_for("a database", || state_dir(&field.dir).join("buffer").exists().then_some(()));
        field.disk.slow_down();
        field.publish(400);
        if stops {
            field.stop(agent);
        } else {
            agent.kill9();
        }
        field.reboot();
        field.check_all_arrive();
    }
}

/// Sources are read at once, and messages leave as soon as the first checkpoint is on the disk.
#[test]
fn a_start_on_a_slow_disk_is_a_start() {
    let Some(mut field) = Field::new() else { return };
    field.disk.slow_down();
    field.gate.open();
    let start = Instant::now();
    let agent = field.start();
    assert!(start.elapsed() < SlowDisk::SYNC, "sources wait for the disk: {:?}", start.elapsed());
    field.publish(500);
    field.subscriber.wait_until("all readings", |messages| messages.count_ids("reading") == 500);
    field.stop(agent);
    field.check_all_arrive();
}
