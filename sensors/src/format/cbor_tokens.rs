//! Tokens of CBOR (RFC 8949), in one pass over bytes.
//!
//! Read are definite and indefinite lengths, half, single and double floats, texts and whole numbers as names, and the
//! tags 0 and 1 (times), 2 and 3 (large whole numbers), 4 and 5 (fractions); any other tag is passed over. A byte string is
//! a value that no reading is made of. Depth: 128 levels; more is an error. Cost: no allocation, unless a text comes in
//! chunks.

mod text;

use super::json_tokens::Scanner;
use super::tree::{Tokens, TreeToken};
use crate::TimeFormat;
use crate::fields::{DecodeError, Position, Scalar};
use text::CborText;

/// The most levels.
const DEPTH_MAX: usize = 128;

/// The shown form of a byte string, as in the diagnostic notation.
const BYTES: Scalar<'static> = Scalar::Text("h'...'");

const CUT: &str = "it ends inside a value";
const BREAK: u8 = 0xff;

// Major types.
const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTE_STRING: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

/// What a simple value's head says before a float.
const FLOATS: std::ops::RangeInclusive<u8> = 25..=27;

// Tags.
const EPOCH_TIME: u64 = 1;
const POSITIVE_BIG: u64 = 2;
const NEGATIVE_BIG: u64 = 3;
const DECIMAL_FRACTION: u64 = 4;
const BINARY_FRACTION: u64 = 5;

/// The place and the reason why the bytes are not CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CborError {
    /// Offset from 0 (bytes).
    at: usize,
    /// The mistake. Lower case, no full stop.
    what: &'static str,
}

impl From<CborError> for DecodeError {
    fn from(CborError { at, what }: CborError) -> Self {
        Self::new(format!("not CBOR: {what}")).at(Position::Byte(at + 1))
    }
}

#[derive(Clone)]
pub(super) struct CborTokens<'a> {
    payload: &'a [u8],
    /// The unread end of `payload`.
    rest: &'a [u8],
    depth: usize,
}

/// The head of an item: its major type and its argument; `None`: an indefinite length, or a break.
type Head = (u8, u8, Option<u64>);

