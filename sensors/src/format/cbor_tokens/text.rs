//! Texts of CBOR, as they are shown.

use super::{CborTokens, TEXT};
use crate::format::tree::Shown;
use std::ops::Deref;

/// A text, or a whole number that stands where a name does.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) enum CborText<'a> {
    Whole(&'a str),
    /// Chunks of text, each with its head, up to the break.
    Chunks(&'a [u8]),
    Number(i64),
}

/// A text that is shown.
enum ShownText<'a> {
    Borrowed(&'a str),
    Owned(String),
    Digits(Digits),
}

/// A whole number in decimal digits.
struct Digits {
    bytes: [u8; DIGITS_MAX],
    start: usize,
}

/// The longest: -9223372036854775808.
const DIGITS_MAX: usize = 20;

impl Digits {
    fn of(number: i64) -> Self {
        let mut digits = Self { bytes: [b'0'; DIGITS_MAX], start: DIGITS_MAX };
        let mut rest = number.unsigned_abs();
        loop {
            digits.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            digits.push(b'-');
        }
        digits
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }
}

impl Deref for ShownText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
            Self::Digits(digits) => {
                let bytes = digits.bytes.get(digits.start..).unwrap_or_default();
                std::str::from_utf8(bytes).unwrap_or_default()
            }
        }
    }
}

impl Shown for CborText<'_> {
    #[inline]
    fn shown(self) -> impl Deref<Target = str> {
        match self {
            Self::Whole(text) => ShownText::Borrowed(text),
            Self::Number(number) => ShownText::Digits(Digits::of(number)),
            Self::Chunks(chunks) => {
                let (mut tokens, mut whole) = (CborTokens::new(chunks), String::new());
                while let Ok(Some(chunk)) = tokens.chunk(TEXT) {
                    whole.push_str(std::str::from_utf8(chunk).unwrap_or_default());
                }
                ShownText::Owned(whole)
            }
        }
    }
}
