//! From publish to summary, once the window's end is due: by a reading past its end, and by the clock.
//! Run by `tests/bench latency`.

use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, now_ms, probe};
use std::time::{Duration, Instant};

/// Windows closed by a reading.
const CLOSED: i64 = 2_000;

/// How long windows are closed by the clock, in seconds, at [`RATE`] readings a second.
const SECONDS: u64 = 20;
const RATE: u64 = 500;

fn main() {
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

fn print(what: &str, mut latencies: Vec<f64>) {
    latencies.sort_by(f64::total_cmp);
    let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{what}: p50 {p50:.2} ms, p99 {p99:.2} ms (aim: below 20), max {max:.2} ms, of {}",
        latencies.len()
    );
}
