//! A report follows every restart and every outage, also when the agent or the broker ends in between.

use crate::{Config, wait_source};
use headwater_tests::ports::free_listener;
use headwater_tests::{Agent, Gate, Messages, Mosquitto, Options, Subscriber, TempDir, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The details of the reports of a cause, in the order in which they were made.
fn details(messages: &Messages, cause: &str) -> Vec<String> {
    let mut reports = messages.reports();
    reports.retain(|report| report.text("cause") == cause);
    reports.sort_by_key(|report| report.integer("to"));
    reports.dedup_by_key(|report| report.text("id").to_owned());
    reports.into_iter().map(|report| report.text("detail").to_owned()).collect()
}

fn seconds_down(detail: &str) -> u64 {
    let seconds = detail.strip_prefix("output cloud was down for ").and_then(|rest| rest.strip_suffix(" s"));
    seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{detail}"))
}

/// Waits for so many starts in the log, which all agents of a directory share.
fn wait_for_running(agent: &Agent, starts: usize) {
    let running = || agent.log().matches("INFO running").count();
    wait_for("the start", || (running() == starts).then_some(()));
}

fn uplink() -> (Mosquitto, Subscriber, Gate) {
    let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (subscriber, gate) = (Subscriber::new(uplink.port), Gate::to(uplink.port));
    (uplink, subscriber, gate)
}

/// Agents are killed and stopped in the middle of an outage, and the line is mended while none runs. One report tells of the
/// whole outage.
#[test]
fn an_outage_over_restarts_is_told_once_and_whole() {
    let (source, (_uplink, subscriber, gate)) = (Mosquitto::start(), uplink());
    let dir = TempDir::new();
    let config = Config::new(source.port, gate.port).text();
    gate.open();
    let agent = Agent::start(&dir, &config);
    subscriber.wait_until("online", |messages| messages.last_state() == Some("online"));
    gate.close();
    agent.wait_log(&["output disconnected"]);
    let down = Instant::now();
    agent.wait_checkpoint(); // which knows of it
    agent.kill9();
    let agent = Agent::start(&dir, &config);
    wait_for_running(&agent, 2);
    assert!(agent.terminate().success());
    // The outage has a length that its report must tell, and no agent runs meanwhile.
    std::thread::sleep(Duration::from_secs(2));
    gate.open();
    let least = down.elapsed().as_secs();
    let agent = Agent::start(&dir, &config);
    let messages = subscriber.wait_until("a report of the outage", |messages| messages.has_cause("outage"));
    let told = details(&messages, "outage");
    let most = down.elapsed().as_secs() + 1;
    assert!(
        told.len() == 1 && (least..=most).contains(&seconds_down(&told[0])),
        "{told:?}, not {least} to {most}"
    );
    // No second report follows.
    assert!(agent.terminate().success());
    let _agent = Agent::start(&dir, &config);
    let messages =
        subscriber.wait_until("a report of the restart", |messages| details(messages, "restart").len() >= 4);
    assert_eq!(details(&messages, "outage").len(), 1);
    messages.check_accounts();
}

/// A broker that takes every connection and acknowledges nothing has not ended the outage.
#[test]
fn a_broker_that_acknowledges_nothing_ends_no_outage() {
    let (source, (_uplink, subscriber, gate)) = (Mosquitto::start(), uplink());
    let deaf = free_listener();
    let port = deaf.local_addr().unwrap().port();
    std::thread::spawn(move || {
        deaf.incoming().flatten().for_each(|stream| drop(std::thread::spawn(|| hear(stream))))
    });
    let dir = TempDir::new();
    let mut config = Config::new(source.port, port);
    config.output_keys = "ack_timeout = \"1s\"".to_owned();
    let agent = Agent::start(&dir, &config.text());
    wait_source(&source, 1);
    wait_for("four connections", || (agent.log().matches("output connected").count() >= 4).then_some(()));
    assert!(agent.terminate().success());
    config.output = format!("mqtt://127.0.0.1:{}", gate.port);
    gate.open();
    let _agent = Agent::start(&dir, &config.text());
    let messages = subscriber.wait_until("a report of the outage", |messages| messages.has_cause("outage"));
    let told = details(&messages, "outage");
    assert!(told.len() == 1 && seconds_down(&told[0]) >= 3, "{told:?}");
}

/// A broker that accepts a client and then says nothing.
fn hear(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    let _ = stream.read(&mut bytes);
    let connack: &[u8] =
        if bytes.windows(5).any(|five| five == b"MQTT\x05") { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
    let _ = stream.write_all(connack);
    while let Ok(1..) = stream.read(&mut bytes) {}
}

/// Every start is reported, however short the run is: before its end, or by the next run after a crash.
#[test]
fn a_start_that_ends_at_once_is_told_too() {
    let (source, (_uplink, subscriber, gate)) = (Mosquitto::start(), uplink());
    let dir = TempDir::new();
    let config = Config::new(source.port, gate.port).text();
    let agent = Agent::start(&dir, &config);
    agent.wait_log(&["running"]);
    let (status, log) = agent.stop();
    assert!(status.success(), "{log}");
    // The kill comes as soon as the start is written.
    let written = log.matches("checkpoint written").count();
    let agent = Agent::start(&dir, &config);
    agent.wait_logs(&["checkpoint written"], 1 + written);
    agent.kill9();
    gate.open();
    let _agent = Agent::start(&dir, &config);
    let messages =
        subscriber.wait_until("two reports of restarts", |messages| details(messages, "restart").len() >= 2);
    assert_eq!(details(&messages, "restart"), ["", "2 starts since the last one that is known to be told"]);
    messages.check_accounts();
}
