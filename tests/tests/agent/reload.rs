//! Another config while the agent runs: what does not change goes on, and nothing is lost or told twice.

use crate::{Config, publish, wait_source};
use headwater_tests::{Agent, Messages, Mosquitto, Options, Publisher, Subscriber, TempDir};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SERIES: &str = "sensors/office/temp";

/// The time of the first reading.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// Ends the load when it is dropped, by a failed check too.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream of its own, whose windows are as long as a reload or two.
fn stream(name: &str, size: &str) -> String {
    format!(
        "[streams.{name}]\nseries = [\"sensors/*\"]\nwindow = {{ type = \"tumbling\", size = \"{size}\" }}\n\
         lateness = \"0s\"\nidle = \"2s\"\naggregates = [\"count\", \"sum\"]\n"
    )
}

/// How often each window of a stream was told of, and the readings in them.
fn windows(messages: &Messages, stream: &str) -> (BTreeMap<String, usize>, i64) {
    let own = || messages.of("summary").filter(|summary| summary.text("stream") == stream);
    let mut times = BTreeMap::new();
    own().for_each(|summary| *times.entry(summary.text("id").to_owned()).or_default() += 1);
    (times, own().map(|summary| summary.integer("count")).sum())
}

/// The times for which readings were stopped (µs), as the log has them.
fn stops_us(log: &str) -> Vec<u64> {
    let of = |line: &str| line.split("readings_stopped_us=").nth(1)?.split_whitespace().next()?.parse().ok();
    let mut all: Vec<u64> = log.lines().filter_map(of).collect();
    all.sort_unstable();
    all
}

/// A hundred reloads while readings come as fast as the broker takes them. Streams, sources and limits come, change and go;
/// the stream and the source that stay notice nothing.
#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_tell_nothing_twice() {
    let source = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let mut config = Config::new(source.port, uplink.port);
    config.streams = stream("main", "10s");
    let base = config.text();
    let agent = Agent::start(&dir, &base);
    subscriber.wait_until("the agent to be online", |messages| messages.last_state() == Some("online"));
    agent.wait_log(&["source connected"]);

    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut publisher, mut sent) = (Publisher::new(source.port), 0_i64);
            while !is_over.load(Ordering::Relaxed) {
                let readings: Vec<_> = (sent..sent + 50).map(|n| (BEGIN_MS + n * 20, n as f64)).collect();
                publish(&mut publisher, "office", "temp", &readings);
                sent += 50;
                std::thread::sleep(Duration::from_millis(25));
            }
            sent
        });
        let over = Over(&is_over);
        for number in 0..100 {
            let more = match number % 5 {
                0 => stream("extra", "30s"),
                1 => format!("{}[limits]\nretained = \"{}KiB\"\n", stream("extra", "1m"), 500 + number),
                2 => format!(
                    "[sources.made]\ntype = \"simulate\"\n[[sources.made.signals]]\nname = \"made/{number}\"\n"
                ),
                3 => stream("other", "5s"),
                _ => format!("# {number}\n"),
            };
            agent.reload_with(&dir, &format!("{base}{more}"));
        }
        agent.reload_with(&dir, &base);
        drop(over);
        load.join().unwrap()
    });
    // One reading far behind the others closes the last window.
    publish(&mut Publisher::new(source.port), "office", "temp", &[(BEGIN_MS + sent * 20 + 60_000, 0.0)]);
    let messages =
        subscriber.wait_until("all readings in windows", |messages| windows(messages, "main").1 > sent);
    let (times, readings) = windows(&messages, "main");
    assert_eq!(readings, sent + 1);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "told more than once: {twice:?}");
    let lacks = messages.of("summary").find(|it| it.text("stream") == "main" && it.map["partial"] == true);
    assert!(lacks.is_none(), "none lacks a reading: {lacks:?}");
    messages.check_repeats();
    messages.check_accounts();
    let states: Vec<_> = messages.of("status").map(|status| status.text("state").to_owned()).collect();
    assert!(states.iter().all(|state| state == "online"), "{states:?}");
    assert_eq!(messages.reports().iter().filter(|report| report.text("cause") == "restart").count(), 1);
    assert!(!messages.has_cause("stop"));
    let log = agent.log();
    for once in ["output connected", "source connected source=\"field\"", "running agent="] {
        assert!(log.matches(once).count() <= 1, "`{once}` more than once");
    }
    let stops = stops_us(&log);
    assert_eq!(stops.len(), 101);
    println!("{sent} readings; stopped for {} µs (median), {} µs (most)", stops[50], stops[100]);
    assert!(stops[50] < 50_000, "{stops:?}");
    assert!(agent.terminate().success());
}

