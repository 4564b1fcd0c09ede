//! Every payload format through the whole agent: from a real broker, over a crash, to messages with units.

use crate::Config;
use crate::malformed::empty;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir, wait_for};

/// A source: its name, which is the first level of its topics, its keys, and messages.
struct Sent {
    source: &'static str,
    keys: &'static str,
    /// Topics and payloads.
    payloads: Vec<(&'static str, Vec<u8>)>,
    /// What comes of them: series, value, unit.
    readings: &'static [(&'static str, f64, Option<&'static str>)],
}

fn sentence(body: &str) -> Vec<u8> {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte)).into_bytes()
}

/// Fields of a protocol buffer: a number, or bytes.
fn number(to: &mut Vec<u8>, field: u8, mut number: u64) {
    to.push(field << 3);
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    to.extend([field << 3 | 2, u8::try_from(bytes.len()).expect("short")]);
    to.extend_from_slice(bytes);
}

/// A Sparkplug payload of one metric of kind Int32: in a birth with its name and unit, else with its alias alone.
fn sparkplug(sequence: u64, value: u64, is_birth: bool) -> Vec<u8> {
    let (mut property, mut properties, mut metric, mut payload) = (vec![], vec![], vec![], vec![]);
    if is_birth {
        bytes(&mut metric, 1, b"Tank/Level");
        number(&mut metric, 4, 3);
        bytes(&mut property, 8, b"cm");
        bytes(&mut properties, 1, b"engUnit");
        bytes(&mut properties, 2, &property);
        bytes(&mut metric, 9, &properties);
    }
    number(&mut metric, 2, 7);
    number(&mut metric, 10, value);
    number(&mut payload, 1, 1_700_000_000_000);
    bytes(&mut payload, 2, &metric);
    number(&mut payload, 3, sequence);
    payload
}

/// The messages of a telegram of SML: a list of one value, 130.5 W.
fn sml() -> Vec<u8> {
    let begin = b"\x76\x02\x01\x62\x00\x62\x00\x72\x63\x07\x01\x77\x01\x01\x01\x01\x71";
    let value = b"\x77\x07\x01\x00\x10\x07\x00\xff\x01\x01\x62\x1b\x52\xff\x63\x05\x19\x01";
    [&begin[..], value, b"\x01\x01\x63\x00\x00\x00"].concat()
}

