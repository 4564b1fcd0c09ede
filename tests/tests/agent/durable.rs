//! `ack = "durable"`: whatever happens to the agent, every reading counts once.

use crate::Config;
use headwater_tests::agent::run;
use headwater_tests::client::connect;
use headwater_tests::wire::Connect;
use headwater_tests::{
    Agent, Messages, Mosquitto, Options, PATIENCE, Publisher, SlowDisk, Subscriber, TempDir,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PLACES: [&str; 3] = ["office", "cellar", "roof"];
const WINDOW: i64 = 10_000;
/// The event time between two readings of a place (ms).
const STEP: i64 = 100;

/// A thread that publishes readings of every place until it is stopped. Returns the number of readings of each.
struct Load {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<i64>,
}

impl Load {
    fn start(port: u16, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut publisher = Publisher::new(port);
            let mut step = 0;
            while !stopped.load(Ordering::Relaxed) {
                for place in PLACES {
                    let payload = format!(r#"{{"ts":{},"temp":{}}}"#, start() + step * STEP, step % 1_000);
                    publisher.publish(&format!("sensors/{place}"), payload).expect("a publish");
                }
                publisher.flush().expect("the broker's acknowledgements");
                step += 1;
                // The pause sets the load: so many readings a second.
                std::thread::sleep(pause);
            }
            step
        });
        Self { stop, thread }
    }

    fn end(self) -> i64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the publisher")
    }
}

fn start() -> i64 {
    1_700_000_000_000
}

fn config(source: u16, uplink: u16) -> String {
    let mut config = Config::new(source, uplink);
    config.source_keys =
        "topics = [\"sensors/{place}\"]\nack = \"durable\"\nfields = [\"temp\"]\ntime = \"ts\"";
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\n\
                      idle = \"300ms\"\naggregates = [\"count\", \"sum\"]"
        .to_owned();
    config.text()
}

/// The count and the sum of every window.
fn expected(steps: i64) -> BTreeMap<i64, (i64, f64)> {
    let mut windows: BTreeMap<i64, (i64, f64)> = BTreeMap::new();
    for step in 0..steps {
        let window = windows.entry((start() + step * STEP).div_euclid(WINDOW) * WINDOW).or_default();
        window.0 += 1;
        window.1 += (step % 1_000) as f64;
    }
    windows
}

/// Waits for every window of every place. Checks that each has the published readings, and checks the accounts.
fn check(subscriber: &Subscriber, steps: i64) -> Messages {
    let counted = |messages: &Messages, place: &str| {
        let windows = messages.summaries("main", &format!("sensors/{place}/temp"));
        windows.values().map(|summary| summary.integer("count")).sum::<i64>()
    };
    let all = |messages: &Messages| PLACES.iter().all(|place| counted(messages, place) >= steps);
    let (messages, _) = subscriber.wait_at_most(2 * headwater_tests::PATIENCE, all);
    messages.check_repeats();
    for place in PLACES {
        let windows = messages.summaries("main", &format!("sensors/{place}/temp"));
        let got: BTreeMap<i64, (i64, f64)> = windows
            .iter()
            .map(|(start, summary)| (*start, (summary.integer("count"), summary.number("sum"))))
            .collect();
        for (start, window) in expected(steps) {
            assert_eq!(got.get(&start), Some(&window), "{place}: the window at {start}, count and sum");
        }
        assert_eq!(got.len(), expected(steps).len(), "{place}: windows that nobody published");
    }
    let published = steps * PLACES.len() as i64;
    let settled = |messages: &Messages| {
        messages.of("report").last().is_some_and(|report| {
            let total = |key: &str| report.map["total"][key].as_i64().unwrap_or(-1);
            total("summarised") == published && total("received") - total("repeated") == published
        })
    };
    let messages = subscriber.wait_until("an account that knows every reading once", settled);
    messages.check_accounts();
    messages
}

