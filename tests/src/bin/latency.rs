//! From publish to summary, once the window's end is due: by a reading past its end, by the clock, and of many series that
//! close together.
//! Run by `tests/bench latency`.

use headwater_tests::{
    Agent, Message, Messages, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, now_ms, probe,
};
use std::time::{Duration, Instant};

/// Windows closed by a reading.
const CLOSED: i64 = 2_000;

/// How long windows are closed by the clock, in seconds, at [`RATE`] readings a second.
const SECONDS: u64 = 20;
const RATE: u64 = 500;

/// How long windows of many series are (ms), and how many of them are measured.
const TOGETHER_MS: i64 = 10_000;
const ROUNDS: i64 = 3;

fn main() {
    for (series, aim_ms) in [(1_000, 60), (10_000, 600)] {
        together(series, aim_ms);
    }
    let by_reading = by_reading();
    print("a reading past the window's end -> its summary", by_reading);
    print("the end of a window of arrival times -> its summary", by_clock());
}

fn scene(source_keys: &str, size: &str) -> (Mosquitto, Subscriber, (TempDir, RuntimeDir), Agent) {
    let broker = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let subscriber = Subscriber::to(broker.port, "headwater/+/summary/#");
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let port = broker.port;
    let agent = Agent::start_with(
        &dir,
        &format!(
            "[agent]\nid = \"bench\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\nqos = 1\n\
             topics = [\"bench/{{place}}/climate\"]\nfields = [\"temp\"]\n{source_keys}\n\
             [streams.main]\nwindow = {{ type = \"tumbling\", size = \"{size}\" }}\nlateness = \"0s\"\n\
             aggregates = [\"count\", \"mean\", \"max\", \"p95\"]\n[limits]\nseries = 10001\nnew_series = 10001\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n"
        ),
        &runtime.environment(),
    );
    probe::until_heard(port, "bench/probe/climate", &subscriber);
    (broker, subscriber, (dir, runtime), agent)
}

/// Latencies, in ms, from the publish that makes a window's end due.
fn by_reading() -> Vec<f64> {
    let (broker, subscriber, _dirs, _agent) = scene("time = \"ts\"\ntime_format = \"unix_ms\"", "1s");
    let mut publisher = Publisher::new(broker.port);
    let mut latencies = Vec::new();
    for window in 0..=CLOSED {
        let time = 1_700_000_000_000 + window * 1_000;
        let published = Instant::now();
        publisher.publish("bench/one/climate", format!(r#"{{"ts":{time},"temp":21.5}}"#)).expect("a publish");
        publisher.flush().expect("an acknowledgement");
        if window > 0 {
            let due = headwater_tests::wait_for("the summary", || subscriber.take_one());
            latencies.push(due.at.duration_since(published).as_secs_f64() * 1e3);
        }
    }
    latencies
}

/// Latencies, in ms, from the end of windows of a tenth of a second, by the clock.
fn by_clock() -> Vec<f64> {
    let (broker, subscriber, _dirs, _agent) = scene("", "100ms");
    let mut publisher = Publisher::new(broker.port);
    for _ in 0..SECONDS * RATE {
        publisher.publish("bench/two/climate", r#"{"temp":21.5}"#).expect("a publish");
        publisher.flush().expect("an acknowledgement");
        std::thread::sleep(Duration::from_micros(1_000_000 / RATE));
    }
    let (wall, clock) = (now_ms() as f64, Instant::now());
    let messages = subscriber.messages();
    let own = messages.iter().filter(|message| message.text("series") == "bench/two/climate/temp");
    let arrived = |at: Instant| wall - clock.duration_since(at).as_secs_f64() * 1e3;
    own.map(|summary| arrived(summary.at) - summary.number("end")).collect()
}

/// From the end of a window of arrival times of many series to the last of their summaries.
fn together(series: usize, aim_ms: i64) {
    let (broker, subscriber, _dirs, _agent) = scene("", "10s");
    let mut publisher = Publisher::new(broker.port);
    for round in 0..ROUNDS {
        let begin = (now_ms() / TOGETHER_MS + 1) * TOGETHER_MS;
        std::thread::sleep(Duration::from_millis((begin + 100 - now_ms()).max(0).unsigned_abs()));
        subscriber.forget();
        for place in 0..series {
            publisher.publish(&format!("bench/{place}/climate"), r#"{"temp":21.5}"#).expect("a publish");
        }
        publisher.flush().expect("the broker's acknowledgements");
        let end = begin + TOGETHER_MS;
        let is_late = now_ms() >= end;
        let all = |messages: &Messages| messages.count_ids("summary") >= series;
        let (messages, _) = subscriber.wait_at_most(Duration::from_secs(60), all);
        let (wall, clock) = (now_ms(), Instant::now());
        let at = |message: &Message| wall - clock.duration_since(message.at).as_millis() as i64;
        let times: Vec<i64> = messages.of("summary").map(at).collect();
        let [first, last] =
            [times.iter().min(), times.iter().max()].map(|time| time.map_or(0, |time| time - end));
        let waited = messages.of("summary").filter(|summary| summary.is_backfill()).count();
        let more = if is_late { "; not all readings came in time" } else { "" };
        println!(
            "{series} series that close together, round {round}: first summary {first} ms, last {last} ms after the end \
             (aim: below {aim_ms}), {waited} on backfill (aim: 0){more}"
        );
    }
}

fn print(what: &str, mut latencies: Vec<f64>) {
    latencies.sort_by(f64::total_cmp);
    let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{what}: p50 {p50:.2} ms, p99 {p99:.2} ms (aim: below 20), max {max:.2} ms, of {}",
        latencies.len()
    );
}
