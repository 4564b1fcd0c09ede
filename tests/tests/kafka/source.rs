//! Readings from a real broker, while it and the agent are killed.

use crate::{SIZE_MS, START, STEP_MS, STREAM, kills, windows};
use headwater_tests::agent::{self, state_dir};
use headwater_tests::slow_disk::wait_standstill;
use headwater_tests::{Agent, Gate, Kafka, Messages, Mosquitto, SlowDisk, Subscriber, TempDir, wait_for};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PLACES: [&str; 4] = ["a", "b", "c", "d"];

/// A broker that was away for long is asked again after a minute at most.
const PATIENCE: Duration = Duration::from_secs(180);

fn config(broker: &Kafka, uplink: &Mosquitto, more: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[sources.plant]\ntype = \"kafka\"\nbrokers = [\"127.0.0.1:1\", \"{}\"]\n\
         topics = [\"plant\"]\nseries = \"{{key}}/{{field}}\"\ntime = \"ts\"\n{more}\n{STREAM}\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.address(),
        uplink.port
    )
}

/// The value of a step: a number and its time.
fn value(step: i64) -> String {
    format!(r#"{{"ts":{},"temp":{step}}}"#, START + step * STEP_MS)
}

/// Checks that every window of the series holds each of its records once, and is told once.
#[track_caller]
fn check_windows(subscriber: &Subscriber, series: &str, windows: usize) {
    let is_there = |messages: &Messages| messages.summaries("main", series).len() >= windows;
    let (messages, is_whole) = subscriber.wait_at_most(PATIENCE, is_there);
    assert!(is_whole, "{windows} windows of {series}; came in: {}", messages.digest());
    messages.check_repeats();
    messages.check_accounts();
    for (at, summary) in messages.summaries("main", series) {
        let (first, each) = ((at - START) / STEP_MS, SIZE_MS / STEP_MS);
        let sum = each * first + each * (each - 1) / 2;
        let got = (summary.integer("rev"), summary.integer("count"), summary.number("sum"));
        assert_eq!(got, (0, each, sum as f64), "{series}: revision, count and sum at {at}");
    }
}

/// The agent and the broker are killed in turn under load: no record is missing, and none counts twice.
fn kill_under_load(more: &str) {
    let Some(mut broker) = Kafka::start() else { return };
    broker.create("plant", 3, &[]);
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let config = config(&broker, &uplink, &format!("from = \"earliest\"\n{more}"));
    let mut agent = Some(Agent::start(&dir, &config));
    agent.as_ref().expect("an agent").wait_logs(&["source connected"], 1);
    let stop = AtomicBool::new(false);
    let mut sender = broker.sender("plant", "zstd");
    let steps = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut step = 0;
            while !stop.load(Ordering::Relaxed) || step % 10 != 1 {
                PLACES.iter().for_each(|place| sender.send(place, &value(step)));
                step += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            sender.finish();
            step
        });
        for kill in 0..kills() {
            for again in 0..2 {
                std::thread::sleep(Duration::from_millis(u64::from(300 + (kill + again) * 137 % 700)));
                agent.take().expect("an agent").kill9();
                let next = agent.insert(Agent::start(&dir, &config));
                next.wait_logs(&["running"], (2 + again + 2 * kill) as usize);
            }
            broker.kill9();
            broker.restart();
        }
        stop.store(true, Ordering::Relaxed);
        load.join().expect("the load")
    });
    for place in PLACES {
        check_windows(&subscriber, &format!("{place}/temp"), windows(steps));
    }
    assert_eq!(agent.expect("an agent").terminate().code(), Some(0));
}

#[test]
fn kills_under_load_cost_no_record() {
    kill_under_load("");
}

#[test]
fn kills_under_load_cost_no_record_with_a_journal_on_the_disk() {
    kill_under_load("ack = \"durable\"");
}

