//! The real binary on a wall clock that is wrong and is set right while the agent runs. libfaketime fakes the wall clock
//! alone; the time since boot is the machine's.

use crate::{Config, wait_source};
use headwater_tests::{
    Agent, FakeClock, Message, Messages, Mosquitto, Publisher, Subscriber, TempDir, now_ms,
};
use std::thread::sleep;
use std::time::Duration;

fn config(broker: &Mosquitto, clock: &'static str) -> String {
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/{place}\"]\nqos = 1\nfields = [\"temp\"]";
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\n\
                      [[streams.main.detectors]]\ntype = \"missing\"\nafter = \"20s\""
        .to_owned();
    config.more = clock;
    config.text()
}

fn publish(publisher: &mut Publisher, readings: usize) {
    for _ in 0..readings {
        publisher.publish("sensors/bed1", r#"{"temp":1.0}"#).expect("a publish");
        publisher.flush().expect("an acknowledgement");
        // The agent stamps the readings: they must span several windows.
        sleep(Duration::from_millis(100));
    }
}

fn counted(messages: &Messages) -> i64 {
    let mut ids = std::collections::BTreeMap::new();
    for summary in messages.of("summary") {
        ids.insert((summary.text("id").to_owned(), summary.integer("rev")), summary.integer("count"));
    }
    ids.values().sum()
}

fn has_clock(message: &&Message, word: &str) -> bool {
    message.text("clock") == word
}

/// On machines that boot in 1970 and in 2021 no message leaves before the time is known. Then all have the true time.
#[test]
fn what_was_made_before_the_time_is_known_leaves_with_the_true_time() {
    for says in [60_000, 1_609_459_200_000] {
        let dir = TempDir::new();
        let Some(clock) = FakeClock::new(&dir) else { return };
        clock.says(says);
        let broker = Mosquitto::start();
        let subscriber = Subscriber::new(broker.port);
        let config = config(&broker, "[clock]\nwait = \"forever\"\ntrust = \"always\"");
        let began = now_ms();
        let _agent = Agent::start_with(&dir, &config, &clock.environment());
        wait_source(&broker, 1);
        let mut publisher = Publisher::new(broker.port);
        publish(&mut publisher, 30);
        let held = subscriber.messages();
        assert_eq!(held.of("summary").count(), 0, "held: {}", held.digest());
        clock.is_off_by(0);
        publish(&mut publisher, 30);
        let ended = now_ms();
        let messages = subscriber.wait_until("all readings", |messages| counted(messages) == 60);
        messages.check_repeats();
        for summary in messages.of("summary") {
            let (start, end) = (summary.integer("start"), summary.integer("end"));
            assert!(start > began - 2_000 && end < ended + 2_000 && start < end, "{start} to {end}");
            assert!(!has_clock(&summary, "unsynced") && !has_clock(&summary, "estimated"));
        }
        assert_eq!(messages.of("alert").count(), 0);
        assert!(messages.has_cause("clock"), "{}", messages.digest());
        subscriber.wait_until("the status", |messages| {
            messages.of("status").last().is_some_and(|status| has_clock(&status, "synced"))
        });
    }
}

/// Past `clock.wait` messages leave with a mark. A correction follows when the time is known.
#[test]
fn what_cannot_wait_goes_out_marked_and_is_corrected() {
    let dir = TempDir::new();
    let Some(clock) = FakeClock::new(&dir) else { return };
    clock.says(1_609_459_200_000);
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let config = config(&broker, "[clock]\nwait = \"1s\"\ntrust = \"always\"");
    let began = now_ms();
    let _agent = Agent::start_with(&dir, &config, &clock.environment());
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, 30);
    let unsynced =
        |messages: &Messages| messages.of("summary").filter(|summary| has_clock(summary, "unsynced")).count();
    subscriber.wait_until("marked summaries", |messages| unsynced(messages) >= 2);
    clock.is_off_by(0);
    let ended = now_ms();
    let messages = subscriber.wait_until("the correction", |messages| messages.of("clock").count() == 1);
    let correction = messages.of("clock").next().expect("a correction");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot's id");
    assert_eq!(correction.text("boot"), boot.trim());
    for summary in messages.of("summary").filter(|summary| has_clock(summary, "unsynced")) {
        assert_eq!(summary.text("boot"), boot.trim());
        let start = summary.integer("start") + correction.integer("offset");
        assert!(start > began - 2_000 && start < ended + 2_000, "{start}");
        assert!(summary.integer("start") < 1_700_000_000_000);
    }
}

/// A clock that is set by half an hour, forward and back, loses no reading, doubles none, and raises no false silence.
#[test]
fn a_clock_that_is_set_while_it_runs_costs_nothing() {
    let dir = TempDir::new();
    let Some(clock) = FakeClock::new(&dir) else { return };
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let config = config(&broker, "[clock]\ntrust = \"always\"");
    let _agent = Agent::start_with(&dir, &config, &clock.environment());
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for minutes in [0, 30, -30, -29] {
        clock.is_off_by(minutes * 60);
        publish(&mut publisher, 25);
    }
    subscriber.wait_until("all readings", |messages| counted(messages) >= 100);
    // A reading told twice would come with the next window.
    let messages = subscriber.after(Duration::from_millis(1_500));
    assert_eq!(counted(&messages), 100);
    messages.check_repeats();
    assert_eq!(messages.of("alert").count(), 0);
    assert!(messages.has_cause("clock"));
}
