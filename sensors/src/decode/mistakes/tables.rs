//! Tables, as payloads and line by line.

use super::texts::KEYS;
use super::{HOT, IN_SECONDS, INFINITE, Mistakes, NO_TIME, OTHER_NAMES, Tried, marked, of};

/// What comes of a cell of nothing but quotes.
const QUOTES: &str = "invalid: `temp` is `\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"…`, not a number; give it a number in `words`, or name it in `skip` if it is no reading";

pub(super) fn tried() -> [Tried; 2] {
    [csv(), csv_by_line()]
}

fn csv() -> Tried {
    Tried {
        format: "csv",
        note: "",
        keys: KEYS,
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of("ts,temperature,Hum\n1700000000000,21.5,40\n", &["empty: 1", OTHER_NAMES])
                .and(
                    "1700000000000,21.5,40\n",
                    &["invalid: a header of numbers and no row; if it is a row without a header, write \
columns = [\"time\", \"temp\"]"],
                )
                .and("time,temp,hum\n1700000000000,21.5,40\n", &[NO_TIME]),
            text_for_number: of("ts,temp,hum\n1700000000000,hot,40\n", &["t/hum = 40 at 1700000000000", HOT])
                .and(
                    "ts;temp;hum\n1700000000000;21,5;40\n",
                    &[
                        "t/hum = 40 at 1700000000000",
                        "invalid: `temp` is `21,5`, not a number; write decimal = \",\" if its comma is a \
decimal mark",
                    ],
                ),
            empty: of("", &["empty: 1"])
                .and("ts,temp,hum\n", &["empty: 1"])
                .and("ts,temp,hum\n1700000000000,,\n", &["empty: 1"]),
            cut_off: of(
                "ts,temp,hum\n1700000000000,21.5,40\n1700000001000,21",
                &[
                    "t/temp = 21.5 at 1700000000000",
                    "t/hum = 40 at 1700000000000",
                    "invalid: the row has 2 cells, and the header 3 (line 3)",
                ],
            )
            .and(
                "ts,temp,hum\n1700000000000,\"21.5,40\n1700000001000,22.5,41\n",
                &[
                    "t/temp = 22.5 at 1700000001000",
                    "t/hum = 41 at 1700000001000",
                    "invalid: a quote that is not closed (line 2)",
                ],
            )
            .and(
                "ts,temp,hum\n1700000000000,21.5,40\n1700000001000,\"22",
                &[
                    "t/temp = 21.5 at 1700000000000",
                    "t/hum = 40 at 1700000000000",
                    "invalid: a quote that is not closed (line 3)",
                ],
            )
            .and("ts,\"temp,hum\n1700000000000,21.5,40\n", &["invalid: a quote that is not closed (line 1)"])
            .and(
                "ts,temp,hum\n1700000000000,\"1,\"2\n1700000001000,22.5,41\n1700000002000,\"",
                &[
                    "t/temp = 22.5 at 1700000001000",
                    "t/hum = 41 at 1700000001000",
                    "invalid: the row has 2 cells, and the header 3 (line 2)",
                    "invalid: a quote that is not closed (line 4)",
                ],
            )
            .and("ts,te", &["empty: 1"]),
            nested: of("[".repeat(100_000), &["invalid: no table: it begins as JSON does; check `format`"])
                .and(
                    format!("ts,temp,hum\n1700000000000,{},40\n", "\"".repeat(100_000)),
                    &["t/hum = 40 at 1700000000000", QUOTES],
                ),
            huge: of("ts,temp,hum\n1700000000000,1e999,40\n", &["t/hum = 40 at 1700000000000", INFINITE])
                .and(
                    format!("ts,temp,hum\n1700000000000,{},40\n", "9".repeat(100_000)),
                    &["t/hum = 40 at 1700000000000", INFINITE],
                )
                .and(
                    "ts,temp,hum\n99999999999999999999,21.5,40\n1700000000000,22.5,41\n",
                    &[
                        "t/temp = 22.5 at 1700000000000",
                        "t/hum = 41 at 1700000000000",
                        "invalid: `ts` is `99999999999999999999`, not a time in unix_ms or rfc3339; check \
`time_format`",
                    ],
                ),
            wrong_time_unit: of("ts,temp,hum\n1700000000,21.5,40\n", &[IN_SECONDS]),
            named_twice: of("ts,temp,temp\n1700000000000,21.5,22.5\n", &["t/temp = 22.5 at 1700000000000"]),
            byte_order_mark: of(
                marked("ts,temp,hum\n1700000000000,21.5,40\n"),
                &["t/temp = 21.5 at 1700000000000", "t/hum = 40 at 1700000000000"],
            ),
            not_utf8: of(
                b"ts,temp,hum\n1700000000000,21.5 \xb0C,40\n",
                &[
                    "t/hum = 40 at 1700000000000",
                    "invalid: `temp` is `21.5 �C`, not a number; its bytes are not UTF-8; set the sender \
to UTF-8, or name it in `skip` if it is no reading",
                ],
            )
            .and(b"ts,temp \xb0C,hum\n1700000000000,21.5,40\n", &["t/hum = 40 at 1700000000000"])
            .and(
                b"\xff\xfet\0,\0h\0\n\x001\0,\x002\0\n\0",
                &[
                    "empty: 1",
                    "remark: the first payload has none of the `fields`: it holds `��t\0`, `\0h\0`; \
check their names if none has them",
                ],
            ),
        },
    }
}

fn csv_by_line() -> Tried {
    Tried {
        format: "csv",
        note: "by line",
        keys: KEYS,
        topic: "t",
        by_line: true,
        mistakes: Mistakes {
            wrong_name: of("ts,temperature,Hum\n1700000000000,21.5,40", &["empty: 1", OTHER_NAMES]).and(
                "1700000000000,21.5,40\n1700000001000,22.5,41",
                &[
                    "empty: 1",
                    "remark: the first payload has none of the `fields`: it holds `1700000000000`, \
`21.5`, `40`; check their names if none has them",
                ],
            ),
            text_for_number: of("ts,temp,hum\n1700000000000,hot,40", &["t/hum = 40 at 1700000000000", HOT]),
            empty: of("", &[]).and("ts,temp,hum", &[]).and("ts,temp,hum\n1700000000000,,", &["empty: 1"]),
            cut_off: of(
                "ts,temp,hum\n1700000000000,21.5,40\n1700000001000,21\n1700000002000,23.5,42",
                &[
                    "t/temp = 21.5 at 1700000000000",
                    "t/hum = 40 at 1700000000000",
                    "t/temp = 23.5 at 1700000002000",
                    "t/hum = 42 at 1700000002000",
                    "invalid: the row has 2 cells, and the header 3",
                ],
            )
            .and(
                "ts,temp,hum\n1700000000000,\"21.5,40\n1700000001000,22.5,41",
                &[
                    "t/temp = 22.5 at 1700000001000",
                    "t/hum = 41 at 1700000001000",
                    "invalid: the row has 2 cells, and the header 3",
                ],
            ),
            nested: of(
                format!("ts,temp,hum\n1700000000000,{},40\n", "\"".repeat(100_000)),
                &["t/hum = 40 at 1700000000000", QUOTES],
            ),
            huge: of("ts,temp,hum\n1700000000000,1e999,40", &["t/hum = 40 at 1700000000000", INFINITE]),
            wrong_time_unit: of("ts,temp,hum\n1700000000,21.5,40", &[IN_SECONDS]),
            named_twice: of("ts,temp,temp\n1700000000000,21.5,22.5", &["t/temp = 22.5 at 1700000000000"]),
            byte_order_mark: of(
                marked("ts,temp,hum\n1700000000000,21.5,40"),
                &["t/temp = 21.5 at 1700000000000", "t/hum = 40 at 1700000000000"],
            ),
            not_utf8: of(
                b"ts,temp,hum\n1700000000000,21.5 \xb0C,40",
                &[
                    "t/hum = 40 at 1700000000000",
                    "invalid: `temp` is `21.5 �C`, not a number; its bytes are not UTF-8; set the sender \
to UTF-8, or name it in `skip` if it is no reading",
                ],
            ),
        },
    }
}
