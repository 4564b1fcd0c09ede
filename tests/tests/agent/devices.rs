//! Sources without payloads through the real binary: this machine, and folders with the layout of the kernel's documentation.

use headwater_tests::{Agent, Mosquitto, Subscriber, TempDir, agent};
use std::path::Path;

const MEASURED: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
const POWER_ON: &str = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n";

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn config(broker: &Mosquitto, root: &Path) -> String {
    let root = root.display();
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n\
         [sources.board]\ntype = \"system\"\ninterval = \"200ms\"\n\
         [sources.boiler]\ntype = \"w1\"\ninterval = \"1s\"\nroot = \"{root}\"\nnames = {{ \"28-0316a2794b5f\" = \"flow\" }}\n\
         [sources.sensors]\ntype = \"iio\"\ninterval = \"200ms\"\nroot = \"{root}\"\n\
         [sources.pump]\ntype = \"gpio\"\nchip = \"{root}/dev/gpiochip0\"\nlines = [{{ name = \"water\", line = 17, read = \"pulses\" }}]\n\
         [sources.box]\ntype = \"i2c\"\nbus = \"{root}/dev/i2c-1\"\nsensors = [{{ name = \"cellar\", chip = \"bme280\" }}]\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\naggregates = [\"count\", \"min\", \"max\"]\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        broker.port
    )
}

#[test]
fn devices_are_read_with_their_units_as_they_come_and_go() {
    let (broker, dir, root) = (Mosquitto::start(), TempDir::new(), TempDir::new());
    let subscriber = Subscriber::new(broker.port);
    let agent = Agent::start(&dir, &config(&broker, &root));
    agent.wait_log(&["boiler", "dtoverlay=w1-gpio"]);
    agent.wait_log(&["sensors", "dtoverlay=i2c-sensor"]);
    agent.wait_log(&["pump", "gpiochip0 is not there"]);
    agent.wait_log(&["box", "dtparam=i2c_arm=on"]);
    let devices = root.join("sys/bus/w1/devices");
    write(&devices.join("28-0316a2794b5f/w1_slave"), MEASURED);
    write(&devices.join("28-0417c1a2b3ff/w1_slave"), POWER_ON);
    let sensor = root.join("sys/bus/iio/devices/iio:device0");
    write(&sensor.join("name"), "bme280\n");
    write(&sensor.join("in_temp_input"), "21370\n");
    let expected = [
        ("board/memory/used", "%", 0.0..=100.0),
        ("board/disk/free", "B", 1.0..=f64::MAX),
        ("boiler/flow", "°C", 23.125..=23.125),
        ("sensors/bme280/temp", "°C", 21.37..=21.37),
    ];
    let messages = subscriber.wait_until("windows of every source", |messages| {
        expected.iter().all(|(series, ..)| messages.summaries("main", series).len() >= 2)
    });
    for (series, unit, range) in expected {
        for summary in messages.summaries("main", series).values() {
            assert_eq!(summary.text("unit"), unit, "{series}");
            let (min, max) = (summary.number("min"), summary.number("max"));
            assert!(range.contains(&min) && range.contains(&max), "{series}: {min} to {max}");
        }
    }
    messages.check_accounts();
    assert!(messages.summaries("main", "boiler/28-0417c1a2b3ff").is_empty(), "it was not measured");
    agent.wait_log(&["28-0417c1a2b3ff", "after power-on"]);
    let said = agent::run(&dir, &["self-test", "--config", "headwater.toml"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for line in [
        "source board    load/1m ",
        "source boiler   28-0316a2794b5f 23.125 °C; 28-0417c1a2b3ff: it says 85 °C",
        "source sensors  bme280/temp 21.37 °C",
        "gpiochip0 is not there",
        "i2c-1 is not there",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    std::fs::remove_dir_all(devices.join("28-0316a2794b5f")).expect("it is unplugged");
    agent.wait_log(&["boiler", "28-0316a2794b5f was there and is gone"]);
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