impl<'a> CborTokens<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self { payload, rest: payload, depth: 0 }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), CborError> {
        if self.is_at_end() { Ok(()) } else { self.fault("expected nothing more") }
    }

    #[cold]
    fn fault<T>(&self, what: &'static str) -> Result<T, CborError> {
        Err(CborError { at: self.payload.len() - self.rest.len(), what })
    }

    #[inline]
    fn take(&mut self, count: u64) -> Result<&'a [u8], CborError> {
        let split = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let Some((taken, rest)) = split else { return self.fault(CUT) };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else { return self.fault(CUT) };
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn head(&mut self) -> Result<Head, CborError> {
        let [first] = self.take_array()?;
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(u64::from(u8::from_be_bytes(self.take_array()?))),
            25 => Some(u64::from(u16::from_be_bytes(self.take_array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.take_array()?))),
            27 => Some(u64::from_be_bytes(self.take_array()?)),
            31 if !matches!(major, POSITIVE | NEGATIVE | TAG) => None,
            _ => return self.fault("a head that CBOR does not have"),
        };
        Ok((major, info, argument))
    }

    /// The next chunk of a string of indefinite length; `None` at its end.
    fn chunk(&mut self, of: u8) -> Result<Option<&'a [u8]>, CborError> {
        if let [BREAK, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(None);
        }
        match self.head()? {
            (major, _, Some(length)) if major == of => self.take(length).map(Some),
            _ => self.fault("a string whose chunks are of another kind"),
        }
    }

    /// The bytes of a string, or the chunks of one.
    fn bytes(&mut self, length: Option<u64>) -> Result<&'a [u8], CborError> {
        match length {
            Some(length) => self.take(length),
            None => {
                while self.chunk(BYTE_STRING)?.is_some() {}
                Ok(&[])
            }
        }
    }

    #[inline]
    fn text(&mut self, length: Option<u64>) -> Result<CborText<'a>, CborError> {
        const NOT_UTF8: &str = "a text that is not UTF-8";
        if let Some(length) = length {
            let bytes = self.take(length)?;
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(CborText::Whole(text)),
                Err(_) => self.fault(NOT_UTF8),
            };
        }
        let chunks = self.rest;
        while let Some(chunk) = self.chunk(TEXT)? {
            if std::str::from_utf8(chunk).is_err() {
                return self.fault(NOT_UTF8);
            }
        }
        Ok(CborText::Chunks(chunks.get(..chunks.len() - self.rest.len()).unwrap_or_default()))
    }

    /// Enters a map or a list; each of its members takes at least a byte.
    #[inline]
    fn enter(&mut self, length: Option<u64>) -> Result<Option<u64>, CborError> {
        if self.depth == DEPTH_MAX {
            return self.fault("nested too deeply");
        }
        if length.is_some_and(|length| usize::try_from(length).is_ok_and(|l| l > self.rest.len())) {
            return self.fault("a list or map of more members than the payload has bytes");
        }
        self.depth += 1;
        Ok(length)
    }

    /// Whether another member follows.
    #[inline]
    fn has_member(&mut self, left: &mut Option<u64>) -> bool {
        let has_more = match left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => match self.rest {
                [BREAK, rest @ ..] => {
                    self.rest = rest;
                    false
                }
                _ => true,
            },
        };
        if !has_more {
            self.depth = self.depth.saturating_sub(1);
        }
        has_more
    }

    /// A value after its tag.
    fn tagged(&mut self, tag: u64) -> Result<TreeToken<'a, Self>, CborError> {
        match tag {
            EPOCH_TIME => self.epoch_time().map(TreeToken::Scalar),
            POSITIVE_BIG | NEGATIVE_BIG => {
                let (BYTE_STRING, _, length) = self.head()? else {
                    return self.fault("a large number that is not bytes");
                };
                let bytes = self.bytes(length)?;
                let size = bytes.iter().fold(0.0, |size, byte| size * 256.0 + f64::from(*byte));
                Ok(TreeToken::Scalar(Scalar::Number(if tag == POSITIVE_BIG { size } else { -1.0 - size })))
            }
            _ => self.fraction(tag),
        }
    }

    /// Seconds since the epoch.
    fn epoch_time(&mut self) -> Result<Scalar<'a>, CborError> {
        let seconds = match self.head()? {
            (POSITIVE, _, Some(size)) => i64::try_from(size).ok(),
            (NEGATIVE, _, Some(size)) => i64::try_from(size).ok().map(|size| -1 - size),
            (SIMPLE, info, bits) if FLOATS.contains(&info) => {
                let Scalar::Number(seconds) = self.simple(info, bits)? else { return Ok(Scalar::Null) };
                let ms = TimeFormat::Unix.of_number(seconds);
                return Ok(ms.map_or(Scalar::Number(f64::NAN), Scalar::Time));
            }
            _ => return self.fault("a time that is not a number"),
        };
        let ms = seconds.and_then(|seconds| TimeFormat::Unix.of_integer(seconds));
        Ok(ms.map_or(Scalar::Number(f64::NAN), Scalar::Time))
    }

    /// A list of an exponent and a mantissa.
    fn fraction(&mut self, tag: u64) -> Result<TreeToken<'a, Self>, CborError> {
        const MALFORMED: &str = "a fraction that is not an exponent and a mantissa";
        if !matches!(self.head()?, (LIST, _, Some(2))) {
            return self.fault(MALFORMED);
        }
        let [exponent, mantissa] = [self.number()?, self.number()?];
        let (Some(exponent), Some(mantissa)) = (exponent, mantissa) else { return self.fault(MALFORMED) };
        let value = if tag == DECIMAL_FRACTION {
            // The nearest number, as of decimal text.
            format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
        } else {
            mantissa * exponent.exp2()
        };
        Ok(TreeToken::Scalar(Scalar::Number(value)))
    }

    fn number(&mut self) -> Result<Option<f64>, CborError> {
        Ok(match self.head()? {
            (POSITIVE, _, Some(size)) => Some(positive(size)),
            (NEGATIVE, _, Some(size)) => Some(-1.0 - positive(size)),
            (TAG, _, Some(tag @ (POSITIVE_BIG | NEGATIVE_BIG))) => match self.tagged(tag)? {
                TreeToken::Scalar(Scalar::Number(number)) => Some(number),
                _ => None,
            },
            _ => None,
        })
    }

    /// A simple value or a float.
    #[inline]
    fn simple(&self, info: u8, argument: Option<u64>) -> Result<Scalar<'a>, CborError> {
        let Some(bits) = argument else { return self.fault("a break where a value should be") };
        Ok(match info {
            20 => Scalar::Boolean(false),
            21 => Scalar::Boolean(true),
            25 => Scalar::Number(half(u16::try_from(bits).unwrap_or_default())),
            26 => Scalar::Number(f64::from(f32::from_bits(u32::try_from(bits).unwrap_or_default()))),
            27 => Scalar::Number(f64::from_bits(bits)),
            // null, undefined, and what nobody has defined.
            _ => Scalar::Null,
        })
    }
}

