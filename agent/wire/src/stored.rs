//! An event as it lies in the buffer: compact, and readable by later versions of the program.
//!
//! ```text
//! kind u8 | version u8 | fields (see `fields`)
//! ```
//!
//! A version is raised only where fields change their meaning. Further fields need none: whoever does not know them passes
//! over them, and whoever misses one takes it as 0, empty or none. A tag is never given to another field.

mod fields;
mod own;
mod read;
mod series;
mod shared;
mod tags;

pub(crate) use read::read_to_send;
pub use read::{EventNames, StoredError, names, read_event};
pub use series::{Mergeable, mergeable};

use fields::{put_field, put_text, put_varint};
use headwater_pipeline::event::{ClockMark, Event};

/// The kinds, as they are stored.
const SUMMARY: u8 = 1;
const READING: u8 = 2;
const ALERT: u8 = 3;
const EVIDENCE: u8 = 4;
const REPORT: u8 = 5;
const CLOCK: u8 = 6;
const STATUS: u8 = 7;

/// The version of every kind that this program writes, and the newest that it reads.
const VERSION: u8 = 1;

/// Appends an event.
pub fn put_event(to: &mut Vec<u8>, event: &Event) {
    let kind = match event {
        Event::Summary(_) => SUMMARY,
        Event::Reading(_) => READING,
        Event::Alert(_) => ALERT,
        Event::Evidence(_) => EVIDENCE,
        Event::Report(_) => REPORT,
        Event::Clock(_) => CLOCK,
        Event::Status(_) => STATUS,
    };
    to.extend_from_slice(&[kind, VERSION]);
    match event {
        Event::Summary(summary) => series::put_summary(to, summary),
        Event::Reading(reading) => series::put_reading(to, reading),
        Event::Alert(alert) => series::put_alert(to, alert),
        Event::Evidence(evidence) => series::put_evidence(to, evidence),
        Event::Report(report) => own::put_report(to, report),
        Event::Clock(set) => own::put_clock(to, set),
        Event::Status(status) => own::put_status(to, status),
    }
}

/// Appends a field of text; an empty one is left out.
fn put_name(to: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_field(to, tag, |to| to.extend_from_slice(text.as_bytes()));
    }
}

/// Appends a field that is a count; 0 is left out.
fn put_count(to: &mut Vec<u8>, tag: u8, count: u64) {
    if count != 0 {
        put_field(to, tag, |to| put_varint(to, count));
    }
}

/// Appends the clock of times; one that is right is left out.
fn put_clock_mark(to: &mut Vec<u8>, tag: u8, clock: &ClockMark) {
    match clock {
        ClockMark::True => {}
        ClockMark::Turn(turn) => put_field(to, tag, |to| put_varint(to, u64::from(*turn))),
        ClockMark::Boot(boot) => put_field(to, tag, |to| {
            put_varint(to, 0);
            put_text(to, boot);
        }),
    }
}

#[cfg(test)]
mod tests;
