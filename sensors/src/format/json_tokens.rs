//! Tokens of JSON (RFC 8259), strictly, in one pass over bytes.
//!
//! This is the hot path of the whole agent, so it is written by hand. It yields numbers without a target type, places
//! of errors and correctly rounded numbers. A name that is expected and a plain number have ways of their own, which make no
//! [`JsonToken`]: moving one through several results costs more than reading it. With the decoder's lookups that takes half the
//! time that `serde_json` takes for a tree (`cargo bench -p headwater-sensors --bench formats` compares).
//! `serde_json` is the oracle in the tests. Deviations: everything that RFC 8259 allows is accepted, and besides only
//! the words that C and Python write for numbers that are not finite; an unpaired surrogate reads as U+FFFD.

mod ordinary;
mod text;

use super::tree::{Tokens, TreeToken};
use crate::decimal::PlainNumber;
use crate::fields::{DecodeError, Position, Scalar};
use ordinary::ordinary_len;
pub(crate) use text::Text;

/// What programs write where they have no number: that field cannot be used, and the others can. Longer words come first.
const NOT_FINITE_WORDS: [&[u8]; 5] = [b"Infinity", b"NaN", b"nan", b"inf", b"Inf"];

const NOT_FINITE: Scalar<'static> = Scalar::Number(f64::NAN);

/// The most levels.
const DEPTH_MAX: usize = 128;

/// The place and the reason why the text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Offset from 0 (bytes).
    pub at: usize,
    /// The mistake. Lower case, no full stop.
    pub what: &'static str,
}

/// The start of a value, or all of it if it is a scalar.
pub(crate) type JsonToken<'a> = TreeToken<'a, Scanner<'a>>;

