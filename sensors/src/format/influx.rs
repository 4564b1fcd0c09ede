//! InfluxDB line protocol (version 2): `measurement,tag=value field=1.5,other=2i 1700000000000000000`.
//!
//! Every line is a record: its measurement is the record's name, its tags are labels, its timestamp is the time, in
//! nanoseconds or as `time_format` says. Read are floats, whole numbers (`i`, `u`), booleans, quoted texts, and the
//! escapes of each part; a line that starts with `#` is a comment. Deviations: blanks may stand at both ends of a line,
//! and between the parts there may be several. A broken line costs itself. Cost: one pass, and no allocation.
//!
//! Source: <https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/>.

use super::{Format, FormatKind, bare};
use crate::TimeFormat;
use crate::decimal::Decimal;
use crate::fields::{DecodeError, Fields, Position, Scalar};
use std::num::IntErrorKind;

pub(super) const KIND: FormatKind =
    FormatKind { name: "influx", read: |_, _| Some(Box::<Influx>::default()), sample: SAMPLE };

const SAMPLE: &str = "\
format = \"influx\"
# time_format = \"unix_ns\"     # or unix_us, unix_ms, unix: the precision of the timestamps
";

/// The signs from which a `\` takes their meaning.
const IN_NAMES: &[u8] = b",= ";
const IN_QUOTES: &[u8] = b"\"\\";

/// The texts of one line without their escapes; their memory is reused.
#[derive(Clone, Debug, Default)]
struct Influx {
    key: String,
    value: String,
}

impl Format for Influx {
    fn brings_labels(&self) -> bool {
        true
    }

    fn own_time(&self) -> Option<TimeFormat> {
        Some(TimeFormat::UnixNs)
    }

    fn series(&self) -> &'static str {
        "{topic}/{name}/{tags}/{field}"
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let (mut rest, mut number, mut is_empty) = (bare(payload), 1, true);
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    is_empty &= self.lines(text, &mut number, fields);
                    break;
                }
                Err(error) => error,
            };
            // The line with the first byte that is none costs itself.
            let (valid, other) = rest.split_at(error.valid_up_to());
            let begin = valid.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let before = std::str::from_utf8(valid.get(..begin).unwrap_or_default()).unwrap_or_default();
            self.lines(before, &mut number, fields);
            reject("bytes that are not UTF-8", number, fields);
            is_empty = false;
            let end = other.iter().position(|byte| *byte == b'\n').map_or(other.len(), |at| at + 1);
            rest = other.get(end..).unwrap_or_default();
            number += 1;
        }
        if is_empty {
            fields.end();
        }
        Ok(())
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

/// The first line, and what follows it. A quoted value may go on in the next line; elsewhere a quote is an ordinary sign.
fn split_line(text: &str) -> (&str, &str) {
    match text.split_once('\n') {
        None => return (text, ""),
        Some((line, after)) if !line.contains('"') => return (line, after),
        Some(_) => {}
    }
    let blanks = text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    let is_comment = text.as_bytes().get(blanks) == Some(&b'#');
    let (mut is_quoted, mut is_escaped, mut has_fields, mut may_open) = (false, false, is_comment, false);
    for (at, byte) in text.bytes().enumerate().skip(blanks) {
        let opens = may_open && !is_comment;
        may_open = false;
        match byte {
            b'\n' if !is_quoted => {
                return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
            }
            _ if is_escaped => is_escaped = false,
            b'\\' => {
                let signs = if is_quoted { IN_QUOTES } else { IN_NAMES };
                is_escaped = text.as_bytes().get(at + 1).is_some_and(|next| signs.contains(next));
            }
            b'"' if is_quoted => is_quoted = false,
            b'"' if opens => is_quoted = true,
            b'=' => may_open = has_fields,
            b' ' | b'\t' => has_fields = true,
            _ => {}
        }
    }
    (text, "")
}

/// Notes a broken line.
fn reject(what: &'static str, number: u64, fields: &mut Fields<'_>) {
    let what = format!("not line protocol: {what}");
    fields.reject(DecodeError::new(what).at(Position::Line(number)));
}

