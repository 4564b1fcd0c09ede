//! What a cluster does not take, and whose fault that is.

use crate::{STREAM, map_of};
use headwater_tests::{Agent, FakeClock, Kafka, Mosquitto, Options, Publisher, TempDir, now_ms, wait_within};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn config(source: &Mosquitto, broker: &Kafka, more: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
         topics = [\"sensors/{{place}}\"]\nfields = [\"temp\"]\ntime = \"ts\"\n\
         {STREAM}[outputs.plant]\ntype = \"kafka\"\nbrokers = \"{}\"\n{more}\n",
        source.port,
        broker.address()
    )
}

/// A window of each place that is closed by a later reading.
fn publish(publisher: &mut Publisher, places: &[&str], window: i64) {
    for place in places {
        for second in [window, window + 1] {
            let payload = format!(r#"{{"ts":{},"temp":1}}"#, crate::START + second * 1_000);
            publisher.publish(&format!("sensors/{place}"), payload).expect("a publish");
        }
    }
    publisher.flush().expect("the broker's acknowledgements");
}

fn keys(broker: &Kafka, topic: &str) -> Vec<String> {
    let mut keys: Vec<String> = broker.drain(topic).into_iter().map(|record| record.key).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// A message that is too large for the topic is found among the others, refused and counted. The others arrive.
#[test]
fn a_message_that_is_too_large_is_refused_alone() {
    let Some(broker) = Kafka::start() else { return };
    broker.create("headwater.summary", 1, &["max.message.bytes=2000"]);
    let source = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let dir = TempDir::new();
    let agent = Agent::start(&dir, &config(&source, &broker, ""));
    agent.wait_log(&["source connected"]);
    let long = "x".repeat(900);
    let mut publisher = Publisher::new(source.port);
    publish(&mut publisher, &["a", "b", "c", &long, "d", "e"], 0);
    agent.wait_log(&["more than the topic takes", "max.message.bytes"]);
    let expected = ["a", "b", "c", "d", "e"].map(|place| format!("sensors/{place}/temp"));
    wait_within(PATIENCE, "all others", || (keys(&broker, "headwater.summary") == expected).then_some(()));
    let refused = |record: &headwater_tests::KafkaRecord| map_of(record)["cause"] == "refused";
    wait_within(PATIENCE, "a report", || broker.drain("headwater.report").iter().any(refused).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
}

/// A topic that is not there, or is deleted under us, is a matter of the cluster: messages wait until it is there.
#[test]
fn a_topic_that_is_deleted_is_waited_for() {
    let Some(broker) = Kafka::with(None, "auto.create.topics.enable=false") else { return };
    broker.create("headwater.summary", 2, &[]);
    let source = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let dir = TempDir::new();
    let agent = Agent::start(&dir, &config(&source, &broker, "kinds = [\"summary\"]"));
    agent.wait_log(&["source connected"]);
    let mut publisher = Publisher::new(source.port);
    publish(&mut publisher, &["a"], 0);
    wait_within(PATIENCE, "the first", || (keys(&broker, "headwater.summary").len() == 1).then_some(()));
    broker.client(&["delete", "headwater.summary"]);
    publish(&mut publisher, &["b", "c"], 0);
    agent.wait_log(&["headwater.summary: UNKNOWN_TOPIC_OR_PARTITION (3)", "create it"]);
    broker.create("headwater.summary", 3, &[]);
    let expected = ["b", "c"].map(|place| format!("sensors/{place}/temp"));
    wait_within(PATIENCE, "what waited", || (keys(&broker, "headwater.summary") == expected).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
}

/// A clock that is hours ahead is not the message's fault: it waits until the clock is right.
#[test]
fn a_clock_that_is_ahead_is_said_and_waited_for() {
    let dir = TempDir::new();
    let Some(clock) = FakeClock::new(&dir) else { return };
    let Some(broker) = Kafka::start() else { return };
    let source = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    clock.is_off_by(3 * 3_600);
    let config = config(&source, &broker, "kinds = [\"summary\"]\n[clock]\ntrust = \"always\"");
    let agent = Agent::start_with(&dir, &config, &clock.environment());
    agent.wait_log(&["source connected"]);
    publish(&mut Publisher::new(source.port), &["a"], 0);
    agent.wait_log(&["INVALID_TIMESTAMP (32)", "set the clock"]);
    clock.is_off_by(0);
    let records = || broker.drain("headwater.summary");
    wait_within(PATIENCE, "the message", || (!records().is_empty()).then_some(()));
    assert!(records().iter().all(|record| (record.time - now_ms()).abs() < 600_000), "{:?}", records());
    assert_eq!(agent.terminate().code(), Some(0));
}
