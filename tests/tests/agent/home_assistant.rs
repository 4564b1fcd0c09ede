//! `home_assistant` of an output, against a real mosquitto. `tests/home-assistant/entities.py` makes of the messages what
//! Home Assistant does, and holds each announcement against its documented schema.

use crate::Config;
use headwater_tests::tree::root;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir, skip, wait_for};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const FIRST: i64 = 1_700_000_000;

/// Windows of a second, with their unit from SenML, a detector, and what an output says.
fn config(source: u16, output: u16, keys: &str) -> String {
    let mut config = Config::new(source, output);
    config.source_keys = "topics = [\"sensors/{place}\"]\nformat = \"senml\"\nseries = \"{place}/{field}\"";
    config.output_keys = keys.to_owned();
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\nidle = \"500ms\"\n\
                      aggregates = [\"count\", \"mean\", \"increase\"]\n\
                      [[streams.main.detectors]]\ntype = \"threshold\"\nabove = 30\nevidence = { after = 0 }"
        .to_owned();
    config.text()
}

/// Readings of a place, a second apart from the second `from` on.
fn publish(publisher: &mut Publisher, place: &str, from: i64, values: &[f64]) {
    for (second, value) in (FIRST + from..).zip(values) {
        let payload = json!([{ "n": "temp", "u": "Cel", "v": value, "t": second },
                             { "n": "meter", "u": "kWh", "v": value * 2.0, "t": second }]);
        publisher.publish(&format!("sensors/{place}"), payload.to_string()).expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
}

/// What `entities.py` says of these lines; `None`: Python lacks what it takes.
fn modelled(lines: &str) -> Option<Value> {
    let has_all = ["-c", "import jinja2, jsonschema"];
    if !Command::new("python3").args(has_all).output().is_ok_and(|output| output.status.success()) {
        skip("no jinja2 or jsonschema for Python; tests/run installs them");
        return None;
    }
    let mut python = Command::new("python3")
        .arg(root().join("tests/home-assistant/entities.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    python.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("messages");
    let output = python.wait_with_output().expect("what it says");
    assert!(output.status.success(), "entities.py failed");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["invalid"], json!([]), "{told:#}");
    Some(told)
}

/// The entities that Home Assistant has after these messages; `None`: see [`modelled`].
fn entities(messages: &Messages) -> Option<Value> {
    let mut lines = String::new();
    for message in messages.iter() {
        let payload = String::from_utf8_lossy(&message.payload);
        let kept = message.retain || message.topic.ends_with("/status") || message.topic.ends_with("/state");
        let line = json!({ "topic": message.topic, "payload": payload, "retain": kept });
        lines.push_str(&format!("{line}\n"));
    }
    Some(modelled(&lines)?["entities"].clone())
}

/// Waits until the entities are as they should be. Returns them; `None`: see [`entities`].
#[track_caller]
fn wait_entities(subscriber: &Subscriber, what: &str, enough: impl Fn(&Value) -> bool) -> Option<Value> {
    let mut seen = usize::MAX;
    wait_for(what, || {
        let messages = subscriber.messages();
        if std::mem::replace(&mut seen, messages.len()) == messages.len() {
            return None;
        }
        let told = entities(&messages);
        told.as_ref().is_none_or(&enough).then_some(told)
    })
}

fn state<'e>(entities: &'e Value, name: &str) -> &'e Value {
    &entities[name]["state"]
}

/// Waits until a series is announced: what is sent before, nobody reads.
fn wait_announced(subscriber: &Subscriber) {
    subscriber.wait_until("announcements of both series", |messages| {
        let is_sensor =
            |topic: &str| topic.starts_with("homeassistant/sensor/") && topic.ends_with("/config");
        messages.iter().filter(|message| is_sensor(&message.topic)).count() >= 6
    });
}

/// How many announcements the broker keeps.
fn kept(broker: &Mosquitto) -> usize {
    let late = Subscriber::to(broker.port, "homeassistant/#");
    late.after(std::time::Duration::from_millis(500)).iter().filter(|message| message.retain).count()
}

/// `tests/home-assistant/check keep` has written what a real one showed between these messages.
#[test]
fn the_model_shows_what_a_real_home_assistant_showed() {
    let seen = std::fs::read_to_string(root().join("tests/home-assistant/seen.jsonl")).expect("the file");
    let Some(told) = modelled(&seen) else { return };
    assert_eq!(told["different"], json!([]), "{:#}", told["different"]);
    assert_eq!(told["steps"], 9);
    // It would notice.
    let other = seen.replace("\"state\": \"26.0\"", "\"state\": \"27.0\"");
    assert_eq!(modelled(&other).unwrap()["different"].as_array().unwrap().len(), 1);
}

