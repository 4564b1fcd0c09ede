//! JSON (RFC 8259): objects and arrays of numbers, read in one pass without a tree.
//!
//! Several texts, one a line or, of objects, one behind the other, are as many records. Names and lists are those of every tree, `tree.rs`. Depth: 128
//! levels; more is an error.

use super::json_tokens::JsonError;
pub(crate) use super::json_tokens::{JsonToken, Scanner};
use super::tree::{document, holds_json};
use super::{Format, FormatKind, bare};
use crate::fields::{DecodeError, Fields, Position};

pub(super) const KIND: FormatKind =
    FormatKind { name: "json", read: |_, _| Some(Box::new(Json)), sample: "format = \"json\"\n" };

/// JSON that is a single value.
const UNNAMED: &str = "JSON, but neither an object nor an array";

/// How such values, and bare words, are read.
const WAY_OUT: &str = "for bare values write format = \"number\", in a source of its own";

#[derive(Clone, Debug)]
struct Json;

impl Format for Json {
    fn has_lists(&self) -> bool {
        true
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        decode(payload, fields)
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

fn decode(payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
    let payload = bare(payload);
    if payload.is_empty() {
        fields.end();
        return Ok(());
    }
    let scanner = Scanner::unchecked(payload);
    // Some encode twice: the payload is a text that holds what is meant.
    if payload.first() == Some(&b'"')
        && let Ok(JsonToken::Text(text)) = scanner.clone().value()
        && holds_json(&text.unescaped())
    {
        return lines(Scanner::new(text.unescaped().as_bytes())?, fields);
    }
    lines(scanner, fields)
}

/// Reads texts, one after the other.
fn lines(mut scanner: Scanner<'_>, fields: &mut Fields<'_>) -> Result<(), DecodeError> {
    let records = fields.records();
    let read = document(&mut scanner, records.as_ref(), Some(UNNAMED), fields).map_err(with_way_out);
    let read = read.and_then(|_| scanner.next_line().map_err(JsonError::into));
    if !matches!(read, Ok(false)) {
        // What is no text costs the payload, and any other fault in a further line costs the line.
        scanner.check_text()?;
    }
    let mut goes_on = read?;
    while goes_on {
        let read = document(&mut scanner, records.as_ref(), Some(UNNAMED), fields);
        goes_on = match read.and_then(|_| scanner.next_line().map_err(JsonError::into)) {
            Ok(goes_on) => goes_on,
            Err(error) => {
                fields.reject(error);
                scanner.skip_line()
            }
        };
    }
    Ok(())
}

/// Names the way out where nothing of a payload is an object or an array.
fn with_way_out(error: DecodeError) -> DecodeError {
    match error.at {
        None | Some(Position::Byte(1)) => {
            DecodeError { what: format!("{}; {WAY_OUT}", error.what).into(), ..error }
        }
        Some(_) => error,
    }
}

#[cfg(test)]
mod known_names;

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, decoded, decoder, feed};
    use proptest::prelude::*;

    const EVERY: &str = r#"format = "json""#;

    fn values(seen: &Seen) -> Vec<(&str, f64)> {
        seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect()
    }

