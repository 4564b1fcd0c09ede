//! What instruments say: NMEA 0183, and meters in text and in bytes.

use super::{HOT, Mistakes, NO_TELEGRAM, OTHER_NAME, Tried, marked, none, of};
use crate::sml_telegram::tests::telegram;

pub(super) fn tried() -> [Tried; 4] {
    [nmea(), obis(), obis_by_line(), sml()]
}

/// A sentence with its checksum.
fn sentence(body: &str) -> String {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))
}

fn nmea() -> Tried {
    let depth = sentence("SDDBT,7.8,f,2.4,M,1.3,F");
    let of_latin1 = |body: &[u8]| {
        let sum = body.iter().fold(0, |sum, byte| sum ^ byte);
        [b"$", body, format!("*{sum:02X}\r\n").as_bytes()].concat()
    };
    Tried {
        format: "nmea",
        note: "",
        keys: "fields = [\"depth\", \"temp\"]\ntime = \"utc\"\ntime_else = \"arrival\"",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(sentence("YXXDR,C,21.5,C,temperature"), &["empty: 1", OTHER_NAME])
                .and(sentence("SDDBX,7.8,f,2.4,M,1.3,F"), &["empty: 1"])
                .and(
                    "{\"depth\":2.4}",
                    &["invalid: not NMEA 0183: a line that begins neither with `$` nor with `!` (line 1)"],
                ),
            text_for_number: of(sentence("YXXDR,C,hot,C,temp") + &depth, &["t/SDDBT/depth = 2.4", HOT]),
            empty: of("", &["empty: 1"])
                .and("\r\n", &["empty: 1"])
                .and(sentence("SDDBT,,f,,M,,F"), &["empty: 1"]),
            cut_off: of(
                format!("{depth}$SDDBT,7.8,f,2."),
                &[
                    "t/SDDBT/depth = 2.4",
                    "invalid: not NMEA 0183: a sentence without its checksum: it is cut off, or write \
checksum = \"optional\" (line 2)",
                ],
            )
            .and(
                format!("SDDBT,7.8*1F\r\n{depth}"),
                &[
                    "t/SDDBT/depth = 2.4",
                    "invalid: not NMEA 0183: a line that begins neither with `$` nor with `!` (line 1)",
                ],
            )
            .and(
                depth.trim_end().trim_end_matches(|c| c != '*'),
                &["invalid: not NMEA 0183: the checksum is wrong: the sentence was changed on its way \
(line 1)"],
            ),
            nested: of(
                "[".repeat(100_000),
                &["invalid: not NMEA 0183: a line that begins neither with `$` nor with `!` (line 1)"],
            )
            .and(
                "\\".repeat(100_000),
                &["invalid: not NMEA 0183: a line that begins neither with `$` nor with `!` (line 1)"],
            )
            .and(
                sentence(&format!("YXXDR{}", ",".repeat(100_000))),
                &["invalid: not NMEA 0183: a sentence with too many columns (line 1)"],
            ),
            huge: of(
                sentence("SDDBT,7.8,f,1e999,M,1.3,F") + &depth,
                &["t/SDDBT/depth = 2.4", "invalid: `depth` is infinite or not a number"],
            )
            .and(
                sentence(&format!("SDDBT,7.8,f,{},M,1.3,F", "9".repeat(100_000))),
                &["invalid: `depth` is infinite or not a number"],
            )
            .and(
                sentence("GPRMC,999999999,A,99999999.038,N,01131.000,E,022.4,084.4,999999,003.1,W") + &depth,
                &["t/SDDBT/depth = 2.4", "invalid: not NMEA 0183: a position that is none (line 1)"],
            ),
            wrong_time_unit: none("a sentence says the time of day in digits, and no count"),
            named_twice: of(sentence("YXXDR,C,21.5,C,temp,C,22.5,C,temp"), &["t/YXXDR/temp = 22.5"]),
            byte_order_mark: of(marked(&depth), &["t/SDDBT/depth = 2.4"]),
            not_utf8: of(
                [&of_latin1(b"YXXDR,C,21.5,C,temp\xb0")[..], depth.as_bytes()].concat(),
                &["t/SDDBT/depth = 2.4", "invalid: not NMEA 0183: bytes that are not UTF-8 (line 1)"],
            ),
        },
    }
}

const OBIS_KEYS: &str = "fields = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\ntime = \"clock\"\ntime_zone = \"Europe/Berlin\"\ntime_else = \"arrival\"";

/// The beginning of a telegram, with its time.
const HEAD: &str = "/ISK5\\2M550T\r\n\r\n0-0:1.0.0(231114231320W)\r\n";

