//! The parts that all kinds of stored events share: kind and version, names, counts and times.

use super::fields::{StoredFields, put_field, put_signed, put_text, put_varint};
use super::tags;
use headwater_pipeline::event::{BootId, ClockMark, Timestamp};

/// The stored kinds.
pub(super) const SUMMARY: u8 = 1;
pub(super) const READING: u8 = 2;
pub(super) const ALERT: u8 = 3;
pub(super) const EVIDENCE: u8 = 4;
pub(super) const REPORT: u8 = 5;
pub(super) const CLOCK: u8 = 6;
pub(super) const STATUS: u8 = 7;
pub(super) const PREDICTION: u8 = 8;

/// The version that this program writes for every kind, and the newest that it reads.
pub(super) const VERSION: u8 = 1;

/// The bytes are not an event that this program can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// The event is cut off or damaged.
    #[error("a stored event is cut off")]
    CutOff,
    /// Its kind is unknown to this program.
    #[error("a stored event is of kind {0}, which this version of the program does not know")]
    Kind(u8),
    /// Its version is unknown to this program.
    #[error("a stored {kind} is of version {version}; this version of the program reads up to {VERSION}")]
    Version {
        /// The kind's word.
        kind: &'static str,
        /// The version.
        version: u8,
    },
    /// A field cannot be read.
    #[error("field {0} of a stored event cannot be read")]
    Field(u8),
    /// The cause of a report is unknown to this program.
    #[error("a stored report has the cause `{0}`, which this version of the program does not know")]
    Cause(String),
}

pub(super) fn bad(tag: u8) -> StoredError {
    StoredError::Field(tag)
}

/// Kind and fields of a stored event.
pub(super) fn fields_of(body: &[u8]) -> Result<(u8, StoredFields<'_>), StoredError> {
    let [kind, version, fields @ ..] = body else { return Err(StoredError::CutOff) };
    let word = word(*kind)?;
    if *version > VERSION {
        return Err(StoredError::Version { kind: word, version: *version });
    }
    Ok((*kind, StoredFields::read(fields).ok_or(StoredError::CutOff)?))
}

pub(super) fn word(kind: u8) -> Result<&'static str, StoredError> {
    Ok(match kind {
        SUMMARY => "summary",
        READING => "reading",
        ALERT => "alert",
        EVIDENCE => "evidence",
        PREDICTION => "prediction",
        REPORT => "report",
        CLOCK => "clock",
        STATUS => "status",
        other => return Err(StoredError::Kind(other)),
    })
}

/// The clock of the event's times.
pub(super) fn clock_mark(fields: &StoredFields<'_>, tag: u8) -> Result<ClockMark, StoredError> {
    let Some(mut from) = fields.get(tag) else { return Ok(ClockMark::True) };
    let turn = from.varint().and_then(|turn| u32::try_from(turn).ok()).ok_or(bad(tag))?;
    if turn > 0 {
        return Ok(ClockMark::Turn(turn));
    }
    from.text().map(|boot| ClockMark::Boot(BootId::from(boot))).ok_or(bad(tag))
}

/// Appends a text field; an empty one is left out.
pub(super) fn put_name(to: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_field(to, tag, |to| to.extend_from_slice(text.as_bytes()));
    }
}

/// Appends a count field; 0 is left out.
pub(super) fn put_count(to: &mut Vec<u8>, tag: u8, count: u64) {
    if count != 0 {
        put_field(to, tag, |to| put_varint(to, count));
    }
}

/// Appends the clock of times; a correct clock is left out.
pub(super) fn put_clock_mark(to: &mut Vec<u8>, tag: u8, clock: &ClockMark) {
    match clock {
        ClockMark::True => {}
        ClockMark::Turn(turn) => put_field(to, tag, |to| put_varint(to, u64::from(*turn))),
        ClockMark::Boot(boot) => put_field(to, tag, |to| {
            put_varint(to, 0);
            put_text(to, boot);
        }),
    }
}

pub(super) fn put_time(to: &mut Vec<u8>, time: &Timestamp) {
    put_field(to, tags::TIME, |to| put_signed(to, time.ms));
    put_clock_mark(to, tags::CLOCK, &time.clock);
}

pub(super) fn time(fields: &StoredFields<'_>) -> Result<Timestamp, StoredError> {
    Ok(Timestamp { ms: signed(fields, tags::TIME)?, clock: clock_mark(fields, tags::CLOCK)? })
}

pub(super) fn text<'a>(fields: &StoredFields<'a>, tag: u8) -> Result<&'a str, StoredError> {
    fields.of(tag).rest_text().ok_or(bad(tag))
}

pub(super) fn signed(fields: &StoredFields<'_>, tag: u8) -> Result<i64, StoredError> {
    fields.of(tag).rest_signed().ok_or(bad(tag))
}
