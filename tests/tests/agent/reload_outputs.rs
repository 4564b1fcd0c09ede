//! Outputs that come and go with another config: those that stay keep their connections and what waits for them.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::run;
use headwater_tests::{Agent, Gate, Messages, Mosquitto, Publisher, Subscriber, TempDir};
use serde_json::Value;

/// The time of the first reading.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// A place with two uplinks, whose agent forwards every reading.
struct Place {
    dir: TempDir,
    source: Mosquitto,
    uplinks: [Mosquitto; 2],
    subscribers: [Subscriber; 2],
    config: Config,
    sent: i64,
}

impl Place {
    fn new() -> Self {
        let uplinks = [Mosquitto::start(), Mosquitto::start()];
        let source = Mosquitto::start();
        let subscribers = [Subscriber::new(uplinks[0].port), Subscriber::new(uplinks[1].port)];
        let mut config = Config::new(source.port, uplinks[0].port);
        config.agent = "report = \"1s\"\ncheckpoint = \"1s\"\ntrial = \"0s\"";
        config.streams = "[streams.raw]\nwindow = { type = \"none\" }".into();
        Self { dir: TempDir::new(), source, uplinks, subscribers, config, sent: 0 }
    }

    /// Sends some readings. Returns how many have been sent so far.
    fn send(&mut self, count: i64) -> i64 {
        let readings: Vec<_> = (self.sent..self.sent + count).map(|n| (BEGIN_MS + n, n as f64)).collect();
        publish(&mut Publisher::new(self.source.port), "office", "temp", &readings);
        self.sent += count;
        self.sent
    }

    /// The config with another output, of this name, before the one that there is.
    fn with(&self, name: &str, port: u16) -> String {
        let more = format!("[outputs.{name}]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n\n");
        self.config.text().replace("[outputs.cloud]", &format!("{more}[outputs.cloud]"))
    }

    #[track_caller]
    fn wait(&self, uplink: usize, first: i64, last: i64) -> Messages {
        let what = format!("readings {first} to {last} at uplink {uplink}");
        let messages =
            self.subscribers[uplink].wait_until(&what, |messages| values(messages).contains(&(last - 1)));
        assert_eq!(values(&messages).iter().min(), Some(&first));
        messages
    }
}

/// The values of the readings, which are consecutive numbers.
fn values(messages: &Messages) -> Vec<i64> {
    messages.of("reading").map(|reading| reading.number("value") as i64).collect()
}

/// An output comes, goes, and comes back, in the place before the one that stays: that one keeps its connection and misses
/// nothing; the other gets what is made while it is there, and hears when the agent leaves it.
#[test]
fn outputs_come_and_go_and_those_that_stay_notice_nothing() {
    let mut place = Place::new();
    let one = place.config.text();
    let two = place.with("another", place.uplinks[1].port);
    let agent = Agent::start(&place.dir, &one);
    wait_source(&place.source, 1);
    agent.wait_log(&["output connected"]);
    let first = place.send(50);
    place.wait(0, 0, first);
    agent.reload_with(&place.dir, &two);
    agent.wait_logs(&["output connected"], 2);
    let second = place.send(50);
    place.wait(1, first, second);
    place.wait(0, 0, second);
    agent.reload_with(&place.dir, &one);
    place.subscribers[1].wait_until("the farewell", |messages| messages.last_state() == Some("offline"));
    let third = place.send(50);
    place.wait(0, 0, third);
    agent.reload_with(&place.dir, &two);
    agent.wait_logs(&["output connected"], 3);
    let last = place.send(50);
    let messages = place.wait(1, first, last);
    let mut got = values(&messages);
    got.sort_unstable();
    let expected: Vec<i64> = (first..second).chain(third..last).collect();
    assert_eq!(got, expected, "what was made while it was away is not for it");
    place.wait(0, 0, last);
    // What is said of an output is said of the right one.
    let shown = run(&place.dir, &["status", "--config", "headwater.toml", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let outputs: Vec<_> =
        shown["outputs"].as_array().unwrap().iter().map(|own| own["name"].clone()).collect();
    assert_eq!(outputs, ["another", "cloud"]);
    place.uplinks[1].stop();
    agent.wait_log(&["output disconnected", "another"]);
    let messages = place.subscribers[0].messages();
    let mut got = values(&messages);
    got.sort_unstable();
    assert_eq!(got, (0..last).collect::<Vec<_>>());
    messages.check_accounts();
    messages.check_repeats();
    let states: Vec<_> = messages.of("status").map(|status| status.text("state").to_owned()).collect();
    assert!(states.iter().all(|state| state == "online"), "{states:?}");
    assert!(!messages.has_cause("stop"));
    assert_eq!(agent.log().matches("running agent=").count(), 1);
    assert!(agent.terminate().success());
}

/// What waits for an output that goes is given up, counted and told; what waits for the other one stays.
#[test]
fn what_waits_for_an_output_that_goes_is_told_as_lost() {
    let mut place = Place::new();
    let gate = Gate::to(place.uplinks[1].port);
    gate.close();
    let two = place.with("another", gate.port);
    let agent = Agent::start(&place.dir, &two);
    wait_source(&place.source, 1);
    let sent = place.send(20);
    place.wait(0, 0, sent);
    agent.reload_with(&place.dir, &place.config.text());
    agent.wait_log(&["messages given up: the config no longer has output another"]);
    let sent = place.send(20);
    place.wait(0, 0, sent);
    let messages = place.subscribers[0].wait_until("a report of it", |messages| {
        let last = messages.reports().last().map(|report| report.map["total"]["messages"].clone());
        messages.has_cause("refused") && last.is_some_and(|last| last["waiting"].as_i64() < Some(20))
    });
    let lost = messages.reports().last().unwrap().map["total"]["messages"]["lost"].as_i64();
    assert!(lost >= Some(20), "{lost:?}");
    messages.check_accounts();
    assert_eq!(agent.log().matches("running agent=").count(), 1);
    assert!(agent.terminate().success());
}

/// An output that has come, and was never reached: a kill and a start later it gets all that was made since it came.
#[test]
fn a_kill_takes_nothing_from_an_output_that_has_come() {
    let mut place = Place::new();
    let gate = Gate::to(place.uplinks[1].port);
    gate.close();
    let one = place.config.text();
    let two = place.with("another", gate.port);
    let agent = Agent::start(&place.dir, &one);
    wait_source(&place.source, 1);
    let first = place.send(50);
    place.wait(0, 0, first);
    agent.reload_with(&place.dir, &two);
    let second = place.send(50);
    place.wait(0, 0, second);
    agent.wait_settled(second as usize);
    agent.kill9();
    let agent = Agent::start(&place.dir, &two);
    wait_source(&place.source, 2);
    gate.open();
    let last = place.send(50);
    let messages = place.wait(1, first, last);
    let mut got = values(&messages);
    got.sort_unstable();
    got.dedup();
    assert_eq!(got, (first..last).collect::<Vec<_>>());
    messages.check_repeats();
    messages.check_accounts();
    assert!(agent.terminate().success());
}
