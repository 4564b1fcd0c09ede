//! Reads stored events.

use super::fields::StoredFields;
use super::{ALERT, CLOCK, EVIDENCE, READING, REPORT, STATUS, SUMMARY, VERSION, own, series, tags};
use headwater_pipeline::event::{BootId, ClockMark, Event};

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

/// The names that address an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNames<'a> {
    /// The word for its kind on the wire.
    pub kind: &'static str,
    /// The stream's name, or empty.
    pub stream: &'a str,
    /// The series' name, or empty.
    pub series: &'a str,
    /// The clock of its own times.
    pub clock: ClockMark,
}

/// Reads the names of a stored event, and nothing else.
///
/// # Errors
/// [`StoredError`]: they are not there.
pub fn names(body: &[u8]) -> Result<EventNames<'_>, StoredError> {
    let (kind, fields) = fields_of(body)?;
    let text = |tag| fields.of(tag).rest_text().ok_or(bad(tag));
    let (stream, series) = (text(tags::STREAM)?, text(tags::SERIES)?);
    Ok(EventNames { kind: word(kind)?, stream, series, clock: clock_mark(&fields, tags::CLOCK)? })
}

/// Reads an event.
///
/// # Errors
/// [`StoredError`]: it is not whole, or of a later version of the program.
pub fn read_event(body: &[u8]) -> Result<Event, StoredError> {
    let (kind, fields) = fields_of(body)?;
    let mut event = of_kind(kind, &fields)?;
    if let Event::Summary(summary) = &mut event {
        summary.pane = series::read_pane(&fields).map(Box::new);
    }
    Ok(event)
}

/// Reads an event without the fields that only a roll-up needs, because outputs send none of them.
///
/// # Errors
/// As [`read_event`].
pub(crate) fn read_to_send(body: &[u8]) -> Result<Event, StoredError> {
    let (kind, fields) = fields_of(body)?;
    of_kind(kind, &fields)
}

fn of_kind(kind: u8, fields: &StoredFields<'_>) -> Result<Event, StoredError> {
    Ok(match kind {
        SUMMARY => Event::Summary(Box::new(series::read_summary(fields)?)),
        READING => Event::Reading(series::read_reading(fields)?),
        ALERT => Event::Alert(Box::new(series::read_alert(fields)?)),
        EVIDENCE => Event::Evidence(Box::new(series::read_evidence(fields)?)),
        REPORT => Event::Report(Box::new(own::read_report(fields)?)),
        CLOCK => Event::Clock(own::read_clock(fields)?),
        STATUS => Event::Status(Box::new(own::read_status(fields)?)),
        other => return Err(StoredError::Kind(other)),
    })
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

fn word(kind: u8) -> Result<&'static str, StoredError> {
    Ok(match kind {
        SUMMARY => "summary",
        READING => "reading",
        ALERT => "alert",
        EVIDENCE => "evidence",
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