impl Influx {
    /// Reads lines, the first of which has this number. Answers whether nothing is in them.
    fn lines(&mut self, text: &str, number: &mut u64, fields: &mut Fields<'_>) -> bool {
        let (mut rest, mut is_empty) = (text, true);
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            let written = line.trim_matches([' ', '\t', '\r']);
            if !written.is_empty() && !written.starts_with('#') {
                is_empty = false;
                match self.line(written, fields) {
                    Ok(()) => fields.end(),
                    Err(what) => reject(what, *number, fields),
                }
            }
            *number += 1 + line.bytes().filter(|byte| *byte == b'\n').count() as u64;
            rest = after;
        }
        is_empty
    }

    fn line(&mut self, line: &str, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        let mut rest = Rest(line);
        let end = rest.take(&mut self.value, b", ");
        if self.value.is_empty() {
            return Err("a line without a measurement");
        }
        fields.name(&self.value);
        let mut next = end;
        while next == Some(b',') {
            self.tag(&mut rest, fields)?;
            next = rest.0.bytes().next();
            rest.skip(usize::from(next == Some(b',')));
        }
        rest.skip_blanks();
        if rest.0.is_empty() {
            return Err("a line without fields, such as `temp=21.5`");
        }
        loop {
            self.field(&mut rest, fields)?;
            match rest.0.bytes().next() {
                Some(b',') => rest.skip(1),
                _ => break,
            }
        }
        rest.skip_blanks();
        match rest.0 {
            "" => Ok(()),
            time if time.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-')) => {
                fields.time_value(Scalar::Text(time));
                Ok(())
            }
            _ => Err("a timestamp that is not a whole number; quote texts, and escape blanks by `\\`"),
        }
    }

    /// Reads `key=value`, up to the comma or the blank after it.
    fn tag(&mut self, rest: &mut Rest<'_>, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        if rest.take(&mut self.key, b"=, ") != Some(b'=') {
            return Err("a tag without a value");
        }
        rest.take_before(&mut self.value, b", ");
        if self.key.is_empty() || self.value.is_empty() {
            return Err("a tag without a name or a value");
        }
        fields.label(&self.key, &self.value);
        Ok(())
    }

    fn field(&mut self, rest: &mut Rest<'_>, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        if rest.take(&mut self.key, b"=, ") != Some(b'=') || self.key.is_empty() {
            return Err("a field without a name or a value");
        }
        let want = fields.want(&self.key);
        if let Some(quoted) = rest.0.strip_prefix('"') {
            rest.0 = quoted;
            if !rest.take_quoted(&mut self.value) {
                return Err("a quoted text without its end");
            }
            fields.put(want, &self.key, Scalar::Text(&self.value));
            return Ok(());
        }
        let end = rest.0.find([',', ' ', '\t']).unwrap_or(rest.0.len());
        let (written, after) = rest.0.split_at(end);
        rest.0 = after;
        fields.put(want, &self.key, number(written)?);
        Ok(())
    }
}

/// A value that is not quoted.
fn number(written: &str) -> Result<Scalar<'_>, &'static str> {
    if let Some(number) = Decimal::plain(written.as_bytes()) {
        return Ok(Scalar::Number(number));
    }
    let whole = written.strip_suffix(['i', 'u']);
    let value = match (written, whole) {
        ("", _) => return Err("a field without a value"),
        ("t" | "T" | "true" | "True" | "TRUE", _) => Some(Scalar::Boolean(true)),
        ("f" | "F" | "false" | "False" | "FALSE", _) => Some(Scalar::Boolean(false)),
        (_, Some(whole)) => match whole.parse() {
            Ok(integer) => Some(Scalar::Integer(integer)),
            // Above the largest signed number.
            Err(_) if whole.parse::<u64>().is_ok() => whole.parse().ok().map(Scalar::Number),
            Err(error) if matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => {
                return Err(
                    "a whole number of more than 64 bits; leave out its `i` or `u` to read it as a float",
                );
            }
            Err(_) => None,
        },
        (_, None) => written.parse().ok().map(Scalar::Number),
    };
    value.ok_or("a value that is no number; quote texts, as in `state=\"on\"`")
}

