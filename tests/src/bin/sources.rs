//! UDP datagrams a second into windows on one core, beside a bare receiver that only counts, in turn; what finds no room is
//! said. Then the CPU time of an agent that reads 100 Modbus registers once a second, where pymodbus is installed.
//!
//! `sources [DATAGRAMS] [ROUNDS]`; run by `tests/bench sources`.

use headwater_tests::ports::free_port;
use headwater_tests::process::{Process, command, cpu_seconds, status_kib};
use headwater_tests::python::{python, start_script};
use headwater_tests::{Agent, RuntimeDir, TempDir, wait_for};
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

/// Ends a round for the bare receiver, which may miss some.
const END: &[u8] = b"end";

/// How long an agent reads Modbus registers.
const MODBUS_SECONDS: u64 = 60;

fn main() {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    if let [word, port, out] = arguments.as_slice()
        && word == "count"
    {
        return count(port.parse().expect("a port"), out);
    }
    let number =
        |at: usize, default| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (datagrams, rounds) = (number(0, 1_000_000), number(1, 3));
    println!(
        "{datagrams} datagrams of line protocol as fast as one core sends them; the receiver has the other one"
    );
    let row = |who: &str, figures: &Received, memory: &str| {
        let Received { taken, seconds, cpu } = figures;
        let share = 100.0 * *taken as f64 / datagrams as f64;
        let (rate, million) = (*taken as f64 / seconds, cpu * 1e6 / *taken as f64);
        println!("{who:>6} {rate:>9.0}/s  {share:>5.1} % taken  {million:>6.2} s CPU a million  {memory}");
    };
    for _ in 0..rounds {
        row("bare", &run_bare(datagrams), "");
        let (figures, resident) = run_agent(datagrams);
        row("agent", &figures, &format!("RSS {resident:.1} MB"));
    }
    match run_modbus() {
        None => println!("no pymodbus: nothing to read registers of"),
        Some(share) => println!("100 Modbus registers a second: {share:.2} % of a core"),
    }
}

/// What a receiver took of a round.
struct Received {
    taken: u64,
    /// From the first one sent to the last one taken (s).
    seconds: f64,
    /// In seconds.
    cpu: f64,
}

/// Sends them all.
fn flood(port: u16, datagrams: u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(("127.0.0.1", port)).expect("a receiver");
    for number in 0..datagrams {
        let text = format!("climate,room=r{} temp={}.{},hum=45", number % 100, 18 + number % 9, number % 100);
        // A socket of loopback that nobody listens at yet refuses.
        let _ = socket.send(text.as_bytes());
    }
}

/// Holds a process on one core; the sender has the other one.
fn pin(pid: u32, core: &str) {
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", core, &pid.to_string()]).output();
    assert!(pinned.is_ok_and(|output| output.status.success()), "taskset");
}

fn run_bare(datagrams: u64) -> Received {
    let (dir, port) = (TempDir::new(), free_port());
    let out = dir.join("count");
    let mut counter = command(std::env::current_exe().expect("the path of this program"));
    let counter = Process::start(counter.args(["count", &port.to_string()]).arg(&out));
    let word = |word: &str| {
        std::fs::read_to_string(&out).ok().and_then(|text| text.strip_prefix(word).map(str::to_owned))
    };
    wait_for("the bare receiver", || word("ready"));
    pin(counter.pid(), "0");
    pin(std::process::id(), "1");
    let before = cpu_seconds(counter.pid()).expect("a running receiver");
    let started = Instant::now();
    flood(port, datagrams);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let done = wait_for("the bare receiver's count", || {
        let _ = socket.send_to(END, ("127.0.0.1", port));
        word("done ")
    });
    let seconds = started.elapsed().as_secs_f64();
    let (taken, cpu) = done.split_once(' ').expect("two numbers");
    let cpu: f64 = cpu.parse().expect("CPU seconds");
    Received { taken: taken.parse().expect("a count"), seconds, cpu: cpu - before }
}