fn every_format() -> Vec<Sent> {
    let text = |topic: &'static str, text: &str| (topic, text.as_bytes().to_vec());
    vec![
        Sent {
            source: "json",
            keys: "",
            payloads: vec![text("json/a", r#"{"t": 21.5, "b": {"on": true}}"#)],
            readings: &[("json/a/t", 21.5, None), ("json/a/b/on", 1.0, None)],
        },
        Sent {
            source: "number",
            keys: "format = \"number\"",
            payloads: vec![text("number/a", "22.5")],
            readings: &[("number/a", 22.5, None)],
        },
        Sent {
            source: "cbor",
            keys: "format = \"cbor\"",
            payloads: vec![("cbor/a", b"\xa2\x61t\xf9\x4d\x60\x61n\x1b\0\0\0\x01\0\0\0\0".to_vec())],
            readings: &[("cbor/a/t", 21.5, None), ("cbor/a/n", 4_294_967_296.0, None)],
        },
        Sent {
            source: "csv",
            keys: "format = \"csv\"",
            payloads: vec![text("csv/a", "t;h\n23.5;44\n")],
            readings: &[("csv/a/t", 23.5, None), ("csv/a/h", 44.0, None)],
        },
        Sent {
            source: "influx",
            keys: "format = \"influx\"",
            payloads: vec![text(
                "influx/a",
                "cpu,host=a,cpu=0 usage=1.5,n=3i 1700000000000000000\ncpu,host=b usage=2.5\n",
            )],
            readings: &[
                ("influx/a/cpu/cpu=0/host=a/usage", 1.5, None),
                ("influx/a/cpu/cpu=0/host=a/n", 3.0, None),
                ("influx/a/cpu/host=b/usage", 2.5, None),
            ],
        },
        Sent {
            source: "senml",
            keys: "format = \"senml\"",
            payloads: vec![text(
                "senml/a",
                r#"[{"bn":"dev/","bt":1700000000,"bu":"Cel","n":"t","v":24.5},{"n":"h","u":"%RH","v":40}]"#,
            )],
            readings: &[("senml/a/dev/t", 24.5, Some("Cel")), ("senml/a/dev/h", 40.0, Some("%RH"))],
        },
        Sent {
            source: "spBv1.0",
            keys: "format = \"sparkplug\"",
            payloads: vec![
                ("spBv1.0/plant/NBIRTH/n1", sparkplug(0, 5, true)),
                ("spBv1.0/plant/NDATA/n1", sparkplug(1, 6, false)),
            ],
            readings: &[("plant/n1/Tank/Level", 5.0, Some("cm")), ("plant/n1/Tank/Level", 6.0, Some("cm"))],
        },
        Sent {
            source: "obis",
            keys: "format = \"obis\"",
            payloads: vec![text(
                "obis/a",
                "/ISK5\\2M550T-1012\r\n\r\n1-0:1.8.1(000992.5*kWh)\r\n1-0:1.7.0(00.25*kW)\r\n!",
            )],
            readings: &[("obis/a/1-0:1.8.1", 992.5, Some("kWh")), ("obis/a/1-0:1.7.0", 0.25, Some("kW"))],
        },
        Sent {
            source: "sml",
            keys: "format = \"sml\"",
            payloads: vec![("sml/a", sml())],
            readings: &[("sml/a/1-0:16.7.0", 130.5, Some("W"))],
        },
        Sent {
            source: "pairs",
            keys: "format = \"pairs\"",
            payloads: vec![text("pairs/a", "node=7 t=25.5 h=45 state=ok")],
            readings: &[("pairs/a/node", 7.0, None), ("pairs/a/t", 25.5, None), ("pairs/a/h", 45.0, None)],
        },
        Sent {
            source: "nmea",
            keys: "format = \"nmea\"",
            payloads: vec![(
                "nmea/a",
                [sentence("SDDBT,7.8,f,2.4,M,1.3,F"), sentence("HEHDT,271.1,T")].concat(),
            )],
            readings: &[("nmea/a/SDDBT/depth", 2.4, Some("m")), ("nmea/a/HEHDT/heading", 271.1, Some("°"))],
        },
    ]
}

/// A source for each format, and a stream of the readings themselves.
fn config(broker: &Mosquitto, formats: &[Sent]) -> String {
    let mut config = Config::new(broker.port, broker.port);
    config.streams = "[streams.main]\nwindow = { type = \"none\" }".to_owned();
    config.source_keys = "topics = [\"sensors/unused\"]";
    let source = |Sent { source, keys, .. }: &Sent| {
        let name = source.split('.').next().unwrap_or_default();
        let url = &config.source;
        format!(
            "[sources.{name}]\ntype = \"mqtt\"\nurl = \"{url}\"\nqos = 0\ntopics = [\"{source}/#\"]\n{keys}\n\n"
        )
    };
    formats.iter().map(source).collect::<String>() + &config.text()
}

/// Whether a reading of a series has come, with its unit.
fn has(messages: &Messages, (series, value, unit): (&str, f64, Option<&str>)) -> bool {
    messages.of("reading").any(|message| {
        let map = &message.map;
        map["series"] == series
            && map["value"] == value
            && map.get("unit").and_then(|unit| unit.as_str()) == unit
    })
}

fn publish(publisher: &mut Publisher, formats: &[Sent]) {
    for (topic, payload) in formats.iter().flat_map(|sent| &sent.payloads) {
        publisher.publish(topic, payload).expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
}

fn wait_sources(broker: &Mosquitto, formats: &[Sent], times: usize) {
    for Sent { source, .. } in formats {
        let filter = format!("\t{source}/#");
        wait_for("the agent to subscribe", || (broker.logged(&filter) >= times).then_some(()));
    }
}

#[test]
fn every_format_is_read_and_units_survive_a_crash() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let mut publisher = Publisher::new(broker.port);
    let (dir, formats) = (TempDir::new(), every_format());
    let config = config(&broker, &formats);
    let wanted: Vec<_> = formats.iter().flat_map(|sent| sent.readings).copied().collect();
    let agent = Agent::start(&dir, &config);
    wait_sources(&broker, &formats, 1);
    publish(&mut publisher, &formats);
    let all = |messages: &Messages| wanted.iter().all(|reading| has(messages, *reading));
    let messages = subscriber.wait_until("readings of every format", all);
    let of_line =
        messages.of("reading").find(|message| message.map["series"] == "influx/a/cpu/cpu=0/host=a/n");
    let of_line = of_line.expect("a reading");
    assert_eq!(of_line.map["labels"], serde_json::json!({"cpu": "0", "host": "a"}));
    assert_eq!(of_line.integer("time"), 1_700_000_000_000);
    messages.check_accounts();
    agent.wait_checkpoint();
    agent.kill9();

    subscriber.forget();
    let mut agent = Agent::start(&dir, &config);
    wait_sources(&broker, &formats, 2);
    publish(&mut publisher, &formats);
    publisher.publish("senml/a", br#"[{"bn":"dev/","n":"t","v":25.5}]"#).expect("a publish");
    publisher.flush().expect("the broker's acknowledgements");
    subscriber.wait_until("readings of every format after a crash, and a unit that is known", |messages| {
        all(messages) && has(messages, ("senml/a/dev/t", 25.5, Some("Cel")))
    });
    agent.check_running();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// An agent that comes to a running plant asks for a rebirth, and the log shows what it could not read.
#[test]
fn a_node_whose_birth_was_missed_is_asked_for_another() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let plant = Subscriber::to(broker.port, "spBv1.0/plant/NCMD/n1");
    let mut publisher = Publisher::new(broker.port);
    let dir = TempDir::new();
    let formats: Vec<Sent> = every_format().into_iter().filter(|sent| sent.source == "spBv1.0").collect();
    let agent = Agent::start(&dir, &config(&broker, &formats));
    wait_sources(&broker, &formats, 1);
    for sequence in 10..15 {
        publisher.publish("spBv1.0/plant/NDATA/n1", sparkplug(sequence, 9, false)).expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
    let asked = wait_for("a command to the node", || plant.take_one());
    assert!(asked.payload.windows(20).any(|bytes| bytes == b"Node Control/Rebirth"), "{:?}", asked.payload);
    publish(&mut publisher, &formats);
    publisher.publish("spBv1.0/plant/NDATA/n1", b"{\"Level\": 5}").expect("a publish");
    publisher.flush().expect("the broker's acknowledgements");
    let reborn = ("plant/n1/Tank/Level", 6.0, Some("cm"));
    let messages = subscriber.wait_until("data after the rebirth", |messages| {
        has(messages, reborn) && messages.reported("invalid") == 6
    });
    messages.check_accounts();
    agent.wait_log(&["payload cannot be used", "no birth of plant/n1 has named", "the payload is `"]);
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(log.matches("payload cannot be used").count(), 1, "one line a minute: {log}");
}

/// A payload of each format that is broken, longer than what the log shows, and dangerous for a terminal.
fn broken(source: &str) -> (&'static str, Vec<u8>) {
    let (topic, begin): (_, &[u8]) = match source {
        "json" => ("json/bad", b"{\"t\": \""),
        "number" => ("number/bad", b"hot"),
        "cbor" => ("cbor/bad", b"\xa1\x61t\x78\xf0"),
        "csv" => ("csv/bad", b"t;h\n1;2;3"),
        "influx" => ("influx/bad", b"cpu usage="),
        "senml" => ("senml/bad", b"[{\"n\":\""),
        "spBv1.0" => ("spBv1.0/plant/NBIRTH/bad", b"\x12\xf0"),
        "obis" => ("obis/bad", b"energy("),
        "sml" => ("sml/bad", b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76\xff"),
        "pairs" => ("pairs/bad", b"hot"),
        "nmea" => ("nmea/bad", b"GPRMC,"),
        other => panic!("a broken payload of {other}, please"),
    };
    (topic, [begin, b"\x1b[2J\x7f", &[b'x'; 100]].concat())
}

/// What the log shows of a payload: its first 80 bytes, and nothing that a terminal obeys.
fn shown(payload: &[u8]) -> String {
    let begin = &payload[..80];
    let text = std::str::from_utf8(begin).map(|text| {
        let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        text.chars().map(escaped).collect::<String>()
    });
    let text = text.unwrap_or_else(|_| begin.escape_ascii().to_string());
    format!("the payload is `{text}` and so on, {} bytes", payload.len())
}

#[test]
fn a_broken_payload_of_every_format_is_counted_and_shown_once_a_minute() {
    const TIMES: usize = 3;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let mut publisher = Publisher::new(broker.port);
    let (dir, formats) = (TempDir::new(), every_format());
    let mut agent = Agent::start(&dir, &config(&broker, &formats));
    wait_sources(&broker, &formats, 1);
    let all: Vec<_> = formats.iter().map(|sent| broken(sent.source)).collect();
    for (topic, payload) in &all {
        (0..TIMES).for_each(|_| publisher.publish(topic, payload).expect("a publish"));
        publisher.publish(topic, b"").expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
    let wanted = (i64::try_from(TIMES * all.len()).unwrap(), i64::try_from(all.len()).unwrap());
    let messages = subscriber.wait_until("every payload in reports", |messages| {
        messages.reported("invalid") + empty(messages) >= wanted.0 + wanted.1
    });
    assert_eq!((messages.reported("invalid"), empty(&messages)), wanted);
    messages.check_accounts();
    agent.check_running();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{7f}']), "{log}");
    for (topic, payload) in &all {
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("payload cannot be used") && line.contains(topic))
            .collect();
        assert_eq!(lines.len(), 1, "{topic}: {lines:#?}");
        assert!(lines[0].contains(&shown(payload)), "{topic}: {}\nwanted: {}", lines[0], shown(payload));
    }
}
