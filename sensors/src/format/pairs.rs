//! Pairs of a name and a value: `temp=21.5 hum=40`, `T: 21.5 C, H: 40 %`, `tempf=71.6&humidity=40`.
//!
//! Every line is a record, every name a field. `=` stands between name and value, or `:` in a line without `=`. Pairs are
//! separated by `,`, `;`, `|`, `&` or a tab; in a line without any of these, by blanks, and what has no mark of its own belongs
//! to the value before it. With `decimal = ","` a comma separates nothing. A value may stand in double quotes. A line with `&`
//! and without blanks is a form as browsers send it (`application/x-www-form-urlencoded`): `+` and `%20` are blanks.
//!
//! Cost: up to five passes, and no allocation but for such a blank.

use super::{Format, FormatKind, bare};
use crate::fields::{DecodeError, Fields, Position, Scalar};
use crate::text::TextRules;
use headwater_settings::Table;
use std::borrow::Cow;

pub(super) const KIND: FormatKind = FormatKind { name: "pairs", read, sample: "format = \"pairs\"\n" };

#[derive(Clone, Debug)]
struct Pairs {
    comma_is_mark: bool,
}

fn read(_: &mut Table<'_>, text: &TextRules) -> Option<Box<dyn Format>> {
    Some(Box::new(Pairs { comma_is_mark: text.has_comma() }))
}

impl Format for Pairs {
    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let mut is_empty = true;
        for (number, line) in (1_u64..).zip(bare(payload).split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            is_empty = false;
            match std::str::from_utf8(line).map_err(|_| "bytes that are not UTF-8") {
                Ok(line) if self.line(line, fields) => fields.end(),
                read => {
                    let is_json = line.starts_with(b"{") || line.starts_with(b"[");
                    let json = "no pairs: it begins as JSON does; check `format`";
                    let none =
                        if is_json { json } else { "no pair of a name and a value, such as temp=21.5" };
                    let what = read.err().unwrap_or(none);
                    fields.reject(DecodeError::new(what).at(Position::Line(number)));
                }
            }
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

/// How the pairs of a line are written.
#[derive(Clone, Copy)]
struct Style {
    /// What stands between name and value.
    mark: char,
    /// Whether blanks separate pairs, because nothing else does.
    has_words: bool,
    /// Whether blanks and signs are escaped as in a form.
    is_form: bool,
}

impl Pairs {
    /// Puts the pairs of a line. Answers whether there are any.
    fn line(&self, line: &str, fields: &mut Fields<'_>) -> bool {
        if line.starts_with("{\"") || line.starts_with("[{") {
            return false;
        }
        let style = self.style(line);
        let mut has_pair = false;
        let mut rest = line;
        while let Some(pair) = self.next_piece(&mut rest, style) {
            let Some((name, value)) = split(pair, style.mark) else { continue };
            has_pair = true;
            let value =
                value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value));
            let (name, value) = if style.is_form {
                (unescaped(name), unescaped(value))
            } else {
                (Cow::Borrowed(name), Cow::Borrowed(value))
            };
            let want = fields.want(&name);
            fields.put(want, &name, Scalar::Text(&value));
        }
        has_pair
    }

    fn style(&self, line: &str) -> Style {
        let has = |wanted: &dyn Fn(char) -> bool| unquoted(line).any(|(_, sign)| wanted(sign));
        Style {
            mark: if has(&|sign| sign == '=') { '=' } else { ':' },
            has_words: !has(&|sign| self.separates(sign)),
            is_form: has(&|sign| sign == '&') && !has(&|sign| sign == ' '),
        }
    }

    fn separates(&self, sign: char) -> bool {
        matches!(sign, ';' | '|' | '&' | '\t') || (sign == ',' && !self.comma_is_mark)
    }

    /// Takes the next pair, or what stands in its place, from the front; `None`: there is no more.
    fn next_piece<'a>(&self, rest: &mut &'a str, style: Style) -> Option<&'a str> {
        if rest.is_empty() {
            return None;
        }
        let (start, end, next) = if style.has_words {
            let mut begins = begins_of_pairs(rest, style.mark);
            let start = begins.next().unwrap_or(rest.len());
            let next = begins.next().unwrap_or(rest.len());
            (start, next, next)
        } else {
            let separator = unquoted(rest).find(|(_, sign)| self.separates(*sign));
            let (end, width) = separator.map_or((rest.len(), 0), |(at, sign)| (at, sign.len_utf8()));
            (0, end, end + width)
        };
        let piece = rest.get(start..end).unwrap_or_default();
        *rest = rest.get(next..).unwrap_or_default();
        Some(piece)
    }
}

/// The characters that do not stand in double quotes, and their places.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let quotes = text.char_indices().scan(false, |is_quoted, (at, sign)| {
        *is_quoted ^= sign == '"';
        Some((at, sign, *is_quoted))
    });
    quotes.filter(|(_, _, is_quoted)| !is_quoted).map(|(at, sign, _)| (at, sign))
}