/// The unread end of a line.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// Takes text up to one of the ends, which is taken too and returned; `None`: the line ends.
    fn take(&mut self, to: &mut String, ends: &[u8]) -> Option<u8> {
        self.take_before(to, ends);
        let end = self.0.bytes().next();
        self.skip(usize::from(end.is_some()));
        end
    }

    /// Takes text up to one of the ends. A `\` before a sign that has a meaning takes the meaning from it.
    fn take_before(&mut self, to: &mut String, ends: &[u8]) {
        to.clear();
        loop {
            let at = self.0.bytes().position(|byte| byte == b'\\' || ends.contains(&byte));
            let (text, rest) = self.0.split_at(at.unwrap_or(self.0.len()));
            to.push_str(text);
            self.0 = rest;
            let Some(after) = rest.strip_prefix('\\') else { return };
            match after.bytes().next() {
                Some(sign) if IN_NAMES.contains(&sign) => {
                    to.push(char::from(sign));
                    self.0 = after.get(1..).unwrap_or_default();
                }
                _ => {
                    to.push('\\');
                    self.0 = after;
                }
            }
        }
    }

    /// Takes text up to the closing quote; answers whether there is one.
    fn take_quoted(&mut self, to: &mut String) -> bool {
        to.clear();
        loop {
            let Some(at) = self.0.find(['\\', '"']) else { return false };
            let (text, rest) = self.0.split_at(at);
            to.push_str(text);
            let after = rest.get(1..).unwrap_or_default();
            if rest.starts_with('"') {
                self.0 = after;
                return true;
            }
            match after.bytes().next() {
                Some(sign) if IN_QUOTES.contains(&sign) => {
                    to.push(char::from(sign));
                    self.0 = after.get(1..).unwrap_or_default();
                }
                _ => {
                    to.push('\\');
                    self.0 = after;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, decoded};
    use proptest::prelude::*;

    const INFLUX: &str = "format = \"influx\"\n";
    const T: i64 = 1_700_000_000_123;

    fn values(seen: &Seen) -> Vec<(&str, Option<i64>, f64)> {
        seen.readings.iter().map(|(series, time, value)| (series.as_str(), *time, *value)).collect()
    }

    #[test]
    fn every_line_is_a_record_with_tags_and_a_time() {
        let text = "# a comment\ncpu,cpu=cpu0,host=a usage=1.5,up=t,n=3i,big=18446744073709551615u,s=\"x, y\" 1700000000123456789\r\n\n  cpu,host=a,cpu=cpu1 usage=-2e1\nmem used=7u 1700000000123000000\n";
        let seen = decoded(INFLUX, "t", text.as_bytes());
        let expected = [
            ("t/cpu/cpu=cpu0/host=a/usage", Some(T), 1.5),
            ("t/cpu/cpu=cpu0/host=a/up", Some(T), 1.0),
            ("t/cpu/cpu=cpu0/host=a/n", Some(T), 3.0),
            ("t/cpu/cpu=cpu0/host=a/big", Some(T), u64::MAX as f64),
            ("t/cpu/cpu=cpu1/host=a/usage", None, -20.0),
            ("t/mem/used", Some(T), 7.0),
        ];
        assert_eq!((values(&seen), seen.invalid.len()), (expected.to_vec(), 0));
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(seen.series[0].1, [label("cpu", "cpu0"), label("host", "a")]);
    }

    #[test]
    fn escapes_and_quotes_are_those_of_the_protocol() {
        let text = r#"my\ house,a\,b=c\=d\ e,w=C:\dir f\=g=1,q="a \"b\" \\ \n",z=2 1700000000123000000"#;
        let seen = decoded(INFLUX, "t", text.as_bytes());
        assert_eq!(
            values(&seen),
            [
                ("t/my house/a,b=c=d e/w=C:\\dir/f=g", Some(T), 1.0),
                ("t/my house/a,b=c=d e/w=C:\\dir/z", Some(T), 2.0),
            ],
            "{seen:?}"
        );
        let over_lines = "m a=\"line one\nline two\",b=1\nm b=2";
        let seen = decoded(INFLUX, "t", over_lines.as_bytes());
        assert_eq!(values(&seen), [("t/m/b", None, 1.0), ("t/m/b", None, 2.0)]);
        let inches = "m,size=5\" b=1\nm,size=6 b=2";
        assert_eq!(decoded(INFLUX, "t", inches.as_bytes()).readings.len(), 2, "a quote is ordinary in a tag");
    }

    #[test]
    fn names_times_and_conditions_are_as_configured() {
        let config = format!(
            "{INFLUX}series = \"{{host}}.{{name}}.{{field}}\"\ntime_format = \"unix\"\nwhere = \"host == 'a' && v > 0.0\"\nfields = [\"v\"]"
        );
        let seen = decoded(
            &config,
            "t",
            b"m,host=a v=1,w=5 1700000000\nm,host=b v=2 1700000000\nm,host=a v=-1 1700000000",
        );
        assert_eq!((values(&seen), seen.filtered), (vec![("a.m.v", Some(1_700_000_000_000), 1.0)], 2));
        let config = format!("{INFLUX}time = \"ts\"");
        let seen = decoded(&config, "t", b"m v=1,ts=1700000000123i 5\nm v=2 1700000000123000000");
        assert_eq!((values(&seen).len(), seen.invalid.len()), (1, 1), "{seen:?}");
    }

    #[test]
    fn the_likely_mistakes_cost_their_line_and_say_why() {
        for (line, why) in [
            ("cpu", "a line without fields"),
            ("cpu,host=a", "a line without fields"),
            ("cpu,host usage=1", "a tag without a value"),
            ("cpu,host= usage=1", "a tag without a name or a value"),
            (" ,host=a usage=1", "a line without a measurement"),
            ("cpu usage", "a field without a name or a value"),
            ("cpu usage=", "a field without a value"),
            ("cpu usage=high", "a value that is no number; quote texts"),
            ("cpu usage=1x", "a value that is no number"),
            ("cpu usage=\"open", "a quoted text without its end"),
            ("cpu usage=1 2023-11-14T22:13:20Z", "a timestamp that is not a whole number"),
            ("cpu usage=1 1700000000123", "not a time in unix_ns; write time_format = \"unix_ms\""),
            ("cpu usage=1 99999999999999999999999", "not a time in unix_ns"),
            ("{\"usage\": 1}", "not line protocol"),
        ] {
            let seen = decoded(INFLUX, "t", format!("ok v=1\n{line}").as_bytes());
            assert_eq!((seen.readings.len(), seen.invalid.len()), (1, 1), "{line}: {seen:?}");
            assert!(seen.invalid[0].contains(why), "{line}: {:?}", seen.invalid);
        }
        let seen = decoded(INFLUX, "t", b"m v=1\n\xff v=2\r\nm v=3\nm s=\"\xb0\",v=4");
        assert_eq!(seen.readings.iter().map(|reading| reading.2).collect::<Vec<_>>(), [1.0, 3.0]);
        assert_eq!(
            seen.invalid,
            [2, 4].map(|line| format!("not line protocol: bytes that are not UTF-8 (line {line})"))
        );
        let seen = decoded(INFLUX, "t", b"m v=NaN,w=1,x=inf");
        assert_eq!((seen.invalid.len(), values(&seen)), (2, vec![("t/m/w", None, 1.0)]));
        for empty in ["", "\n\n", "# nothing", "m s=\"x\"", "\u{feff}\0"] {
            let seen = decoded(INFLUX, "t", empty.as_bytes());
            assert_eq!((seen.empty, seen.invalid.len()), (1, 0), "{empty:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..80)) {
            let seen = decoded(INFLUX, "t", &payload);
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }

        #[test]
        fn nearly_lines_do_no_harm(payload in "[a-c,= \\\\\"0-2iutf\n.#-]{0,40}") {
            let seen = decoded(INFLUX, "t", payload.as_bytes());
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }

        /// What is written by the rules of the protocol is read as it was meant.
        #[test]
        fn what_is_escaped_reads_back(name in "[a-c,= \\\\]{0,5}z", key in "[a-c,= ]{0,5}z", tag in "[a-c,= \"]{0,5}z", text in "[a\"\\\\ ,=\n]{0,6}", value in -1e9..1e9_f64) {
            let escaped = |text: &str| text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ");
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("{},{}={} s=\"{quoted}\",{}={value}\nm v=2", escaped(&name), escaped(&key), escaped(&tag), escaped(&key));
            let seen = decoded(INFLUX, "t", line.as_bytes());
            let name = format!("t/{name}/{key}={tag}/{key}");
            prop_assert_eq!(&seen.invalid, &[""; 0]);
            prop_assert_eq!(seen.readings[seen.readings.len() - 2].clone(), (name, None, value));
        }
    }
}