fn obis() -> Tried {
    let telegram = |lines: &str| format!("{HEAD}{lines}\r\n!\r\n");
    Tried {
        format: "obis",
        note: "",
        keys: OBIS_KEYS,
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                telegram("1-0:1.8.1(000992.5*kWh)"),
                &[
                    "empty: 2",
                    "remark: the first payload has none of the `fields`: it holds `1-0:1.8.1`; check \
their names if none has them",
                ],
            )
            .and(
                "energy(000992.5*kWh)",
                &["invalid: not OBIS: a line that is no code with a value, such as \
1-0:1.8.0(000123.4*kWh) (line 1)"],
            ),
            text_for_number: of(
                telegram("1-0:1.8.0(many*kWh)\r\n1-0:16.7.0(00250*W)"),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: `1-0:1.8.0` is `many`, not a number; give it a number in `words`, or name \
it in `skip` if it is no reading",
                ],
            )
            .and(
                "{\"1-0:1.8.0\":992.5}",
                &["invalid: not OBIS: a line that is no code with a value, such as \
1-0:1.8.0(000123.4*kWh) (line 1)"],
            ),
            empty: of("", &["empty: 1"])
                .and(telegram(""), &["empty: 1"])
                .and("!", &["empty: 1"])
                .and(telegram("1-0:1.8.0()"), &["empty: 2"])
                .and(telegram("(000992.5)"), &["empty: 1"]),
            cut_off: of(
                format!("{HEAD}1-0:16.7.0(00250*W)\r\n1-0:1.8.0(0009"),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: not OBIS: a line without its last bracket (line 5)",
                ],
            )
            .and(
                format!("{HEAD}1-0:16.7.0(00250*W)\r\n!12AB\r\n"),
                &["invalid: not OBIS: the checksum is wrong: the telegram was changed on its way"],
            ),
            nested: of(
                telegram(&format!("1-0:1.8.0{}", "(".repeat(100_000))),
                &["empty: 1", "invalid: not OBIS: a line without its last bracket (line 4)"],
            )
            .and("/!".repeat(50_000), &["empty: 1"]),
            huge: of(
                telegram("1-0:1.8.0(1e999*kWh)\r\n1-0:16.7.0(00250*W)"),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: `1-0:1.8.0` is infinite or not a number",
                ],
            )
            .and(
                telegram(&format!("1-0:1.8.0({}*kWh)", "9".repeat(100_000))),
                &["empty: 1", "invalid: `1-0:1.8.0` is infinite or not a number"],
            ),
            wrong_time_unit: of(
                "0-0:1.0.0(1700000000)\r\n1-0:16.7.0(00250*W)",
                &["t/1-0:16.7.0 = 250", "empty: 1"],
            ),
            named_twice: of(
                telegram("1-0:1.8.0(000992.5*kWh)\r\n1-0:1.8.0(000993.5*kWh)"),
                &["t/1-0:1.8.0 = 992.5 at 1700000000000", "t/1-0:1.8.0 = 993.5 at 1700000000000", "empty: 1"],
            ),
            byte_order_mark: of(
                marked(&telegram("1-0:16.7.0(00250*W)")),
                &["t/1-0:16.7.0 = 250 at 1700000000000", "empty: 1"],
            ),
            not_utf8: of(
                [HEAD.as_bytes(), b"1-0:1.8.0(0\xb09*kWh)\r\n1-0:16.7.0(00250*W)\r\n!\r\n"].concat(),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: not OBIS: bytes that are not UTF-8 (line 4)",
                ],
            ),
        },
    }
}

fn obis_by_line() -> Tried {
    Tried {
        format: "obis",
        note: "by line",
        keys: OBIS_KEYS,
        topic: "t",
        by_line: true,
        mistakes: Mistakes {
            wrong_name: of(
                format!("{HEAD}1-0:1.8.1(000992.5*kWh)\r\n!"),
                &[
                    "empty: 2",
                    "remark: the first payload has none of the `fields`: it holds `1-0:1.8.1`; check \
their names if none has them",
                ],
            ),
            text_for_number: of(
                format!("{HEAD}1-0:1.8.0(many*kWh)\r\n1-0:16.7.0(00250*W)"),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: `1-0:1.8.0` is `many`, not a number; give it a number in `words`, or name \
it in `skip` if it is no reading",
                ],
            ),
            empty: of("", &[]).and("1-0:1.8.0()", &["empty: 1"]),
            cut_off: of(
                format!("{HEAD}1-0:1.8.0(0009\r\n1-0:16.7.0(00250*W)"),
                &[
                    "t/1-0:16.7.0 = 250 at 1700000000000",
                    "empty: 1",
                    "invalid: not OBIS: a line without its last bracket",
                ],
            ),
            nested: of("(".repeat(100_000), &[]),
            huge: of(
                "1-0:1.8.0(1e999*kWh)\r\n1-0:16.7.0(00250*W)",
                &["t/1-0:16.7.0 = 250", "invalid: `1-0:1.8.0` is infinite or not a number"],
            ),
            wrong_time_unit: of(
                "0-0:1.0.0(1700000000)\r\n1-0:16.7.0(00250*W)",
                &["t/1-0:16.7.0 = 250", "empty: 1"],
            ),
            named_twice: of(
                "1-0:1.8.0(000992.5*kWh)\r\n1-0:1.8.0(000993.5*kWh)",
                &["t/1-0:1.8.0 = 992.5", "t/1-0:1.8.0 = 993.5"],
            ),
            byte_order_mark: of(marked("1-0:16.7.0(00250*W)"), &["t/1-0:16.7.0 = 250"]),
            not_utf8: of(
                b"1-0:1.8.0(0\xb09*kWh)\r\n1-0:16.7.0(00250*W)",
                &["t/1-0:16.7.0 = 250", "invalid: not OBIS: bytes that are not UTF-8"],
            ),
        },
    }
}

