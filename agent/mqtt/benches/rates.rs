//! Messages a second through one connection to a local mosquitto, and the CPU time of this end: `cargo bench -p
//! headwater-mqtt [-- MESSAGES]`.
//!
//! Publishing keeps the window full. Subscribing acknowledges by hand, all that was read together; another process
//! publishes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]

#[path = "../tests/broker/mod.rs"]
mod broker;

use broker::Broker;
use bytes::Bytes;
use headwater_mqtt::{Client, Connection, MqttEvent, MqttSession, Qos, Settings, Ticket, Version, connect};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The payload of a message (bytes).
const PAYLOAD_BYTES: usize = 100;

/// The most unacknowledged publishes.
const IN_FLIGHT: u16 = 1_000;

/// Clock ticks a second in `/proc` (USER_HZ), the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["publish", version, qos, port, count] => {
            end_of(version, qos, port, count, publish);
        }
        ["subscribe", version, qos, port, count] => {
            end_of(version, qos, port, count, subscribe);
        }
        _ => all(words.first().map_or(500_000, |count| number(count))),
    }
}

fn all(count: usize) {
    println!("{count} messages of {PAYLOAD_BYTES} bytes; CPU in seconds per million messages");
    for version in ["3.1.1", "5"] {
        for qos in ["0", "1"] {
            // A broker each: with QoS 0 it still works when its publisher is done.
            let brokers = [(); 2].map(|()| Broker::start("max_inflight_messages 0\n"));
            let [idle, busy] = brokers.each_ref().map(|broker| broker.port.to_string());
            let count = count.to_string();
            let publisher = run("publish", [version, qos, &idle, &count]);
            println!("publish   {version:>5} QoS {qos}: {}", last_line(publisher));
            let mut subscriber = run("subscribe", [version, qos, &busy, &count]);
            let mut lines = BufReader::new(subscriber.stdout.take().expect("a pipe")).lines();
            let mut line = || lines.next().expect("a line").expect("text");
            assert_eq!(line(), "ready");
            last_line(run("publish", [version, qos, &busy, &count]));
            println!("subscribe {version:>5} QoS {qos}: {}", line());
            subscriber.wait().expect("an end");
        }
    }
}

fn run(what: &str, rest: [&str; 4]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.arg(what).args(rest).stdout(Stdio::piped()).spawn().expect("this program")
}

fn last_line(child: Child) -> String {
    let output = child.wait_with_output().expect("an end");
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

fn end_of(
    version: &str,
    qos: &str,
    port: &str,
    count: &str,
    end: impl AsyncFnOnce(Client, Connection, Qos, usize) -> Instant,
) {
    let version = if version == "5" { Version::V5 } else { Version::V4 };
    let url = format!("mqtt://127.0.0.1:{port}");
    let settings = Settings { version, ..Settings::parse_url(&url).expect("an address") };
    let id = format!("rates-{}", std::process::id());
    let session = MqttSession { manual_acks: true, inflight: IN_FLIGHT, ..MqttSession::passing(id) };
    let qos = if qos == "0" { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let count: usize = number(count);
    runtime.block_on(async {
        let (client, mut connection) = connect(&settings, &session).expect("a connection");
        while !matches!(connection.poll().await.expect("a broker"), MqttEvent::Connected { .. }) {}
        let started = end(client, connection, qos, count).await;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = cpu_seconds() * 1e6 / count as f64;
        println!("{:.0}/s, CPU {cpu:.2}", count as f64 / seconds);
    });
}

/// Publishes until everything is sent and, with QoS 1, acknowledged. Returns when it began.
async fn publish(client: Client, mut connection: Connection, qos: Qos, count: usize) -> Instant {
    let (started, payload) = (Instant::now(), Bytes::from(vec![b'x'; PAYLOAD_BYTES]));
    let (mut requested, mut acked, mut is_leaving) = (0, 0, false);
    loop {
        while requested < count
            && client.try_publish("bench/rates".to_owned(), payload.clone(), qos, false).is_ok()
        {
            requested += 1;
        }
        if !is_leaving && requested == count && (qos == Qos::AtMostOnce || acked == count) {
            is_leaving = client.try_disconnect().is_ok();
        }
        let mut event = tokio::select! {
            biased;
            polled = connection.poll() => Some(polled.expect("a connection that holds")),
            // QoS 0 has no answers: only the queue tells that there is room again.
            () = tokio::time::sleep(Duration::from_millis(1)), if qos == Qos::AtMostOnce => None,
        };
        while let Some(one) = event {
            match one {
                MqttEvent::Acked { .. } => acked += 1,
                MqttEvent::Disconnected => return started,
                _ => {}
            }
            event = connection.poll_buffered();
        }
    }
}

/// Reads everything and acknowledges it. Returns when the first message came.
async fn subscribe(client: Client, mut connection: Connection, qos: Qos, count: usize) -> Instant {
    client.try_subscribe(&["bench/#".to_owned()], qos).expect("a filter");
    while !matches!(connection.poll().await.expect("a broker"), MqttEvent::Subscribed { .. }) {}
    println!("ready");
    let (mut started, mut left) = (None, count);
    let mut tickets: VecDeque<Ticket> = VecDeque::new();
    while left > 0 {
        let mut event = Some(connection.poll().await.expect("a connection that holds"));
        while let Some(MqttEvent::Incoming(publish)) = event {
            started.get_or_insert_with(Instant::now);
            left -= 1;
            tickets.push_back(publish.ticket());
            event = connection.poll_buffered();
        }
        while tickets.front().is_some_and(|ticket| client.ack(*ticket).is_ok()) {
            tickets.pop_front();
        }
    }
    started.expect("a message")
}

/// The CPU time of this process, user and system.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = text.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    (number::<f64>(fields[11]) + number::<f64>(fields[12])) / TICKS_PER_SECOND
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}
