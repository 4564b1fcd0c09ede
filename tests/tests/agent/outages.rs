//! Brokers that die in mid-stream, or are not there yet. No reading is missing, repeats are equal, and the log says what
//! has happened.

use crate::{Config, check_all, publish, wait_source, wait_window};
use headwater_tests::ports::free_listener;
use headwater_tests::process::cpu_seconds;
use headwater_tests::{Agent, Mosquitto, Options, Publisher, Subscriber, TempDir, recording, wait_for};
use std::time::{Duration, Instant};

const SERIES: &str = "sensors/office/temp";

/// The uplink's broker is killed again and again while readings come in.
#[test]
fn an_uplink_killed_in_mid_stream_loses_no_summary() {
    let source = Mosquitto::start();
    let mut uplink = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let subscriber = Subscriber::new(uplink.port);
    uplink.save();
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &Config::new(source.port, uplink.port).text());
    wait_source(&source, 1);

    let readings = recording::own("ambient_temperature.csv");
    let mut publisher = Publisher::new(source.port);
    for (round, part) in readings.chunks(2_000).enumerate() {
        let (before, rest) = part.split_at(part.len() / 3);
        let (during, after) = rest.split_at(rest.len() / 2);
        subscriber.wait_subscribed(round + 1);
        publish(&mut publisher, "office", "temp", before);
        uplink.kill9();
        publish(&mut publisher, "office", "temp", during);
        uplink.restart();
        publish(&mut publisher, "office", "temp", after);
    }
    let messages = check_all(&subscriber, SERIES, &readings);
    assert!(messages.of("summary").any(|summary| summary.is_backfill()), "nothing came as backfill");
    let messages = subscriber.wait_until("a report of the outage", |messages| messages.has_cause("outage"));
    check_backfill_order(&messages);
    agent.check_running();
}

/// What waited comes oldest first.
fn check_backfill_order(messages: &headwater_tests::Messages) {
    let mut seen = std::collections::BTreeSet::new();
    let backfill =
        messages.of("summary").filter(|summary| summary.is_backfill() && summary.text("series") == SERIES);
    let starts =
        backfill.filter(|summary| seen.insert(summary.text("id"))).map(|summary| summary.integer("start"));
    let starts = starts.collect::<Vec<_>>();
    assert!(starts.is_sorted(), "backfill is not oldest first: {starts:?}");
    let topic = "headwater/edge-1/backfill/summary/main/sensors/office/temp";
    assert!(messages.iter().any(|message| message.topic == topic), "no message on {topic}");
}

/// The sensors' broker is killed and comes back without sessions. The agent subscribes again by itself.
#[test]
fn a_source_that_forgets_is_subscribed_to_again() {
    let mut source = Mosquitto::start();
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &Config::new(source.port, uplink.port).text());

    let readings = recording::own("ambient_temperature.csv");
    for (round, part) in readings.chunks(2_500).enumerate() {
        wait_source(&source, round + 1);
        publish(&mut Publisher::new(source.port), "office", "temp", part);
        // All of the part is in before the broker dies: its last window is closed by `idle`.
        wait_window(&subscriber, SERIES, part.last().unwrap().0);
        source.kill9();
        source.restart();
    }
    check_all(&subscriber, SERIES, &readings);
    agent.check_running();
}

/// One broker for both ways, as on a Raspberry Pi with one mosquitto.
#[test]
fn one_broker_for_both_ways_may_die() {
    let mut broker = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let _agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    broker.save();
    let readings = recording::own("travel_time.csv");
    for (round, part) in readings.chunks(900).enumerate() {
        subscriber.wait_subscribed(round + 1);
        publish(&mut Publisher::new(broker.port), "office", "temp", part);
        wait_window(&subscriber, SERIES, part.last().unwrap().0);
        broker.kill9();
        broker.restart();
    }
    check_all(&subscriber, SERIES, &readings);
}

/// The agent starts while both brokers are down. The sensors' broker comes first, then the uplink.
#[test]
fn an_agent_that_boots_alone_still_collects() {
    let mut source = Mosquitto::stopped(&Options::default());
    let mut uplink = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let subscriber = Subscriber::new(uplink.port);
    uplink.save();
    uplink.kill9();
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &Config::new(source.port, uplink.port).text());
    agent.wait_log(&["127.0.0.1", &source.port.to_string()]);
    agent.wait_log(&["127.0.0.1", &uplink.port.to_string()]);
    source.restart();
    wait_source(&source, 1);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    agent.wait_settled(readings.len()); // `idle` closes the last window
    agent.check_running();
    uplink.restart();
    let messages = check_all(&subscriber, SERIES, &readings);
    assert!(messages.of("summary").all(|summary| summary.is_backfill()), "live topics showed old as new");
}

