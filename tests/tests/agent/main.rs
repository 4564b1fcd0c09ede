//! The contract with users and subscribers, held against the real binary and real brokers.

mod benchmark;
mod boots;
mod buffer;
mod bursts;
mod cases;
mod check;
mod checkpoints;
mod clients;
mod clocks;
mod crashes;
mod databases;
mod demo;
mod devices;
mod disk;
mod durable;
mod endings;
mod evaluate;
mod files;
mod fleet;
mod formats;
mod home_assistant;
mod hostile;
mod hostile_broker;
mod http;
mod idle;
mod init;
mod journals;
mod limits;
mod lines;
mod main_path;
mod malformed;
mod modbus;
mod models;
mod outages;
mod outputs;
mod places;
mod posts;
mod power;
mod privacy;
mod protocol;
mod refusals;
mod reload;
mod reload_disk;
mod reload_durable;
mod reload_outputs;
mod remote;
mod replay;
mod reports;
mod retained;
mod secured;
mod service;
mod slow_disk;
mod soak;
mod sources;
mod sparkplug;
mod status;
mod thinning;
mod times;
mod totals;
mod upgrades;
mod web;
mod weeks;

use headwater_tests::recording::Readings;
use headwater_tests::{Mosquitto, Publisher, Subscriber};
use std::fmt::Write as _;

/// Every aggregate there is.
const ALL: &str =
    r#"aggregates = ["count", "sum", "min", "max", "mean", "stddev", "first", "last", "p50", "p95"]"#;

/// A config, whose defaults suit most tests.
struct Config {
    id: &'static str,
    agent: &'static str,
    source: String,
    source_keys: &'static str,
    streams: String,
    output: String,
    output_keys: String,
    more: &'static str,
}

impl Config {
    /// A config from one broker to another, with readings that carry their times, and windows of a quarter of a day.
    fn new(source: u16, output: u16) -> Self {
        Self {
            id: "edge-1",
            agent: "report = \"1s\"\ncheckpoint = \"1s\"",
            source: format!("mqtt://127.0.0.1:{source}"),
            source_keys: "topics = [\"sensors/{place}\"]\nqos = 1\nformat = \"json\"\nfields = [\"temp\"]\n\
                          time = \"ts\"\ntime_format = \"unix_ms\"\nlabels = { site = \"north\" }",
            streams: format!(
                "[streams.main]\nwindow = {{ type = \"tumbling\", size = \"6h\" }}\nlateness = \"0s\"\nidle = \"2s\"\n{ALL}"
            ),
            output: format!("mqtt://127.0.0.1:{output}"),
            output_keys: String::new(),
            more: "[buffer]\nsync = \"1s\"",
        }
    }

    fn text(&self) -> String {
        let Self { id, agent, source, source_keys, streams, output, output_keys, more } = self;
        format!(
            "[agent]\nid = \"{id}\"\n{agent}\n\n[sources.field]\ntype = \"mqtt\"\nurl = \"{source}\"\n{source_keys}\n\n\
             {streams}\n\n[outputs.cloud]\ntype = \"mqtt\"\nurl = \"{output}\"\n{output_keys}\n\n{more}\n"
        )
    }
}

const WINDOW_MS: i64 = 6 * 3_600_000;

/// Waits until an agent has subscribed to the sensors' topics, for the `times`th time in the life of the broker's log.
#[track_caller]
fn wait_source(broker: &Mosquitto, times: usize) {
    headwater_tests::wait_for("the agent to subscribe", || {
        (broker.logged("\tsensors/") >= times).then_some(())
    });
}

/// Publishes readings of one place as JSON with their own times.
fn publish(publisher: &mut Publisher, place: &str, field: &str, readings: &[(i64, f64)]) {
    for (time, value) in readings {
        let payload = format!(r#"{{"ts":{time},"{field}":{value},"unit":"F","ok":true}}"#);
        publisher.publish(&format!("sensors/{place}"), payload).expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
}

/// Waits for a window of `series` in stream `main` that holds the reading at `time`.
#[track_caller]
fn wait_window(subscriber: &Subscriber, series: &str, time: i64) {
    let start = time.div_euclid(WINDOW_MS) * WINDOW_MS;
    subscriber.wait_until(&format!("the window of {series} at {start}"), |messages| {
        messages.summaries("main", series).contains_key(&start)
    });
}

/// Waits for all summaries of a series in stream `main`, and checks them against the recording that they come from. None
/// may be missing or invented, repeats must be equal, and the accounts must balance.
#[track_caller]
fn check_all(subscriber: &Subscriber, series: &str, readings: &Readings) -> headwater_tests::Messages {
    let expected = headwater_tests::oracle::tumbling(readings, WINDOW_MS);
    let (messages, _) = subscriber.wait_at_most(headwater_tests::PATIENCE, |messages| {
        let summaries = messages.summaries("main", series);
        let counts = summaries.values().map(|summary| summary.integer("count")).sum::<i64>();
        summaries.len() >= expected.len() && counts >= readings.len() as i64
    });
    messages.check_repeats();
    let got = messages.summaries("main", series);
    let mut wrong = String::new();
    for start in got.keys().filter(|start| !expected.contains_key(start)) {
        let _ = writeln!(wrong, "a window at {start} that has no readings");
    }
    for (start, values) in &expected {
        match got.get(start) {
            None => _ = writeln!(wrong, "no window at {start}"),
            Some(summary) => headwater_tests::oracle::check_summary(summary, values),
        }
    }
    assert!(wrong.is_empty(), "{wrong}came in: {}", messages.digest());
    messages.check_accounts();
    messages
}
