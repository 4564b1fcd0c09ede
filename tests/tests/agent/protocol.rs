//! Both versions of MQTT, both formats, both qualities of service, and the status with its last will.

use crate::{Config, check_all, publish, wait_source};
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, oracle, recording};
use serde_json::Value;

const SERIES: &str = "sensors/office/temp";

#[test]
fn mqtt_5_carries_both_ways() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "version = \"5\"\ntopics = [\"sensors/{place}\"]\nformat = \"json\"\nfields = [\"temp\"]\n\
                          time = \"ts\"\ntime_format = \"unix_ms\"";
    config.output_keys = "version = \"5\"".to_owned();
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    headwater_tests::wait_for("both connections to speak MQTT 5", || {
        (broker.logged("(p5,") >= 2).then_some(())
    });
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
    check_all(&subscriber, SERIES, &readings);
}

/// JSON and CBOR are the same maps with the same keys.
#[test]
fn cbor_says_the_same_as_json() {
    let (broker, second) = (Mosquitto::start(), Mosquitto::start());
    let (json, cbor) = (Subscriber::new(broker.port), Subscriber::new(second.port));
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    let second_output = format!(
        "[outputs.second]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nformat = \"cbor\"",
        second.port
    );
    config.output_keys = second_output;
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
    let json = check_all(&json, SERIES, &readings);
    let cbor = check_all(&cbor, SERIES, &readings);
    let mut pairs = 0;
    for (start, summary) in json.summaries("main", SERIES) {
        check_same(&summary.map, &cbor.summaries("main", SERIES)[&start].map);
        pairs += 1;
    }
    assert!(pairs > 100, "{pairs} summaries");
    assert!(json.of("summary").all(|summary| summary.payload[0] == b'{'), "JSON is text");
    assert!(cbor.of("summary").all(|summary| summary.payload[0] >> 5 == 5), "CBOR is a map");
    assert!(
        json.iter().all(|message| !String::from_utf8_lossy(&message.payload).contains("null")),
        "absent, not null"
    );
}

/// Whether two maps are equal. Numbers may differ in the last bit, because the test's JSON reader rounds.
fn check_same(json: &Value, cbor: &Value) {
    match (json.as_object(), cbor.as_object()) {
        (Some(left), Some(right)) => {
            assert!(left.keys().eq(right.keys()), "{json} and {cbor}");
            left.iter().zip(right).for_each(|((_, left), (_, right))| check_same(left, right));
        }
        _ if json.is_f64() && cbor.is_f64() => {
            assert!(
                oracle::close(json.as_f64().unwrap(), cbor.as_f64().unwrap(), 1e-15),
                "{json} and {cbor}"
            );
        }
        _ => assert_eq!(json, cbor),
    }
}

/// A source of QoS 0 counts everything that the broker hands over. The output stays at QoS 1.
#[test]
fn qos_0_in_and_qos_1_out() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/{place}\"]\nqos = 0\nformat = \"json\"\nfields = [\"temp\"]\n\
                          time = \"ts\"\ntime_format = \"unix_ms\"";
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let readings = recording::own("travel_time.csv");
    let mut publisher = Publisher::new(broker.port);
    for (time, value) in &readings {
        publisher.publish_qos0("sensors/office", format!(r#"{{"ts":{time},"temp":{value}}}"#)).unwrap();
    }
    publisher.flush().unwrap();
    check_all(&subscriber, SERIES, &readings);
    assert!(broker.logged("\tsensors/+ (QoS 0)") >= 1);
    let out = broker.log();
    let out = out.lines().filter(|line| line.starts_with("Received PUBLISH") && line.contains("'headwater/"));
    assert!(
        out.clone().count() > 100 && out.clone().all(|line| line.contains(" q1,")),
        "a message went out at QoS 0"
    );
}

#[test]
fn the_status_is_retained_and_turns_offline_by_the_last_will() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let config = Config::new(broker.port, broker.port).text();
    let live = Subscriber::new(broker.port);
    let agent = Agent::start(&dir, &config);
    live.wait_until("online", |messages| messages.last_state() == Some("online"));
    let late = Subscriber::new(broker.port)
        .wait_until("a retained status", |messages| messages.last_state().is_some());
    let status = late.of("status").next().unwrap();
    assert!(status.retain && status.topic == "headwater/edge-1/status", "{status:?}");
    assert_eq!((status.text("state"), status.text("agent")), ("online", "edge-1"));
    assert!(!status.text("version").is_empty() && !status.text("clock").is_empty());
    assert!((headwater_tests::now_ms() - status.integer("started")).abs() < 60_000);

    agent.kill9();
    live.wait_until("the last will", |messages| messages.last_state() == Some("offline"));
    let agent = Agent::start(&dir, &config);
    live.wait_until("online again", |messages| messages.last_state() == Some("online"));
    assert_eq!(agent.terminate().code(), Some(0));
    live.wait_until("a farewell", |messages| messages.last_state() == Some("offline"));
    let late = Subscriber::new(broker.port)
        .wait_until("a retained status", |messages| messages.last_state().is_some());
    assert_eq!(late.last_state(), Some("offline"));
}

/// `tail --timeout` ends when no message comes, and says so.
#[test]
fn tail_ends_when_nothing_comes_in_time() {
    let dir = TempDir::new();
    let url = format!("mqtt://127.0.0.1:{}", headwater_tests::ports::free_port());
    let output =
        headwater_tests::agent::run(&dir, &["tail", "--url", &url, "--count", "1", "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no message in 1 s"), "{said}");
}

/// `tail` prints the messages of the outputs.
#[test]
fn tail_prints_what_comes() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.output_keys = "format = \"cbor\"".to_owned();
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let tail = headwater_tests::agent::Background::start(&dir, &["tail", "--config", "headwater.toml"]);
    headwater_tests::wait_for("tail to subscribe", || (broker.logged("\theadwater/") >= 2).then_some(()));
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
    check_all(&subscriber, SERIES, &readings);
    headwater_tests::wait_for("tail to print a summary", || tail.stdout().contains(SERIES).then_some(()));
}