#[derive(Clone)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    /// The bytes as text; empty until it is known that they are one.
    text: &'a str,
    /// The offset reached (bytes).
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, JsonError> {
        let mut scanner = Self::unchecked(payload);
        scanner.check_text()?;
        Ok(scanner)
    }

    /// Begins to read bytes that may be no text. What is read without a fault is text; after a fault, and for what is not
    /// read, [`Scanner::check_text`] says it.
    pub(super) fn unchecked(bytes: &'a [u8]) -> Self {
        Self { bytes, text: "", at: 0, depth: 0 }
    }

    /// All bytes must be text, those that are not reached too.
    pub(super) fn check_text(&mut self) -> Result<(), JsonError> {
        self.text = std::str::from_utf8(self.bytes)
            .map_err(|error| JsonError { at: error.valid_up_to(), what: "bytes that are not UTF-8" })?;
        Ok(())
    }

    /// Reads the next value; there must be one.
    #[inline(never)]
    pub(crate) fn value(&mut self) -> Result<JsonToken<'a>, JsonError> {
        match self.next_byte() {
            Some(b'-' | b'0'..=b'9') => match self.take_plain() {
                Some(number) => Ok(JsonToken::Scalar(number.into())),
                None => self.number(),
            },
            Some(b'"') => self.string().map(JsonToken::Text),
            Some(b'{') => self.enter(JsonToken::Object(true)),
            Some(b'[') => self.enter(JsonToken::List(true)),
            Some(b't') => self.word(b"true", Scalar::Boolean(true)),
            Some(b'f') => self.word(b"false", Scalar::Boolean(false)),
            Some(b'n') if !matches!(self.rest(), [_, b'a', ..]) => self.word(b"null", Scalar::Null),
            Some(b'n' | b'N' | b'I' | b'i') => self.not_finite(self.at),
            Some(_) => self.fault("expected a value"),
            None => self.fault("it ends where a value should be"),
        }
    }

    /// Reads the next name of an object; `None` at its end. `first` tells whether it would be the first one.
    #[inline(always)]
    pub(crate) fn name(&mut self, first: bool) -> Result<Option<Text<'a>>, JsonError> {
        match (self.next_byte(), first) {
            (Some(b'}'), _) => {
                self.leave();
                return Ok(None);
            }
            (_, true) => {}
            (Some(b','), false) => self.at += 1,
            _ => return self.fault("expected `,` or `}`"),
        }
        if self.next_byte() != Some(b'"') {
            return self.fault("expected a name in quotes");
        }
        let name = self.string()?;
        if self.next_byte() != Some(b':') {
            return self.fault("expected `:`");
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Whether an array has another value, which comes next.
    pub(crate) fn item(&mut self, first: bool) -> Result<bool, JsonError> {
        match (self.next_byte(), first) {
            (Some(b']'), _) => {
                self.leave();
                return Ok(false);
            }
            (_, true) => {}
            (Some(b','), false) => self.at += 1,
            _ => return self.fault("expected `,` or `]`"),
        }
        Ok(true)
    }

    /// Skips the value that `token` starts; answers whether it is an object or a list with nothing in it.
    pub(crate) fn skip(&mut self, token: JsonToken<'a>) -> Result<bool, JsonError> {
        self.skip_value(token)
    }

    /// Only blanks may follow.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        if self.next_byte().is_some() { self.fault("expected nothing more") } else { Ok(()) }
    }

    /// Whether another text follows: on a line of its own or, if it is an object or an array, behind the last one.
    pub(crate) fn next_line(&mut self) -> Result<bool, JsonError> {
        let before = self.at;
        match self.next_byte() {
            None => return Ok(false),
            Some(b'{' | b'[') => return Ok(true),
            Some(_) => {}
        }
        let blanks = self.bytes.get(before..self.at).unwrap_or_default();
        if blanks.contains(&b'\n') { Ok(true) } else { self.fault("expected nothing more") }
    }

    /// Skips the rest of a line that cannot be read; whether another one follows.
    pub(crate) fn skip_line(&mut self) -> bool {
        self.depth = 0;
        let rest = self.rest();
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.next_byte().is_some()
    }

    /// The offset reached (bytes).
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    #[cold]
    fn fault<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what })
    }

    /// The unread end of the text.
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next byte, blank or not.
    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not blank; it is not consumed.
    #[inline(always)]
    fn next_byte(&mut self) -> Option<u8> {
        match self.byte() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => self.next_byte_after_blanks(),
        }
    }

    fn next_byte_after_blanks(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn enter(&mut self, token: JsonToken<'a>) -> Result<JsonToken<'a>, JsonError> {
        if self.depth == DEPTH_MAX {
            return self.fault("nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        Ok(token)
    }

    #[inline]
    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.at += 1;
    }

    fn word(&mut self, word: &[u8], meaning: Scalar<'a>) -> Result<JsonToken<'a>, JsonError> {
        if !self.rest().starts_with(word) {
            return self.fault("expected a value");
        }
        self.at += word.len();
        Ok(JsonToken::Scalar(meaning))
    }

    /// One of [`NOT_FINITE_WORDS`]; `start` is before its minus.
    #[cold]
    fn not_finite(&mut self, start: usize) -> Result<JsonToken<'a>, JsonError> {
        let rest = self.rest();
        let Some(word) = NOT_FINITE_WORDS.iter().find(|word| rest.starts_with(word)) else {
            self.at = start;
            return self.fault("expected a value");
        };
        self.at += word.len();
        Ok(JsonToken::Scalar(NOT_FINITE))
    }

    /// From the opening quote to past the closing one.
    #[inline(always)]
    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.at += 1;
        let start = self.at;
        self.at += ordinary_len(self.rest());
        if self.byte() != Some(b'"') {
            return self.strange_string(start);
        }
        if self.text.is_empty() {
            self.check_text()?;
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text { raw, escaped: false })
    }

    /// The rest of a string with escapes, or one that is none. It begins at `start`.
    #[cold]
    fn strange_string(&mut self, start: usize) -> Result<Text<'a>, JsonError> {
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fault("a control character in a string"),
                None => return self.fault("it ends in a string"),
            }
            self.at += ordinary_len(self.rest());
        }
        self.check_text()?;
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text { raw, escaped: true })
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.rest() {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 1,
            [b'u', digits @ ..] => {
                if !digits.get(..4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fault("`\\u` needs four hexadecimal digits");
                }
                self.at += 5;
            }
            _ => return self.fault("an escape that JSON does not have"),
        }
        Ok(())
    }

    /// A number that [`Scanner::take_plain`] does not take.
    #[cold]
    fn number(&mut self) -> Result<JsonToken<'a>, JsonError> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.rest() {
            [b'0', ..] => self.at += 1,
            [b'I' | b'i' | b'N' | b'n', ..] => return self.not_finite(start),
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let written = self.bytes.get(start..self.at).unwrap_or_default();
        let written = std::str::from_utf8(written).unwrap_or_default();
        Ok(JsonToken::Scalar(match written.parse() {
            Ok(integer) => Scalar::Integer(integer),
            Err(_) => Scalar::Number(written.parse().unwrap_or(f64::NAN)),
        }))
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.rest();
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        if count == 0 { self.fault("expected a digit") } else { Ok(()) }
    }

    /// Takes a number that simple arithmetic reads, behind blanks; `None`: there is none, and nothing else is read.
    #[inline(always)]
    fn take_plain(&mut self) -> Option<PlainNumber> {
        if !matches!(self.next_byte(), Some(b'-' | b'0'..=b'9')) {
            return None;
        }
        let mut rest = self.rest();
        let number = PlainNumber::take(&mut rest)?;
        self.at = self.bytes.len() - rest.len();
        Some(number)
    }
}

