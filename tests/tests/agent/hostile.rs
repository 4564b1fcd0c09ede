//! Whoever may publish one message attacks, through a real broker: nobody else is held up, and nothing grows.

use crate::wait_source;
use headwater_tests::agent::{program, state_dir};
use headwater_tests::process::{command, cpu_seconds, forget_peak, status_kib};
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
    let busy = || cpu_seconds(agent.pid()).expect("a running agent");
    let mut table = String::from("attack | peak (KiB) | of a processor | the good reading after (s)\n");
    for (round, (name, messages)) in attacks().into_iter().enumerate() {
        forget_peak(agent.pid());
        for (topic, payload) in messages {
            publisher.publish(&topic, payload).expect("a publish");
        }
        let (value, sent, before) = (1_000.0 + round as f64, Instant::now(), busy());
        publisher.publish("sensors/good", format!("{{\"v\":{value}}}")).expect("a publish");
        publisher.flush().expect("the broker's acknowledgements");
        subscriber.wait_until(&format!("the good reading after {name}"), |messages| {
            let mut good =
                messages.of("reading").filter(|message| message.text("series") == "sensors/good/v");
            good.any(|message| message.number("value") == value)
        });
        let resident = status_kib(agent.pid(), "VmHWM").expect("a running agent");
        let (seconds, share) = (sent.elapsed().as_secs_f64(), busy() - before);
        let _ = writeln!(table, "publisher: {name} | {resident} | {:.3} | {seconds:.1}", share / seconds);
        assert!(resident < RSS_MAX, "{name}: {resident} KiB");
        subscriber.forget();
    }
    println!("{table}");
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

/// There is no memory for one message, which the broker keeps until it is acknowledged: it ends two runs, and not a third.
#[test]
fn a_message_that_ends_the_program_twice_is_not_read_a_third_time() {
    /// Records of the message, of 8 bytes each, and what the agent may take beyond what it needs (bytes).
    const RECORDS: usize = 2_000_000;
    const SPARE: u64 = 128 << 20;
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let text = config(broker.port) + "[limits]\npayload = \"64MiB\"\n";
    let text = text.replace("qos = 1\n", "qos = 1\nrecords = \"list\"\n");
    let subscriber = Subscriber::to(broker.port, "headwater/+/+/#");
    let agent = Agent::start(&dir, &text);
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("sensors/good", "{\"list\":[{\"v\":1}]}").expect("a publish");
    publisher.flush().expect("the broker's acknowledgement");
    subscriber.wait_until("a first reading", |messages| {
        messages.of("reading").any(|one| one.number("value") == 1.0)
    });
    let bytes_max = (status_kib(agent.pid(), "VmPeak").expect("a running agent") << 10) + SPARE;
    assert!(agent.terminate().success());
    // Both wait in the session that the broker keeps.
    let list = vec!["{\"v\":7}"; RECORDS].join(",");
    publisher.publish("sensors/evil", format!("{{\"list\":[{list}]}}")).expect("a publish");
    publisher.publish("sensors/good", "{\"list\":[{\"v\":2}]}").expect("a publish");
    publisher.flush().expect("the broker's acknowledgements");
    let start = || {
        Agent::start_by(&dir, &text, &[], |program| {
            let mut limited = command("prlimit");
            limited.arg(format!("--as={bytes_max}")).arg(program);
            limited
        })
    };
    for run in 1..=2 {
        let (status, log) = start().wait_end();
        assert!(!status.success() && log.contains("memory allocation of"), "run {run}: {status}: {log}");
    }
    let agent = start();
    subscriber.wait_until("the reading behind it", |messages| {
        messages.of("reading").any(|one| one.number("value") == 2.0)
    });
    let log = agent.log();
    assert!(log.contains("a message has ended the program twice while it was read"), "{log}");
    assert!(log.contains("it has ended the program twice while it was read, and is not read again"), "{log}");
    assert!(agent.terminate().success());
    // It is acknowledged: a run that may take all memory does not meet it either.
    let agent = Agent::start(&dir, &text);
    publisher.publish("sensors/good", "{\"list\":[{\"v\":3}]}").expect("a publish");
    publisher.flush().expect("the broker's acknowledgement");
    subscriber.wait_until("another reading", |messages| {
        messages.of("reading").any(|one| one.number("value") == 3.0)
    });
    assert!(!subscriber.messages().of("reading").any(|one| one.number("value") == 7.0));
    assert!(agent.terminate().success());
}

