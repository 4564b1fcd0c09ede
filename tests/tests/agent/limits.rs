//! The most memory that `check` predicts, against the memory of a full agent.

use crate::check::check;
use headwater_tests::process::status_kib;
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, probe, wait_for};
use std::fmt::Write as _;

/// The number of series, which is the limit.
const SERIES: usize = 60;

/// The different values of a window. They fill a sketch, with 3 bytes each of 8 KiB.
const VALUES: i32 = 2_700;

/// The readings of a window. They fill its room for points, with 16 bytes each.
const READINGS: i32 = 8 * POINTS - 10;

/// Points of a window.
const POINTS: i32 = 400;

/// The start of a minute (ms since the epoch).
const START: i64 = 1_700_000_040_000;

fn config(port: u16) -> String {
    format!(
        "[agent]\nid = \"full\"\ncheckpoint = \"1s\"\n\
         [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"sensors/{{place}}\"]\n\
         time = \"ts\"\ntime_format = \"unix_ms\"\nseries = \"{{field}}\"\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1m\" }}\nidle = \"1h\"\nlateness = \"5s\"\n\
         aggregates = [\"count\", \"mean\", \"rate\", \"p95\"]\ndownsample = {{ type = \"lttb\", points = {POINTS} }}\n\
         [[streams.main.detectors]]\ntype = \"zscore\"\nper_hour = 1\n\
         [buffer]\ndaily_writes = \"1024GiB\"\n[limits]\nseries = {SERIES}\nretained = \"2MiB\"\npayload = \"64KiB\"\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n"
    )
}

/// One reading of every series.
fn payload(time: i64, value: f64) -> String {
    let mut payload = format!("{{\"ts\":{time}");
    (0..SERIES).for_each(|series| _ = write!(payload, ",\"f{series}\":{value:e}"));
    payload + "}"
}

/// The most memory of a config, as `check` says (bytes).
fn memory(config: &str) -> f64 {
    let (_, said, errors) = check(config);
    let (_, figures) = said.split_once(": memory ").unwrap_or_else(|| panic!("{said}{errors}"));
    let words: Vec<&str> = figures.split_whitespace().take(2).collect();
    assert_eq!(words.get(1), Some(&"MiB"), "{figures}");
    words.first().and_then(|word| word.parse::<f64>().ok()).expect("a figure") * 1_048_576.0
}

#[test]
fn a_full_agent_takes_what_check_says() {
    let broker = Mosquitto::start();
    let text = config(broker.port);
    // With one series, what is left is what the agent takes by itself.
    let alone = text.replace(&format!("series = {SERIES}"), "series = 1").replace("2MiB", "0B");
    let estimate = memory(&text) - memory(&alone);
    let dir = TempDir::new();
    let subscriber = Subscriber::to(broker.port, "headwater/+/+/#");
    let agent = Agent::start_with(&dir, &text, &headwater_tests::agent::service_environment());
    probe::until_heard(broker.port, "sensors/a", &subscriber);
    let resident = |key| status_kib(agent.pid(), key).expect("a running agent") as f64 * 1_024.0;
    let before = resident("VmRSS");
    let mut publisher = Publisher::new(broker.port);
    let mut send =
        |time: i64, value: f64| publisher.publish("sensors/a", payload(time, value)).expect("a publish");
    // Windows to retain; then two that are open together, the second one full before the first one's lateness is over.
    for step in 0..4 * 100 {
        send(START + step * 600, 20.0 + (step % 7) as f64);
    }
    let first = START + 4 * 60_000;
    for (start, spacing) in [(first, 18), (first + 60_000, 1)] {
        for step in 0..READINGS {
            let magnitude = 1.021_f64.powi(step % VALUES / 2 - VALUES / 4);
            send(start + i64::from(step) * spacing, if step % 2 == 0 { magnitude } else { -magnitude });
        }
    }
    publisher.flush().expect("the broker's acknowledgements");
    // Two windows of each series: the bins of their sketches, and their readings to choose points from.
    let full = SERIES * 2 * (3 * VALUES + 16 * READINGS).unsigned_abs() as usize;
    wait_for("a checkpoint of it all", || {
        agent.checkpoint_bytes().is_some_and(|bytes| bytes >= full).then_some(())
    });
    let grown = resident("VmHWM") - before;
    println!("grown {grown} said {estimate}");
    assert!((grown / estimate - 1.0).abs() < 0.2, "{grown} bytes more; check says {estimate}");
}
