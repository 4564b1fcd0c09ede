//! Formats of text, of no device in particular, but for tables.

use super::{HOT, IN_SECONDS, INFINITE, Mistakes, NO_TIME, OTHER_NAMES, Tried, marked, none, of};

/// The fields and the time that a user wants of these.
pub(super) const KEYS: &str = "fields = [\"temp\", \"hum\"]\ntime = \"ts\"";

pub(super) fn tried() -> [Tried; 4] {
    [json(), number(), influx(), pairs()]
}

fn json() -> Tried {
    Tried {
        format: "json",
        note: "",
        keys: KEYS,
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(r#"{"ts":1700000000000,"temperature":21.5,"Hum":40}"#, &["empty: 1", OTHER_NAMES])
                .and(
                    r#"{"ts":1700000000000,"data":{"temp":21.5}}"#,
                    &[
                        "empty: 1",
                        "remark: the first payload has none of the `fields`: it holds `data`; check their \
names if none has them",
                    ],
                )
                .and(r#"{"time":1700000000000,"temp":21.5}"#, &[NO_TIME]),
            text_for_number: of(
                r#"{"ts":1700000000000,"temp":"hot","hum":40}"#,
                &["t/hum = 40 at 1700000000000", HOT],
            )
            .and(
                r#"{"ts":1700000000000,"temp":"21.5","hum":"40"}"#,
                &["t/temp = 21.5 at 1700000000000", "t/hum = 40 at 1700000000000"],
            )
            .and(
                r#"{"ts":1700000000000,"temp":"21,5","hum":"40 %"}"#,
                &[
                    "invalid: `temp` is `21,5`, not a number; write decimal = \",\" if its comma is a \
decimal mark",
                    "invalid: `hum` is `40 %`, not a number; write units = \"strip\" to read it without \
its unit",
                ],
            ),
            empty: of("", &["empty: 1"])
                .and("{}", &["empty: 1"])
                .and(r#"{"ts":1700000000000,"temp":null}"#, &["empty: 1"]),
            cut_off: of(
                r#"{"ts":1700000000000,"temp":21.5,"hu"#,
                &["invalid: not JSON: it ends in a string (byte 36)"],
            )
            .and(
                "{\"ts\":1700000000000,\"temp\":21.5}\n{\"ts\":17000",
                &["t/temp = 21.5 at 1700000000000", "invalid: not JSON: expected `,` or `}` (byte 45)"],
            ),
            nested: of("[".repeat(100_000), &["invalid: not JSON: nested too deeply (byte 129)"])
                .and(
                    format!("{{\"ts\":1700000000000,\"temp\":{}", "[".repeat(100_000)),
                    &["invalid: not JSON: nested too deeply (byte 155)"],
                )
                .and(
                    r#"{"ts":1700000000000,"temp":[[21.5]],"hum":40}"#,
                    &[
                        "t/hum = 40 at 1700000000000",
                        "remark: wanted fields hold an object or a list: `temp`; name what is in them, as \
FIELD/NAME, or write skip = [\"*\"] if they are no readings",
                    ],
                ),
            huge: of(
                r#"{"ts":1700000000000,"temp":1e999,"hum":40}"#,
                &["t/hum = 40 at 1700000000000", INFINITE],
            )
            .and(
                format!(r#"{{"ts":1700000000000,"temp":{},"hum":40}}"#, "9".repeat(100_000)),
                &["t/hum = 40 at 1700000000000", INFINITE],
            )
            .and(
                r#"{"ts":1700000000000,"temp":18446744073709551616,"hum":40}"#,
                &["t/temp = 18446744073709552000 at 1700000000000", "t/hum = 40 at 1700000000000"],
            ),
            wrong_time_unit: of(r#"{"ts":1700000000,"temp":21.5}"#, &[IN_SECONDS]).and(
                r#"{"ts":1700000000000000000,"temp":21.5}"#,
                &["invalid: `ts` is `1700000000000000000`, not a time in unix_ms or rfc3339; write \
time_format = \"unix_ns\""],
            ),
            named_twice: of(
                r#"{"ts":1700000000000,"temp":21.5,"temp":22.5}"#,
                &["t/temp = 22.5 at 1700000000000"],
            )
            .and(r#"{"ts":1,"ts":1700000000000,"temp":21.5}"#, &["t/temp = 21.5 at 1700000000000"]),
            byte_order_mark: of(
                marked(r#"{"ts":1700000000000,"temp":21.5}"#),
                &["t/temp = 21.5 at 1700000000000"],
            ),
            not_utf8: of(
                b"{\"ts\":1700000000000,\"temp\":21.5,\"unit\":\"\xb0C\"}",
                &["invalid: not JSON: bytes that are not UTF-8 (byte 41)"],
            )
            .and(
                b"\xff\xfe{\0\"\0t\0\"\0:\x001\0}\0",
                &["invalid: not JSON: bytes that are not UTF-8 (byte 1)"],
            ),
        },
    }
}

fn number() -> Tried {
    Tried {
        format: "number",
        note: "",
        keys: "",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: none("a payload is one value without a name"),
            text_for_number: of(
                "hot",
                &["invalid: `hot` is not a number; give it a number in `words`, or name it in `skip` \
if it is no reading"],
            )
            .and(
                "21,5",
                &["invalid: `21,5` is not a number; write decimal = \",\" if its comma is a decimal \
mark"],
            )
            .and(
                "21.5 C",
                &["invalid: `21.5 C` is not a number; write units = \"strip\" to read it without its \
unit"],
            ),
            empty: of("", &["empty: 1"]).and(" \r\n\0", &["empty: 1"]).and("\"\"", &["empty: 1"]),
            cut_off: of(
                "-",
                &["invalid: `-` is not a number; give it a number in `words`, or name it in `skip` if \
it is no reading"],
            )
            .and(
                "21.5e",
                &["invalid: `21.5e` is not a number; give it a number in `words`, or name it in `skip` \
if it is no reading"],
            )
            .and(
                "\"21.5",
                &["invalid: `\"21.5` is not a number; give it a number in `words`, or name it in \
`skip` if it is no reading"],
            ),
            nested: of(
                "[".repeat(100_000),
                &["invalid: `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…` is not a \
number; is it another `format`? What is in a text within a payload is read as \
FIELD/NAME"],
            )
            .and(
                "{\"temp\":21.5}",
                &["invalid: `{\"temp\":21.5}` is not a number; is it another `format`? What is in a \
text within a payload is read as FIELD/NAME"],
            ),
            huge: of("1e999", &["invalid: the value is infinite or not a number"])
                .and("9".repeat(100_000), &["invalid: the value is infinite or not a number"])
                .and("18446744073709551616", &["t = 18446744073709552000"]),
            wrong_time_unit: none("a payload is one value, and has no time"),
            named_twice: none("a payload is one value without a name"),
            byte_order_mark: of(marked("21.5"), &["t = 21.5"]),
            not_utf8: of(
                b"21.5 \xb0C",
                &["invalid: `21.5 �C` is not a number; its bytes are not UTF-8; set the sender to \
UTF-8, or name it in `skip` if it is no reading"],
            )
            .and(
                b"\xff\xfe2\x001\0",
                &["invalid: `��2\x001` is not a number; its bytes are not UTF-8; set the sender to \
UTF-8, or name it in `skip` if it is no reading"],
            ),
        },
    }
}

fn influx() -> Tried {
    Tried {
        format: "influx",
        note: "",
        keys: "fields = [\"temp\", \"hum\"]",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of("room temperature=21.5,Hum=40 1700000000000000000", &["empty: 1", OTHER_NAMES]),
            text_for_number: of(
                "room temp=\"hot\",hum=40 1700000000000000000",
                &["t/room/hum = 40 at 1700000000000", HOT],
            )
            .and(
                "room temp=hot,hum=40 1700000000000000000\nroom hum=41 1700000001000000000",
                &[
                    "t/room/hum = 41 at 1700000001000",
                    "invalid: not line protocol: a value that is no number; quote texts, as in \
`state=\"on\"` (line 1)",
                ],
            )
            .and("room temp=\"21.5\" 1700000000000000000", &["t/room/temp = 21.5 at 1700000000000"]),
            empty: of("", &["empty: 1"]).and("# nothing\n\n", &["empty: 1"]).and(
                "room 1700000000000000000",
                &["invalid: not line protocol: a field without a name or a value (line 1)"],
            ),
            cut_off: of(
                "room temp=21.5 1700000000000000000\nroom temp=",
                &[
                    "t/room/temp = 21.5 at 1700000000000",
                    "invalid: not line protocol: a field without a value (line 2)",
                ],
            )
            .and(
                "room temp=21.5 1700000000000000000\nroom state=\"op",
                &[
                    "t/room/temp = 21.5 at 1700000000000",
                    "invalid: not line protocol: a quoted text without its end (line 2)",
                ],
            )
            .and(
                "room,place=n",
                &["invalid: not line protocol: a line without fields, such as `temp=21.5` (line 1)"],
            ),
            nested: of(
                "[".repeat(100_000),
                &["invalid: not line protocol: a line without fields, such as `temp=21.5` (line 1)"],
            )
            .and(
                format!("room temp={} 1700000000000000000", "\"\\".repeat(50_000)),
                &["invalid: not line protocol: a quoted text without its end (line 1)"],
            )
            .and(
                format!("room temp=1,hum={}", "\"\"\n".repeat(50_000)),
                &[
                    "t/room/temp = 1",
                    "invalid: not line protocol: a line without fields, such as `temp=21.5` (line 2)",
                    "invalid: not line protocol: a line without fields, such as `temp=21.5` (line 3)",
                    "invalid: not line protocol: a line without fields, such as `temp=21.5` (line 4)",
                    "invalid: 49996 others",
                ],
            )
            .and(
                "room {\"temp\":21.5}",
                &["invalid: not line protocol: a field without a name or a value (line 1)"],
            ),
            huge: of(
                "room temp=1e999,hum=40 1700000000000000000",
                &["t/room/hum = 40 at 1700000000000", INFINITE],
            )
            .and(
                format!("room temp={},hum=40 1700000000000000000", "9".repeat(100_000)),
                &["t/room/hum = 40 at 1700000000000", INFINITE],
            )
            .and(
                "room temp=9223372036854775808i,hum=18446744073709551615u 1700000000000000000",
                &[
                    "t/room/temp = 9223372036854776000 at 1700000000000",
                    "t/room/hum = 18446744073709552000 at 1700000000000",
                ],
            )
            .and(
                "room temp=99999999999999999999i,hum=40 1700000000000000000",
                &["invalid: not line protocol: a whole number of more than 64 bits; leave out its `i` \
or `u` to read it as a float (line 1)"],
            )
            .and(
                "room temp=21.5 99999999999999999999\nroom temp=22.5 1700000000000000000",
                &["t/room/temp = 21.5 at 100000000000000", "t/room/temp = 22.5 at 1700000000000"],
            ),
            wrong_time_unit: of(
                "room temp=21.5 1700000000",
                &["invalid: the time is `1700000000`, not a time in unix_ns; write time_format = \
\"unix\""],
            )
            .and(
                "room temp=21.5 1700000000000",
                &["invalid: the time is `1700000000000`, not a time in unix_ns; write time_format = \
\"unix_ms\""],
            ),
            named_twice: of(
                "room temp=21.5,temp=22.5 1700000000000000000",
                &["t/room/temp = 22.5 at 1700000000000"],
            )
            .and(
                "room,place=a,place=b temp=21.5 1700000000000000000",
                &["t/room/place=a/place=b/temp = 21.5 at 1700000000000"],
            ),
            byte_order_mark: of(
                marked("room temp=21.5 1700000000000000000"),
                &["t/room/temp = 21.5 at 1700000000000"],
            ),
            not_utf8: of(
                b"room temp=21.5 1700000000000000000\nroom unit=\"\xb0C\",temp=22.5 1700000001000000000",
                &[
                    "t/room/temp = 21.5 at 1700000000000",
                    "invalid: not line protocol: bytes that are not UTF-8 (line 2)",
                ],
            )
            .and(
                b"\xff\xfer\0 \0t\0=\x001\0",
                &["invalid: not line protocol: bytes that are not UTF-8 (line 1)"],
            ),
        },
    }
}

fn pairs() -> Tried {
    Tried {
        format: "pairs",
        note: "",
        keys: KEYS,
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of("ts=1700000000000 temperature=21.5 Hum=40", &["empty: 1", OTHER_NAMES]),
            text_for_number: of("ts=1700000000000 temp=hot hum=40", &["t/hum = 40 at 1700000000000", HOT])
                .and(
                    "ts=1700000000000 temp=21.5C hum=40",
                    &[
                        "t/hum = 40 at 1700000000000",
                        "invalid: `temp` is `21.5C`, not a number; write units = \"strip\" to read it \
without its unit",
                    ],
                ),
            empty: of("", &["empty: 1"])
                .and("\r\n\r\n", &["empty: 1"])
                .and("ts=1700000000000 temp= hum=", &["empty: 1"]),
            cut_off: of(
                "ts=1700000000000 temp=21.5 hu",
                &["invalid: `temp` is `21.5 hu`, not a number; write units = \"strip\" to read it \
without its unit"],
            )
            .and("ts=1700000000000 temp=21.5\nts=17000", &["t/temp = 21.5 at 1700000000000", "empty: 1"])
            .and(
                "ts=1700000000000 temp=\"21.5 hum=40",
                &["invalid: `temp` is `21.5 hum=40`, not a number; give it a number in `words`, or \
name it in `skip` if it is no reading"],
            ),
            nested: of(
                "[".repeat(100_000),
                &["invalid: no pairs: it begins as JSON does; check `format` (line 1)"],
            )
            .and("=".repeat(100_000), &["invalid: no pair of a name and a value, such as temp=21.5 (line 1)"])
            .and(
                "\"=".repeat(50_000),
                &[
                    "empty: 1",
                    "remark: the first payload has none of the `fields`: it holds `\"`; check their \
names if none has them",
                ],
            )
            .and(
                "a=1 ".repeat(25_000),
                &[
                    "empty: 1",
                    "remark: the first payload has none of the `fields`: it holds `a`; check their names \
if none has them",
                ],
            )
            .and(
                "{\"ts\":1700000000000,\"temp\":21.5}",
                &["invalid: no pairs: it begins as JSON does; check `format` (line 1)"],
            ),
            huge: of("ts=1700000000000 temp=1e999 hum=40", &["t/hum = 40 at 1700000000000", INFINITE]).and(
                format!("ts=1700000000000 temp={} hum=40", "9".repeat(100_000)),
                &["t/hum = 40 at 1700000000000", INFINITE],
            ),
            wrong_time_unit: of("ts=1700000000 temp=21.5", &[IN_SECONDS]),
            named_twice: of("ts=1700000000000 temp=21.5 temp=22.5", &["t/temp = 22.5 at 1700000000000"]),
            byte_order_mark: of(marked("ts=1700000000000 temp=21.5"), &["t/temp = 21.5 at 1700000000000"]),
            not_utf8: of(
                b"ts=1700000000000 temp=21.5\nts=1700000001000 unit=\xb0C temp=22.5",
                &["t/temp = 21.5 at 1700000000000", "invalid: bytes that are not UTF-8 (line 2)"],
            )
            .and(b"\xff\xfet\0=\x001\0", &["invalid: bytes that are not UTF-8 (line 1)"]),
        },
    }
}