/// A window that is open over a reload, and a kill after it: nothing is missing and nothing is told with two contents.
#[test]
fn a_kill_after_a_reload_costs_nothing() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1h\"";
    config.streams = stream("main", "10s").replace("idle = \"2s\"", "idle = \"1h\"");
    let base = config.text();
    let mut agent = Agent::start(&dir, &base);
    wait_source(&broker, 1);
    let mut sent = 0_i64;
    for round in 0..12_usize {
        let readings: Vec<_> = (sent..sent + 130).map(|n| (BEGIN_MS + n * 20, 1.0)).collect();
        publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
        sent += 130;
        agent.reload_with(&dir, &format!("{base}{}", stream("extra", &format!("{}s", 11 + round))));
        if round % 3 == 1 {
            // What comes after the reload is in a journal of its own.
            let readings: Vec<_> = (sent..sent + 70).map(|n| (BEGIN_MS + n * 20, 1.0)).collect();
            publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
            sent += 70;
        }
        if round % 2 == 1 {
            let config = std::fs::read_to_string(dir.join("headwater.toml")).unwrap();
            agent.kill9();
            agent = Agent::start(&dir, &config);
            agent.wait_logs(&["running agent="], 2 + round / 2);
        }
    }
    publish(&mut Publisher::new(broker.port), "office", "temp", &[(BEGIN_MS + sent * 20 + 60_000, 0.0)]);
    // The last one waits for others.
    let messages = subscriber.wait_until("all readings in windows", |messages| told(messages) >= sent);
    assert_eq!(told(&messages), sent);
    messages.check_repeats();
    messages.check_accounts();
}

/// A bad config changes nothing and says why; the way out of a change that needs another engine is taken by itself.
#[test]
fn a_bad_config_changes_nothing_and_a_larger_change_restarts_the_engine() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let config = Config::new(broker.port, broker.port).text();
    let agent = Agent::start(&dir, &config);
    wait_source(&broker, 1);
    dir.write("headwater.toml", config.replace("tumbling", "tubmling"));
    agent.reload();
    agent.wait_log(&["the config stays as it was"]);
    agent.wait_log(&["did you mean `tumbling`?"]);
    agent.reload_with(&dir, &format!("# the same\n{config}"));
    assert_eq!(subscriber.messages().of("status").filter(|s| s.text("state") == "offline").count(), 0);
    dir.write("headwater.toml", config.replace("id = \"edge-1\"", "id = \"edge-2\""));
    agent.reload();
    agent.wait_log(&["the config changes the agent's id: the engine stops and starts"]);
    subscriber.wait_until("the other agent", |messages| {
        messages
            .of("status")
            .any(|status| status.topic.contains("edge-2") && status.text("state") == "online")
    });
    assert!(agent.terminate().success());
}

/// Another broker for an output: the one before hears that the agent has gone, the new one gets what the old one had not
/// acknowledged, and sources notice nothing.
#[test]
fn an_output_that_changes_is_replaced_alone() {
    let source = Mosquitto::start();
    let (first, second) = (Mosquitto::start(), Mosquitto::start());
    let (before, after) = (Subscriber::new(first.port), Subscriber::new(second.port));
    let dir = TempDir::new();
    let mut config = Config::new(source.port, first.port);
    config.streams = stream("main", "10s");
    let agent = Agent::start(&dir, &config.text());
    wait_source(&source, 1);
    let readings = |from: i64, to: i64| (from..to).map(|n| (BEGIN_MS + n * 20, 1.0)).collect::<Vec<_>>();
    publish(&mut Publisher::new(source.port), "office", "temp", &readings(0, 2_600));
    before.wait_until("windows", |messages| windows(messages, "main").1 >= 2_500);
    config.output = format!("mqtt://127.0.0.1:{}", second.port);
    agent.reload_with(&dir, &config.text());
    let gone = before.wait_until("the farewell", |messages| messages.last_state() == Some("offline"));
    publish(&mut Publisher::new(source.port), "office", "temp", &readings(2_600, 6_000));
    after.wait_until("windows", |messages| {
        windows(messages, "main").1 + windows(&gone, "main").1 >= 5_500
            && messages.last_state() == Some("online")
    });
    assert_eq!(source.logged("\tsensors/"), 1, "the source stays connected");
    let messages = after.wait_until("a report", |messages| messages.of("report").count() > 2);
    messages.check_accounts();
    assert!(!messages.has_cause("restart") && !messages.has_cause("stop"));
    assert!(agent.terminate().success());
}

/// The readings that a subscriber knows of, in windows of the stream `main`.
fn told(messages: &Messages) -> i64 {
    messages.summaries("main", SERIES).values().map(|summary| summary.integer("count")).sum()
}

