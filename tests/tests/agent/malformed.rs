//! Payloads that no sensor should send. Each is counted, none is fatal, and the good payloads between them count.

use crate::{Config, check_all, publish, wait_source};
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir, recording};

/// What no sensor should send: every one must count as one `invalid`, or as one `empty` if nothing is in it.
fn malformed() -> Vec<Vec<u8>> {
    let good = br#"{"ts":1436538240000,"temp":21.5,"unit":"F","list":[1,{"a":"\u00e9"}],"ok":true}"#;
    let mut all: Vec<Vec<u8>> = (1..good.len()).map(|end| good[..end].to_vec()).collect();
    let texts = [
        "nonsense",
        "true",
        "[1,2,3]",
        "\"text\"",
        "21.5",
        "{}}",
        "{{}",
        "{]",
        "[}",
        ",",
        ":",
        "\\",
        "''",
        "<xml/>",
        "ts=1,temp=2",
        "NaN",
        "Infinity",
        "-",
        "{\"ts\"}",
        "{\"ts\":}",
        "{:1}",
        "{\"ts\" 1}",
    ];
    all.extend(texts.map(|text| text.as_bytes().to_vec()));
    let values = [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "1e999",
        "-1e999",
        "1e400",
        "--1",
        "+1",
        "1e",
        "1e+",
        "0x10",
        "007",
        ".5",
        "1.",
        "1,5",
        "1_000",
        "\"hot\"",
        "[21.5]",
        "[]",
        "{}",
        "{\"value\":1}x",
        "undefined",
        "True",
        "'21'",
        "21.5.1",
        "1 2",
        "\u{661}\u{662}",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\n\"",
        "// 1",
        "/* 1 */",
    ];
    all.extend(values.map(|value| format!(r#"{{"ts":1436538240000,"temp":{value}}}"#).into_bytes()));
    let times = ["NaN", "1e999", "\"now\"", "[]", "{}", "\"\"", "-", "'1'", "\"2015-13-99\""];
    all.extend(times.map(|time| format!(r#"{{"ts":{time},"temp":21.5}}"#).into_bytes()));
    all.push(br#"{"temp":21.5}"#.to_vec()); // no time, though the source has one
    for junk in ["x", "}", ",", "\u{feff}"] {
        all.push(format!(r#"{{"ts":1436538240000,"temp":21.5}}{junk}"#).into_bytes());
    }
    for digits in [400, 5_000, 100_000] {
        all.push(format!(r#"{{"ts":1436538240000,"temp":{}}}"#, "9".repeat(digits)).into_bytes());
    }
    for depth in [1_000, 20_000, 100_000] {
        let open = "[".repeat(depth);
        all.push(open.clone().into_bytes());
        all.push(format!(r#"{{"ts":1436538240000,"temp":{open}"#).into_bytes());
        all.push(r#"{"temp":"#.repeat(depth).into_bytes());
    }
    all.extend(binary());
    all.push(vec![b'x'; 200 << 10]);
    all.push(vec![b'{'; 10 << 20]);
    all
}

/// What holds no reading and is ordinary: every one must count as one `empty`.
const ORDINARY: [&str; 5] = ["", "null", "[]", "{}", r#"{"ts":1436538240000,"temp":""}"#];

/// Of all reports; one that has none does not say so.
pub(crate) fn empty(messages: &Messages) -> i64 {
    messages.reports().iter().filter_map(|report| report.map["empty"].as_i64()).sum()
}

/// Bytes that are no text at all.
fn binary() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(7);
    let noise = |length: usize| std::iter::once(0xff).chain((0..length).map(|_| random.u8(..))).collect();
    let mut all: Vec<Vec<u8>> = (0..30).chain([1_000, 60_000]).map(noise).collect();
    all.extend(
        [
            &b"\xc3\x28"[..],
            b"\xf0\x28\x8c\x28",
            b"\xed\xa0\x80",
            b"\x00",
            b"\x00\x00\x00\x00",
            b"\xff\xfe{\x00}\x00",
        ]
        .map(<[u8]>::to_vec),
    );
    all.push(b"{\"ts\":1436538240000,\"temp\":21.5,\"unit\":\"\xff\xfe\"}".to_vec());
    all.push(b"{\"ts\":1436538240000,\"temp\":\xff}".to_vec());
    all.push(b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec());
    all
}

#[test]
fn two_hundred_malformed_payloads_are_counted_and_none_is_fatal() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);

    let readings = recording::own("travel_time.csv");
    let malformed = malformed();
    assert!(malformed.len() >= 200, "{} payloads", malformed.len());
    let mut publisher = Publisher::new(broker.port);
    let per_payload = readings.len() / malformed.len();
    let mut rest = readings.as_slice();
    for payload in &malformed {
        publisher.publish("sensors/office", payload).unwrap();
        let (some, after) = rest.split_at(per_payload);
        publish(&mut publisher, "office", "temp", some);
        rest = after;
    }
    publish(&mut publisher, "office", "temp", rest);
    ORDINARY.iter().for_each(|payload| publisher.publish("sensors/office", payload).unwrap());
    publisher.flush().unwrap();

    check_all(&subscriber, "sensors/office/temp", &readings);
    let sent = i64::try_from(malformed.len() + ORDINARY.len()).unwrap();
    let messages = subscriber.wait_until("all payloads in reports", |messages| {
        messages.reported("invalid") + empty(messages) >= sent
    });
    messages.check_accounts();
    let ([received, invalid], empty) =
        (["received", "invalid"].map(|key| messages.reported(key)), empty(&messages));
    assert_eq!((received - invalid, invalid + empty), (readings.len() as i64, sent));
    assert!((ORDINARY.len() as i64..20).contains(&empty), "{empty}");
    agent.check_running();
    let lines = agent.log().lines().filter(|line| line.contains("sensors/office")).count();
    assert!(lines <= 5, "{lines} lines in the log about one topic:\n{}", agent.log());
}

#[test]
fn what_is_no_number_is_counted_where_numbers_are_expected() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/#\"]\nformat = \"number\"";
    let mut agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let bad =
        ["x", "NaN", "nan", "inf", "-inf", "Infinity", "1e999", "1,5", "1 2", "{}", "21.5C", "--1", "\0x"];
    let mut publisher = Publisher::new(broker.port);
    for payload in bad {
        publisher.publish("sensors/cellar", payload).unwrap();
    }
    publisher.publish("sensors/cellar", b"\xff\xfe").unwrap();
    for good in ["1", "-2.5", "3e2"] {
        publisher.publish("sensors/cellar", good).unwrap();
    }
    publisher.flush().unwrap();
    let all = bad.len() as i64 + 1 + 3;
    let messages = subscriber.wait_until("all payloads in reports", |m| m.reported("received") >= all);
    assert_eq!(messages.reported("invalid"), all - 3);
    messages.check_accounts();
    agent.check_running();
}

/// A limit on series holds: further ones are counted and refused.
#[test]
fn series_past_the_limit_are_refused_and_counted() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.more = "[limits]\nseries = 3";
    let mut agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for place in 0..10 {
        publish(
            &mut publisher,
            &format!("place-{place}"),
            "temp",
            &[(1_436_538_240_000, 1.0), (1_436_538_241_000, 2.0)],
        );
    }
    let messages = subscriber.wait_until("all readings in reports", |m| m.reported("received") >= 20);
    assert_eq!((messages.reported("refused"), messages.reported("received")), (14, 20));
    messages.check_accounts();
    agent.check_running();
}