    #[test]
    fn every_number_is_read_with_its_path() {
        let payload = r#" {"a": 1, "b": {"c": -2.5, "d": [true, {"e": 3}]}, "s": "x", "n": null, "big": 18446744073709551615,
            "esc\u0061ped": 4, "a": 5} "#;
        let seen = decoded(EVERY, "t", payload.as_bytes());
        let expected = [
            ("t/a", 5.0),
            ("t/b/c", -2.5),
            ("t/b/d/0", 1.0),
            ("t/b/d/1/e", 3.0),
            ("t/big", 18_446_744_073_709_551_615.0),
            ("t/escaped", 4.0),
        ];
        assert_eq!(values(&seen), expected);
        assert_eq!(seen.invalid, [""; 0]);
        assert_eq!(values(&decoded(EVERY, "t", b"[1, [2]]")), [("t/0", 1.0), ("t/1/0", 2.0)]);
    }

    #[test]
    fn wanted_fields_alone_are_read() {
        let config = r#"fields = ["b/c", "a", "gone", "l/1"]"#;
        let payload = br#"{"x": {"b": {"c": 9}}, "a": 1, "b": {"c": 2, "z": 3}, "l": [7, 8], "s": "text"}"#;
        assert_eq!(values(&decoded(config, "t", payload)), [("t/a", 1.0), ("t/b/c", 2.0), ("t/l/1", 8.0)]);
    }

    #[test]
    fn a_text_that_holds_json_is_read_where_a_path_goes_through_it() {
        let payload = br#"{"eui": "a", "data": "{\"t\": 21.5, \"at\": 5000, \"in\": \"{\\\"h\\\": 40}\"}", "list": "[{\"v\": 1}, {\"v\": 2}]"}"#;
        for (config, expected) in [
            ("fields = [\"data/t\"]", &[("t/data/t", 21.5)][..]),
            ("fields = [\"data/*\"]", &[("t/data/t", 21.5), ("t/data/at", 5000.0)]),
            ("fields = [\"data/in/h\"]", &[("t/data/in/h", 40.0)]),
            ("fields = [\"data/t\"]\ntime = \"data/at\"", &[("t/data/t", 21.5)]),
            ("fields = [\"data/t\"]\nseries = \"{data/at}/{field}\"", &[("5000/data/t", 21.5)]),
            ("records = \"list\"", &[("t/v", 1.0), ("t/v", 2.0)]),
            ("records = \"data\"\nseries = \"{eui}/{field}\"", &[("a/t", 21.5), ("a/at", 5000.0)]),
            ("records = \"list\"\nseries = \"{eui}/{field}\"", &[("a/v", 1.0), ("a/v", 2.0)]),
            ("records = \"data/in\"", &[("t/h", 40.0)]),
            (EVERY, &[]),
            ("fields = [\"*/t\"]", &[]),
        ] {
            let seen = decoded(config, "t", payload);
            assert_eq!((values(&seen).as_slice(), seen.invalid.len()), (expected, 0), "{config}: {seen:?}");
        }
        let broken = br#"{"data": "{\"t\": 21.5", "n": 1}"#;
        let seen = decoded("fields = [\"data/t\", \"n\"]", "t", broken);
        assert_eq!(values(&seen), [("t/n", 1.0)]);
        assert!(seen.invalid[0].contains("`data` holds a text that is not JSON"), "{seen:?}");
        let seen = decoded("fields = [\"data/t\", \"n\"]", "t", br#"{"data": "none", "n": 1}"#);
        assert_eq!((seen.readings.len(), seen.invalid.len()), (1, 0));
        let twice = br#""{\"temp\": 21.5, \"hum\": 40}""#;
        assert_eq!(values(&decoded(EVERY, "t", twice)), [("t/temp", 21.5), ("t/hum", 40.0)]);
    }

    #[test]
    fn wanted_fields_of_a_wrong_kind_are_invalid_and_the_others_go_through() {
        let config = r#"fields = ["a", "b", "c", "d"]"#;
        let seen = decoded(config, "t", br#"{"a": "51N.0601", "b": {"x": 1}, "c": null, "d": 4}"#);
        assert_eq!(values(&seen), [("t/d", 4.0)]);
        let why = "`a` is `51N.0601`, not a number; give it a number in `words`, or name it in `skip` if it is no reading";
        assert_eq!(seen.invalid, [why], "an object is no reading");
        let seen = decoded(config, "t", br#"{"a": NaN, "b": 1e999, "c": -Infinity, "d": "nan"}"#);
        assert_eq!(seen.invalid, ["a", "b", "c", "d"].map(|f| format!("`{f}` is infinite or not a number")));
        for word in ["nan", "-nan", "inf", "-inf", "Inf", "-Infinity"] {
            let payload = format!("{{\"a\": {word}, \"d\": 4}}");
            assert_eq!(values(&decoded(config, "t", payload.as_bytes())), [("t/d", 4.0)], "{word}");
        }
        for broken in ["i", "-n", "infinite", "nanny"] {
            let seen = decoded(config, "t", format!("{{\"a\": {broken}, \"d\": 4}}").as_bytes());
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_invalid_once_and_leaves_nothing() {
        for (payload, why) in [
            (&b"{\"a\": 1, \"b\": 2x}"[..], "not JSON: expected `,` or `}` (byte 16)"),
            (b"{\"a\": 1", "not JSON: expected `,` or `}` (byte 8)"),
            (b"{\"a\": 1} }", "not JSON: expected nothing more (byte 10)"),
            (b"{\"a\": Nan}", "(byte 7)"),
            (b"\0{\"a\": 1}", "(byte 1)"),
            (b"21.5", "format = \"number\""),
            (
                b"online",
                "expected a value; for bare values write format = \"number\", in a source of its own (byte 1)",
            ),
            (b"\"21.5\"", "format = \"number\""),
            (b"\xff\xfe", "bytes that are not UTF-8 (byte 1)"),
            (b"{\"\xff\": 1}", "not JSON"),
        ] {
            let seen = decoded(EVERY, "t", payload);
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{why}: {seen:?}");
            assert!(seen.invalid[0].contains(why), "{:?}", seen.invalid);
        }
        let deep = "[".repeat(100_000);
        assert!(decoded(EVERY, "t", deep.as_bytes()).invalid[0].contains("nested too deeply"));
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(120), "]".repeat(120));
        assert_eq!(decoded(EVERY, "t", deep.as_bytes()).readings.len(), 1);
    }

    #[test]
    fn a_payload_without_readings_is_ordinary() {
        let value = r#"fields = ["value"]"#;
        for (config, payload) in [
            (EVERY, ""),
            (EVERY, " \r\n\0"),
            (EVERY, "null"),
            (EVERY, "[]"),
            (EVERY, r#"{"s": "x"}"#),
            (value, r#"{"value": null}"#),
            (value, r#"{"value": []}"#),
            (value, r#"{"value": {}}"#),
            (value, r#"{"value": ""}"#),
            (value, r#"{"other": 1}"#),
            ("fields = [\"value\"]\ntime = \"ts\"", r#"{"ts": 5}"#),
            ("fields = [\"value\"]\nskip = [\"n/a\"]", r#"{"value": "N/A"}"#),
        ] {
            let seen = decoded(config, "t", payload.as_bytes());
            assert_eq!(
                (seen.empty, seen.readings.len(), seen.invalid.len()),
                (1, 0, 0),
                "{payload}: {seen:?}"
            );
        }
    }

    #[test]
    fn what_firmware_adds_around_a_payload_is_no_part_of_it() {
        for payload in ["{\"v\":15}\0", "\u{feff}{\"v\":15}", "{\"v\":15}\r\n\0\0"] {
            assert_eq!(values(&decoded(EVERY, "t", payload.as_bytes())), [("t/v", 15.0)], "{payload:?}");
        }
    }

    #[test]
    fn texts_that_are_numbers_are_read() {
        let payload =
            br#"{"flow": "41", "out": "7.5", "ww": "on", "comfort": "Eco", "code": "0H", "n": 203}"#;
        let seen = decoded(EVERY, "t", payload);
        assert_eq!(values(&seen), [("t/flow", 41.0), ("t/out", 7.5), ("t/ww", 1.0), ("t/n", 203.0)]);
        assert_eq!(seen.invalid, [""; 0]);
    }

    #[test]
    fn names_with_slashes_and_strange_names_do_no_harm() {
        let seen = decoded(EVERY, "t", br#"{"a/b": 1, "": 2, "+#": 3}"#);
        assert_eq!(values(&seen), [("t/a/b", 1.0), ("t/", 2.0), ("t/+#", 3.0)]);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(decoded(EVERY, "t", &payload).readings.iter().all(|(_, _, value)| value.is_finite()));
        }

        #[test]
        fn nearly_json_does_no_harm(payload in r#"[{}\[\]",:0-9eE.+a-c \\-]{0,40}"#) {
            let mut decoder = decoder("fields = [\"a\", \"b/c\", \"b/0\"]\ntime = \"t\"");
            let seen = feed(&mut decoder, "t", payload.as_bytes());
            prop_assert!(seen.readings.is_empty() && seen.invalid.len() + seen.empty as usize >= 1, "{:?}", seen);
        }

        #[test]
        fn what_is_written_reads_back(numbers in prop::collection::btree_map("[a-zäöü日 ]{1,6}", -1e6..1e6_f64, 1..8)) {
            let seen = decoded(EVERY, "t", &serde_json::to_vec(&numbers).unwrap());
            prop_assert_eq!(seen.readings.len(), numbers.len());
            for (series, _, value) in &seen.readings {
                prop_assert_eq!(numbers[&series[2..]], *value);
            }
        }
    }
}
