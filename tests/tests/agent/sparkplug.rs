//! `sparkplug` of an MQTT output: births, data, a rebirth and deaths at a real mosquitto, read by another agent's source.

use crate::Config;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir};

const FIRST_MS: i64 = 1_700_000_000_000;

/// An edge node with windows of a second.
fn node(port: u16) -> String {
    let mut config = Config::new(port, port);
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\nidle = \"500ms\"\n\
                      aggregates = [\"count\", \"mean\"]\n\
                      [[streams.main.detectors]]\ntype = \"threshold\"\nabove = 30"
        .to_owned();
    config.output_keys = "sparkplug = { group = \"plant\" }".to_owned();
    config.text()
}

/// A host, which tells every reading of the node.
fn host(port: u16) -> String {
    let mut config = Config { id: "host", ..Config::new(port, port) };
    config.source_keys = "topics = [\"spBv1.0/plant/#\"]\nformat = \"sparkplug\"";
    config.streams = "[streams.told]\nwindow = { type = \"none\" }".to_owned();
    config.text()
}

/// Readings of a place, a second apart from the second `from` on.
fn publish(publisher: &mut Publisher, place: &str, from: i64, values: &[f64]) {
    let readings = (from..).map(|second| FIRST_MS + 1_000 * second).zip(values.iter().copied());
    crate::publish(publisher, place, "temp", &readings.collect::<Vec<_>>());
}

/// What the host has told of a metric: times and values.
fn told(messages: &Messages, metric: &str) -> Vec<(i64, f64)> {
    let series = format!("plant/edge-1/{metric}");
    let readings = messages.of("reading").filter(|reading| reading.text("series") == series);
    let mut told: Vec<_> =
        readings.map(|reading| (reading.integer("time") - FIRST_MS, reading.number("value"))).collect();
    told.dedup();
    told
}

/// The topics of the node, in the order of their messages.
fn topics(messages: &Messages) -> Vec<String> {
    let of_node = messages.iter().filter_map(|message| message.topic.strip_prefix("spBv1.0/plant/"));
    of_node.filter(|topic| !topic.starts_with("NCMD")).map(str::to_owned).collect()
}

#[test]
fn the_agent_is_an_edge_node_and_each_series_a_device() {
    let broker = Mosquitto::start();
    let (dir, host_dir, all) = (TempDir::new(), TempDir::new(), Subscriber::to(broker.port, "#"));
    let agent = Agent::start(&dir, &node(broker.port));
    crate::wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "hall", 0, &[20.0, 40.0, 10.0]);
    let has = |messages: &Messages, topic: &str, times: usize| {
        topics(messages).iter().filter(|known| *known == topic).count() >= times
    };
    let data = "DDATA/edge-1/main:sensors:hall:temp";
    let messages =
        all.wait_until("three windows and an alert that is over", |messages| has(messages, data, 5));
    let born = topics(&messages);
    assert_eq!(born[..3], ["NBIRTH/edge-1", "DBIRTH/edge-1/main:sensors:hall:temp", data], "{born:?}");

    // A host that comes later asks for the births, and reads what follows.
    let _host = Agent::start(&host_dir, &host(broker.port));
    all.wait_until("a host", |messages| messages.iter().any(|message| message.topic.contains("host/report")));
    publish(&mut publisher, "hall", 3, &[21.0]);
    all.wait_until("a rebirth", |messages| has(messages, "NBIRTH/edge-1", 2));
    publish(&mut publisher, "hall", 4, &[22.0, 35.0]);
    let device = "main:sensors:hall:temp";
    let messages = all.wait_until("what the host reads", |messages| {
        told(messages, &format!("{device}/mean")).contains(&(6_000, 35.0))
            && told(messages, &format!("{device}/alert/threshold"))
                .iter()
                .any(|(at, is)| *at == 5_000 && *is == 1.0)
    });
    let means = told(&messages, &format!("{device}/mean"));
    assert!(means.ends_with(&[(5_000, 22.0), (6_000, 35.0)]), "{means:?}");
    assert!(told(&messages, &format!("{device}/count")).contains(&(5_000, 1.0)));

    assert!(agent.terminate().success());
    let messages = all.wait_until("its death", |messages| has(messages, "NDEATH/edge-1", 1));
    assert!(!messages.iter().any(|message| message.topic.starts_with("headwater/edge-1")), "nothing else");
}

/// What waited for the connection comes behind a birth, and the death of the last connection is the broker's.
#[test]
fn what_waited_for_a_host_is_told_behind_a_birth() {
    let broker = Mosquitto::start();
    let mut uplink = Mosquitto::start();
    let (dir, host_dir) = (TempDir::new(), TempDir::new());
    let config = node(broker.port).replace(
        &format!("[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}", broker.port),
        &format!("[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}", uplink.port),
    );
    let agent = Agent::start(&dir, &config);
    crate::wait_source(&broker, 1);
    uplink.stop();
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "hall", 0, &[20.0, 21.0]);
    agent.wait_log(&["output", "disconnected"]);
    uplink.restart();
    let (host, all) = (Agent::start(&host_dir, &host(uplink.port)), Subscriber::to(uplink.port, "#"));
    let mean = "main:sensors:hall:temp/mean";
    publish(&mut publisher, "hall", 2, &[22.0]);
    all.wait_until("the last window", |messages| told(messages, mean).contains(&(3_000, 22.0)));
    agent.kill9();
    all.wait_until("its death", |messages| topics(messages).iter().any(|topic| topic == "NDEATH/edge-1"));
    drop(host);
}