/// Agents are killed at random moments under load, and the next one starts at once. No reading is lost or counts twice.
/// `HEADWATER_KILLS` sets the number of kills, `HEADWATER_SEED` the moments.
#[test]
fn kills_lose_nothing_and_count_nothing_twice() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (kills, mut chance) =
        (number("HEADWATER_KILLS").unwrap_or(20), number("HEADWATER_SEED").unwrap_or(7));
    let source = Mosquitto::with(&Options { inflight: 100, quiet: true, ..Options::default() });
    let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let config = config(source.port, uplink.port);
    let mut agent = Agent::start(&dir, &config);
    agent.wait_log(&["source connected"]);
    let load = Load::start(source.port, Duration::from_millis(8));
    for _ in 0..kills {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A run is so long, by chance.
        std::thread::sleep(Duration::from_millis(200 + (chance >> 33) % 1_000));
        agent.kill9();
        agent = Agent::start(&dir, &config);
    }
    let steps = load.end();
    let messages = check(&subscriber, steps);
    let repeated = messages.of("report").last().map(|report| report.map["total"]["repeated"].clone());
    println!("{kills} kills, {} readings, {repeated:?} of them repeated", 3 * steps);
    agent.check_running();
}

/// An agent is thrown off its session, and stopped and started, with unacknowledged messages. It recognises what comes
/// again. This test uses MQTT 5, the one with kills 3.1.1.
#[test]
fn what_comes_again_is_recognised() {
    let source = Mosquitto::with(&Options { inflight: 20, quiet: true, ..Options::default() });
    let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let config = config(source.port, uplink.port).replace("ack =", "version = \"5\"\nack =");
    let mut agent = Agent::start(&dir, &config);
    agent.wait_log(&["source connected"]);
    let load = Load::start(source.port, Duration::from_millis(40));
    for round in 0..6 {
        // The load is on for so long between two disturbances.
        std::thread::sleep(Duration::from_millis(900));
        if round % 2 == 0 {
            // The broker throws the agent out for another client of the same id, and the agent comes back.
            let connections = agent.log().matches("source connected").count();
            drop(connect(source.port, &Connect { id: "headwater-edge-1-field", clean: false, login: None }));
            agent.wait_logs(&["source connected"], connections + 1);
        } else {
            assert_eq!(agent.terminate().code(), Some(0));
            agent = Agent::start(&dir, &config);
        }
    }
    let steps = load.end();
    let messages = check(&subscriber, steps);
    let repeated = messages.of("report").last().and_then(|report| report.map["total"]["repeated"].as_i64());
    assert!(repeated > Some(0), "nothing came again: {repeated:?}");
    agent.check_running();
}

/// mosquitto with its own limits: 20 messages in flight, 1,000 in the queue of a client; it drops the others.
fn stock_broker() -> Mosquitto {
    let more = "max_inflight_messages 20\nmax_queued_messages 1000\n";
    Mosquitto::with(&Options { more, ..Options::default() })
}

/// Whether the broker has dropped a message.
fn has_dropped(broker: &Mosquitto) -> bool {
    broker.logged("Outgoing messages are being dropped") > 0
}

/// Whether the last status says that the broker stands still.
fn says_standstill(messages: &Messages) -> bool {
    let last = messages.of("status").last();
    last.is_some_and(|status| status.map["trouble"].to_string().contains("max_inflight_messages"))
}

