//! Payload formats: bytes to numbers with names.
//!
//! A format puts every value it finds into [`Fields`], with its path (`a/b`, `list/0`; empty where a payload is one
//! value), and calls [`Fields::end`] after each record, so that values with times of their own can share a payload.
//! To add one, write one file here and add two lines: its `mod`, and its entry in [`FORMATS`].

mod decimal;
pub(crate) mod json;
pub(crate) mod number;

use crate::decode::Fields;
pub use json::JsonError;
use std::fmt;

/// A payload format: what `format = "…"` names.
pub struct Format {
    /// The word in the config.
    pub name: &'static str,
    /// Whether its values have names; else a payload is one value, and `fields` and `time` mean nothing.
    pub named: bool,
    /// Reads one payload. On an error nothing of the payload is used.
    pub decode: fn(&[u8], &mut Fields<'_>) -> Result<(), Problem>,
}

/// All of them; the first is the default.
pub const FORMATS: &[Format] = &[json::FORMAT, number::FORMAT];

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a payload cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not one value, where one was expected; holds the start of it.
    #[error("`{0}` is not a number; expected one such as 21.5, or true, false, on or off")]
    NotNumber(String),
    /// A number that no window can hold.
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    /// Nothing at all.
    #[error("the payload is empty")]
    Empty,
    /// JSON, but no place for named values.
    #[error("JSON, but neither an object nor an array; for bare values write format = \"number\"")]
    Unnamed,
    /// Not JSON.
    #[error(transparent)]
    NotJson(#[from] JsonError),
}

/// A value of a payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Whole.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// 0 or 1.
    Boolean(bool),
    /// No number.
    Text(&'a str),
    /// As if it were not there.
    Null,
    /// An object or an array, where one value was wanted.
    Compound,
}