impl From<JsonError> for DecodeError {
    fn from(JsonError { at, what }: JsonError) -> Self {
        Self::new(format!("not JSON: {what}")).at(Position::Byte(at + 1))
    }
}

impl<'a> Tokens<'a> for Scanner<'a> {
    type Text = Text<'a>;
    /// Whether the next member is the first one.
    type Members = bool;
    type Error = JsonError;
    type Inside<'t> = Scanner<'t>;

    fn inside(text: &str) -> Scanner<'_> {
        Scanner { bytes: text.as_bytes(), text, at: 0, depth: 0 }
    }

    fn end_all(&mut self) -> Result<(), JsonError> {
        self.end()
    }

    #[inline(always)]
    fn next_value(&mut self) -> Result<TreeToken<'a, Self>, JsonError> {
        self.value()
    }

    #[inline(always)]
    fn next_name(&mut self, first: &mut bool) -> Result<Option<Text<'a>>, JsonError> {
        self.name(std::mem::replace(first, false))
    }

    #[inline(always)]
    fn take_number(&mut self) -> Option<PlainNumber> {
        self.take_plain()
    }

    #[inline(always)]
    fn take_name(&mut self, first: &mut bool, name: &str) -> bool {
        let bytes = self.bytes;
        let mut at = self.at;
        if !*first {
            if bytes.get(at) != Some(&b',') {
                return false;
            }
            // Python writes a blank there.
            at += if bytes.get(at + 1) == Some(&b' ') { 2 } else { 1 };
        }
        let (start, end) = (at + 1, at + 1 + name.len());
        let is_name = bytes.get(at) == Some(&b'"')
            && bytes.get(end) == Some(&b'"')
            && bytes.get(end + 1) == Some(&b':')
            && bytes.get(start..end) == Some(name.as_bytes());
        if is_name {
            *first = false;
            self.at = end + 2;
        }
        is_name
    }

    #[inline]
    fn next_item(&mut self, first: &mut bool) -> Result<bool, JsonError> {
        self.item(std::mem::replace(first, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The whole text as a tree.
    fn tree(payload: &[u8]) -> Result<Value, JsonError> {
        let mut scanner = Scanner::new(payload)?;
        let token = scanner.value()?;
        let value = grow(&mut scanner, token)?;
        scanner.end()?;
        Ok(value)
    }

    fn grow(scanner: &mut Scanner<'_>, token: JsonToken<'_>) -> Result<Value, JsonError> {
        Ok(match token {
            JsonToken::Scalar(Scalar::Integer(integer)) => Value::from(integer),
            JsonToken::Scalar(Scalar::Number(number)) => Value::from(number),
            JsonToken::Scalar(Scalar::Boolean(boolean)) => Value::from(boolean),
            JsonToken::Scalar(_) => Value::Null,
            JsonToken::Text(text) => Value::from(text.unescaped()),
            JsonToken::Object(_) => {
                let mut map = serde_json::Map::new();
                let mut first = true;
                while let Some(name) = scanner.name(first)? {
                    first = false;
                    let token = scanner.value()?;
                    map.insert(name.unescaped().into_owned(), grow(scanner, token)?);
                }
                map.into()
            }
            JsonToken::List(_) => {
                let mut list = Vec::new();
                while scanner.item(list.is_empty())? {
                    let token = scanner.value()?;
                    list.push(grow(scanner, token)?);
                }
                list.into()
            }
        })
    }

    fn agrees(payload: &[u8]) -> Result<(), TestCaseError> {
        let ours = tree(payload);
        let mut scanner = Scanner::new(payload);
        if let (Ok(scanner), true) = (&mut scanner, ours.is_ok()) {
            let token = scanner.value().unwrap();
            prop_assert_eq!(
                scanner.skip(token).and_then(|_| scanner.end()),
                Ok(()),
                "skipping reads the same"
            );
        }
        match (ours, serde_json::from_slice::<Value>(payload)) {
            (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{} {}", ours, theirs),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) if error.to_string().contains("surrogate") => {}
            (ours, theirs) => prop_assert!(false, "{:?} {:?} {:?}", ours, theirs, payload),
        }
        Ok(())
    }

    /// The oracle rounds long numbers less well than we do.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= a.abs() * 1e-15 + f64::MIN_POSITIVE
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((a, x), (b, y))| a == b && same(x, y))
            }
            _ => a == b,
        }
    }

    #[test]
    fn numbers_are_correctly_rounded() {
        for text in [
            "0",
            "-0.0",
            "1.5",
            "-273.15",
            "0.1",
            "123456789.123456789",
            "9007199254740993.0",
            "1e22",
            "1e23",
            "8.41e-21",
            "2.2250738585072014e-308",
            "4.9e-324",
            "1.7976931348623157e308",
            "0.000001",
            "1E+2",
            "1e-400",
            "123456789012345678901234567890",
            "0.30000000000000004",
            "18446744073709551615",
            "9223372036854775807",
            "-9223372036854775808",
            "179769313486231570000000000000000000000.5e-2",
        ] {
            let expected: f64 = text.parse().unwrap();
            let got = match Scanner::new(text.as_bytes()).unwrap().value() {
                Ok(JsonToken::Scalar(Scalar::Integer(integer))) => integer as f64,
                Ok(JsonToken::Scalar(Scalar::Number(number))) => number,
                _ => panic!("{text}"),
            };
            assert_eq!(got.to_bits() << 1, expected.to_bits() << 1, "{text}: {got} {expected}");
        }
        let exact = Scanner::new(b"-9223372036854775808").unwrap().value();
        assert!(matches!(exact, Ok(JsonToken::Scalar(Scalar::Integer(i64::MIN)))));
    }

    #[test]
    fn faults_say_where_and_why() {
        for (text, at, what) in [
            ("", 0, "it ends where a value should be"),
            ("{\"a\": }", 6, "expected a value"),
            ("{\"a\" 1}", 5, "expected `:`"),
            ("{\"a\": 1,}", 8, "expected a name in quotes"),
            ("{,}", 1, "expected a name in quotes"),
            ("[1 2]", 3, "expected `,` or `]`"),
            ("[1,]", 3, "expected a value"),
            ("{\"a", 3, "it ends in a string"),
            ("\"\\x\"", 2, "an escape that JSON does not have"),
            ("\"\\u12g4\"", 2, "`\\u` needs four hexadecimal digits"),
            ("\"\n\"", 1, "a control character in a string"),
            ("01", 1, "expected nothing more"),
            ("-", 1, "expected a digit"),
            ("1.", 2, "expected a digit"),
            ("1e", 2, "expected a digit"),
            ("tru", 0, "expected a value"),
        ] {
            assert_eq!(tree(text.as_bytes()), Err(JsonError { at, what }), "{text}");
        }
        assert_eq!(tree(b"\"\xff\""), Err(JsonError { at: 1, what: "bytes that are not UTF-8" }));
        assert_eq!(tree("[".repeat(100_000).as_bytes()).unwrap_err().what, "nested too deeply");
    }

    #[test]
    fn escapes_mean_what_they_should() {
        let text = br#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00\ud800x\ud800\u0041""#;
        let expected = "\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600}\u{fffd}x\u{fffd}A";
        assert_eq!(tree(text), Ok(Value::from(expected)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_bytes_read_as_the_oracle_reads_them(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            agrees(&payload)?;
        }

        #[test]
        fn nearly_json_reads_as_the_oracle_reads_it(payload in r#"[{}\[\]",:0-9eE.+ae -]{0,30}"#) {
            agrees(payload.as_bytes())?;
        }

        #[test]
        fn strings_read_as_the_oracle_reads_them(inside in r#"[\\/bnu0-9a-f"é😀 \x01-]{0,20}"#) {
            agrees(format!("\"{inside}\"").as_bytes())?;
        }

        #[test]
        fn numbers_read_as_std_reads_them(text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            match Scanner::new(text.as_bytes()).unwrap().value() {
                Ok(JsonToken::Scalar(Scalar::Integer(integer))) => prop_assert_eq!(integer, text.parse::<i64>().unwrap()),
                Ok(JsonToken::Scalar(Scalar::Number(number))) => prop_assert_eq!(number, expected),
                _ => prop_assert!(!expected.is_finite(), "{}", text),
            }
        }

        #[test]
        fn json_reads_back(tree_text in any_tree()) {
            agrees(tree_text.to_string().as_bytes())?;
            agrees(serde_json::to_string_pretty(&tree_text).unwrap().as_bytes())?;
        }
    }

    fn any_tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
