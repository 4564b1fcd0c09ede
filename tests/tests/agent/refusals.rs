//! Messages that a broker refuses, in any of its ways. They are reported, and the others get through.

use crate::{Config, WINDOW_MS, check_all, publish, wait_source};
use headwater_tests::{Agent, Messages, Mosquitto, Options, Publisher, Subscriber, TempDir, recording};
use std::time::Duration;

const SERIES: &str = "sensors/office/temp";

/// The patience of these tests: each refused message costs several connections.
const PATIENCE: Duration = Duration::from_secs(150);

/// A list that refuses the summaries of one place, and nothing else.
const ACL: &str = "topic read #\ntopic write headwater/+/summary/main/sensors/office/temp\n\
                   topic write headwater/+/backfill/summary/main/sensors/office/temp\ntopic write headwater/+/report\n\
                   topic write headwater/+/status\ntopic write headwater/+/backfill/report/#\n\
                   topic write headwater/+/backfill/report\n";

/// The messages that the reports call lost.
fn lost(messages: &Messages) -> i64 {
    messages.reports().iter().map(|report| report.map["messages"]["lost"].as_i64().unwrap()).sum()
}

/// Runs an agent with a few windows that `broker` refuses, among many that it takes.
fn check(broker: &Options, version: &str, place: &str) -> (Messages, String) {
    const UNWANTED: i64 = 3;
    let (source, uplink) = (Mosquitto::start(), Mosquitto::with(broker));
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let mut config = Config::new(source.port, uplink.port);
    config.output_keys = format!("version = \"{version}\"");
    let mut agent = Agent::start(&dir, &config.text());
    wait_source(&source, 1);
    let readings = recording::own("travel_time.csv");
    let unwanted: Vec<_> = (0..UNWANTED).map(|n| (readings[0].0 + n * WINDOW_MS, 1.0)).collect();
    let mut publisher = Publisher::new(source.port);
    let (before, after) = readings.split_at(readings.len() / 2);
    publish(&mut publisher, "office", "temp", before);
    publish(&mut publisher, place, "temp", &unwanted);
    publish(&mut publisher, "office", "temp", after);
    subscriber.wait_at_most(PATIENCE, |messages| lost(messages) >= UNWANTED);
    let messages = check_all(&subscriber, SERIES, &readings);
    agent.check_running();
    assert_eq!(lost(&messages), UNWANTED, "{}", messages.digest());
    assert!(messages.summaries("main", &format!("sensors/{place}/temp")).is_empty());
    let refused: Vec<_> =
        messages.reports().into_iter().filter(|report| report.text("cause") == "refused").collect();
    assert!(refused.iter().all(|report| report.text("detail").contains(place)), "{place} is not named");
    let detail = refused.last().expect("a report of what was refused").text("detail").to_owned();
    (messages, detail)
}

/// MQTT 3.1.1 has no refusal, so the broker closes the connection each time.
#[test]
fn those_that_a_broker_hangs_up_on_are_found() {
    let options = Options { more: "max_packet_size 2500\n", ..Options::default() };
    let (messages, detail) = check(&options, "3.1.1", &"x".repeat(900));
    assert!(detail.contains("closed the connection"), "{detail}");
    let told =
        |message: &headwater_tests::Message| message.map["trouble"].to_string().contains("one at a time");
    assert!(messages.of("status").any(told), "no word of it in the status");
}

/// MQTT 5 tells the size before anything is sent.
#[test]
fn those_that_are_too_large_are_not_sent() {
    let options = Options { more: "max_packet_size 2500\n", ..Options::default() };
    let (messages, detail) = check(&options, "5", &"x".repeat(900));
    assert!(detail.contains("more than the broker takes (2500)"), "{detail}");
    assert!(!messages.has_cause("outage"), "it was disconnected for them");
}

/// mosquitto closes the connection after some of its refusals, and answers with reasons that MQTT 5 does not allow there.
#[test]
fn those_that_are_refused_in_strange_words_are_found() {
    let options = Options { more: "message_size_limit 2500\n", ..Options::default() };
    check(&options, "5", &"x".repeat(900));
}

#[test]
fn those_that_an_acl_denies_hold_up_no_others() {
    let options = Options { more: "acl_file {dir}/acl\n", acl: ACL, ..Options::default() };
    let (_, detail) = check(&options, "5", "cellar");
    assert!(detail.contains("not authorized"), "{detail}");
}