/// The bare receiver, a process of its own: counts, and says what CPU time it has taken.
fn count(port: u16, out: &str) {
    let socket = UdpSocket::bind(("127.0.0.1", port)).expect("a socket");
    std::fs::write(out, "ready").expect("a word to the parent");
    let (mut taken, mut buffer) = (0_u64, [0; 1_500]);
    while let Ok(length) = socket.recv(&mut buffer) {
        if buffer.get(..length) == Some(END) {
            break;
        }
        taken += 1;
    }
    let cpu = cpu_seconds(std::process::id()).expect("own CPU time");
    let new = format!("{out}.new");
    let written = std::fs::write(&new, format!("done {taken} {cpu}"));
    written.and_then(|()| std::fs::rename(&new, out)).expect("the count");
    // The parent reads the CPU time of a process that still runs.
    std::thread::sleep(Duration::from_secs(60));
}

/// An agent with a source and windows of a second, whose summaries stay on this machine.
fn agent(dir: &TempDir, runtime: &RuntimeDir, source: &str) -> Agent {
    let config = format!(
        "[agent]\nid = \"bench\"\n[sources.field]\n{source}\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\n\
         aggregates = [\"count\", \"min\", \"max\", \"mean\", \"stddev\", \"p95\"]\n\
         [outputs.archive]\ntype = \"file\"\npath = \"{}/{{n}}.jsonl\"\n",
        dir.join("out").display()
    );
    let agent = Agent::start_with(dir, &config, &runtime.environment());
    agent.wait_log(&["source connected", "field"]);
    agent
}

fn run_agent(datagrams: u64) -> (Received, f64) {
    let (dir, runtime, port) = (TempDir::new(), RuntimeDir::new(), free_port());
    let source = format!("type = \"udp\"\nlisten = \"127.0.0.1:{port}\"\nformat = \"influx\"");
    let agent = agent(&dir, &runtime, &source);
    pin(agent.pid(), "0");
    pin(std::process::id(), "1");
    let before = cpu_seconds(agent.pid()).expect("a running agent");
    let started = Instant::now();
    flood(port, datagrams);
    // Each datagram holds two readings.
    let taken = wait_for("the end of the queue", || {
        let readings = |key| source_count(&dir, &runtime, key);
        let (received, dropped) = (readings("received")? / 2, readings("dropped")?);
        (received + dropped >= datagrams).then_some(received)
    });
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(agent.pid()).expect("a running agent") - before;
    let resident = status_kib(agent.pid(), "VmRSS").expect("a running agent") as f64 * 1_024.0 / 1e6;
    (Received { taken, seconds, cpu }, resident)
}

/// A count of the source, as `headwater status` says it.
fn source_count(dir: &TempDir, runtime: &RuntimeDir, key: &str) -> Option<u64> {
    let mut status = Command::new(headwater_tests::agent::program());
    status.args(["status", "--json", "--config"]).arg(dir.join("headwater.toml"));
    status.env("STATE_DIRECTORY", headwater_tests::agent::state_dir(dir)).envs(runtime.environment());
    let status: serde_json::Value = serde_json::from_slice(&status.output().ok()?.stdout).ok()?;
    status.pointer("/sources/0/readings")?.get(key)?.as_u64()
}

/// The share of a core (%); `None`: there is no server.
fn run_modbus() -> Option<f64> {
    let python = python()?;
    let (dir, runtime, port) = (TempDir::new(), RuntimeDir::new(), free_port());
    let _server = start_script(&python, "pymodbus_server.py", &["tcp", &port.to_string()]);
    let register = |number: u32| format!("{{ name = \"r{number}\", address = {} }}", 100 + number);
    let registers = (0..100).map(register).collect::<Vec<_>>().join(", ");
    let source = format!(
        "type = \"modbus\"\nurl = \"tcp://127.0.0.1:{port}\"\ninterval = \"1s\"\nregisters = [{registers}]"
    );
    let agent = agent(&dir, &runtime, &source);
    let before = cpu_seconds(agent.pid()).expect("a running agent");
    std::thread::sleep(Duration::from_secs(MODBUS_SECONDS));
    let cpu = cpu_seconds(agent.pid()).expect("a running agent") - before;
    assert!(source_count(&dir, &runtime, "received") >= Some(90 * MODBUS_SECONDS), "readings of registers");
    Some(100.0 * cpu / MODBUS_SECONDS as f64)
}
