//! Names that are known from earlier payloads are read another way than new ones, and numbers another way than other values. Both
//! must read the same.

use crate::Decoder;
use crate::decode::tests::{Seen, decoder};
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 9] = [
    r#""a""#,
    r#""b""#,
    r#""\u0061""#,
    r#""a\":1,\"b""#,
    r#""ts""#,
    r#""é""#,
    r#""""#,
    r#""a b""#,
    r#""long name\\""#,
];

const BLANKS: [&str; 4] = ["", " ", "\r\n\t", ""];

type Readings = Vec<(String, Option<i64>, f64)>;

/// A name, a value, and what stands between them, as written.
type Member = (&'static str, String, &'static str);

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[1-9][0-9]{0,2}(\\.[0-9]{1,3})?",
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?",
        "[1-9][0-9]{12}",
    ]
}

fn other() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "true",
        "null",
        "\"text\"",
        "\"21.5\"",
        "\"\\u0031\"",
        "{\"c\": 7}",
        "[]",
        "NaN",
    ])
    .prop_map(str::to_owned)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<Member>> {
    prop::collection::vec((prop::sample::select(&NAMES), value, prop::sample::select(&BLANKS)), 0..6)
}

fn written(members: &[Member]) -> String {
    let member = |(name, value, blank): &Member| format!("{blank}{name}{blank}:{blank}{value}{blank}");
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// What a sink sees of one payload, and not only once.
fn feed(decoder: &mut Decoder, payload: &[u8], seen: &mut Seen) -> (Readings, Vec<String>, u32, u32) {
    decoder.on_payload("t", payload, seen);
    let count = |count: &mut u32| std::mem::take(count);
    let (empty, refused) = (count(&mut seen.empty), count(&mut seen.refused));
    (std::mem::take(&mut seen.readings), std::mem::take(&mut seen.invalid), empty, refused)
}

#[test]
fn a_known_name_with_quotes_is_not_found_across_others() {
    let (mut decoder, mut seen) = (decoder(""), Seen::boundless());
    feed(&mut decoder, br#"{"a\":1,\"b": 3}"#, &mut seen);
    let (readings, ..) = feed(&mut decoder, br#"{"a":1,"b":2}"#, &mut seen);
    assert_eq!(readings, [("t/a".to_owned(), None, 1.0), ("t/b".to_owned(), None, 2.0)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn numbers_have_the_last_value_of_their_name(payloads in prop::collection::vec(members(number()), 1..4)) {
        let (mut decoder, mut seen) = (decoder(""), Seen::boundless());
        for members in payloads {
            let payload = written(&members);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok(), "{}", payload);
            let mut expected = BTreeMap::new();
            for (name, value, _) in &members {
                let name = format!("t/{}", serde_json::from_str::<String>(name).unwrap());
                expected.insert(name, value.parse::<f64>().unwrap());
            }
            let (readings, ..) = feed(&mut decoder, payload.as_bytes(), &mut seen);
            let count = readings.len();
            let readings: BTreeMap<String, f64> =
                readings.into_iter().map(|(name, _, value)| (name, value)).collect();
            prop_assert_eq!((&readings, readings.len()), (&expected, count), "{}", payload);
        }
    }

    #[test]
    fn a_decoder_with_a_past_reads_as_one_without(
        config in prop::sample::select(vec![
            "",
            "time = \"ts\"",
            "fields = [\"a\", \"b\"]\ntime = \"ts\"",
            "fields = [\"b\", \"a\", \"a b\"]",
            "time = \"ts\"\nwhere = \"b > 0\"",
            "fields = [\"a/c\", \"b\"]\ntime = [\"ts\", \"a\"]",
            "records = \"a\"\ntime = \"ts\"",
        ]),
        payloads in prop::collection::vec((members(prop_oneof![3 => number(), 1 => other()]), any::<(u8, u8)>()), 1..5),
    ) {
        let (mut experienced, mut seen) = (decoder(config), Seen::boundless());
        for (members, (at, byte)) in payloads {
            let sound = written(&members).into_bytes();
            let mut broken = sound.clone();
            let at = usize::from(at) % broken.len();
            broken[at] = byte;
            let cut = &sound[..at];
            let lines = [&sound[..], b"\n", &broken].concat();
            for payload in [&sound, &broken, cut, &lines, &sound] {
                let read = feed(&mut experienced, payload, &mut seen);
                let anew = feed(&mut decoder(config), payload, &mut Seen::boundless());
                prop_assert_eq!(&read, &anew, "{}", payload.escape_ascii());
                if std::str::from_utf8(payload).is_err() {
                    prop_assert!(read.0.is_empty() && read.1[0].contains("not UTF-8"), "{:?}", read);
                }
            }
        }
    }
}
