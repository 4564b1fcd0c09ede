//! Power cuts, on a machine of the test's own: the boot ends in the middle of the work.

use crate::{Config, publish};
use headwater_tests::agent::state_dir;
use headwater_tests::mount::Disk;
use headwater_tests::{Machine, Message, Messages, Mosquitto, Publisher, Subscriber};
use std::collections::BTreeMap;
use std::time::Duration;

/// The start of a window, far in the past: no window closes by the agent's clock alone.
const START: i64 = 1_436_400_000_000;

/// The summaries of a window that have come, in the order of their revisions.
fn told(messages: &Messages, start: i64) -> Vec<&Message> {
    let mut told: Vec<_> =
        messages.of("summary").filter(|summary| summary.integer("start") == start).collect();
    told.sort_by_key(|summary| summary.integer("rev"));
    told.dedup_by_key(|summary| summary.integer("rev"));
    told
}

/// A window was told with all its readings. The checkpoint knew of one, and the power cut takes the others: what is told
/// of the window now says that it is partial, and so does the report of the start.
#[test]
fn a_window_that_may_lack_readings_says_so() {
    let Some(mut machine) = Machine::new() else { return };
    let broker = Mosquitto::start();
    let (subscriber, mut publisher) = (Subscriber::new(broker.port), Publisher::new(broker.port));
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1h\"\ncheckpoint = \"1h\"";
    // The broker keeps nothing that it could send again.
    config.source_keys = "topics = [\"sensors/{place}\"]\nqos = 0\nfields = [\"temp\"]\ntime = \"ts\"";
    config.streams =
        "[streams.main]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\nidle = \"1h\""
            .into();
    let config = config.text();
    let mut read = |seconds: &[i64]| {
        let readings: Vec<_> = seconds.iter().map(|second| (START + second * 1_000, 1.0)).collect();
        publish(&mut publisher, "office", "temp", &readings);
    };
    machine.boot(None);
    let agent = machine.start(&config.replace("checkpoint = \"1h\"", "checkpoint = \"1s\""));
    crate::wait_source(&broker, 1);
    read(&[0]);
    // The checkpoint of the next run begins with one reading.
    agent.wait_durable(1);
    assert!(agent.terminate().success());
    let agent = machine.start(&config);
    crate::wait_source(&broker, 2);
    agent.wait_checkpoint();
    read(&[1, 2, 3, 10]);
    let messages = subscriber.wait_until("the window", |messages| told(messages, START).len() == 1);
    let first = told(&messages, START)[0].clone();
    assert_eq!((first.integer("count"), first.map.get("partial")), (4, None), "{}", first.map);
    agent.kill9();
    machine.boot(None);
    let _agent = machine.start(&config);
    crate::wait_source(&broker, 3);
    read(&[4, 10, 20]);
    let messages =
        subscriber.wait_until("the window again", |messages| told(messages, START + 10_000).len() == 1);
    let again = told(&messages, START);
    let [_, second] = again[..] else { panic!("{}", messages.digest()) };
    assert_eq!((second.integer("count"), second.map["partial"].as_bool()), (2, Some(true)), "{}", second.map);
    assert!(!second.replaces(&first), "a subscriber keeps what was told");
    let report =
        |messages: &Messages| messages.reports().into_iter().any(|report| report.map["stop"] == "power");
    let messages = subscriber.wait_until("the report of the start", report);
    let power = messages.reports().into_iter().find(|report| report.map["stop"] == "power").unwrap();
    let detail = power.text("detail");
    assert!(detail.contains(" s before this start may be missing"), "{}", power.map);
    assert!(detail.ends_with("told as partial, one that was open then among them"), "{}", power.map);
    messages.check_repeats();
}

