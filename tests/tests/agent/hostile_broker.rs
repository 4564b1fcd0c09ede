//! A broker that breaks every promise, as the peer of a source and of an output: what has to do with others goes on.

use crate::wait_source;
use headwater_tests::process::{cpu_seconds, status_kib};
use headwater_tests::{Agent, HostileBroker, Mosquitto, Publisher, Subscriber, TempDir, Trick, wait_within};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What the agent may take, whatever its peer does (KiB).
const RSS_MAX: u64 = 64 << 10;

/// Its share of a processor.
const CPU_MAX: f64 = if cfg!(debug_assertions) { 1.05 } else { 0.5 };

/// Lines of the log in a minute.
const LINES_MAX: usize = 100;

/// The longest line of the log (bytes), with its time and level.
const LINE_BYTES_MAX: usize = 1_100;

/// Readings that have to get through, one after another, and the time between them.
const READINGS: u32 = 8;
const EVERY: Duration = Duration::from_millis(500);

/// The head of the table, for people.
const HEADER: &str =
    "attack | peak (KiB) | of a processor | a good reading after, at most (s) | connections\n";

fn config(good: u16, evil: u16, version: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\ncheckpoint = \"1s\"\n\
         [sources.good]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{good}\"\ntopics = [\"sensors/#\"]\nqos = 1\n\
         [sources.evil]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{evil}\"\ntopics = [\"#\"]\nqos = 1\n\
         version = \"{version}\"\nack = \"durable\"\n\
         [streams.main]\nwindow = {{ type = \"none\" }}\nseries = [\"sensors/*\"]\n\
         [outputs.good]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{good}\"\n\
         [outputs.evil]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{evil}\"\nversion = \"{version}\"\n"
    )
}

/// What one trick costs, as a row for people; it is the `turn`th with this good broker.
fn play(trick: Trick, version: &str, good: &Mosquitto, turn: usize) -> String {
    let (evil, dir) = (HostileBroker::start(trick), TempDir::new());
    let subscriber = Subscriber::to(good.port, "headwater/edge-1/#");
    let (mut agent, began) = (Agent::start(&dir, &config(good.port, evil.port, version)), Instant::now());
    wait_source(good, turn);
    let (mut publisher, mut slowest) = (Publisher::new(good.port), Duration::ZERO);
    for n in 0..READINGS {
        let sent = Instant::now();
        publisher.publish("sensors/good", format!("{{\"v\":{n}}}")).expect("a publish");
        publisher.flush().expect("the broker's acknowledgement");
        subscriber.wait_until(&format!("reading {n} in spite of {trick:?}"), |messages| {
            messages.of("reading").any(|message| message.number("value") == f64::from(n))
        });
        slowest = slowest.max(sent.elapsed());
        std::thread::sleep(EVERY.saturating_sub(sent.elapsed()));
    }
    agent.check_running();
    let resident = status_kib(agent.pid(), "VmHWM").expect("a running agent");
    let share = cpu_seconds(agent.pid()).expect("a running agent") / began.elapsed().as_secs_f64();
    let log = agent.log();
    // Those of a start, and a few of each connection that comes and goes; debug lines are for tests alone.
    let lines = log.lines().filter(|line| !line.contains(" DEBUG ")).collect::<Vec<_>>();
    let minutes = began.elapsed().as_secs() as usize / 60 + 1;
    assert!(lines.len() < LINES_MAX * minutes, "{trick:?}: {log}");
    for line in lines {
        assert!(
            line.len() < LINE_BYTES_MAX && !line.contains(|c: char| c.is_control()),
            "{trick:?}: {line:?}"
        );
        assert!(!line.contains('\u{202e}') && !line.starts_with("ERROR"), "{trick:?}: {line:?}");
    }
    assert!(resident < RSS_MAX, "{trick:?}: {resident} KiB");
    assert!(share < CPU_MAX, "{trick:?}: {share} of a processor");
    assert!(evil.connections() > 0);
    assert!(agent.terminate().success(), "{trick:?}");
    let connections = evil.connections();
    format!(
        "broker of {version}: {trick:?} | {resident} | {share:.3} | {:.1} | {connections}\n",
        slowest.as_secs_f64()
    )
}

fn play_all(version: &str) {
    let (good, mut table) = (Mosquitto::start(), String::from(HEADER));
    let tricks = Trick::ALL.into_iter().filter(|trick| version == "5" || !trick.is_of_v5());
    for (turn, trick) in (1..).zip(tricks) {
        table += &play(trick, version, &good, turn);
    }
    println!("{table}");
}

/// A source is up with its first message: the answer to its subscription may come behind all that the session has kept, or never.
#[test]
fn a_source_is_up_with_its_first_message() {
    let (good, evil, dir) = (Mosquitto::start(), HostileBroker::start(Trick::Flood), TempDir::new());
    let agent = Agent::start(&dir, &config(good.port, evil.port, "3.1.1"));
    agent.wait_log(&["source connected", "evil"]);
}

#[test]
fn a_hostile_broker_of_3_1_1_holds_nobody_up() {
    play_all("3.1.1");
}

#[test]
fn a_hostile_broker_of_5_holds_nobody_up() {
    play_all("5");
}

/// Many messages for which the broker closes the connection, among others: they are found, and the others come through in
/// order.
#[test]
fn many_that_close_the_connection_are_found() {
    const BAD: usize = 60;
    for version in ["3.1.1", "5"] {
        let (source, uplink, dir) =
            (Mosquitto::start(), HostileBroker::start(Trick::CloseOnBad), TempDir::new());
        let text = format!(
            "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[limits]\nnew_series = 1000\n\
             [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"sensors/#\"]\nqos = 1\n\
             [streams.main]\nwindow = {{ type = \"none\" }}\n\
             [outputs.uplink]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nversion = \"{version}\"\n",
            source.port, uplink.port,
        );
        let (agent, began) = (Agent::start(&dir, &text), Instant::now());
        wait_source(&source, 1);
        let mut payload = String::from("{\"x\":1");
        (0..BAD).for_each(|n| _ = write!(payload, ",\"bad{n}\":1,\"good{n}\":1"));
        Publisher::new(source.port).publish("sensors/a", payload + "}").expect("a publish");
        wait_within(Duration::from_secs(240), "a report of all that were lost", || {
            let reports = uplink.taken().into_iter().filter(|(topic, _)| topic.ends_with("/report"));
            let lost = reports.filter_map(|(_, payload)| {
                serde_json::from_slice::<serde_json::Value>(&payload).ok()?["messages"]["lost"].as_u64()
            });
            (lost.sum::<u64>() == BAD as u64).then_some(())
        });
        let taken = uplink.taken();
        let good =
            taken.iter().filter_map(|(topic, _)| topic.split_once("sensors/a/good")?.1.parse::<usize>().ok());
        let mut good: Vec<usize> = good.collect();
        good.dedup();
        assert_eq!(good, (0..BAD).collect::<Vec<_>>(), "in order, some of them twice");
        println!("{version}: {BAD} found in {} connections, {:?}", uplink.connections(), began.elapsed());
        assert!(uplink.connections() < 4 * BAD + 40, "{}", uplink.connections());
        let lines = agent.log().lines().filter(|line| !line.contains(" DEBUG ")).count();
        assert!(lines < 300, "{lines} lines: {}", agent.log());
        assert!(agent.terminate().success());
    }
}
