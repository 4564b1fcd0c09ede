//! A long time offline with a small disk. The whole curve arrives: its older parts are coarser, and all are exact.

use crate::ALL;
use headwater_tests::{
    Agent, Gate, Messages, Mosquitto, Options, Publisher, Subscriber, TempDir, oracle, wait_for,
};
use std::time::Duration;

const SERIES: &str = "sensors/office/temp";
const MINUTE_MS: i64 = 60_000;
/// The most messages that an output sends ahead of their acknowledgements.
const IN_FLIGHT: i64 = 1_000;
const START_MS: i64 = 1_699_920_000_000; // a midnight

/// An agent with little room on disk, over a line that can be cut.
struct Offline {
    source: Mosquitto,
    subscriber: Subscriber,
    gate: Gate,
    _uplink: Mosquitto,
}

impl Offline {
    fn new() -> Self {
        let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
        let (subscriber, gate) = (Subscriber::new(uplink.port), Gate::to(uplink.port));
        Self { source: Mosquitto::start(), subscriber, gate, _uplink: uplink }
    }

    fn agent(&self, dir: &TempDir, buffer: &str) -> Agent {
        let (source, gate) = (self.source.port, self.gate.port);
        // The summaries are large, so that the buffer has room for a part of them only.
        let note = "note ".repeat(60);
        let config = format!(
            "[agent]\nid = \"edge\"\ncheckpoint = \"5s\"\nreport = \"5s\"\n\
             [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\nqos = 1\ntopics = [\"sensors/{{place}}\"]\n\
             fields = [\"temp\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\nlabels = {{ note = \"{note}\" }}\n\
             [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1m\" }}\nlateness = \"0s\"\nidle = \"1h\"\n{ALL}\n\
             [[streams.main.detectors]]\ntype = \"threshold\"\nabove = 60.0\n\
             [buffer]\nmax_size = \"4MiB\"\ndaily_writes = \"100GiB\"\n{buffer}\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{gate}\"\n"
        );
        let agent = Agent::start(dir, &config);
        wait_for("the agent to subscribe", || (self.source.logged("\tsensors/") > 0).then_some(()));
        agent
    }

