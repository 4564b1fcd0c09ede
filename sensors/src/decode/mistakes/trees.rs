//! Formats of trees and of messages in bytes: CBOR, SenML and Sparkplug B.

use super::{HOT, IN_SECONDS, INFINITE, Mistakes, NO_TIME, OTHER_NAME, Tried, marked, of};
use headwater_protobuf::{put_bytes, put_number};
use serde_json::{Value, json};
use std::slice::from_ref;

pub(super) fn tried() -> [Tried; 4] {
    [cbor(), senml(), senml_of_cbor(), sparkplug()]
}

fn bytes(tree: &Value) -> Vec<u8> {
    serde_cbor::to_vec(tree).unwrap()
}

/// A map, whose values stand as they do in CBOR: no tree of JSON has a name twice, or a text in another encoding.
fn map(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut map = vec![0xa0 + u8::try_from(members.len()).unwrap()];
    for (name, value) in members {
        map.extend(serde_cbor::to_vec(name).unwrap());
        map.extend_from_slice(value);
    }
    map
}

/// 1,700,000,000,000, 21.5 and 22.5.
const TIME: &[u8] = b"\x1b\0\0\x01\x8b\xcf\xe5\x68\0";
const WARM: &[u8] = b"\xf9\x4d\x60";
const WARMER: &[u8] = b"\xf9\x4d\xa0";

