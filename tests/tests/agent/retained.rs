//! Messages that a broker had kept for a topic and replays to whoever subscribes: values of devices that may be gone.

use crate::Config;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir};

/// A config with windows of a second, and a detector of sensors that have fallen silent.
fn config(broker: u16, keys: &'static str) -> String {
    let mut config = Config::new(broker, broker);
    config.source_keys = keys;
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\nidle = \"1s\"\n\
                      aggregates = [\"count\"]\n\
                      [[streams.main.detectors]]\ntype = \"missing\"\nafter = \"2s\"\nevidence = { after = 0 }"
        .to_owned();
    config.text()
}

fn states(messages: &Messages, series: &str) -> Vec<String> {
    messages.alerts(series).iter().map(|alert| alert.text("state").to_owned()).collect()
}

/// How many messages the reports count as retained; most reports have none.
fn retained(messages: &Messages) -> i64 {
    messages.reports().iter().filter_map(|report| report.map.get("retained")?.as_i64()).sum()
}

/// What was retained is counted and not read; what comes while the agent listens is read, retained or not.
#[test]
fn what_is_ignored_is_counted_and_not_read() {
    let broker = Mosquitto::start();
    let (dir, subscriber) = (TempDir::new(), Subscriber::to(broker.port, "headwater/#"));
    let mut publisher = Publisher::new(broker.port);
    for place in ["attic", "cellar"] {
        publisher.publish_retained(&format!("sensors/{place}"), "{\"temp\":7}").unwrap();
    }
    publisher.flush().unwrap();
    let keys = "topics = [\"sensors/{place}\"]\nfields = [\"temp\"]\nretained = \"ignore\"";
    let mut agent = Agent::start(&dir, &config(broker.port, keys));
    subscriber.wait_until("two that are retained", |messages| retained(messages) == 2);
    publisher.publish_retained("sensors/cellar", "{\"temp\":8}").unwrap();
    publisher.publish("sensors/roof", "{\"temp\":9}").unwrap();
    publisher.flush().unwrap();
    let messages =
        subscriber.wait_until("the readings that are live", |messages| messages.reported("summarised") == 2);
    assert_eq!((messages.reported("received"), retained(&messages)), (2, 2), "{}", messages.digest());
    assert_eq!(messages.summaries("main", "sensors/attic/temp").len(), 0, "{}", messages.digest());
    messages.check_accounts();
    agent.check_running();
}

/// The broker keeps the last live summary of a series for whoever subscribes later, and no other message but the status.
#[test]
fn summaries_are_kept_where_the_config_says_so() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.output_keys = "retain = true".to_owned();
    config.streams = config.streams.replace("6h", "1s");
    let _agent = Agent::start(&dir, &config.text());
    let subscriber = Subscriber::new(broker.port);
    crate::wait_source(&broker, 1);
    let readings = [(1_700_000_000_100, 1.5), (1_700_000_001_100, 2.5), (1_700_000_002_100, 3.5)];
    crate::publish(&mut Publisher::new(broker.port), "attic", "temp", &readings);
    subscriber
        .wait_until("three windows", |messages| messages.summaries("main", "sensors/attic/temp").len() == 3);
    let late = Subscriber::to(broker.port, "headwater/#");
    let kept = late.wait_until("what is kept", |messages| messages.of("summary").next().is_some());
    let kept: Vec<_> = kept.of("summary").map(|summary| summary.number("last")).collect();
    assert_eq!(kept, [3.5]);
    assert_eq!(late.messages().of("report").count(), 0, "nobody wants an old one");
}

/// A sensor falls silent, and the agent says so. At each start the broker replays the sensor's last value: it counts as a
/// reading, and as no sign of life. The next live one is.
#[test]
fn what_is_replayed_is_no_sign_of_life() {
    let broker = Mosquitto::start();
    let (dir, subscriber) = (TempDir::new(), Subscriber::to(broker.port, "headwater/#"));
    let config = config(broker.port, "topics = [\"sensors/{place}\"]\nfields = [\"temp\"]");
    let agent = Agent::start(&dir, &config);
    agent.wait_logs(&["source connected"], 1);
    let mut publisher = Publisher::new(broker.port);
    publisher.publish_retained("sensors/attic", "{\"temp\":7}").unwrap();
    publisher.flush().unwrap();
    let series = "sensors/attic/temp";
    subscriber.wait_until("its silence", |messages| states(messages, series) == ["raised"]);
    assert!(agent.terminate().success());
    let mut agent = Agent::start(&dir, &config);
    let messages = subscriber.wait_until("the replay", |messages| messages.reported("summarised") == 2);
    assert_eq!(states(&messages, series), ["raised"], "{}", messages.digest());
    publisher.publish("sensors/attic", "{\"temp\":7}").unwrap();
    publisher.flush().unwrap();
    subscriber.wait_until("its life", |messages| states(messages, series) == ["raised", "cleared"]);
    agent.check_running();
}