    /// Publishes six readings a minute for so many minutes, as fast as the disk follows.
    fn publish(&self, minutes: i64) -> Vec<(i64, f64)> {
        let (mut publisher, mut rng) = (Publisher::new(self.source.port), fastrand::Rng::with_seed(7));
        let mut readings = Vec::new();
        for minute in 0..minutes {
            for step in 0..6 {
                let time = START_MS + minute * MINUTE_MS + step * 10_000;
                // Days and hours, noise, an alert a day, and every sign.
                let day = (time % 86_400_000) as f64 / 86_400_000.0 * std::f64::consts::TAU;
                let spike = if minute % 1_440 == 700 { 90.0 } else { 0.0 };
                let value = (15.0 * day.sin() + rng.f64() * 3.0 + spike) * 100.0;
                readings.push((time, value.round() / 100.0));
                let payload = format!(r#"{{"ts":{time},"temp":{}}}"#, value.round() / 100.0);
                publisher.publish("sensors/office", payload).expect("a publish");
            }
            if minute % 200 == 0 {
                publisher.flush().expect("the broker's acknowledgements");
                // The disk follows meanwhile.
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        // A reading far ahead closes the last window.
        let payload = format!(r#"{{"ts":{},"temp":1.0}}"#, START_MS + (minutes + 1_440) * MINUTE_MS);
        publisher.publish("sensors/office", payload).expect("a publish");
        publisher.flush().expect("the broker's acknowledgements");
        readings
    }

    /// Mends the line, and waits until no message waits and the newest window has arrived.
    #[track_caller]
    fn settle(&self, minutes: i64) -> Messages {
        self.gate.open();
        let (messages, settled) = self.subscriber.wait_at_most(Duration::from_secs(100), |messages| {
            let newest = messages.reports().into_iter().max_by_key(|report| report.integer("to"));
            let last = START_MS + minutes * MINUTE_MS;
            newest.is_some_and(|report| report.map["total"]["messages"]["waiting"] == 0)
                && messages.of("summary").any(|summary| summary.integer("end") >= last)
        });
        assert!(settled, "waited in vain for the end of the backlog: {}", messages.digest());
        messages.check_accounts();
        messages.check_repeats();
        messages
    }
}

fn total(messages: &Messages, key: &str) -> i64 {
    messages.reports().iter().filter_map(|report| report.map["messages"][key].as_i64()).sum()
}

/// Ten days of windows of a minute, in a buffer with room for about one day.
#[test]
fn a_long_time_offline_leaves_a_coarser_curve_that_is_exact() {
    const MINUTES: i64 = 14_400;
    let (dir, offline) = (TempDir::new(), Offline::new());
    let mut agent = offline.agent(&dir, "");
    let readings = offline.publish(MINUTES);
    // What leaves the buffer while more comes cannot be merged any more, and what comes then may be coarser.
    agent.wait_durable_within(Duration::from_secs(150), readings.len() + 1);
    let messages = offline.settle(MINUTES);
    assert_eq!(total(&messages, "lost"), 0);
    assert!(total(&messages, "thinned") > MINUTES / 2, "{} thinned", total(&messages, "thinned"));
    check_told(&messages);

    let (mut covered, mut lengths) = (START_MS, Vec::new());
    for (start, summary) in messages.summaries("main", SERIES) {
        let end = summary.integer("end");
        assert_eq!(start, covered, "each moment is in one window, none in two: {}", summary.map);
        let inside = |time: i64| (start..end).contains(&time);
        let values: Vec<f64> =
            readings.iter().filter(|(time, _)| inside(*time)).map(|(_, value)| *value).collect();
        oracle::check_summary(summary, &values);
        (covered, lengths) = (end, [lengths, vec![end - start]].concat());
    }
    assert_eq!(covered, START_MS + MINUTES * MINUTE_MS, "the whole time is covered");
    check_coarseness(&lengths);
    println!(
        "{} windows of {MINUTES} minutes, the oldest of {} minutes",
        lengths.len(),
        lengths[0] / MINUTE_MS
    );
    assert!(lengths[0] >= 5 * MINUTE_MS && lengths.last() == Some(&MINUTE_MS), "{lengths:?}");
    assert_eq!(messages.count_ids("alert"), 10, "alerts are not thinned");
    agent.check_running();
}

/// Reports say, ever more rarely, how many messages were merged. None of them calls a message lost.
fn check_told(messages: &Messages) {
    let reports = messages.reports();
    let told = reports.iter().filter(|report| report.text("cause") == "shed").map(|report| {
        let (count, rest) = report.text("detail").split_once(' ').expect("a sentence");
        assert!(rest.starts_with("messages were merged into coarser ones, none is lost: "), "{rest}");
        count.parse::<i64>().expect("a count")
    });
    let told: Vec<i64> = told.collect();
    let (sum, thinned) = (told.iter().sum::<i64>(), total(messages, "thinned"));
    assert!(sum > 0 && sum <= thinned && told.len() < 20, "{told:?} told of {thinned}");
}

/// Older summaries are coarser. Only parts of a window that lie in two runs of merging may stay finer for a while.
fn check_coarseness(lengths: &[i64]) {
    let (mut coarsest, mut finer) = (0, 0);
    for length in lengths.iter().rev() {
        finer = if *length < coarsest { finer + length } else { 0 };
        coarsest = coarsest.max(*length);
        assert!(finer <= coarsest, "older is coarser: {lengths:?}");
    }
}

/// Without thinning the oldest messages go. Reports say how many, of which time, and why.
#[test]
fn what_is_dropped_is_told() {
    const MINUTES: i64 = 14_400;
    let (dir, offline) = (TempDir::new(), Offline::new());
    let mut agent = offline.agent(&dir, "full = \"drop-oldest\"");
    let readings = offline.publish(MINUTES);
    offline.settle(MINUTES);
    agent.check_running();
    // The stop reports what is pending.
    assert!(agent.terminate().success());
    let messages = offline.subscriber.wait_until("the last report", |messages| {
        messages.reports().iter().any(|report| report.text("cause") == "stop")
    });
    let newest = messages.reports().into_iter().max_by_key(|report| report.integer("to"));
    let lost = newest.and_then(|report| report.map["total"]["messages"]["lost"].as_i64()).expect("a total");
    let summaries = messages.summaries("main", SERIES);
    let missing = MINUTES - summaries.len() as i64;
    assert!(missing > MINUTES / 4, "{missing} of {MINUTES} are missing");
    // Reports may be among them, and what was on its way when it gave way, but arrived.
    assert!((missing..missing + 100 + IN_FLIGHT).contains(&lost), "{missing} missing, {lost} lost");
    let first = summaries.keys().next().copied().expect("a summary");
    assert!(
        summaries.keys().zip((first..).step_by(MINUTE_MS as usize)).all(|(a, b)| *a == b),
        "the oldest go"
    );
    let reports = messages.reports();
    let told = reports.iter().filter(|report| report.text("cause") == "shed").map(|report| {
        let detail = report.text("detail");
        assert!(detail.contains(" messages lost, made from 20") && detail.contains("max_size"), "{detail}");
        detail.split(' ').next().and_then(|count| count.parse::<i64>().ok()).expect("a count")
    });
    let told: i64 = told.sum();
    assert!((missing - 10..=lost).contains(&told), "{told} told of {lost}, {missing} missing");
    assert_eq!(messages.count_ids("alert"), 10, "alerts are shed last");
    let values: Vec<f64> = readings
        .iter()
        .filter(|(time, _)| *time >= first && *time < first + MINUTE_MS)
        .map(|(_, value)| *value)
        .collect();
    oracle::check_summary(summaries[&first], &values);
}
