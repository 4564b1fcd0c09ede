//! Numbers that add up: what people's meters and switches send, replayed.

use crate::Config;
use headwater_tests::agent::run;
use headwater_tests::messages::Message;
use headwater_tests::{Messages, TempDir};
use std::fmt::Write as _;

/// 2024-03-31T00:00:00Z (s).
const START: i64 = 1_711_843_200;

/// The summaries of readings (seconds from [`START`], value), in order.
#[track_caller]
fn summaries(stream: &str, readings: &[(i64, f64)]) -> Vec<Message> {
    let dir = TempDir::new();
    let mut config = Config::new(1883, 1883);
    config.streams = format!("[streams.main]\n{stream}");
    dir.write("headwater.toml", config.text());
    let mut lines = String::new();
    for (time, value) in readings {
        let time = (START + time) * 1_000;
        let _ = writeln!(lines, r#"{{"topic":"sensors/meter","payload":{{"ts":{time},"temp":{value:?}}}}}"#);
    }
    dir.write("meter.jsonl", lines);
    let output = run(&dir, &["replay", "--config", "headwater.toml", "meter.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages: Messages = lines.map(|line| Message::new(String::new(), line.to_vec(), false)).collect();
    messages.check_accounts();
    messages.of("summary").cloned().collect()
}

fn numbers(summaries: &[Message], name: &str) -> Vec<Option<f64>> {
    let number = |summary: &Message| summary.map.get(name).and_then(serde_json::Value::as_f64);
    summaries.iter().map(number).map(|number| number.map(|n| (n * 1e6).round() / 1e6)).collect()
}

fn tumbling(size: &str, more: &str) -> String {
    format!("window = {{ type = \"tumbling\", size = \"{size}\" }}\n{more}\n")
}

#[test]
fn a_meter_that_reports_once_a_window_grows_by_what_it_shows() {
    let meter = [(0, 100.0), (300, 101.0), (600, 103.0), (900, 106.0), (1_200, 110.0)];
    let growth = "aggregates = [\"delta\", \"increase\"]";
    let fives = summaries(&tumbling("5m", growth), &meter);
    let tens = summaries(&tumbling("10m", growth), &meter);
    for name in ["increase", "delta"] {
        assert_eq!(numbers(&fives, name), [None, Some(1.0), Some(2.0), Some(3.0), Some(4.0)]);
        assert_eq!(numbers(&tens, name), [Some(1.0), Some(5.0), Some(4.0)]);
    }
}

#[test]
fn counters_wrap_and_dip_as_the_config_says() {
    let increase = |counters: &str, values: &[f64]| {
        let readings: Vec<_> = (0..).map(|number| number * 300).zip(values.iter().copied()).collect();
        let stream = tumbling("1h", &format!("aggregates = [\"increase\"]\n{counters}"));
        numbers(&summaries(&stream, &readings), "increase")
    };
    let dial = [838_831.0, 838_857.6, 10.2, 20.4];
    assert_eq!(increase("counters = { wrap = 838860.8 }", &dial), [Some(50.2)]);
    assert_eq!(increase("", &dial), [Some(47.0)]);
    assert_eq!(increase("counters = { wrap = 4294967296 }", &[4_294_967_290.0, 5.0]), [Some(11.0)]);
    assert_eq!(increase("counters = { dip = \"1%\" }", &[1_000.0, 999.9, 1_000.2]), [Some(0.2)]);
    assert_eq!(increase("counters = { dip = 0.05 }", &[1_000.0, 999.9, 1_000.2]), [Some(1_000.2)]);
}

/// The clocks of Berlin go forward at 02:00 on that day, those of Kolkata are half an hour from any other.
#[test]
fn windows_begin_where_people_do() {
    let hours: Vec<_> = (-1..40).map(|hour| (hour * 3_600, 1.0)).collect();
    let starts = |stream: &str| {
        let told = summaries(stream, &hours);
        told.iter().map(|summary| summary.integer("start") / 1_000 - START).collect::<Vec<_>>()
    };
    let hour = 3_600;
    let eight = |more: &str| starts(&tumbling("8h", more))[..5].to_vec();
    assert_eq!(eight(""), [-8, 0, 8, 16, 24].map(|at| at * hour));
    assert_eq!(eight("align = \"Europe/Berlin\""), [-1, 6, 14, 22, 30].map(|at| at * hour));
    assert_eq!(eight("align = \"Europe/Berlin\"\noffset = \"6h\""), [-3, 4, 12, 20, 28].map(|at| at * hour));
    assert_eq!(eight("offset = \"6h\""), [-2, 6, 14, 22, 30].map(|at| at * hour));
    let kolkata = starts(&tumbling("1h", "align = \"Asia/Kolkata\""));
    assert_eq!(kolkata[..2], [-hour - hour / 2, -hour / 2]);
    let weeks = starts(&tumbling("7d", ""));
    assert_eq!(weeks, [-6 * 24 * hour, 24 * hour], "2024-03-31 is a Sunday");
}

#[test]
fn percentiles_have_nearest_rank() {
    let latencies: Vec<_> = (0..).map(|n| n * 10).zip([5.2, 5.6, 6.0, 6.1, 6.4, 12.1]).collect();
    let told = summaries(&tumbling("1m", "aggregates = [\"p50\", \"p85\", \"p95\", \"p99\"]"), &latencies);
    let answers = ["p50", "p85", "p95", "p99"].map(|name| numbers(&told, name)[0]);
    assert_eq!(answers, [6.0, 12.1, 12.1, 12.1].map(Some));
}

/// A switch says when it changes, and a plug what it takes once a minute: half an hour of 600 W are 1,080,000 Ws.
#[test]
fn what_lasts_over_the_ends_of_windows_is_whole() {
    let minutes: Vec<_> = (0..=30).map(|minute| (minute * 60, 600.0)).collect();
    let energy = summaries(&tumbling("5m", "aggregates = [\"integral\", \"time_weighted_mean\"]"), &minutes);
    let sum = |summaries: &[Message], name: &str| numbers(summaries, name).into_iter().flatten().sum::<f64>();
    assert_eq!(sum(&energy, "integral"), 1_080_000.0);
    assert!(numbers(&energy, "time_weighted_mean").iter().all(|mean| *mean == Some(600.0)));
    let switch = [(0, 0.0), (600, 1.0), (3_000, 0.0), (3_900, 1.0), (4_200, 0.0)];
    let times = summaries(&tumbling("5m", "aggregates = [\"time_on\", \"time_off\"]"), &switch);
    assert_eq!((sum(&times, "time_on"), sum(&times, "time_off")), (2_700_000.0, 1_500_000.0));
    // After a silence of more than `idle` nobody knows.
    let bounded = tumbling("5m", "aggregates = [\"time_on\", \"integral\"]\nidle = \"10m\"");
    let times = summaries(&bounded, &switch);
    assert_eq!(sum(&times, "time_on"), (600 + 300) as f64 * 1e3);
}
