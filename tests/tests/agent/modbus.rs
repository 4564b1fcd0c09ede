//! Modbus through the real binary: a server that others wrote (pymodbus), over TCP and over a serial line that socat makes.

use headwater_tests::ports::free_port;
use headwater_tests::process::{Process, command};
use headwater_tests::python::{python, start_script};
use headwater_tests::{Agent, Messages, Mosquitto, Subscriber, TempDir, skip, wait_for};
use std::path::Path;
use std::process::{Command, Stdio};

/// Every type of value, in two units; `tests/data/pymodbus_server.py` says what they are.
const REGISTERS: &str = r#"registers = [
    { name = "f32", address = 0, type = "f32", unit_of_measure = "V" },
    { name = "swapped", address = 2, type = "f32", order = "cdab" },
    { name = "i16", address = 4, type = "i16" },
    { name = "u32", address = 5, type = "u32" },
    { name = "f64", address = 7, type = "f64" },
    { name = "i64", address = 11, type = "i64" },
    { name = "coil", address = 2, table = "coil" },
    { name = "scaled", address = 7, table = "input", unit = 2, scale = 0.1 },
    { name = "absent", address = 50, unit = 1 },
]"#;
const VALUES: [(&str, f64); 8] = [
    ("f32", 1_234.5),
    ("swapped", 1_234.5),
    ("i16", -2.0),
    ("u32", 4_000_000_000.0),
    ("f64", 1_234.5),
    ("i64", -2.0),
    ("coil", 1.0),
    ("scaled", 21.5),
];

fn config(broker: &Mosquitto, url: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[sources.meter]\ntype = \"modbus\"\nurl = \"{url}\"\n\
         interval = \"100ms\"\ntimeout = \"1s\"\nbaud = 19200\n{REGISTERS}\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\naggregates = [\"count\", \"min\", \"max\"]\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.port
    )
}

/// Waits until every register has `windows` windows, and checks that it never had another value than its own.
fn wait_values(subscriber: &Subscriber, windows: usize) -> Messages {
    let of = |messages: &Messages, name: &str| messages.summaries("main", &format!("meter/{name}")).len();
    let messages = subscriber.wait_until(&format!("{windows} windows"), |messages| {
        VALUES.iter().all(|(name, _)| of(messages, name) >= windows)
    });
    for (name, value) in VALUES {
        for summary in messages.summaries("main", &format!("meter/{name}")).values() {
            let got = (summary.number("min"), summary.number("max"));
            assert!(
                (got.0 - value).abs() < 1e-9 && (got.1 - value).abs() < 1e-9,
                "{name} is {value}: {got:?}"
            );
        }
    }
    messages.check_accounts();
    messages
}

/// The most windows that a register has.
fn windows(messages: &Messages) -> usize {
    messages.summaries("main", "meter/f32").len()
}

#[test]
fn a_server_that_comes_late_and_goes_in_between_is_read_over_tcp() {
    let Some(python) = python() else { return };
    let (broker, dir, port) = (Mosquitto::start(), TempDir::new(), free_port());
    let subscriber = Subscriber::new(broker.port);
    let agent = Agent::start(&dir, &config(&broker, &format!("tcp://127.0.0.1:{port}")));
    agent.wait_log(&["meter", "cannot connect to 127.0.0.1"]);
    let server = start_script(&python, "pymodbus_server.py", &["tcp", &port.to_string()]);
    let before = windows(&wait_values(&subscriber, 2));
    agent.wait_log(&["unit 1, holding 50 to 50", "IllegalDataAddress"]);
    let tested = headwater_tests::agent::run(&dir, &["self-test", "--config", "headwater.toml"]);
    let said = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(said.contains("answers as unit 1, 2"), "{said}");
    drop(server);
    agent.wait_logs(&["meter", "cannot connect to 127.0.0.1"], 2);
    let _server = start_script(&python, "pymodbus_server.py", &["tcp", &port.to_string()]);
    let messages = wait_values(&subscriber, before + 2);
    let summaries = messages.summaries("main", "meter/f32");
    assert!(summaries.values().all(|summary| summary.text("unit") == "V"));
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A serial line with a port on either end.
fn line(of_agent: &Path, of_server: &Path) -> Process {
    let end = |path: &Path| format!("pty,raw,echo=0,link={}", path.display());
    let mut socat = command("socat");
    socat.args([end(of_agent), end(of_server)]).stderr(Stdio::null());
    let process = Process::start(&mut socat);
    wait_for("a serial line", || (of_agent.exists() && of_server.exists()).then_some(()));
    process
}

/// The adapter is unplugged, and comes back under another name.
#[test]
fn an_adapter_that_comes_back_under_another_name_is_read_over_a_serial_line() {
    let Some(python) = python() else { return };
    if Command::new("socat").arg("-V").stdout(Stdio::null()).status().is_err() {
        return skip("no socat");
    }
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let subscriber = Subscriber::new(broker.port);
    let ports = TempDir::new();
    let url = format!("rtu://{}", ports.join("ttyUSB*").display());
    let agent = Agent::start(&dir, &config(&broker, &url));
    agent.wait_log(&["meter", "is not there"]);
    let mut before = 0;
    for name in ["ttyUSB0", "ttyUSB1"] {
        let server_port = ports.join("server");
        let line = line(&ports.join(name), &server_port);
        let server =
            start_script(&python, "pymodbus_server.py", &["rtu", &server_port.display().to_string()]);
        before = windows(&wait_values(&subscriber, before + 2));
        drop((line, server));
        wait_for("a port that is gone", || {
            let _ = std::fs::remove_file(ports.join(name));
            let _ = std::fs::remove_file(&server_port);
            agent.log().contains("is not there").then_some(())
        });
    }
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