/// Without an offset the reading begins at the end, and after a restart where it ended, whatever the codec of what came
/// meanwhile. Keys name series and labels.
#[test]
fn reading_goes_on_where_it_ended_whatever_the_codec() {
    let Some(broker) = Kafka::start() else { return };
    broker.create("plant", 2, &[]);
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let send = |key: &str, codec: &str, steps: std::ops::Range<i64>| {
        let mut sender = broker.sender("plant", codec);
        steps.for_each(|step| sender.send(key, &value(step)));
        sender.finish();
    };
    send("before", "none", 0..50);
    let dir = TempDir::new();
    let config = config(&broker, &uplink, "labels = { device = \"{key}\", key = \"it is {key}\" }");
    let agent = Agent::start(&dir, &config);
    agent.wait_log(&["source connected"]);
    agent.wait_checkpoint();
    assert_eq!(agent.terminate().code(), Some(0));
    // Nothing has come yet, and what comes while the agent is away is read all the same.
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        send(&format!("plant/{codec}"), codec, 0..31);
    }
    let agent = Agent::start(&dir, &config);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let series = format!("plant/{codec}/temp");
        check_windows(&subscriber, &series, 3);
        let messages = subscriber.messages();
        let summaries = messages.summaries("main", &series);
        let labels = &summaries.values().next().expect("a summary").map["labels"];
        let expected =
            serde_json::json!({"device": format!("plant/{codec}"), "key": format!("it is plant/{codec}")});
        assert_eq!(*labels, expected);
    }
    assert!(subscriber.messages().summaries("main", "before/temp").is_empty(), "from the end on");
    assert_eq!(agent.terminate().code(), Some(0));
    let path = dir.join("headwater.toml");
    let tested = agent::run(&dir, &["self-test", "--config", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(said.contains("1 brokers, plant (2 partitions)"), "{said}");
}

/// Records that are gone are counted and said, and a topic that was made anew is read from its beginning.
#[test]
fn what_is_gone_is_counted_and_gone_on_with() {
    let Some(broker) = Kafka::with(None, "auto.create.topics.enable=false") else { return };
    broker.create("plant", 1, &[]);
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let send = |key: &str, count: i64| {
        let mut sender = broker.sender("plant", "none");
        (0..count).for_each(|step| sender.send(key, &value(step)));
        sender.finish();
    };
    let dir = TempDir::new();
    let config = config(&broker, &uplink, "from = \"earliest\"");
    send("first", 31);
    let agent = Agent::start(&dir, &config);
    check_windows(&subscriber, "first/temp", 3);
    assert_eq!(agent.terminate().code(), Some(0));
    send("gone", 100);
    broker.client(&["trim", "plant", "131"]);
    send("second", 31);
    let agent = Agent::start(&dir, &config);
    agent.wait_log(&["offsets 31 to 130 of plant, partition 0, are not kept any more"]);
    check_windows(&subscriber, "second/temp", 3);
    subscriber.wait_until("the count in reports", |messages| {
        let dropped = |report: &&headwater_tests::Message| report.map["dropped"].as_i64().unwrap_or(0);
        messages.reports().iter().map(dropped).sum::<i64>() == 100
    });
    broker.client(&["delete", "plant"]);
    subscriber.wait_until("trouble", |messages| {
        messages
            .of("status")
            .any(|status| status.map.to_string().contains("plant: UNKNOWN_TOPIC_OR_PARTITION"))
    });
    broker.create("plant", 1, &[]);
    send("anew", 31);
    agent.wait_log(&["offset 162 of plant, partition 0, lies beyond its end"]);
    check_windows(&subscriber, "anew/temp", 3);
    assert_eq!(agent.terminate().code(), Some(0));
}

/// Nothing of a topic need be read before there is room for what comes of it: with the uplink down and a disk that stands still
/// it waits, and nothing is given up.
#[test]
fn a_topic_waits_for_room() {
    const RECORDS: i64 = 60_000;
    let Some(broker) = Kafka::start() else { return };
    broker.create("plant", 1, &[]);
    let (uplink, dir) = (Mosquitto::start(), TempDir::new());
    let Some(disk) = SlowDisk::new(&dir) else { return };
    let (subscriber, gate) = (Subscriber::new(uplink.port), Gate::to(uplink.port));
    let config = format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n\
         [sources.plant]\ntype = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"plant\"]\nfrom = \"earliest\"\n\
         series = \"{{key}}/{{field}}\"\ntime = \"ts\"\n\
         [streams.raw]\nwindow = {{ type = \"none\" }}\n[buffer]\nmemory = \"1MiB\"\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.address(),
        gate.port
    );
    let agent = Agent::start_with(&dir, &config, &disk.environment());
    agent.wait_log(&["source connected"]);
    wait_for("a checkpoint", || state_dir(&dir).join("windows.checkpoint").exists().then_some(()));
    disk.stop();
    let mut sender = broker.sender("plant", "none");
    (0..RECORDS).for_each(|step| sender.send("meter", &value(step)));
    sender.finish();
    let waiting = wait_standstill(&dir);
    assert!(waiting < RECORDS, "all of the topic was read before there was room");
    disk.speed_up();
    gate.open();
    let all = |messages: &Messages| {
        let values = messages.of("reading").map(|reading| reading.number("value") as i64);
        values.collect::<BTreeSet<_>>().len() as i64 == RECORDS
    };
    let (messages, is_whole) = subscriber.wait_at_most(PATIENCE, all);
    assert!(is_whole, "every record; came in: {}", messages.digest());
    assert!(messages.reports().iter().all(|report| report.map["total"]["messages"]["lost"] == 0));
    assert!(agent.terminate().success());
}
