//! The real binary on a machine without a clock of its own, over several boots: offline, killed, and with messages that
//! leave before the time is known.
//!
//! The value of a reading is the true time of its publishing. Each reading is forwarded, so every message shows by how much
//! its time is off. `cargo test -p headwater-tests --test agent boots -- --nocapture` prints the table.

use crate::{Config, wait_source};
use headwater_tests::{Agent, Gate, Machine, Message, Messages, Mosquitto, Publisher, Subscriber, now_ms};
use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

/// 1970-01-01T00:00:05Z and 2021-06-01T12:00:00Z (ms since the Unix epoch).
const IN_1970: Option<i64> = Some(5_000);
const IN_2021: Option<i64> = Some(1_622_548_800_000);

/// The longest time from a reading's publishing to its stamp on a busy machine (ms).
const DELAY_MAX_MS: i64 = 10_000;

/// A machine whose uplink is down, with a broker, a publisher and a subscriber.
struct Field {
    machine: Machine,
    broker: Mosquitto,
    gate: Gate,
    subscriber: Subscriber,
    publisher: Publisher,
    config: String,
    began_ms: i64,
    starts: usize,
    /// How many readings each boot got.
    published: Vec<usize>,
}

impl Field {
    fn new(clock: &'static str) -> Option<Self> {
        let machine = Machine::new()?;
        let broker = Mosquitto::start();
        let gate = Gate::to(broker.port);
        let mut config = Config::new(broker.port, gate.port);
        config.source_keys = "topics = [\"sensors/{place}\"]\nqos = 1\nfields = [\"at\", \"level\"]";
        config.streams = "[streams.raw]\nseries = [\"*/at\"]\nwindow = { type = \"none\" }\n\
             [streams.main]\nseries = [\"*/at\"]\nwindow = { type = \"tumbling\", size = \"1s\" }\n\
             [streams.level]\nseries = [\"*/level\"]\nwindow = { type = \"tumbling\", size = \"1m\" }\n\
             [[streams.level.detectors]]\ntype = \"threshold\"\nabove = 0.5\nevidence = { after = 0 }"
            .to_owned();
        config.more = clock;
        let (subscriber, publisher) = (Subscriber::new(broker.port), Publisher::new(broker.port));
        let config = config.text();
        Some(Self {
            machine,
            broker,
            gate,
            subscriber,
            publisher,
            config,
            began_ms: now_ms(),
            starts: 0,
            published: Vec::new(),
        })
    }

    /// Switches the machine on, after a second without power.
    fn boot(&mut self, wall_ms: Option<i64>) -> Agent {
        // The times of the boots before it are placed with this gap.
        sleep(Duration::from_secs(1));
        self.machine.boot(wall_ms);
        self.published.push(0);
        self.start()
    }

    fn start(&mut self) -> Agent {
        let agent = self.machine.start(&self.config);
        self.starts += 1;
        wait_source(&self.broker, self.starts);
        agent
    }