/// A config that cuts off the uplink is rolled back, also when the agent is killed in its trial. What was made meanwhile
/// arrives, and the config does not come back by a restart.
#[test]
fn a_config_that_cuts_off_the_uplink_is_rolled_back() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1s\"\ntrial = \"4s\"";
    config.streams = stream("main", "10s");
    let good = config.text();
    config.output = "mqtt://127.0.0.1:1".to_owned();
    let bad = config.text();
    let agent = Agent::start(&dir, &good);
    wait_source(&broker, 1);
    agent.wait_log(&["output connected"]);
    let mut sent = 0;
    let mut send = || {
        let readings: Vec<_> = (sent..sent + 1_000).map(|n| (BEGIN_MS + n * 20, 1.0)).collect();
        publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
        sent += 1_000;
    };
    send();
    agent.reload_with(&dir, &bad);
    send();
    agent.wait_log(&["output cloud worked before it and did not come back within 4s"]);
    send();
    let messages = subscriber.wait_until("what was made meanwhile", |messages| told(messages) >= 2_500);
    assert!(messages.has_cause("config"));
    subscriber.wait_until("the trouble", |messages| {
        messages
            .of("status")
            .last()
            .is_some_and(|status| status.map["trouble"].to_string().contains("is not used"))
    });

    // The user tries it again, and the agent is killed in the trial: the next run goes on with the trial.
    agent.reload_with(&dir, &bad);
    agent.kill9();
    let agent = Agent::start(&dir, &bad);
    agent.wait_log(&["the config is still on trial"]);
    send();
    agent.wait_logs(&["did not come back within 4s"], 2);
    subscriber.wait_until("what was made meanwhile", |messages| told(messages) >= 3_500);
    agent.kill9();

    // From now on it is known.
    let agent = Agent::start(&dir, &bad);
    agent.wait_logs(&["is not used, output cloud worked before it"], 3);
    send();
    publish(&mut Publisher::new(broker.port), "office", "temp", &[(BEGIN_MS + sent * 20 + 60_000, 0.0)]);
    let messages = subscriber.wait_until("all", |messages| told(messages) > sent);
    assert_eq!(told(&messages), sent + 1);
    messages.check_repeats();
    messages.check_accounts();

    // Another config is tried, and stays.
    agent.reload_with(&dir, &format!("{good}# better\n"));
    agent.wait_log(&["the config has passed its trial"]);
    assert!(agent.terminate().success());
    let agent = Agent::start(&dir, &format!("{good}# better\n"));
    agent.wait_logs(&["running agent="], 4);
    assert_eq!(agent.log().matches("is not used").count(), 3, "no trial is left");
}

/// A watched config is read when it is written, in one step or in several, and when an editor renames it into place. The same
/// text changes nothing.
#[test]
fn a_watched_config_is_read_when_it_changes() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "watch = true\ntrial = \"0s\"";
    let text = config.text();
    let agent = Agent::start(&dir, &text);
    wait_source(&broker, 1);
    let changed = ["went on with another config"];
    dir.write("headwater.toml", format!("{text}# one\n"));
    agent.wait_logs(&changed, 1);
    dir.write("headwater.toml", format!("{text}# one\n"));
    dir.write("beside", format!("{text}# two\n"));
    std::fs::rename(dir.join("beside"), dir.join("headwater.toml")).unwrap();
    agent.wait_logs(&changed, 2);
    dir.write("headwater.toml", text.replace("tumbling", "tubmling"));
    agent.wait_log(&["the config stays as it was"]);
    dir.write("headwater.toml", format!("{text}# three\n"));
    agent.wait_logs(&changed, 3);
    assert_eq!(agent.log().matches(changed[0]).count(), 3, "the same text changes nothing");
    assert_eq!(broker.logged("\tsensors/"), 1, "the source stays connected");
    assert!(agent.terminate().success());
}

/// Two reloads at once, by signals and by a file that is watched: the last text runs, and what stays notices neither.
#[test]
fn of_reloads_that_meet_the_last_text_runs() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1s\"\nwatch = true";
    config.streams = stream("main", "10s");
    let base = config.text();
    let agent = Agent::start(&dir, &base);
    wait_source(&broker, 1);
    let mut sent = 0_i64;
    for round in 0..5 {
        let readings: Vec<_> = (sent..sent + 300).map(|n| (BEGIN_MS + n * 20, 1.0)).collect();
        publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
        sent += 300;
        for size in ["11s", "12s", "13s"] {
            dir.write("headwater.toml", format!("{base}{}", stream(&format!("extra{round}"), size)));
            agent.reload();
            agent.reload();
        }
        dir.write("headwater.toml", format!("{base}{}", stream(&format!("last{round}"), "10s")));
        let name = format!("last{round}");
        agent.reload();
        headwater_tests::wait_for("the last text", || {
            let shown =
                headwater_tests::agent::run(&dir, &["status", "--config", "headwater.toml", "--json"]);
            String::from_utf8_lossy(&shown.stdout).contains(&name).then_some(())
        });
    }
    publish(&mut Publisher::new(broker.port), "office", "temp", &[(BEGIN_MS + sent * 20 + 60_000, 1.0)]);
    let messages = subscriber.wait_until("all in windows", |messages| windows(messages, "main").1 > sent);
    let (times, readings) = windows(&messages, "main");
    assert_eq!(readings, sent + 1);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    messages.check_repeats();
    messages.check_accounts();
    assert_eq!(broker.logged("\tsensors/"), 1, "the source stays connected");
    assert!(agent.terminate().success());
}
