//! The values of a payload, and why one cannot be decoded.

use crate::decimal::PlainNumber;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Why a payload or a record cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The mistake and, where known, the way out. Lower case, no full stop.
    pub what: Cow<'static, str>,
    /// The place, where known.
    pub at: Option<Position>,
}

/// A place in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// A byte, from 1.
    Byte(usize),
    /// A line, from 1.
    Line(u64),
}

impl DecodeError {
    /// An error without a place.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), at: None }
    }

    /// The same error with its place.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { at: Some(position), ..self }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => f.write_str(&self.what),
            Some(Position::Byte(byte)) => write!(f, "{} (byte {byte})", self.what),
            Some(Position::Line(line)) => write!(f, "{} (line {line})", self.what),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<PlainNumber> for Scalar<'_> {
    #[inline]
    fn from(number: PlainNumber) -> Self {
        match number {
            PlainNumber::Integer(integer) => Self::Integer(integer),
            PlainNumber::Float(float) => Self::Number(float),
        }
    }
}

impl Scalar<'_> {
    /// Appends the value as text; what has none appends nothing.
    pub(crate) fn write_to(self, to: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Integer(integer) => write!(to, "{integer}"),
            Self::Number(number) => write!(to, "{number}"),
            Self::Time(ms) => write!(to, "{}", seconds(ms)),
            Self::Boolean(answer) => write!(to, "{answer}"),
            Self::Text(text) => to.write_str(text.trim()),
            Self::Null | Self::Compound => Ok(()),
        };
    }
}

/// A time [ms] in seconds.
pub(crate) fn seconds(ms: i64) -> f64 {
    super::nearest(ms) / 1e3
}

/// A value of a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A time [ms since the Unix epoch], which counts in seconds.
    Time(i64),
    /// `true` or `false`, which count as 1 and 0.
    Boolean(bool),
    /// Text.
    Text(&'a str),
    /// `null`, which counts as absent.
    Null,
    /// An object or an array.
    Compound,
}
