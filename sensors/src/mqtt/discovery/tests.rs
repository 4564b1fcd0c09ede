//! What was heard becomes sources.

use super::*;

const NOW: i64 = 1_700_000_000_000;

fn heard(messages: &[(&str, &str)]) -> BTreeMap<String, Heard> {
    let heard = |payload: &str| Heard { payload: payload.as_bytes().to_vec(), at_ms: Some(NOW) };
    messages.iter().map(|(topic, payload)| ((*topic).to_owned(), heard(payload))).collect()
}

fn tables(messages: &[(&str, &str)]) -> Vec<(String, String)> {
    let found = sort("mqtt://h", &heard(messages));
    found
        .into_iter()
        .map(|found| (found.name, found.table.replace("type = \"mqtt\"\nurl = \"mqtt://h\"\n", "")))
        .collect()
}

fn owned(tables: &[(&str, &str)]) -> Vec<(String, String)> {
    tables.iter().map(|(name, table)| ((*name).to_owned(), (*table).to_owned())).collect()
}

#[test]
fn topics_that_differ_in_a_level_are_one_subscription() {
    let found = tables(&[
        ("greenhouse/bed1/climate", r#"{"ts": 1700000000, "temp": 21.5, "hum": 40}"#),
        ("greenhouse/bed2/climate", r#"{"ts": 1699999990, "temp": 20.5}"#),
        ("house/attic/temp", "17.5"),
        ("house/attic/hum", "40"),
        ("house/hall/temp", "19"),
        ("plain", "5"),
    ]);
    let expected = [
        ("plain", "topics = [\"plain\"]\nformat = \"number\"\n"),
        ("greenhouse", "topics = [\"greenhouse/{device}/climate\"]\ntime = \"ts\"\ntime_format = \"unix\"\n"),
        ("house", "topics = [\"house/{device}/{part}\"]\nformat = \"number\"\n"),
    ];
    assert_eq!(found, owned(&expected));
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let found = tables(&[
        ("zigbee2mqtt/plug", r#"{"power": 5, "state": "ON", "last_seen": "2023-11-14T22:13:20Z"}"#),
        ("zigbee2mqtt/door", r#"{"contact": true, "last_seen": "2023-11-14T22:13:10Z"}"#),
        ("zigbee2mqtt/log", "not a number"),
        ("zigbee2mqtt/bridge/state", r#"{"state": "online"}"#),
        ("headwater/pi/summary/a/b", r#"{"count": 5}"#),
        ("homeassistant/sensor/x/config", r#"{"exp": 5}"#),
        ("words/only", "hello"),
    ]);
    let zigbee =
        "topics = [\"zigbee2mqtt/{device}\"]\nignore = [\"zigbee2mqtt/log\"]\ntime = \"last_seen\"\n";
    assert_eq!(found[..1], owned(&[("zigbee2mqtt", zigbee)]));
    assert!(found.len() <= 2, "{found:?}");
}

/// A subscription must not be given what only another one can read.
#[test]
fn two_formats_at_one_place_name_their_topics() {
    let found = tables(&[("h/a/t", "5"), ("h/a/s", r#"{"x": 1}"#), ("h/b/t", "6")]);
    let expected =
        [("h", "topics = [\"h/a/s\"]\n"), ("h", "topics = [\"h/a/t\", \"h/b/t\"]\nformat = \"number\"\n")];
    assert_eq!(found, owned(&expected));
}

#[test]
fn names_from_outside_break_no_table() {
    let found =
        sort("mqtt://h", &heard(&[("we\"ird\n/{a}", "5"), ("we\"ird\n/b\\", "6"), ("{x}", "7"), ("/", "8")]));
    assert!(found.len() >= 3, "{found:?}");
    for found in found {
        let trial = Trial::of(&found.table, &[]);
        assert!(trial.is_some(), "{found:?}");
        assert!(!found.name.is_empty() && found.name.is_ascii());
    }
}

/// A time that is no time of now is none: of a device whose clock is wrong, or in another zone.
#[test]
fn times_that_are_far_from_now_are_not_used() {
    let found = tables(&[("d/a", r#"{"time": "2023-11-15T00:13:20", "v": 1}"#)]);
    assert_eq!(found, owned(&[("d", "topics = [\"d/a\"]\n")]));
}
