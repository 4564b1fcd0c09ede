//! Reads stored events.

use super::fields::StoredFields;
use super::parts::{
    ALERT, CLOCK, EVIDENCE, PREDICTION, READING, REPORT, STATUS, SUMMARY, StoredError, bad, clock_mark,
    fields_of, word,
};
use super::{own, series, tags};
use headwater_pipeline::event::{ClockMark, Event};

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
        PREDICTION => Event::Prediction(Box::new(series::read_prediction(fields)?)),
        REPORT => Event::Report(Box::new(own::read_report(fields)?)),
        CLOCK => Event::Clock(own::read_clock(fields)?),
        STATUS => Event::Status(Box::new(own::read_status(fields)?)),
        other => return Err(StoredError::Kind(other)),
    })
}