#[test]
fn series_and_alerts_are_entities_with_units() {
    let broker = Mosquitto::start();
    let (dir, home) = (TempDir::new(), Subscriber::to(broker.port, "#"));
    let agent = Agent::start(&dir, &config(broker.port, broker.port, "home_assistant = true"));
    crate::wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "attic", 0, &[20.0]);
    wait_announced(&home);
    publish(&mut publisher, "attic", 1, &[21.0, 40.0]);
    let Some(told) = wait_entities(&home, "three windows and an alert", |told| {
        state(told, "field: attic/temp mean") == 40.0
            && state(told, "field: attic/meter increase") == 38.0
            && state(told, "field: attic/temp threshold") == "on"
    }) else {
        return;
    };
    let of = |name: &str, key: &str| told[name]["config"][key].clone();
    assert_eq!(of("field: attic/temp mean", "unit_of_measurement"), "°C");
    assert_eq!(of("field: attic/temp mean", "device_class"), "temperature");
    assert_eq!(of("field: attic/temp mean", "expire_after"), 3, "2 windows and `idle`");
    assert_eq!(of("field: attic/temp count", "entity_category"), "diagnostic");
    assert_eq!(of("field: attic/meter increase", "device_class"), "energy");
    assert_eq!(of("field: attic/meter increase", "state_class"), "total");
    assert_eq!(of("field: attic/meter mean", "device_class"), Value::Null, "no mean of energy is a total");
    assert_eq!(told["field: attic/temp threshold"]["attributes"]["reason"], "40 is above 30");
    assert_eq!(state(&told, "edge-1: running"), "on");
    assert_eq!(state(&told, "edge-1: trouble"), "off");
    assert_eq!(told.as_object().unwrap().len(), 2 + 2 * 4, "{told:#}");
    // A reading that comes late makes a revision of an earlier window, and that is not now.
    publish(&mut publisher, "attic", 1, &[29.0]);
    home.wait_until("the revision", |messages| {
        messages
            .summaries("main", "attic/temp")
            .get(&((FIRST + 1) * 1_000))
            .is_some_and(|w| w.integer("count") == 2)
    });
    let told = entities(&home.messages()).unwrap();
    assert_eq!(state(&told, "field: attic/temp mean"), 40.0);
    assert!(agent.terminate().success());
    let told = wait_entities(&home, "the farewell", |told| state(told, "edge-1: running") == "off").unwrap();
    assert_eq!(state(&told, "field: attic/temp mean"), "unavailable");
}

/// An alert is raised, and cleared while the output is down. The broker has lost everything. What waited is not shown.
#[test]
fn what_is_announced_outlives_an_outage_and_what_waited_is_not_now() {
    let (source, mut broker) = (Mosquitto::start(), Mosquitto::start());
    let (dir, home) = (TempDir::new(), Subscriber::to(broker.port, "#"));
    let mut agent = Agent::start(&dir, &config(source.port, broker.port, "home_assistant = true"));
    crate::wait_source(&source, 1);
    let mut publisher = Publisher::new(source.port);
    publish(&mut publisher, "attic", 0, &[20.0]);
    wait_announced(&home);
    publish(&mut publisher, "attic", 1, &[40.0]);
    let alert = "field: attic/temp threshold";
    if wait_entities(&home, "an alert", |told| state(told, alert) == "on").is_none() {
        return;
    }
    broker.kill9();
    agent.wait_log(&["output disconnected"]);
    publish(&mut publisher, "attic", 10, &[21.0, 22.0, 23.0]);
    broker.restart();
    let told = wait_entities(&home, "its end", |told| state(told, alert) == "off").unwrap();
    home.wait_until("what waited", |messages| {
        messages.summaries("main", "attic/temp").contains_key(&((FIRST + 12) * 1_000))
    });
    assert_eq!(told["field: attic/temp mean"]["config"]["unit_of_measurement"], "°C");
    let told = entities(&home.messages()).unwrap();
    assert_eq!(state(&told, "field: attic/temp mean"), 40.0, "backfill is not now: {told:#}");
    // A fresh Home Assistant finds all of it at the broker.
    assert_eq!(kept(&broker), 2 + 2 * 4 + 2, "10 entities, two of them with a state");
    agent.check_running();
}

#[test]
fn what_is_not_so_any_more_is_taken_back() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let on = config(broker.port, broker.port, "home_assistant = true");
    let agent = Agent::start(&dir, &on);
    crate::wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    let foreign = "homeassistant/sensor/other/x/config";
    publisher.publish_retained(foreign, "{}").unwrap();
    publish(&mut publisher, "attic", 0, &[20.0, 21.0]);
    wait_for("all announcements", || (kept(&broker) == 13).then_some(()));
    assert!(agent.terminate().success());
    // A run with fewer aggregates takes two of them back, one for each series.
    let agent = Agent::start(&dir, &on.replace("\"mean\", ", ""));
    wait_for("fewer announcements", || (kept(&broker) == 11).then_some(()));
    assert!(agent.terminate().success());
    let off = on.replace("home_assistant = true", "home_assistant = false");
    let agent = Agent::start(&dir, &off);
    wait_for("no announcement but that of others", || (kept(&broker) == 1).then_some(()));
    assert!(agent.terminate().success());
}
