//! Whoever may publish one message attacks, through a real broker: nobody else is held up, and nothing grows.

use crate::wait_source;
use headwater_tests::agent::{program, state_dir};
use headwater_tests::process::status_kib;
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, wait_for};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// What the agent may take, whatever is published (KiB).
const RSS_MAX: u64 = 64 << 10;

/// Lines of the log in a minute.
const LINES_MAX: usize = 100;

/// The longest line of the log (bytes), with its time and level.
const LINE_BYTES_MAX: usize = 1_100;

/// Every number of every payload, and one series that must get through.
fn config(port: u16) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\ncheckpoint = \"1s\"\n\
         [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"sensors/#\"]\nqos = 1\n\
         [streams.main]\nwindow = {{ type = \"none\" }}\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n"
    )
}

/// A payload with these keys, each a number.
fn object(keys: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut text = String::from("{\"x\":1");
    keys.into_iter().for_each(|key| _ = write!(text, ",\"{key}\":2"));
    (text + "}").into_bytes()
}

/// Topics and payloads.
type Published = Vec<(String, Vec<u8>)>;

/// What is published, by a name for people.
fn attacks() -> Vec<(&'static str, Published)> {
    let here = |payload| vec![("sensors/evil".to_owned(), payload)];
    let deep = "/a".repeat(210);
    vec![
        ("control characters in keys", here(object((0..40).map(|n| format!("k{n}\\u0001"))))),
        ("C1 and DEL in keys", here(object((0x7f..0xa0).map(|c| format!("k\\u{c:04x}"))))),
        ("keys of 210 levels", here(object((0..40).map(|n| format!("k{n}{deep}"))))),
        ("bidirectional marks", here(object((0..5).map(|n| format!("{n}\\u202e\\u2066\\u061c"))))),
        ("lone surrogates", here(object((0..5).map(|n| format!("{n}\\ud800"))))),
        (
            "wildcards, empty and dollar levels",
            here(object(["+", "#", "", "/", "//", "$SYS"].map(String::from))),
        ),
        (
            "escape sequences",
            here(object(["\\u001b]0;x\\u0007", "\\u001b[2J", "a\\nERROR forged"].map(String::from))),
        ),
        ("one message of ten thousand keys", here(object((0..10_000).map(|n| format!("s{n}"))))),
        ("a key of a megabyte", here(object(["k".repeat(1 << 20)]))),
        (
            "payloads that are nothing",
            (0..2_000).map(|n| (format!("sensors/{n}"), b"{\xff\x1b[2J".to_vec())).collect(),
        ),
        (
            "topics of sixty thousand bytes",
            (0..20).map(|n| (format!("sensors/{n}{}", "t".repeat(60_000)), b"{\"v\":1}".to_vec())).collect(),
        ),
        ("nested lists", here([b"[".repeat(100_000), b"]".repeat(100_000)].concat())),
    ]
}

#[test]
fn a_hostile_publisher_holds_nobody_up() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let subscriber = Subscriber::to(broker.port, "headwater/+/+/#");
    let began = Instant::now();
    let agent = Agent::start(&dir, &config(broker.port));
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for (round, (name, messages)) in attacks().into_iter().enumerate() {
        for (topic, payload) in messages {
            publisher.publish(&topic, payload).expect("a publish");
        }
        let (value, sent) = (1_000.0 + round as f64, Instant::now());
        publisher.publish("sensors/good", format!("{{\"v\":{value}}}")).expect("a publish");
        publisher.flush().expect("the broker's acknowledgements");
        subscriber.wait_until(&format!("the good reading after {name}"), |messages| {
            let mut good =
                messages.of("reading").filter(|message| message.text("series") == "sensors/good/v");
            good.any(|message| message.number("value") == value)
        });
        let resident = status_kib(agent.pid(), "VmHWM").expect("a running agent");
        println!("{name}: the good one after {:?}, {resident} KiB", sent.elapsed());
        assert!(resident < RSS_MAX, "{name}: {resident} KiB");
        subscriber.forget();
    }
    assert_eq!(broker.logged("malformed packet"), 0);
    let log = agent.log();
    let minutes = began.elapsed().as_secs() as usize / 60 + 1;
    assert!(log.lines().count() < LINES_MAX * minutes, "{log}");
    for line in log.lines() {
        assert!(line.len() < LINE_BYTES_MAX && !line.contains(|c: char| c.is_control()), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2066}', '\u{61c}']), "{line:?}");
    }
    assert!(log.contains("a name holds characters or levels that are not safe"), "{log}");
    assert!(agent.terminate().success());
}

/// What the agent makes is for its user alone, whatever the umask, the buffer's files too.
#[test]
fn nobody_else_reads_what_is_stored() {
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    // No output: messages go to the buffer.
    let config = config(broker.port).replace(
        &format!("[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"", broker.port),
        "[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:9\"",
    );
    let agent = Agent::start(&dir, &(config + "[buffer]\nsync = \"1s\"\n"));
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("sensors/good", "{\"v\":1}").expect("a publish");
    let buffered = || std::fs::read_dir(state_dir(&dir).join("buffer")).is_ok_and(|found| found.count() > 0);
    wait_for("a checkpoint and a buffer", || {
        (state_dir(&dir).join("windows.checkpoint").exists() && buffered()).then_some(())
    });
    let mut files = Vec::new();
    look_into(&state_dir(&dir), &mut files);
    assert!(files.len() > 3, "{files:?}");
    let open: Vec<_> = files.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(agent.terminate().success());
}

/// Everything below a folder, with its mode.
fn look_into(folder: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // The agent may remove what has just been seen.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        found.push((path.display().to_string(), metadata.permissions().mode()));
        if metadata.is_dir() {
            look_into(&path, found);
        }
    }
}

#[test]
fn no_command_shows_a_secret() {
    let dir = TempDir::new();
    let secret = "hunter2-of-the-test";
    for line in [
        format!("url = \"mqtt://u:{secret}@127.0.0.1\""),
        format!("url = \"mqtt://127.0.0.1\"\nkeep_alive = \"1s\"\npassword = \"{secret}\""),
        format!("url = \"mqtt://127.0.0.1\"\npasswort = \"{secret}\""),
        format!("url = \"mqtt://127.0.0.1\"\npassword = \"{secret}"),
        "url = \"mqtt://127.0.0.1\"\nkeep_alive = \"${SECRET_OF_TEST}\"".to_owned(),
    ] {
        let text = format!(
            "[sources.a]\ntype = \"mqtt\"\ntopics = [\"a\"]\n{line}\n[streams.a]\nwindow = {{ type = \"none\" }}\n"
        );
        std::fs::write(dir.join("headwater.toml"), &text).expect("a config");
        for command in ["check", "run"] {
            let said = Command::new(program())
                .args([command, "--config"])
                .arg(dir.join("headwater.toml"))
                .env("SECRET_OF_TEST", secret)
                .output()
                .expect("the program");
            let said = [said.stdout, said.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(said.contains("error: ") && !said.contains(secret), "{said}");
        }
    }
}