/// Cut off under way, again and again, with no checkpoint but that of the start: the journal is on the disk, and what it
/// does not have the broker sends again. The config changes once while the machine is off.
#[test]
fn of_a_durable_source_nothing_is_missing_and_nothing_partial() {
    const LIVES: i64 = 4;
    let Some(mut machine) = Machine::new() else { return };
    let broker = Mosquitto::start();
    let (subscriber, mut publisher) = (Subscriber::new(broker.port), Publisher::new(broker.port));
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1h\"";
    config.source_keys =
        "topics = [\"sensors/{place}\"]\nqos = 1\nack = \"durable\"\nfields = [\"temp\"]\ntime = \"ts\"";
    config.streams =
        "[streams.main]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\nidle = \"1h\""
            .into();
    config.more = "[buffer]\nsync = \"100ms\"";
    let mut read = |seconds: std::ops::Range<i64>| {
        let readings: Vec<_> = seconds.map(|second| (START + second * 1_000, 1.0)).collect();
        publish(&mut publisher, "office", "temp", &readings);
    };
    for life in 0..LIVES {
        machine.boot(None);
        if life == 2 {
            config.agent = "report = \"2s\"\ncheckpoint = \"1h\"";
        }
        let agent = machine.start(&config.text());
        agent.wait_logs(&["source connected"], usize::try_from(life).unwrap() + 1);
        read(life * 100..life * 100 + 100);
        if life % 2 == 0 {
            // What is acknowledged is gone from the broker: only the journal has it.
            subscriber.wait_until("the last window but one", |messages| {
                !told(messages, START + life * 100_000 + 80_000).is_empty()
            });
            std::thread::sleep(Duration::from_millis(300)); // longer than `sync`
        }
        if life < LIVES - 1 {
            agent.kill9();
            continue;
        }
        read(LIVES * 100..LIVES * 100 + 1);
        let windows = |messages: &Messages| messages.summaries("main", "sensors/office/temp").len();
        let all = |messages: &Messages| windows(messages) as i64 == LIVES * 10;
        let messages = subscriber.wait_until("all windows", all);
        for (start, summary) in messages.summaries("main", "sensors/office/temp") {
            assert_eq!(summary.integer("count"), 10, "the window at {start}");
        }
        let partial = messages.of("summary").find(|summary| summary.map["partial"] == true);
        assert!(partial.is_none(), "{partial:?}");
        messages.check_repeats();
    }
}

/// The highest revision of each window: how many readings, and their sum.
fn windows(messages: &Messages) -> BTreeMap<i64, (i64, f64)> {
    let summaries = messages.summaries("main", "sensors/office/temp");
    summaries.iter().map(|(start, it)| (*start, (it.integer("count"), it.number("sum")))).collect()
}

/// Readings without a time of their own, on a disk that loses what is not synced. What was acknowledged stays in the window of
/// its arrival, because the journal has that; what was not comes again, and counts at its second arrival: once.
#[test]
fn of_a_durable_source_without_times_every_reading_counts_once() {
    const LIVES: usize = 4;
    let Some(mut machine) = Machine::new() else { return };
    let Some(disk) = Disk::make(state_dir(&machine.dir)) else { return };
    let broker = Mosquitto::start();
    let (subscriber, mut publisher) = (Subscriber::new(broker.port), Publisher::new(broker.port));
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1h\"\ncheckpoint = \"1h\"";
    config.source_keys = "topics = [\"sensors/{place}\"]\nack = \"durable\"\nfields = [\"temp\"]";
    config.streams =
        "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\naggregates = [\"count\", \"sum\"]"
            .into();
    config.more = "[buffer]\nsync = \"200ms\"\n[clock]\ntrust = \"always\"";
    let mut value = 0;
    for life in 1..=LIVES {
        machine.boot(None);
        let agent = machine.start(&config.text());
        agent.wait_logs(&["source connected"], life);
        for _ in 0..100 {
            publisher.publish("sensors/office", format!(r#"{{"temp":{value}}}"#)).expect("a publish");
            publisher.flush().expect("an acknowledgement");
            value += 1;
            // The load: windows close under way.
            std::thread::sleep(Duration::from_millis(20));
        }
        let told = subscriber.messages();
        if life == LIVES {
            continue_until_all(&subscriber, value);
            continue;
        }
        agent.freeze();
        disk.cut_power();
        agent.kill9();
        disk.restore();
        // Long since durable: not the last window, and not the one before it.
        let old: Vec<_> = windows(&told).into_iter().rev().skip(2).collect();
        let now = windows(&subscriber.messages());
        assert!(old.iter().all(|(start, content)| now.get(start) == Some(content)), "{old:?} {now:?}");
    }
    let messages = subscriber.messages();
    let partial = messages.of("summary").find(|summary| summary.map["partial"] == true);
    assert!(partial.is_none(), "{partial:?}");
    messages.check_repeats();
}

/// Waits until the windows hold every value below this one, once.
fn continue_until_all(subscriber: &Subscriber, values: i64) {
    let expected = (values, (0..values).sum::<i64>() as f64);
    let all = |messages: &Messages| {
        let windows = windows(messages);
        windows.values().fold((0, 0.0), |all, own| (all.0 + own.0, all.1 + own.1)) == expected
    };
    subscriber.wait_until("every reading, once", all);
}