/// The messages of a telegram: a list of one value of a code, as it stands there.
fn messages(code: [u8; 3], unit: &[u8], scaler: &[u8], value: &[u8]) -> Vec<u8> {
    let begin = b"\x76\x02\x01\x62\x00\x62\x00\x72\x63\x07\x01\x77\x01\x01\x01\x01\x71";
    let [c, d, e] = code;
    let code = [0x77, 0x07, 0x01, 0x00, c, d, e, 0xff, 0x01, 0x01];
    [&begin[..], &code, unit, scaler, value, b"\x01\x01\x01\x63\x00\x00\x00"].concat()
}

fn sml() -> Tried {
    /// W, a tenth, and 1305 of it.
    const VALUE: (&[u8], &[u8], &[u8]) = (b"\x62\x1b", b"\x52\xff", b"\x63\x05\x19");
    let (unit, scaler, value) = VALUE;
    let of_power = |value: &[u8]| messages([16, 7, 0], unit, scaler, value);
    let whole = telegram();
    let mut changed = whole.clone();
    changed[140] ^= 1;
    Tried {
        format: "sml",
        note: "",
        keys: "fields = [\"1-0:1.8.0\", \"1-0:16.7.0\"]",
        topic: "t",
        by_line: false,
        mistakes: Mistakes {
            wrong_name: of(
                messages([2, 8, 0], unit, scaler, value),
                &[
                    "empty: 1",
                    "remark: the first payload has none of the `fields`: it holds `1-0:2.8.0`; check \
their names if none has them",
                ],
            )
            .and("1-0:1.8.0(000992.5*kWh)", &[NO_TELEGRAM]),
            text_for_number: of(of_power(b"\x04hot"), &["empty: 1"])
                .and(of_power(b"\x0521.5"), &["empty: 1"]),
            empty: of("", &["empty: 1"]).and("\0\0", &[NO_TELEGRAM]).and(of_power(b"\x01"), &["empty: 1"]),
            cut_off: of(&whole[..200], &[NO_TELEGRAM])
                .and([&whole[..200], &whole].concat(), &["t/1-0:1.8.0 = 13391000"])
                .and(
                    [&changed[..], &whole].concat(),
                    &[
                        "t/1-0:1.8.0 = 13391000",
                        "invalid: not SML: the checksum is wrong: the telegram was changed on its way",
                    ],
                )
                .and(&of_power(value)[..30], &["invalid: not SML: it ends in a message"]),
            nested: of(
                vec![0x76; 100_000],
                &["invalid: not SML: a message is broken, or of another kind than the standard has"],
            )
            .and(
                of_power(&vec![0x72; 100_000]),
                &["invalid: not SML: a message is broken, or of another kind than the standard has"],
            )
            .and(vec![0xf0; 100_000], &[NO_TELEGRAM]),
            huge: of(
                messages([16, 7, 0], unit, b"\x63\x7f\xff", b"\x69\xff\xff\xff\xff\xff\xff\xff\xff"),
                &["invalid: `1-0:16.7.0` is infinite or not a number"],
            )
            .and(of_power(b"\x8f\x0f\xff"), &["invalid: not SML: it ends in a message"]),
            wrong_time_unit: none(
                "the time is that of the arrival: a meter counts seconds since it was mounted",
            ),
            named_twice: of(
                [of_power(value), of_power(b"\x63\x05\x1a")].concat(),
                &["t/1-0:16.7.0 = 130.5", "t/1-0:16.7.0 = 130.6"],
            ),
            byte_order_mark: of([b"\xef\xbb\xbf", &whole[..]].concat(), &["t/1-0:1.8.0 = 13391000"])
                .and([b"\xef\xbb\xbf", &of_power(value)[..]].concat(), &[NO_TELEGRAM]),
            not_utf8: of(of_power(b"\x04\xb0C\xff"), &["empty: 1"]),
        },
    }
}
