//! Readings a second from a local mosquitto through the windows of one agent, beside a bare rumqttc subscriber that
//! only counts: the same messages, the same broker, in turn. CPU time is that of the one process.
//!
//! `throughput [MESSAGES] [ROUNDS]`; run by `tests/bench throughput`.

use headwater_tests::process::{Process, command, cpu_seconds};
use headwater_tests::{
    Agent, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, probe, wait_for,
};
use rumqttc::{Client, Event, MqttOptions, NetworkOptions, Packet, QoS};
use std::time::Instant;

/// Series that the readings are spread over.
const SERIES: usize = 100;

/// Readings of one series in a window.
const PER_WINDOW: usize = 100;

/// Event time between two readings of a series, in ms; a window is as long as `PER_WINDOW` of them.
const STEP_MS: usize = 100;

fn main() {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    if let [word, port, qos, messages, out] = arguments.as_slice()
        && word == "count"
    {
        return count(number(port), number(qos), number(messages), out);
    }
    let messages = arguments.first().map_or(500_000, |text| number(text)) / (SERIES * PER_WINDOW)
        * (SERIES * PER_WINDOW);
    let rounds = arguments.get(1).map_or(3, |text| number(text));
    println!(
        "{messages} messages over {SERIES} series, {rounds} rounds; CPU in seconds per million messages"
    );
    println!(
        "{:>4} {:>10} {:>10} {:>6}   {:>8} {:>8} {:>6}",
        "QoS", "bare/s", "agent/s", "ratio", "bare CPU", "agent", "ratio"
    );
    for qos in [0, 1] {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let bare = run_bare(qos, messages);
            let agent = run_agent(qos, messages);
            let (rate, cpu) = (agent.rate / bare.rate, agent.cpu / bare.cpu);
            println!(
                "{qos:>4} {:>10.0} {:>10.0} {rate:>6.2}   {:>8.2} {:>8.2} {cpu:>6.2}",
                bare.rate, agent.rate, bare.cpu, agent.cpu
            );
            ratios.push((rate, cpu));
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let rate = median(ratios.iter().map(|ratio| ratio.0).collect());
        let cpu = median(ratios.iter().map(|ratio| ratio.1).collect());
        println!(
            "QoS {qos}, median ratios: rate {rate:.2} (aim: at least 0.7), CPU {cpu:.2} (aim: at most 1.4)"
        );
    }
}

/// What one run gave.
struct Figures {
    /// Messages a second, from the first publish to the last one's effect.
    rate: f64,
    /// CPU seconds per million messages.
    cpu: f64,
}

fn broker() -> Mosquitto {
    Mosquitto::with(&Options { quiet: true, ..Options::default() })
}

/// Publishes the readings, then for each series one that closes its last window.
fn publish(port: u16, qos: u8, messages: usize) {
    let mut publisher = Publisher::new(port);
    let topics = (0..SERIES).map(|series| format!("bench/{series}/climate")).collect::<Vec<_>>();
    let mut send = |topic: &str, step: usize, value: usize| {
        let time = 1_700_000_000_000 + step * STEP_MS;
        let payload = format!(r#"{{"ts":{time},"temp":{}.{:02},"unit":"C"}}"#, 18 + value % 9, value % 100);
        let sent =
            if qos == 0 { publisher.publish_qos0(topic, payload) } else { publisher.publish(topic, payload) };
        sent.expect("a publish");
    };
    for message in 0..messages {
        send(&topics[message % SERIES], message / SERIES, message);
    }
    for topic in &topics {
        send(topic, messages / SERIES + PER_WINDOW, 0);
    }
    publisher.flush().expect("the broker's acknowledgements");
}

fn run_bare(qos: u8, messages: usize) -> Figures {
    let broker = broker();
    let dir = TempDir::new();
    let out = dir.join("count");
    let mut command = command(std::env::current_exe().expect("the path of this program"));
    command
        .arg("count")
        .args([broker.port.to_string(), qos.to_string(), (messages + SERIES).to_string()])
        .arg(&out);
    let _counter = Process::start(&mut command);
    let word = |word: &str| {
        std::fs::read_to_string(&out).ok().and_then(|text| text.strip_prefix(word).map(str::to_owned))
    };
    wait_for("the bare subscriber", || word("ready"));
    let started = Instant::now();
    publish(broker.port, qos, messages);
    let cpu = wait_for("the bare subscriber's count", || word("done "));
    let seconds = started.elapsed().as_secs_f64();
    figures(messages, seconds, cpu.parse().expect("CPU seconds"))
}

fn run_agent(qos: u8, messages: usize) -> Figures {
    let (broker, uplink) = (broker(), broker());
    let subscriber = Subscriber::to(uplink.port, "headwater/+/summary/#");
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let size = PER_WINDOW * STEP_MS;
    let agent = Agent::start_with(
        &dir,
        &format!(
            "[agent]\nid = \"bench\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\nqos = {qos}\n\
             topics = [\"bench/{{place}}/climate\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\nfields = [\"temp\"]\n\
             [streams.main]\nwindow = {{ type = \"tumbling\", size = \"{size}ms\" }}\nlateness = \"0s\"\n\
             aggregates = [\"count\", \"min\", \"max\", \"mean\", \"stddev\", \"p95\"]\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
            broker.port, uplink.port
        ),
        &runtime.environment(),
    );
    probe::until_heard(broker.port, "bench/probe/climate", &subscriber);
    let before = cpu_seconds(agent.pid()).expect("a running agent");
    let summaries = messages / PER_WINDOW;
    let started = Instant::now();
    publish(broker.port, qos, messages);
    let received = subscriber.wait_until("the last window", |received| received.len() >= summaries);
    let last = received.iter().map(|message| message.at).max().expect("a summary");
    let counted = received.iter().map(|summary| summary.integer("count")).sum::<i64>();
    assert_eq!(counted, messages as i64, "readings in summaries");
    let cpu = cpu_seconds(agent.pid()).expect("a running agent") - before;
    figures(messages, last.duration_since(started).as_secs_f64(), cpu)
}

fn figures(messages: usize, seconds: f64, cpu: f64) -> Figures {
    Figures { rate: messages as f64 / seconds, cpu: cpu * 1e6 / messages as f64 }
}

/// The bare subscriber, a process of its own: counts, and says what CPU time the counting took.
fn count(port: u16, qos: u8, messages: usize, out: &str) {
    let mut options = MqttOptions::new("bare", "127.0.0.1", port);
    options.set_inflight(1_000).set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, 1_000);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    connection.eventloop.set_network_options(network);
    let qos = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    client.subscribe("bench/#", qos).expect("a subscription");
    let (mut left, mut before) = (messages, 0.0);
    let own = std::process::id();
    for event in connection.iter() {
        match event.expect("a connection that holds") {
            Event::Incoming(Packet::SubAck(_)) => {
                before = cpu_seconds(own).expect("own CPU time");
                std::fs::write(out, "ready").expect("a word to the parent");
            }
            Event::Incoming(Packet::Publish(_)) => left -= 1,
            _ => {}
        }
        if left == 0 {
            break;
        }
    }
    let cpu = cpu_seconds(own).expect("own CPU time") - before;
    let new = format!("{out}.new");
    std::fs::write(&new, format!("done {cpu}")).and_then(|()| std::fs::rename(&new, out)).expect("the count");
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}