/// Publishes readings of each place, so many a second, until `until` says so: how many of each.
fn publish_at(port: u16, rate: u32, mut until: impl FnMut(i64) -> bool) -> i64 {
    const TICK: Duration = Duration::from_millis(20);
    let mut publisher = Publisher::new(port);
    let (start_of_load, mut step) = (std::time::Instant::now(), 0);
    while !until(step) {
        while f64::from(rate) * start_of_load.elapsed().as_secs_f64() > (step * PLACES.len() as i64) as f64 {
            for place in PLACES {
                let payload = format!(r#"{{"ts":{},"temp":{}}}"#, start() + step * STEP, step % 1_000);
                publisher.publish(&format!("sensors/{place}"), payload).expect("a publish");
            }
            step += 1;
        }
        publisher.flush().expect("the broker's acknowledgements");
        std::thread::sleep(TICK);
    }
    step
}

/// A broker that sends 20 messages and then waits loses nothing, because syncs come as soon as it waits. At 1,000 messages a
/// second a busy machine may be too slow for that: then the status has said so before.
#[test]
fn a_broker_with_few_messages_in_flight_drops_nothing() {
    for (rate, steps) in [(50, 50), (200, 300), (1_000, 1_500)] {
        let (source, uplink) = (stock_broker(), Mosquitto::start());
        let subscriber = Subscriber::new(uplink.port);
        let dir = TempDir::new();
        let agent = Agent::start(&dir, &config(source.port, uplink.port));
        agent.wait_log(&["source connected"]);
        let mut warned = false;
        let steps = publish_at(source.port, rate, |step| {
            warned = warned || says_standstill(&subscriber.messages());
            assert!(rate < 1_000 || warned || !has_dropped(&source), "dropped without a word");
            step >= steps
        });
        if warned && has_dropped(&source) {
            println!("at {rate} messages a second this machine is too slow, and the status has said so");
            continue;
        }
        check(&subscriber, steps);
        let status = subscriber.wait_until("its figures", |messages| {
            messages.of("status").last().is_some_and(|status| status.map["acks"]["field"]["held"].is_u64())
        });
        let status = status.of("status").last().unwrap().clone();
        assert!(status.map["sync"]["every"] == 1_000, "{}", status.map);
    }
}

/// The disk takes 5 s for a sync: the broker stands still, and its queue grows. The status says so before it drops anything,
/// with the numbers to raise and how much is held, and until it is over. At 1,000 messages a second that is within a second.
#[test]
fn a_broker_that_stands_still_is_trouble_before_it_drops_anything() {
    for rate in [200, 1_000] {
        let (source, uplink) = (stock_broker(), Mosquitto::start());
        let subscriber = Subscriber::new(uplink.port);
        let dir = TempDir::new();
        let Some(disk) = SlowDisk::new(&dir) else { return };
        let agent = Agent::start_with(&dir, &config(source.port, uplink.port), &disk.environment());
        agent.wait_log(&["source connected"]);
        agent.wait_log(&["checkpoint written"]);
        disk.slow_down();
        let steps = publish_at(source.port, rate, |_| {
            assert!(!has_dropped(&source), "dropped without a word at {rate} a second: {}", agent.log());
            says_standstill(&subscriber.messages())
        });
        disk.speed_up();
        check_standstill(&agent, &subscriber);
        check(&subscriber, steps);
        let is_over = |messages: &Messages| !says_standstill(messages);
        let (_, is_over) = subscriber.wait_at_most(PATIENCE, is_over);
        assert!(is_over, "{}", agent.log());
    }
}

/// What the status and the log say of a broker that stands still.
#[track_caller]
fn check_standstill(agent: &Agent, subscriber: &Subscriber) {
    let said = subscriber.messages();
    let said = said.of("status").find(|status| status.map["trouble"].is_array()).unwrap();
    let acks = &said.map["acks"]["field"];
    assert!(acks["held"].as_i64() >= Some(20) && acks["window"].is_u64(), "{acks}");
    assert!(acks["stalled"].as_i64() >= Some(300), "{acks}");
    agent.wait_log(&["WARN", "source=\"field\"", "max_inflight_messages", "max_queued_messages"]);
}

/// `self-test` measures how many messages a broker sends before it waits for an acknowledgement, and says what rate that
/// allows; without a permission for that it says so, and nothing is wrong.
#[test]
fn self_test_measures_how_many_messages_a_broker_sends() {
    let uplink = Mosquitto::start();
    let said = |source: &Mosquitto| {
        let dir = TempDir::new();
        dir.write("headwater.toml", config(source.port, uplink.port));
        let output = run(&dir, &["self-test", "--config", "headwater.toml"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}");
        text.lines()
            .find(|line| line.contains("acks field"))
            .map(str::to_owned)
            .unwrap_or_else(|| panic!("{text}"))
    };
    let few = said(&stock_broker());
    let expected = "the broker sends 20 messages before it waits: 20 a second at `sync`, 22 a second for long within \
                    `daily_writes`, 80000 more at once";
    assert!(
        few.starts_with("note") && few.contains(expected) && few.contains("max_inflight_messages"),
        "{few}"
    );
    let many = said(&Mosquitto::start());
    assert!(many.starts_with("ok") && many.contains("1000 messages or more"), "{many}");
    let more = "acl_file {dir}/acl\n";
    let barred =
        said(&Mosquitto::with(&Options { more, acl: "topic read sensors/#\n", ..Options::default() }));
    assert!(barred.starts_with("note") && barred.contains("is not known"), "{barred}");
}