/// Where pairs begin in a line of words.
fn begins_of_pairs(line: &str, mark: char) -> impl Iterator<Item = usize> {
    let words = unquoted(line).scan(' ', |before, (at, sign)| {
        let is_begin = *before == ' ' && sign != ' ';
        *before = sign;
        Some(is_begin.then_some(at))
    });
    words.flatten().filter(move |at| line.get(*at..).is_some_and(|text| begins_pair(text, mark)))
}

/// Whether a text begins with a name and its mark, between which may be blanks.
fn begins_pair(text: &str, mark: char) -> bool {
    let (name, rest) = text.split_at(text.find([' ', mark]).unwrap_or(text.len()));
    // 12:30:00 is a time, and no pair.
    let is_name = !name.is_empty() && (mark == '=' || !name.starts_with(|sign: char| sign.is_ascii_digit()));
    is_name && rest.trim_start_matches(' ').starts_with(mark)
}

/// Name and value of a pair, without blanks around them.
fn split(pair: &str, mark: char) -> Option<(&str, &str)> {
    let (name, value) = pair.split_once(mark)?;
    let (name, value) = (name.trim(), value.trim());
    (!name.is_empty()).then_some((name, value))
}

/// A text of a form.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            (first, _) => *first,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(sign: u8) -> Option<u8> {
    char::from(sign).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::decoded;
    use proptest::prelude::*;

    fn read(keys: &str, payload: &str) -> Vec<(String, f64)> {
        let seen = decoded(&format!("format = \"pairs\"\n{keys}"), "t", payload.as_bytes());
        assert_eq!(seen.invalid, [""; 0], "{payload}");
        seen.readings.into_iter().map(|(series, _, value)| (series.replace("t/", ""), value)).collect()
    }

    #[test]
    fn pairs_are_read_however_they_are_separated() {
        for (payload, expected) in [
            ("temp=21.5 hum=40 state=ok", vec![("temp", 21.5), ("hum", 40.0)]),
            ("T=21.5;H=40;P=1013;", vec![("T", 21.5), ("H", 40.0), ("P", 1013.0)]),
            ("temp: 21.5 C, rel hum: 40 %", vec![("temp", 21.5), ("rel hum", 40.0)]),
            ("temp: 21.5 C hum: 40 %", vec![("temp", 21.5), ("hum", 40.0)]),
            ("T = 21.5 H = 40", vec![("T", 21.5), ("H", 40.0)]),
            ("T:21.5 H:40", vec![("T", 21.5), ("H", 40.0)]),
            ("node1 ok T = 21.5, H = 40", vec![("node1 ok T", 21.5), ("H", 40.0)]),
            ("14:30:00 T:21.5", vec![("T", 21.5)]),
            ("at: 14:30:00, T: 1", vec![("T", 1.0)]),
            ("level=info msg=\"t=5, u=6\" t=7", vec![("t", 7.0)]),
            ("t=\"21.5\"", vec![("t", 21.5)]),
            ("t=1\n\nt=2\r\n", vec![("t", 1.0), ("t", 2.0)]),
            ("a\t1=2\tb=3", vec![("b", 3.0)]),
            (
                "tempf=71.6&humidity=40&at=2026-01-01+00:00:00&a%20b=5",
                vec![("tempf", 71.6), ("humidity", 40.0), ("a b", 5.0)],
            ),
            ("on=true off=OFF nothing= x=1", vec![("on", 1.0), ("off", 0.0), ("x", 1.0)]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let payload_read = read("units = \"strip\"", payload);
            let payload_read: Vec<_> = payload_read.into_iter().filter(|(name, _)| name != "1").collect();
            assert_eq!(payload_read, expected, "{payload}");
        }
        assert_eq!(read("decimal = \",\"", "T=21,5; H=40,25"), [("T".into(), 21.5), ("H".into(), 40.25)]);
        assert_eq!(read("decimal = \",\"", "T=21,5 H=40,25"), [("T".into(), 21.5), ("H".into(), 40.25)]);
    }

    #[test]
    fn names_and_times_are_fields_and_a_line_without_a_pair_costs_itself() {
        let keys = "format = \"pairs\"\ntime = \"at\"\nseries = \"{id}/{field}\"";
        let seen = decoded(
            keys,
            "t",
            b"id=a at=2023-11-14T22:13:20Z v=1\nbooting\nid=b at=2023-11-14T22:13:21Z v=2\n",
        );
        let at = |ms: i64| Some(1_700_000_000_000 + ms);
        assert_eq!(seen.readings, [("a/v".into(), at(0), 1.0), ("b/v".into(), at(1_000), 2.0)]);
        assert_eq!(seen.invalid, ["no pair of a name and a value, such as temp=21.5 (line 2)"]);
        assert_eq!(decoded("format = \"pairs\"", "t", b" \n").empty, 1);
        assert_eq!(decoded("format = \"pairs\"", "t", b"a=\xff").invalid.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(payload in "[a-c0-9=:,; \"&%+\\n|é]{0,60}") {
            let seen = decoded("format = \"pairs\"\nunits = \"strip\"", "t", payload.as_bytes());
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }
    }
}