fn cbor() -> Tried {
    let good = bytes(&json!({"ts": 1_700_000_000_000_i64, "temp": 21.5, "hum": 40}));
    Tried {
        format: "cbor",
        note: "",
        keys: "fields = [\"temp\", \"hum\"]\ntime = \"ts\"",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                bytes(&json!({"ts": 1_700_000_000_000_i64, "temperature": 21.5})),
                &["empty: 1", OTHER_NAME],
            )
            .and(bytes(&json!({"time": 1_700_000_000_000_i64, "temp": 21.5})), &[NO_TIME]),
            text_for_number: of(
                bytes(&json!({"ts": 1_700_000_000_000_i64, "temp": "hot", "hum": 40})),
                &["t/hum = 40 at 1700000000000", HOT],
            )
            .and(
                bytes(&json!({"ts": 1_700_000_000_000_i64, "temp": "21.5"})),
                &["t/temp = 21.5 at 1700000000000"],
            )
            .and(
                map(&[("ts", TIME), ("temp", b"\x4421.5"), ("hum", WARM)]),
                &[
                    "t/hum = 21.5 at 1700000000000",
                    "invalid: `temp` is `h'...'`, not a number; give it a number in `words`, or name it \
in `skip` if it is no reading",
                ],
            )
            .and(
                "{\"ts\":1700000000000,\"temp\":21.5}",
                &["invalid: not CBOR: it begins as JSON does; check `format`"],
            ),
            empty: of("", &["empty: 1"])
                .and(bytes(&json!({})), &["empty: 1"])
                .and(bytes(&json!({"ts": 1, "temp": null})), &["empty: 1"]),
            cut_off: of(&good[..good.len() - 3], &["invalid: not CBOR: it ends inside a value (byte 20)"])
                .and(
                    [&good[..], &good[..7]].concat(),
                    &[
                        "t/hum = 40 at 1700000000000",
                        "t/temp = 21.5 at 1700000000000",
                        "invalid: not CBOR: it ends inside a value (byte 35)",
                    ],
                ),
            nested: of(vec![0x81; 100_000], &["invalid: not CBOR: nested too deeply (byte 130)"])
                .and(vec![0x9f; 100_000], &["invalid: not CBOR: nested too deeply (byte 130)"])
                .and(
                    map(&[("ts", TIME), ("temp", &vec![0xc6; 100_000])]),
                    &["invalid: not CBOR: it ends inside a value (byte 100019)"],
                )
                .and(
                    bytes(&json!({"ts": 1_700_000_000_000_i64, "temp": [[21.5]], "hum": 40})),
                    &[
                        "t/hum = 40 at 1700000000000",
                        "remark: wanted fields hold an object or a list: `temp`; name what is in them, as \
FIELD/NAME, or write skip = [\"*\"] if they are no readings",
                    ],
                ),
            huge: of(
                map(&[("ts", TIME), ("temp", b"\xfb\x7f\xf0\0\0\0\0\0\0"), ("hum", WARM)]),
                &["t/hum = 21.5 at 1700000000000", INFINITE],
            )
            .and(
                map(&[("ts", TIME), ("temp", b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff")]),
                &["t/temp = 18446744073709552000 at 1700000000000"],
            )
            .and(
                map(&[
                    ("ts", TIME),
                    ("temp", &[b"\xc2\x5a\0\x01\0\0", &[9; 65_536][..]].concat()),
                    ("hum", WARM),
                ]),
                &["t/hum = 21.5 at 1700000000000", INFINITE],
            )
            .and(
                map(&[("ts", TIME), ("temp", b"\xc4\x82\x1a\x7f\xff\xff\xff\x01"), ("hum", WARM)]),
                &["t/hum = 21.5 at 1700000000000", INFINITE],
            ),
            wrong_time_unit: of(bytes(&json!({"ts": 1_700_000_000, "temp": 21.5})), &[IN_SECONDS]),
            named_twice: of(
                map(&[("ts", TIME), ("temp", WARM), ("temp", WARMER)]),
                &["t/temp = 22.5 at 1700000000000"],
            ),
            byte_order_mark: of(
                [b"\xef\xbb\xbf", &good[..]].concat(),
                &["invalid: not CBOR: expected nothing more (byte 2)"],
            ),
            not_utf8: of(
                map(&[("ts", TIME), ("unit", b"\x62\xb0C"), ("temp", WARM)]),
                &["invalid: not CBOR: a text that is not UTF-8 (byte 22)"],
            ),
        },
    }
}

fn senml() -> Tried {
    Tried {
        format: "senml",
        note: "in JSON",
        keys: "fields = [\"temp\", \"hum\"]",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                r#"[{"bn":"dev/","bt":1700000000,"n":"temperature","v":21.5}]"#,
                &["empty: 1", OTHER_NAME],
            )
            .and(r#"[{"bn":"dev/","bt":1700000000,"n":"temp","value":21.5}]"#, &["empty: 1"])
            .and(
                r#"[{"name":"temp","v":21.5},{"n":"hum","v":40}]"#,
                &["t/hum = 40", "invalid: not SenML: a record without `n`, in a pack without `bn`"],
            ),
            text_for_number: of(
                r#"[{"bn":"dev/","n":"temp","v":"hot"},{"n":"hum","v":40}]"#,
                &["t/dev/hum = 40", HOT],
            )
            .and(r#"[{"bn":"dev/","n":"temp","v":"21.5"}]"#, &["t/dev/temp = 21.5"])
            .and(
                r#"[{"bn":"dev/","bt":"1700000000","n":"temp","v":21.5},{"n":"hum","v":40}]"#,
                &["t/dev/hum = 40", "invalid: not SenML: a time, a base value or a sum that is no number"],
            ),
            empty: of("", &["empty: 1"])
                .and("[]", &["empty: 1"])
                .and(r#"[{"bn":"dev/","n":"temp"}]"#, &["empty: 1"])
                .and("{}", &["invalid: not SenML: a pack is a list of records"]),
            cut_off: of(
                r#"[{"bn":"dev/","n":"temp","v":21.5},{"n":"hu"#,
                &["invalid: not JSON: it ends in a string (byte 44)"],
            ),
            nested: of("[".repeat(100_000), &["invalid: not SenML: a pack is a list of records"])
                .and(
                    format!(r#"[{{"bn":"dev/","n":"temp","v":{}"#, "[".repeat(100_000)),
                    &["invalid: not JSON: nested too deeply (byte 156)"],
                )
                .and(
                    r#"[{"bn":"dev/","n":"temp","v":[21.5]},{"n":"hum","v":40}]"#,
                    &["t/dev/hum = 40", "invalid: not SenML: a value that is an object or a list"],
                ),
            huge: of(
                r#"[{"bn":"dev/","n":"temp","v":1e999},{"n":"hum","v":40}]"#,
                &["t/dev/hum = 40", INFINITE],
            )
            .and(
                r#"[{"bn":"dev/","bt":1e999,"n":"temp","v":21.5},{"bt":0,"n":"hum","v":40}]"#,
                &["t/dev/hum = 40", "invalid: not SenML: a time, a base value or a sum that is no number"],
            )
            .and(
                r#"[{"bn":"dev/","bv":1e308,"n":"temp","v":1e308},{"bv":0,"n":"hum","v":40}]"#,
                &["t/dev/hum = 40", INFINITE],
            )
            .and(
                r#"[{"bn":"dev/","bt":1700000000,"t":1e300,"n":"temp","v":1},{"n":"hum","v":40}]"#,
                &[
                    "t/dev/hum = 40 at 1700000000000",
                    "invalid: not SenML: a time that is none in seconds, in which SenML counts",
                ],
            ),
            wrong_time_unit: of(
                r#"[{"bn":"dev/","bt":1700000000000,"n":"temp","v":21.5}]"#,
                &["invalid: not SenML: a time that is none in seconds, in which SenML counts"],
            )
            .and(
                r#"[{"bn":"dev/","n":"temp","v":21.5,"t":1700000000000},{"n":"hum","v":40}]"#,
                &[
                    "t/dev/hum = 40",
                    "invalid: not SenML: a time that is none in seconds, in which SenML counts",
                ],
            )
            .and(
                r#"[{"bn":"dev/","n":"temp","v":21.5,"t":1700000000000000000},{"n":"hum","v":40}]"#,
                &[
                    "t/dev/hum = 40",
                    "invalid: not SenML: a time that is none in seconds, in which SenML counts",
                ],
            ),
            named_twice: of(
                r#"[{"bn":"dev/","n":"temp","n":"hum","v":21.5,"v":22.5}]"#,
                &["t/dev/hum = 22.5"],
            )
            .and(
                r#"[{"bn":"dev/","bt":1700000000,"n":"temp","v":21.5},{"n":"temp","v":22.5}]"#,
                &["t/dev/temp = 21.5 at 1700000000000", "t/dev/temp = 22.5 at 1700000000000"],
            ),
            byte_order_mark: of(marked(r#"[{"bn":"dev/","n":"temp","v":21.5}]"#), &["t/dev/temp = 21.5"]),
            not_utf8: of(
                b"[{\"bn\":\"dev/\",\"n\":\"temp\",\"u\":\"\xb0C\",\"v\":21.5}]",
                &["invalid: not JSON: bytes that are not UTF-8 (byte 31)"],
            )
            .and(b"\xff\xfe[\0{\0", &["invalid: not CBOR: a break where a value should be (byte 2)"]),
        },
    }
}

fn senml_of_cbor() -> Tried {
    // As JSON has them, because a label may be a text in CBOR too.
    let good =
        bytes(&json!([{"bn": "dev/", "bt": 1_700_000_000, "n": "temp", "v": 21.5}, {"n": "hum", "v": 40}]));
    Tried {
        format: "senml",
        note: "in CBOR",
        keys: "fields = [\"temp\", \"hum\"]",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                bytes(&json!([{"bn": "dev/", "n": "temperature", "v": 21.5}])),
                &["empty: 1", OTHER_NAME],
            ),
            text_for_number: of(
                bytes(&json!([{"bn": "dev/", "n": "temp", "v": "hot"}, {"n": "hum", "v": 40}])),
                &["t/dev/hum = 40", HOT],
            ),
            empty: of(bytes(&json!([])), &["empty: 1"])
                .and(bytes(&json!([{"bn": "dev/", "n": "temp"}])), &["empty: 1"])
                .and(bytes(&json!(null)), &["invalid: not SenML: a pack is a list of records"]),
            cut_off: of(&good[..good.len() - 4], &["invalid: not CBOR: it ends inside a value (byte 38)"]),
            nested: of(vec![0x81; 100_000], &["invalid: not SenML: a pack is a list of records"])
                .and(vec![0x9f; 100_000], &["invalid: not SenML: a pack is a list of records"]),
            huge: of(
                [
                    b"\x82",
                    &map(&[("n", b"\x64temp"), ("v", b"\xfb\x7f\xf0\0\0\0\0\0\0")])[..],
                    &map(&[("n", b"\x63hum"), ("v", WARM)]),
                ]
                .concat(),
                &["t/hum = 21.5", INFINITE],
            ),
            wrong_time_unit: of(
                bytes(&json!([{"bn": "dev/", "bt": 1_700_000_000_000_i64, "n": "temp", "v": 21.5}])),
                &["invalid: not SenML: a time that is none in seconds, in which SenML counts"],
            ),
            named_twice: of(
                [b"\x81", &map(&[("n", b"\x64temp"), ("v", WARM), ("v", WARMER)])[..]].concat(),
                &["t/temp = 22.5"],
            ),
            byte_order_mark: of(
                [b"\xef\xbb\xbf", &good[..]].concat(),
                &["invalid: not SenML: a pack is a list of records"],
            ),
            not_utf8: of(
                [b"\x81", &map(&[("n", b"\x64temp"), ("u", b"\x62\xb0C"), ("v", WARM)])[..]].concat(),
                &["invalid: not CBOR: a text that is not UTF-8 (byte 15)"],
            ),
        },
    }
}

/// The kinds of a double and of a text.
const DOUBLE: u64 = 10;
const TEXT: u64 = 12;

/// A metric of a kind, whose value is a field of a number, or of a text.
fn metric(name: &[u8], kind: u64, value: Result<f64, &[u8]>) -> Vec<u8> {
    let mut metric = Vec::new();
    put_bytes(&mut metric, 1, name);
    put_number(&mut metric, 4, kind);
    match value {
        Ok(double) => {
            metric.push(13 << 3 | 1);
            metric.extend(double.to_le_bytes());
        }
        Err(text) => put_bytes(&mut metric, 15, text),
    }
    metric
}

fn message(time: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_number(&mut payload, 1, time);
    metrics.iter().for_each(|metric| put_bytes(&mut payload, 2, metric));
    put_number(&mut payload, 3, 0);
    payload
}

/// Templates in templates.
fn templates(levels: usize) -> Vec<u8> {
    let inner = metric(b"temp", DOUBLE, Ok(21.5));
    (0..levels).fold(inner, |inner, _| {
        let (mut template, mut metric) = (Vec::new(), Vec::new());
        put_bytes(&mut template, 2, &inner);
        put_bytes(&mut metric, 1, b"m");
        put_bytes(&mut metric, 18, &template);
        metric
    })
}

fn sparkplug() -> Tried {
    const T: u64 = 1_700_000_000_000;
    let (warm, wet) = (metric(b"temp", DOUBLE, Ok(21.5)), metric(b"hum", DOUBLE, Ok(40.0)));
    let good = message(T, &[warm.clone(), wet.clone()]);
    let text = |text: &[u8]| metric(b"temp", TEXT, Err(text));
    Tried {
        format: "sparkplug",
        note: "",
        keys: "fields = [\"temp\", \"hum\"]",
        topic: "spBv1.0/g/NBIRTH/n",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                message(T, &[metric(b"temperature", DOUBLE, Ok(21.5))]),
                &["empty: 1", OTHER_NAME],
            ),
            text_for_number: of(
                message(T, &[text(b"hot"), wet.clone()]),
                &["g/n/hum = 40 at 1700000000000", HOT],
            )
            .and(message(T, &[text(b"21.5")]), &["g/n/temp = 21.5 at 1700000000000"])
            .and(
                "{\"metrics\":[{\"name\":\"temp\",\"value\":21.5}]}",
                &["invalid: not Sparkplug B: the payload is cut off, or no protocol buffer"],
            ),
            empty: of("", &["empty: 1"]).and(message(T, &[]), &["empty: 1"]),
            cut_off: of(
                &good[..good.len() - 6],
                &["invalid: not Sparkplug B: the payload is cut off, or no protocol buffer"],
            ),
            nested: of(
                message(T, &[templates(15_000)]),
                &["invalid: not Sparkplug B: the payload is cut off, or no protocol buffer"],
            )
            .and(message(T, &[templates(2), wet.clone()]), &["g/n/hum = 40 at 1700000000000"]),
            huge: of(
                message(T, &[metric(b"temp", DOUBLE, Ok(f64::INFINITY)), wet.clone()]),
                &["g/n/hum = 40 at 1700000000000", INFINITE],
            )
            .and(
                message(u64::MAX, from_ref(&warm)),
                &["invalid: the time is 18446744073709551615, which is none in milliseconds, in which \
Sparkplug counts"],
            ),
            wrong_time_unit: of(
                message(1_700_000_000, from_ref(&warm)),
                &["invalid: the time is 1700000000, which is none in milliseconds, in which Sparkplug \
counts"],
            )
            .and(
                message(1_700_000_000_000_000, from_ref(&warm)),
                &["invalid: the time is 1700000000000000, which is none in milliseconds, in which \
Sparkplug counts"],
            ),
            named_twice: of(
                message(T, &[warm.clone(), metric(b"temp", DOUBLE, Ok(22.5))]),
                &["g/n/temp = 22.5 at 1700000000000"],
            ),
            byte_order_mark: of(
                [b"\xef\xbb\xbf", &good[..]].concat(),
                &["invalid: not Sparkplug B: the payload is cut off, or no protocol buffer"],
            ),
            not_utf8: of(
                message(T, &[metric(b"temp", TEXT, Err(b"\xb0C")), wet.clone()]),
                &["g/n/hum = 40 at 1700000000000", "invalid: `temp` is a text that is not UTF-8"],
            )
            .and(
                message(T, &[metric(b"t\xb0", DOUBLE, Ok(21.5)), wet]),
                &["g/n/hum = 40 at 1700000000000", "invalid: a metric whose name is not UTF-8"],
            ),
        },
    }
}
