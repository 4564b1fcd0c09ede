//! Windows of many series that close at one moment, and what makes them fewer messages.

use crate::Config;
use headwater_tests::agent::{Background, state_dir};
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir, now_ms, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Readings of so many series, each with windows of some length by the time of arrival.
fn stream_config(source: u16, uplink: u16, size: &str) -> Config {
    let mut config = Config::new(source, uplink);
    config.source_keys = "topics = [\"sensors/{place}\"]\nformat = \"number\"";
    config.streams = format!(
        "[streams.main]\nwindow = {{ type = \"tumbling\", size = \"{size}\" }}\nlateness = \"0s\"\n\
         aggregates = [\"count\", \"mean\", \"max\", \"p95\"]"
    );
    config
}

/// The same with windows of two seconds, one broker for both ways, and little memory for messages.
fn config(broker: u16, keys: &str) -> String {
    let mut config = stream_config(broker, broker, "2s");
    config.output_keys = keys.to_owned();
    config.more = "[buffer]\nmemory = \"2MiB\"";
    config.text()
}

fn publish(broker: u16, series: usize) {
    let mut publisher = Publisher::new(broker);
    for n in 0..series {
        publisher.publish(&format!("sensors/s{n}"), format!("{}.25", n % 50)).unwrap();
    }
    publisher.flush().unwrap();
}

/// More than half of the memory for messages is made at one moment: the broker takes it, so that all of it is live, and the
/// disk is not used.
#[test]
fn what_closes_together_arrives_live() {
    const SERIES: usize = 3_000;
    let broker = Mosquitto::start();
    let (dir, subscriber) = (TempDir::new(), Subscriber::to(broker.port, "headwater/#"));
    let mut agent = Agent::start(&dir, &config(broker.port, ""));
    crate::wait_source(&broker, 1);
    publish(broker.port, SERIES);
    let messages =
        subscriber.wait_until("a summary of each", |messages| messages.count_ids("summary") >= SERIES);
    let waited = messages.of("summary").filter(|summary| summary.is_backfill()).count();
    assert_eq!(waited, 0, "{}", messages.digest());
    agent.check_running();
}

/// As many series as the default limit allows.
const MANY: usize = 10_000;

/// How long the windows of [`MANY`] series are (ms).
const WINDOW_MS: i64 = 6_000;

/// Publishes a reading of each of [`MANY`] series, all in one window if the machine is not too slow, and waits for its end.
fn fill_a_window(source: u16) {
    let wait = |ms: i64| std::thread::sleep(Duration::from_millis(ms.unsigned_abs()));
    wait(WINDOW_MS - now_ms() % WINDOW_MS);
    publish(source, MANY);
    wait(WINDOW_MS - now_ms() % WINDOW_MS);
}

/// Waits until the summaries hold all readings of [`fill_a_window`].
fn wait_all(subscriber: &Subscriber) -> Messages {
    let messages = subscriber.wait_until("a summary of each", |messages| {
        messages.of("summary").count() >= MANY
            && messages.of("summary").map(|summary| summary.integer("count")).sum::<i64>() >= MANY as i64
    });
    assert!(!messages.has_cause("shed"), "messages were given up: {}", messages.digest());
    messages
}

/// The summaries of one moment are many times more than the memory for messages holds, and the uplink is down: the disk gets
/// them all.
#[test]
fn what_closes_together_while_the_uplink_is_down_reaches_the_disk() {
    let (source, mut uplink) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let mut config = stream_config(source.port, uplink.port, "6s");
    config.more = "[buffer]\nmemory = \"256KiB\"";
    let mut agent = Agent::start(&dir, &config.text());
    crate::wait_source(&source, 1);
    uplink.kill9();
    fill_a_window(source.port);
    wait_for("a database", || state_dir(&dir).join("buffer").exists().then_some(()));
    uplink.restart();
    let subscriber = Subscriber::to(uplink.port, "headwater/#");
    wait_all(&subscriber);
    agent.check_running();
}

/// With the default memory for messages, all that closes at one moment leaves as live.
#[test]
fn what_closes_together_at_the_limit_of_series_arrives_live() {
    let (source, uplink) = (Mosquitto::start(), Mosquitto::start());
    let subscriber = Subscriber::to(uplink.port, "headwater/#");
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &stream_config(source.port, uplink.port, "6s").text());
    crate::wait_source(&source, 1);
    fill_a_window(source.port);
    let messages = wait_all(&subscriber);
    assert_eq!(messages.of("summary").filter(|summary| summary.is_backfill()).count(), 0);
    agent.check_running();
}

/// `tail` shows a batch as the messages that it holds, each with its id, whatever the form.
#[test]
fn a_batch_is_read_as_its_messages() {
    const SERIES: usize = 120;
    for keys in ["batch = \"1s\"", "batch = \"1s\"\ngzip = true\nformat = \"cbor-short\"\nversion = \"5\""] {
        let broker = Mosquitto::start();
        let dir = TempDir::new();
        let subscriber = Subscriber::to(broker.port, "headwater/+/summary/#");
        let mut agent = Agent::start(&dir, &config(broker.port, keys));
        crate::wait_source(&broker, 1);
        let url = format!("mqtt://127.0.0.1:{}", broker.port);
        let tail = Background::start(&dir, &["tail", "--json", "--url", &url]);
        wait_for("tail to listen", || (broker.logged("\theadwater/+/#") >= 1).then_some(()));
        publish(broker.port, SERIES);
        let summaries = wait_for("all summaries", || {
            let lines = tail.stdout();
            let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let summaries: Vec<Value> = messages.filter(|message| message["kind"] == "summary").collect();
            (summaries.iter().filter_map(|summary| summary["count"].as_i64()).sum::<i64>() >= SERIES as i64)
                .then_some(summaries)
        });
        let ids: BTreeSet<_> = summaries.iter().map(|summary| summary["id"].to_string()).collect();
        assert_eq!(ids.len(), summaries.len(), "every id once");
        let whole = |summary: &Value| {
            let (start, end) = (summary["start"].as_i64().unwrap(), summary["end"].as_i64().unwrap());
            let id = format!("main/{}@{start}+{}", summary["series"].as_str().unwrap(), end - start);
            summary["id"] == id.as_str()
                && summary["labels"]["place"].is_string()
                && summary["p95"].is_number()
        };
        assert!(summaries.iter().all(whole), "{summaries:?}");
        let sent = subscriber.messages().len();
        assert!(sent < 10, "{sent} messages on the way");
        agent.check_running();
    }
}