/// The agent waits ever longer between attempts to connect to a broker that drops every connection, and takes no CPU.
#[test]
fn a_broker_that_hangs_up_is_not_stormed() {
    let source = Mosquitto::start();
    let listener = free_listener();
    let dir = TempDir::new();
    let config = Config::new(source.port, listener.local_addr().unwrap().port());
    let mut agent = Agent::start(&dir, &config.text());
    listener.set_nonblocking(true).unwrap();
    // The connections of so long a spell are counted.
    let mut knocks = 0;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        knocks += usize::from(listener.accept().is_ok());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!((2..=20).contains(&knocks), "{knocks} connections in five seconds");
    let cpu = cpu_seconds(agent.pid()).unwrap();
    assert!(cpu < 1.0, "{cpu} s of CPU for waiting");
    agent.check_running();
}

/// A broker takes the connection and never answers. The agent goes on collecting, and stops when it is told to.
#[test]
fn a_silent_broker_holds_nothing_up() {
    let source = Mosquitto::start();
    let listener = free_listener();
    let port = listener.local_addr().unwrap().port();
    let dir = TempDir::new();
    let agent = Agent::start(&dir, &Config::new(source.port, port).text());
    let silent = listener.accept().unwrap();
    wait_source(&source, 1);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    let told = Instant::now();
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(15), "{:?} to stop", told.elapsed());
    drop((silent, listener));

    // The messages are not lost: the next uplink gets all of them.
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let _agent = Agent::start(&dir, &Config::new(source.port, uplink.port).text());
    check_all(&subscriber, SERIES, &readings);
}

/// An uplink that comes back without a memory is told the status again.
#[test]
fn the_status_is_said_again_after_an_outage() {
    let source = Mosquitto::start();
    let mut uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let mut config = Config::new(source.port, uplink.port);
    (config.agent, config.output_keys) = ("", "ack_timeout = \"2s\"".to_owned());
    let agent = Agent::start(&dir, &config.text());
    subscriber.wait_until("online", |messages| messages.last_state() == Some("online"));
    uplink.kill9();
    agent.wait_log(&["output disconnected"]);
    uplink.restart();
    let late = || Subscriber::new(uplink.port).messages().last_state().map(str::to_owned);
    wait_for("a retained status", || (late().as_deref() == Some("online")).then_some(()));
    // The link stays up although it carries status messages only: for longer than `ack_timeout`, three times over.
    std::thread::sleep(Duration::from_secs(7));
    assert!(!agent.log().contains("nothing was acknowledged"), "{}", agent.log());
}

/// One of two outputs is down. The other one gets every message once, and a status that names the first.
#[test]
fn an_output_that_is_down_holds_up_no_other() {
    let (source, uplink) = (Mosquitto::start(), Mosquitto::start());
    let mut lab = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let (subscriber, lab_subscriber) = (Subscriber::new(uplink.port), Subscriber::new(lab.port));
    lab.save();
    lab.kill9();
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    let lab_table = format!("[outputs.lab]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", lab.port);
    let config = format!("{config}{lab_table}");
    let agent = Agent::start(&dir, &config);
    wait_source(&source, 1);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    check_all(&subscriber, SERIES, &readings);
    let trouble = |messages: &headwater_tests::Messages| {
        messages.of("status").last().map(|status| status.map["trouble"].to_string())
    };
    subscriber.wait_until("a status that names it", |messages| {
        trouble(messages)
            .is_some_and(|trouble| trouble.contains("output lab is down") && !trouble.contains("cloud"))
    });
    assert!(agent.terminate().success());
    let _agent = Agent::start(&dir, &config);
    lab.restart();
    check_all(&lab_subscriber, SERIES, &readings);
    subscriber
        .wait_until("a status without trouble", |messages| trouble(messages).as_deref() == Some("null"));
    let messages = subscriber.messages();
    assert_eq!(messages.of("summary").count(), messages.count_ids("summary"), "one copy each");
}
