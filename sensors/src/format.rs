//! Payload formats: decode bytes into records of named numbers.
//!
//! A format puts every value of a record into [`Fields`], with its path (`a/b`, `list/0`; empty if a payload is one
//! value), and calls [`Fields::end`] after the record. A record may also bring a name, labels and a time of its own.
//! To add a format, write one file here and add two lines: its `mod`, and its entry in [`FORMATS`].

mod cbor;
mod cbor_tokens;
mod csv;
mod influx;
pub(crate) mod json;
mod json_tokens;
mod nmea;
mod number;
mod obis;
mod pairs;
mod senml;
mod sml;
mod sparkplug;
mod tree;

use crate::TimeFormat;
use crate::fields::{DecodeError, Fields};
use crate::text::TextRules;
use headwater_settings::Table;
use std::fmt;

/// What divides payloads in a stream of bytes, such as a serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFraming {
    /// The ends of lines.
    Lines,
    /// The escapes around telegrams of SML.
    Sml,
}

/// How many lines of a table around its header hold no reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedRows {
    /// Lines above it.
    pub above: u64,
    /// Rows below it, such as units.
    pub below: u64,
}

/// How a table is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableLayout<'a> {
    /// The lines around its header that hold no reading.
    pub skipped: SkippedRows,
    /// `None`: detected in its first line.
    pub delimiter: Option<u8>,
    /// The names of its columns; empty: its header names them.
    pub columns: &'a [Option<String>],
    /// Whether it has a header although its columns are named.
    pub has_own_header: bool,
}

/// A configured payload format. Each decoder has its own, so that a format may remember earlier payloads of the
/// source.
pub trait Format: fmt::Debug {
    /// Whether its values have names. If not, a payload is one value, and `fields` and `time` have no meaning.
    fn is_named(&self) -> bool {
        true
    }

    /// Whether records bring names or labels. If so, `series` may contain `{name}` and labels that only a record
    /// knows.
    fn brings_labels(&self) -> bool {
        false
    }

    /// The unit in which records bring a time of their own, unless `time_format` says another; `None`: they bring none,
    /// or there is no choice.
    fn own_time(&self) -> Option<TimeFormat> {
        None
    }

    /// Whether records bring a time of their own.
    fn brings_time(&self) -> bool {
        self.own_time().is_some()
    }

    /// Whether a payload may hold a list of records, which `records` names; decoding then asks [`Fields::records`].
    fn has_lists(&self) -> bool {
        false
    }

    /// What divides its payloads in a stream of bytes.
    fn framing(&self) -> PayloadFraming {
        PayloadFraming::Lines
    }

    /// How a table of a recording is read.
    fn table(&self) -> TableLayout<'_> {
        TableLayout::default()
    }

    /// The default of `series`.
    fn series(&self) -> &'static str {
        if self.is_named() { "{topic}/{field}" } else { "{topic}" }
    }

    /// Decodes one payload.
    ///
    /// # Errors
    /// The payload is broken, and nothing of it is used. [`Fields::reject`] costs a single record.
    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError>;

    /// Decodes one line of a longer text, such as a file, whose earlier lines may explain it (a header).
    ///
    /// # Errors
    /// As [`Format::decode`].
    fn decode_line(&mut self, line: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        self.decode(line, fields)
    }

    /// Learns from the beginning of a text that an earlier decoder has read.
    fn resume(&mut self, _beginning: &[u8]) {}

    /// Takes what is to be said to the sender of the last payload, by a source that can.
    fn reply(&mut self) -> Option<Reply> {
        None
    }

    /// A copy, for another decoder.
    fn boxed(&self) -> Box<dyn Format>;
}

/// A message to a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The topic to publish to.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A text without what senders add to it: a byte order mark before it, NULs and blanks after it.
pub(crate) fn bare(payload: &[u8]) -> &[u8] {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mut text = payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload);
    while let [rest @ .., b'\0' | b' ' | b'\t' | b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}

impl Clone for Box<dyn Format> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// Reads a format's keys; the source's rules for texts are read already.
pub(crate) type ReadFormat = fn(&mut Table<'_>, &TextRules) -> Option<Box<dyn Format>>;

/// A kind of format: what `format = "…"` names.
pub struct FormatKind {
    /// The word in the config.
    pub name: &'static str,
    /// Reads the format's own keys from the source's table; `None`: there were mistakes, which the table has noted.
    pub read: ReadFormat,
    /// A commented sample of its keys.
    pub sample: &'static str,
}

/// All formats; the first is the default.
pub const FORMATS: &[FormatKind] = &[
    json::KIND,   //
    number::KIND, //
    cbor::KIND,   //
    csv::KIND,    //
    influx::KIND, //
    senml::KIND,  //
    sparkplug::KIND,
    nmea::KIND, //
    obis::KIND,
    sml::KIND,
    pairs::KIND,
];
