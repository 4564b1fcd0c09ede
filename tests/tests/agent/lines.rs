//! Sources that others send lines and datagrams to, and programs that print, through the real binary.

use headwater_tests::ports::free_port;
use headwater_tests::{Agent, Mosquitto, Subscriber, TempDir, skip};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const START: i64 = 1_436_400_000_000;
const STEP_MS: i64 = 100;

/// A config with one source, whose last window closes soon.
fn config(broker: &Mosquitto, source: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[sources.meter]\n{source}\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"2s\"\n\
         aggregates = [\"count\", \"sum\"]\n[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.port
    )
}

fn line(number: i64) -> String {
    format!("{{\"ts\":{},\"power\":{number}}}\n", START + number * STEP_MS)
}

/// Waits until the summaries hold so many readings of this sum.
fn wait_sum(subscriber: &Subscriber, lines: i64) {
    let messages = subscriber.wait_until(&format!("{lines} readings"), |messages| {
        let summaries = messages.summaries("main", "meter/power");
        summaries.values().map(|summary| summary.integer("count")).sum::<i64>() >= lines
    });
    messages.check_repeats();
    let summaries = messages.summaries("main", "meter/power");
    let got = summaries.values().fold((0, 0.0), |(count, sum), summary| {
        (count + summary.integer("count"), sum + summary.number("sum"))
    });
    assert_eq!(got, (lines, (lines * (lines - 1) / 2) as f64));
}

/// What others wrote sends to each kind of listener: Python's sockets and its asyncio.
#[test]
fn what_python_sends_over_tcp_udp_and_a_unix_socket_is_read() {
    const LINES: i64 = 1_500;
    let text: String = (0..LINES).map(line).collect();
    let dir = TempDir::new();
    std::fs::write(dir.join("lines"), &text).expect("the lines");
    let port = free_port();
    let listen = format!("listen = \"127.0.0.1:{port}\"\ntime = \"ts\"");
    let socket = dir.join("in.sock");
    let kinds = [
        (
            format!("type = \"tcp\"\n{listen}"),
            format!(
                "r, w = await asyncio.open_connection('127.0.0.1', {port})\nw.write(text)\nawait w.drain()\nw.close()"
            ),
        ),
        (
            format!("type = \"unix\"\nlisten = \"{}\"\ntime = \"ts\"", socket.display()),
            format!(
                "r, w = await asyncio.open_unix_connection('{}')\nw.write(text)\nawait w.drain()\nw.close()",
                socket.display()
            ),
        ),
        (
            format!("type = \"udp\"\n{listen}"),
            format!(
                "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor line in text.splitlines():\n\
                 \x20s.sendto(line, ('127.0.0.1', {port}))\n await asyncio.sleep(0)"
            ),
        ),
    ];
    for (source, script) in kinds {
        let body: String = script.lines().map(|line| format!("    {line}\n")).collect();
        let script = format!(
            "import asyncio\ntext = open('{}', 'rb').read()\nasync def main():\n{body}asyncio.run(main())",
            dir.join("lines").display()
        );
        check_sent(&source, Command::new("python3").args(["-c", &script]), LINES);
    }
}

/// And socat: a stream, and one datagram that holds all lines.
#[test]
fn what_socat_sends_over_tcp_udp_and_a_unix_socket_is_read() {
    const LINES: i64 = 1_500;
    if Command::new("socat").arg("-V").stdout(Stdio::null()).status().is_err() {
        return skip("no socat");
    }
    let dir = TempDir::new();
    std::fs::write(dir.join("lines"), (0..LINES).map(line).collect::<String>()).expect("the lines");
    let (port, socket) = (free_port(), dir.join("in.sock").display().to_string());
    for (kind, listen, to) in [
        ("tcp", format!("127.0.0.1:{port}"), format!("TCP:127.0.0.1:{port}")),
        ("unix", socket.clone(), format!("UNIX-CONNECT:{socket}")),
        ("udp", format!("127.0.0.1:{port}"), format!("UDP-DATAGRAM:127.0.0.1:{port}")),
    ] {
        let source = format!("type = \"{kind}\"\nlisten = \"{listen}\"\ntime = \"ts\"");
        let from = format!("OPEN:{},rdonly", dir.join("lines").display());
        check_sent(&source, Command::new("socat").args(["-u", "-b", "65507", &from, &to]), LINES);
    }
}

/// Sends so many lines to a source, and checks that each is in the summaries once.
fn check_sent(source: &str, sender: &mut Command, lines: i64) {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &config(&broker, source));
    agent.wait_log(&["source connected", "meter"]);
    assert!(sender.status().expect("a sender").success(), "{source}");
    wait_sum(&subscriber, lines);
    agent.check_running();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A script prints a number; another one runs all the time. Both end with the agent.
#[test]
fn what_a_program_prints_is_read_and_it_ends_with_the_agent() {
    const LINES: i64 = 1_000;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let text: String = (0..LINES).map(line).collect();
    std::fs::write(dir.join("lines"), &text).expect("the lines");
    let script = format!("cat {}; echo done >&2; sleep 4714.5", dir.join("lines").display());
    let source = format!("type = \"exec\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\ntime = \"ts\"");
    let agent = Agent::start(&dir, &config(&broker, &source));
    wait_sum(&subscriber, LINES);
    agent.wait_log(&["meter", "done"]);
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let left = Command::new("pgrep").args(["-f", "sleep 4714.5"]).stdout(Stdio::null()).status();
    assert!(!left.expect("pgrep").success(), "the program goes on");
}

/// Killed again and again under load: what was taken from the socket is in the windows, none of it twice. Of the datagrams
/// only those are lost that lay in the socket, or that came while nobody listened.
#[test]
fn kills_under_load_cost_only_what_lay_in_the_socket() {
    const KILLS: u64 = 8;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let port = free_port();
    let config = config(&broker, &format!("type = \"udp\"\nlisten = \"127.0.0.1:{port}\"\ntime = \"ts\""));
    let mut agent = Some(Agent::start(&dir, &config));
    agent.as_ref().expect("an agent").wait_logs(&["source connected", "meter"], 1);
    let (stop, listens) = (AtomicBool::new(false), AtomicBool::new(true));
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                if !listens.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                socket.send_to(line(number).as_bytes(), ("127.0.0.1", port)).expect("a datagram");
                number += 1;
                std::thread::sleep(Duration::from_micros(300));
            }
            number
        });
        for kill in 0..KILLS {
            std::thread::sleep(Duration::from_millis(200 + kill * 83 % 200));
            // The sender pauses, and what it has sent is taken before the agent is killed.
            listens.store(false, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
            wait_taken(port);
            agent.take().expect("an agent").kill9();
            agent
                .insert(Agent::start(&dir, &config))
                .wait_logs(&["source connected", "meter"], 2 + kill as usize);
            listens.store(true, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
        sender.join().expect("the sender")
    });
    wait_sum(&subscriber, sent);
    agent.expect("an agent").check_running();
}

/// Waits until nothing lies in the socket of this port.
fn wait_taken(port: u16) {
    let address = format!("0100007F:{port:04X}");
    headwater_tests::wait_for("an empty socket", || {
        let table = std::fs::read_to_string("/proc/net/udp").ok()?;
        let line = table.lines().find(|line| line.contains(&address))?;
        line.split_whitespace().nth(4)?.ends_with(":00000000").then_some(())
    });
}