/// Somebody ends the program while a message is read, which the broker gives again: it is no message that ends the program.
#[test]
fn a_message_that_is_read_when_somebody_kills_the_agent_is_not_lost() {
    /// So many take a while.
    const RECORDS: usize = 400_000;
    /// Where the file names the message that is being read.
    const READING: std::ops::Range<usize> = 5..9;
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let text = config(broker.port).replace("qos = 1\n", "qos = 1\nrecords = \"list\"\nfields = [\"v\"]\n");
    let text = text + "[limits]\npayload = \"64MiB\"\n";
    let subscriber = Subscriber::to(broker.port, "headwater/+/+/#");
    let agent = Agent::start(&dir, &text);
    wait_source(&broker, 1);
    agent.kill9();
    let mut publisher = Publisher::new(broker.port);
    let list = vec!["{\"w\":7}"; RECORDS].join(",");
    publisher.publish("sensors/large", format!("{{\"list\":[{list},{{\"v\":7}}]}}")).expect("a publish");
    publisher.publish("sensors/good", "{\"list\":[{\"v\":2}]}").expect("a publish");
    publisher.flush().expect("the broker's acknowledgements");
    let file = state_dir(&dir).join("being-read");
    let agent = Agent::start(&dir, &text);
    wait_for("the message to be read", || {
        let bytes = std::fs::read(&file).unwrap_or_default();
        bytes.get(READING).is_some_and(|reading| reading != [0; 4]).then_some(())
    });
    agent.kill9();
    let agent = Agent::start(&dir, &text);
    subscriber.wait_until("the reading behind it", |messages| {
        messages.of("reading").any(|one| one.number("value") == 2.0)
    });
    assert_eq!(subscriber.messages().of("reading").filter(|one| one.number("value") == 7.0).count(), 1);
    assert!(!agent.log().contains("has ended the program"), "{}", agent.log());
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

/// Whatever stands in recordings, labels, messages and their places, no command prints it as it is.
#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let dir = TempDir::new();
    let text = "[sources.a]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n\
                [streams.a]\nwindow = { type = \"none\" }\n[[streams.a.detectors]]\ntype = \"threshold\"\nabove = 1.0\n";
    // CSI as one character, OSC, DEL, and a mark that turns text around: as characters, and escaped.
    let evil = "x\u{9b}31m\u{7f}\u{202e}";
    let escaped = "y\\u001b]0;x\\u0007\\u009b\\u202e";
    let payload = format!(
        "{{\"tst\":\"2024-01-01T00:00:00Z\",\"topic\":\"t/{evil}\",\"payload\":{{\"{evil}\":5,\"{escaped}\":6}}}}\n\
         {evil}\n"
    );
    let summary = format!(
        "{{\"v\":1,\"kind\":\"summary\",\"id\":\"{evil}\",\"rev\":0,\"agent\":\"{escaped}\",\"stream\":\"{evil}\",\
         \"series\":\"a/{evil}\",\"labels\":{{\"{evil}\":\"{escaped}\"}},\"start\":0,\"end\":60000,\"count\":1}}\n{evil}\n"
    );
    let labels = format!(
        "{{\"format\":\"anomaly-labels-1\",\"series\":{{\"table.csv\":{{\"corpus\":\"{evil}{escaped}\",\"rows\":40,\
         \"probation\":5,\"windows\":[[20,25]]}}}}}}"
    );
    let mut table = format!("timestamp,{evil}\n");
    (0..40).for_each(|row| _ = writeln!(table, "2024-01-01 00:{row:02}:00,{}", row % 7));
    for (name, content) in [
        ("headwater.toml", text),
        ("recording.jsonl", &payload),
        ("table.csv", &table),
        ("messages.jsonl", &summary),
        ("labels.json", &labels),
    ] {
        std::fs::write(dir.join(name), content).expect("a file");
    }
    let file = |name: &str| dir.join(name).display().to_string();
    for (arguments, told) in [
        (vec!["replay".to_owned(), file("recording.jsonl")], "reading"),
        (vec!["replay".to_owned(), file("table.csv")], "reading"),
        (vec!["evaluate".to_owned(), "--labels".to_owned(), file("labels.json")], "1 recordings"),
        (
            vec!["evaluate".to_owned(), "--json".to_owned(), "--labels".to_owned(), file("labels.json")],
            "corpus",
        ),
        (vec!["merge".to_owned(), "--by".to_owned(), evil.to_owned(), file("messages.jsonl")], "fleet"),
    ] {
        let config = ["--config".to_owned(), file("headwater.toml")];
        let config = if arguments[0] == "replay" { &config[..] } else { &[] };
        let said = Command::new(program()).args(&arguments).args(config).output().expect("the program");
        for bytes in [&said.stdout, &said.stderr] {
            let text = std::str::from_utf8(bytes).expect("text");
            let is_obeyed = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
            assert!(!text.contains(is_obeyed), "{arguments:?}: {text:?}");
        }
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(text.contains(told), "{arguments:?}: {text:?} {}", String::from_utf8_lossy(&said.stderr));
    }
}