    /// Readings ten times a second; `level` above 0.5 raises an alert.
    fn publish(&mut self, readings: usize, level: f64) {
        for _ in 0..readings {
            let payload = format!(r#"{{"at":{},"level":{level}}}"#, now_ms() - self.began_ms);
            self.publisher.publish("sensors/bed1", payload).expect("a publish");
            self.publisher.flush().expect("an acknowledgement");
            // The times of the readings are what is checked: they must differ.
            sleep(Duration::from_millis(100));
        }
        *self.published.last_mut().expect("a boot") += readings;
    }

    /// Waits for two checkpoints, so that a kill costs nothing. The first may lack what was published just now.
    fn settle(agent: &Agent) {
        agent.wait_checkpoint();
        agent.wait_checkpoint();
    }

    fn total(&self) -> usize {
        self.published.iter().sum()
    }

    /// Waits for every published reading. Returns all messages.
    fn wait_all(&self) -> Messages {
        let total = self.total();
        let messages =
            self.subscriber.wait_until("all readings", |messages| readings(messages).len() >= total);
        messages.check_repeats();
        messages
    }

    /// The errors of a boot's readings (ms), with the boot's correction applied, and the `clock` that they carry.
    fn errors(&self, messages: &Messages, boot: usize) -> (Vec<i64>, String) {
        let skip: usize = self.published[..boot].iter().sum();
        let all = readings(messages);
        let own: Vec<_> = all.values().skip(skip).take(self.published[boot]).collect();
        let clocks: BTreeSet<&str> = own.iter().map(|reading| reading.text("clock")).collect();
        assert_eq!(clocks.len(), 1, "boot {boot}: {clocks:?}");
        let error = |reading: &&&Message| {
            let truth = self.began_ms + reading.number("value") as i64;
            reading.integer("time") + correction(messages, reading) - truth
        };
        (own.iter().map(error).collect(), clocks.into_iter().collect())
    }

    /// Prints a line of the table. Returns the range of the errors (ms).
    fn tell(&self, what: &str, messages: &Messages, boot: usize) -> (i64, i64, String) {
        let (mut errors, clock) = self.errors(messages, boot);
        errors.sort_unstable();
        let (min, median, max) = (errors[0], errors[errors.len() / 2], errors[errors.len() - 1]);
        let said = if clock.is_empty() { "true times" } else { &clock };
        println!(
            "{what:<58} {:>3} readings  {said:<10} off by {min}..{max} ms, median {median}",
            errors.len()
        );
        (min, max, clock)
    }

    fn check_exact(&self, what: &str, messages: &Messages, boot: usize, clock: &str) {
        let (min, max, said) = self.tell(what, messages, boot);
        assert!(min >= -500 && max <= DELAY_MAX_MS, "{what}: {min}..{max}");
        assert_eq!(said, clock, "{what}");
    }
}

/// The received readings by the time of their publishing. Each must have come once.
fn readings(messages: &Messages) -> BTreeMap<i64, &Message> {
    let mut ids = BTreeSet::new();
    let mut found = BTreeMap::new();
    for reading in messages.of("reading") {
        if ids.insert((reading.text("id"), reading.integer("rev"))) {
            let twice = found.insert(reading.number("value") as i64, reading);
            assert!(twice.is_none(), "one reading under two ids: {} and {:?}", reading.map, twice);
        }
    }
    found
}

/// The correction of a message's times (ms).
fn correction(messages: &Messages, message: &Message) -> i64 {
    let is_own = |known: &&Message| known.text("boot") == message.text("boot");
    let unsynced = message.text("clock") == "unsynced";
    let known = messages.of("clock").find(is_own).filter(|_| unsynced);
    known.map_or(0, |known| known.integer("offset"))
}

/// The readings that the summaries of stream `main` count.
fn summarised(messages: &Messages) -> i64 {
    messages.summaries("main", "sensors/bed1/at").values().map(|summary| summary.integer("count")).sum()
}

/// The alerts by their ids, with their states.
fn alerts(messages: &Messages) -> Vec<(&str, &str)> {
    let alerts = messages.alerts("sensors/bed1/level");
    alerts.iter().map(|alert| (alert.text("id"), alert.text("state"))).collect()
}

/// Three boots never learn the time; they end by `kill -9`, by a stop, and by both. The fourth boot learns it, and then the
/// uplink comes. The messages of the boots are placed one after the other.
#[test]
fn boots_without_the_time_and_without_an_uplink_are_placed_when_it_is_known() {
    let Some(mut field) = Field::new("[clock]\nwait = \"1s\"\ntrust = \"always\"\n[buffer]\nsync = \"1s\"")
    else {
        return;
    };
    let agent = field.boot(IN_1970);
    field.publish(15, 0.0);
    field.publish(5, 1.0);
    Field::settle(&agent);
    agent.kill9();
    let agent = field.boot(IN_1970);
    field.publish(20, 0.0);
    assert!(agent.terminate().success());
    let agent = field.boot(IN_2021);
    field.publish(10, 1.0);
    Field::settle(&agent);
    agent.kill9();
    let agent = field.start();
    field.publish(10, 1.0);
    assert!(agent.terminate().success());
    let _agent = field.boot(IN_2021);
    field.publish(10, 1.0);
    field.machine.clock.is_off_by(0);
    field.publish(10, 0.0);
    field.gate.open();
    let total = field.total() as i64;
    let messages = field.wait_all();
    let messages_of_windows = field.subscriber.wait_until("all windows", |all| summarised(all) >= total - 10);
    assert_eq!(messages.of("clock").count(), 0, "nothing went out before");

    let (first, _, _) = field.tell("boot 1: 1970, offline, kill -9", &messages, 0);
    field.tell("boot 2: 1970 again, offline, stopped", &messages, 1);
    field.tell("boot 3: 2021, offline, kill -9, again, stopped", &messages, 2);
    field.check_exact("boot 4: 2021, offline, synchronised", &messages, 3, "");
    // They follow each other as they did; a boot is late by the time without power after it, or early by what a checkpoint
    // may be old, and by that of those after it.
    let times: Vec<i64> = readings(&messages).values().map(|reading| reading.integer("time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    for boot in 0..3 {
        let (errors, clock) = field.errors(&messages, boot);
        assert_eq!(clock, "estimated");
        let gaps = 3 - boot as i64;
        let range = -1_500 * gaps..DELAY_MAX_MS * (gaps + 1);
        assert!(errors.iter().all(|error| range.contains(error)), "boot {boot}: {errors:?}, {first}");
    }
    assert!(summarised(&messages_of_windows) <= total);
    messages_of_windows.check_repeats();
    let told = alerts(&messages_of_windows);
    assert_eq!(
        told.iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        ["raised", "cleared", "raised", "cleared"]
    );
    assert!(told[0].0 == told[1].0 && told[2].0 == told[3].0 && told[0].0 != told[2].0, "{told:?}");
    println!("alerts over these boots: {told:?}");
}

/// A machine that is always online boots in 1970, is synchronised, is set half an hour ahead by mistake, and is set right.
/// The agent follows its clock. No message comes twice, and the alert that is raised in between is cleared.
#[test]
fn a_clock_that_is_set_again_and_again_makes_no_reading_two() {
    let Some(mut field) = Field::new("[clock]\nwait = \"forever\"\ntrust = \"always\"") else { return };
    field.gate.open();
    let agent = field.boot(IN_1970);
    field.publish(20, 0.0);
    for (off_s, level, said) in [
        (0, 0.0, "the time is known"),
        (1_800, 1.0, "the clock was set by 1"),
        (0, 0.0, "the clock was set by -1"),
    ] {
        field.machine.clock.is_off_by(off_s);
        agent.wait_log(&[said]);
        field.published.push(0);
        field.publish(10, level);
    }
    let messages = field.wait_all();
    field.check_exact("1970, online, synchronised after 2 s", &messages, 0, "");
    field.check_exact("the same boot after that", &messages, 1, "");
    let (min, max, _) = field.tell("set half an hour ahead", &messages, 2);
    assert!(min >= 1_799_500 && max <= 1_800_000 + DELAY_MAX_MS, "{min}..{max}");
    field.check_exact("and back", &messages, 3, "");
    let messages = field.subscriber.wait_until("both alerts", |all| alerts(all).len() == 2);
    let told = alerts(&messages);
    assert!(told[0].0 == told[1].0 && (told[0].1, told[1].1) == ("raised", "cleared"), "{told:?}");
}

/// No message leaves before the uplink is there. When `clock.wait` has passed, the messages leave as they are. The next boot
/// knows the time from its start, and the correction follows.
#[test]
fn what_went_out_without_the_time_is_corrected_by_a_boot_that_starts_with_it() {
    let Some(mut field) = Field::new("[clock]\nwait = \"2s\"\ntrust = \"always\"") else { return };
    let agent = field.boot(IN_1970);
    field.publish(40, 0.0);
    assert_eq!(field.subscriber.messages().of("reading").count(), 0, "there is no way");
    field.gate.open();
    let messages = field.subscriber.wait_until("what is sent as it is", |all| readings(all).len() == 40);
    assert!(messages.of("reading").all(|reading| reading.text("clock") == "unsynced"));
    assert_eq!(messages.of("reading").next().expect("a reading").text("boot"), field.machine.boot_id());
    field.publish(10, 0.0);
    assert!(agent.terminate().success());
    let agent = field.boot(None);
    field.publish(10, 0.0);
    let messages = field.subscriber.wait_until("the correction", |all| all.of("clock").count() == 1);
    assert_eq!(messages.of("clock").next().expect("one").text("clock"), "estimated");
    let messages = field.wait_all();
    let (min, max, _) = field.tell("1970, uplink after 4 s, never synchronised within `wait`", &messages, 0);
    assert!(min > -1_500 && max < 2 * DELAY_MAX_MS, "off by {min}..{max} ms with the correction");
    field.check_exact("the boot after it: the time known from the start", &messages, 1, "");
    drop(agent);
}

/// An agent that is killed while held messages leave sends the rest after its start, and repeats under the same ids.
#[test]
fn a_crash_while_what_was_held_leaves_makes_no_reading_two() {
    let Some(mut field) = Field::new("[clock]\nwait = \"forever\"\ntrust = \"always\"") else { return };
    let mut agent = field.boot(IN_2021);
    field.publish(40, 0.0);
    field.gate.open();
    field.machine.clock.is_off_by(0);
    for seconds in 1..=3 {
        let before = field.subscriber.messages().of("reading").count();
        field.subscriber.wait_at_most(Duration::from_secs(5), |all| all.of("reading").count() > before);
        agent.kill9();
        // Nobody sets a clock to the same time twice.
        field.machine.clock.is_off_by(seconds);
        agent = field.start();
        field.publish(5, 0.0);
    }
    Field::settle(&agent);
    let messages = field.subscriber.wait_until("what was held", |all| readings(all).len() >= 40);
    messages.check_repeats();
    field.published = vec![40];
    field.check_exact("2021, synchronised, killed three times as it leaves", &messages, 0, "");
    drop(agent);
}

/// A machine that stands still for a while makes no step of the clock.
#[test]
fn a_machine_that_stands_still_for_a_while_is_no_step() {
    let Some(mut field) = Field::new("[clock]\ntrust = \"always\"") else { return };
    field.gate.open();
    let agent = field.boot(None);
    field.publish(20, 0.0);
    agent.freeze();
    // So long the agent stands still.
    sleep(Duration::from_secs(4));
    agent.thaw();
    field.publish(20, 0.0);
    let messages = field.wait_all();
    field.check_exact("frozen for 4 s while it runs", &messages, 0, "");
    assert!(!messages.has_cause("clock"), "{}", messages.digest());
    drop(agent);
}

/// The end of the run before is told in the report of a start: it was told to stop, it was killed, or the machine ended.
#[test]
fn a_start_tells_how_the_run_before_ended() {
    let Some(mut field) = Field::new("") else { return };
    field.gate.open();
    let ends = |field: &Field, starts: usize| {
        let told = |messages: &Messages| -> Vec<String> {
            let starts = messages.reports().into_iter().filter(|report| report.text("cause") == "restart");
            starts.map(|report| report.map["stop"].as_str().unwrap_or("none").to_owned()).collect()
        };
        let all = |messages: &Messages| told(messages).len() == starts;
        told(&field.subscriber.wait_until("the report of the start", all))
    };
    let agent = field.boot(None);
    ends(&field, 1);
    assert_eq!(agent.terminate().code(), Some(0));
    let agent = field.start();
    ends(&field, 2);
    agent.wait_checkpoint();
    agent.kill9();
    let agent = field.start();
    ends(&field, 3);
    agent.wait_checkpoint();
    agent.kill9();
    let _agent = field.boot(None);
    assert_eq!(ends(&field, 4), ["none", "stop", "crash", "power"]);
}
