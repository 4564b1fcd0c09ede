//! `headwater init`: what it writes of a machine and a broker is what `check` accepts and `run` runs.

use headwater_tests::agent::run;
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir};
use std::fs;
use std::path::Path;

/// The files of a machine with a thermal zone and a serial port.
fn machine(dir: &TempDir) -> std::path::PathBuf {
    let root = dir.join("machine");
    for (file, text) in [
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
        ("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n"),
        ("dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0", ""),
        ("dev/i2c-1", ""),
        ("sys/class/i2c-dev/i2c-1/name", "bcm2835 (i2c@7e804000)\n"),
        ("dev/i2c-20", ""),
        ("sys/class/i2c-dev/i2c-20/name", "fef04500.i2c DDC\n"),
        ("dev/gpiochip0", ""),
    ] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    root
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn what_a_machine_and_its_broker_have_is_written_checked_and_run() {
    let (dir, broker) = (TempDir::new(), Mosquitto::start());
    let root = machine(&dir);
    let mut publisher = Publisher::new(broker.port);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (topic, payload) in [
        ("greenhouse/bed1/climate", format!("{{\"ts\":{now},\"temp\":21.5,\"state\":\"ok\"}}")),
        ("greenhouse/bed2/climate", format!("{{\"ts\":{now},\"temp\":20.5}}")),
        ("meter/gas", "512.5".to_owned()),
        ("meter/water", "7.5".to_owned()),
        ("meter/log", "all is \"well\"".to_owned()),
    ] {
        publisher.publish_retained(topic, payload).unwrap();
    }
    publisher.flush().unwrap();
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let root = root.display().to_string();
    let arguments = ["init", "--root", &root, "--broker", &url, "--listen", "1", "--out", "found.toml"];
    let output = run(&dir, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = text(&dir.join("found.toml"));
    for part in [
        "type = \"system\"",
        "(cpu-thermal)",
        "device = \"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0\"",
        "# the I2C bus /dev/i2c-1 bcm2835 (i2c@7e804000): `i2cdetect -y 1` shows the addresses on it\n# [sources.bus]\n",
        "# the GPIO chip /dev/gpiochip0: `gpioinfo` shows its lines\n# [sources.pins]\n# type = \"gpio\"\n",
        "topics = [\"greenhouse/{device}/climate\"]",
        "#   greenhouse/bed1/climate/temp 21.5",
        "topics = [\"meter/{device}\"]\nignore = [\"meter/log\"]\nformat = \"number\"",
    ] {
        assert!(written.contains(part), "no {part} in\n{written}");
    }
    assert!(!written.contains("i2c-20"), "a bus of a screen in\n{written}");
    let checked = run(&dir, &["check", "--config", "found.toml"]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!((checked.status.code(), said.len()), (Some(0), 0), "{said}");

    // What is there is not overwritten, but for --force.
    fs::write(dir.join("found.toml"), "mine").unwrap();
    let refused = run(&dir, &arguments);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(text(&dir.join("found.toml")), "mine");
    let forced: Vec<&str> = arguments.into_iter().chain(["--force"]).collect();
    assert!(run(&dir, &forced).status.success());
    assert_eq!(text(&dir.join("found.toml")), written);

    let subscriber = Subscriber::new(broker.port);
    let mut agent = Agent::start(&dir, &written.replace("size = \"1m\"", "size = \"1s\""));
    agent.wait_log(&["source connected"]);
    subscriber.wait_until("the machine and the meter", |messages| {
        let has = |series: &str| messages.of("summary").any(|summary| summary.text("series") == series);
        has("meter/gas") && messages.of("summary").any(|summary| summary.text("series").starts_with("board/"))
    });
    agent.check_running();
}

#[test]
fn without_anything_a_config_that_runs_is_printed_and_a_broker_that_is_named_must_answer() {
    let dir = TempDir::new();
    fs::create_dir_all(dir.join("empty")).unwrap();
    let output = run(&dir, &["init", "--root", "empty"]);
    assert!(output.status.success());
    dir.write("printed.toml", String::from_utf8(output.stdout).unwrap());
    let checked = run(&dir, &["check", "--config", "printed.toml"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let lost = run(&dir, &["init", "--root", "empty", "--broker", "mqtt://127.0.0.1:1", "--out", "no.toml"]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&lost.stderr).contains("nobody listens"),
        "{}",
        String::from_utf8_lossy(&lost.stderr)
    );
    assert!(!dir.join("no.toml").exists());
}
