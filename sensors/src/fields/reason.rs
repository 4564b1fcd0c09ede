//! Why a payload or a field is rejected, in words for people.

use super::value::DecodeError;
use crate::topic::shortened;
use std::fmt;
use std::sync::Arc;

/// Why a payload or a field is rejected.
#[derive(Debug)]
pub enum RejectReason {
    /// The format cannot decode it.
    Decode(DecodeError),
    /// Above `[limits] payload`.
    TooLarge {
        /// Its size (bytes).
        bytes: usize,
        /// The limit (bytes).
        max: usize,
    },
    /// The topic, the name of the series, or name and labels of the record.
    LongName,
    /// No template matches the topic.
    UnmatchedTopic,
    /// The configured time is missing.
    NoTime(Arc<str>),
    /// The time cannot be read.
    BadTime {
        /// Its field.
        field: Arc<str>,
        /// Its value.
        value: String,
        /// The expected formats.
        expected: String,
        /// What would make it a time.
        way_out: String,
    },
    /// A wanted field holds text that is no value.
    Text {
        /// The field; empty if a payload is one value.
        field: Arc<str>,
        /// Its text, for people.
        text: String,
        /// What would make it a value.
        way_out: &'static str,
    },
    /// The record lacks a field that stands in `series`.
    NoPlace(Arc<str>),
    /// A field that stands in `series` holds an object or a list.
    CompoundPlace(Arc<str>),
    /// A field is infinite or not a number.
    NotFinite(Arc<str>),
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::TooLarge { bytes, max } => {
                write!(f, "the payload has {bytes} bytes, more than `payload` in [limits] allows ({max})")
            }
            Self::LongName => {
                write!(
                    f,
                    "topic, series name or labels longer than {} bytes; shorten `series`",
                    super::NAME_BYTES_MAX
                )
            }
            Self::UnmatchedTopic => {
                f.write_str("the topic matches none of `topics`: the broker serves what an earlier configuration asked for")
            }
            Self::NoTime(field) => {
                let fix = "write time_else = \"arrival\" to take the time of arrival then";
                write!(f, "no field `{field}`, which `time` names; {fix}")
            }
            Self::BadTime { field, value, expected, way_out } if field.is_empty() => {
                write!(f, "the time is `{}`, not a time in {expected}; {way_out}", shortened(value))
            }
            Self::BadTime { field, value, expected, way_out } => {
                write!(f, "`{field}` is `{}`, not a time in {expected}; {way_out}", shortened(value))
            }
            Self::Text { field, text, way_out } if field.is_empty() => {
                write!(f, "`{text}` is not a number; {way_out}")
            }
            Self::Text { field, text, way_out } => {
                write!(f, "`{field}` is `{text}`, not a number; {way_out}")
            }
            Self::NoPlace(field) => {
                let fix = format_args!("write {{{field}?}} there if some records lack it");
                write!(f, "no field `{field}`, which `series` names; {fix}")
            }
            Self::CompoundPlace(field) => {
                write!(f, "`{field}`, which `series` names, is an object or a list; name what is in it, as {field}/NAME")
            }
            Self::NotFinite(field) if field.is_empty() => f.write_str("the value is infinite or not a number"),
            Self::NotFinite(field) => write!(f, "`{field}` is infinite or not a number"),
        }
    }
}