impl<'a> Tokens<'a> for CborTokens<'a> {
    type Text = CborText<'a>;
    /// How many members are left; `None`: until a break.
    type Members = Option<u64>;
    type Error = CborError;
    type Inside<'t> = Scanner<'t>;

    fn inside(text: &str) -> Scanner<'_> {
        Scanner::inside(text)
    }

    fn end_all(&mut self) -> Result<(), CborError> {
        self.end()
    }

    #[inline]
    fn next_value(&mut self) -> Result<TreeToken<'a, Self>, CborError> {
        let (mut major, mut info, mut argument) = self.head()?;
        // Tags without a meaning here, however many.
        while major == TAG {
            match argument {
                Some(tag @ EPOCH_TIME..=BINARY_FRACTION) => return self.tagged(tag),
                _ => (major, info, argument) = self.head()?,
            }
        }
        match (major, argument) {
            (POSITIVE, Some(size)) => Ok(TreeToken::Scalar(
                i64::try_from(size).map_or_else(|_| Scalar::Number(positive(size)), Scalar::Integer),
            )),
            (NEGATIVE, Some(size)) => Ok(TreeToken::Scalar(
                i64::try_from(size)
                    .map_or_else(|_| Scalar::Number(-1.0 - positive(size)), |n| Scalar::Integer(-1 - n)),
            )),
            (BYTE_STRING, length) => self.bytes(length).map(|_| TreeToken::Scalar(BYTES)),
            (TEXT, length) => self.text(length).map(TreeToken::Text),
            (LIST, length) => self.enter(length).map(TreeToken::List),
            (MAP, length) => self.enter(length).map(TreeToken::Object),
            _ => self.simple(info, argument).map(TreeToken::Scalar),
        }
    }

    #[inline]
    fn next_name(&mut self, left: &mut Option<u64>) -> Result<Option<CborText<'a>>, CborError> {
        if !self.has_member(left) {
            return Ok(None);
        }
        match self.head()? {
            (TEXT, _, length) => self.text(length).map(Some),
            (POSITIVE, _, Some(size)) if i64::try_from(size).is_ok() => {
                Ok(Some(CborText::Number(i64::try_from(size).unwrap_or_default())))
            }
            (NEGATIVE, _, Some(size)) if i64::try_from(size).is_ok() => {
                Ok(Some(CborText::Number(-1 - i64::try_from(size).unwrap_or_default())))
            }
            _ => self.fault("a name that is neither a text nor a whole number"),
        }
    }

    #[inline]
    fn next_item(&mut self, left: &mut Option<u64>) -> Result<bool, CborError> {
        Ok(self.has_member(left))
    }
}

/// Above 2^53 the nearest float, as the documentation of the formats says.
#[expect(clippy::cast_precision_loss, reason = "documented")]
fn positive(size: u64) -> f64 {
    size as f64
}

/// A float of 16 bits (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1_024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}
