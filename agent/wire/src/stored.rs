//! The stored form of an event: compact, and readable by later versions of the program.
//!
//! ```text
//! kind u8 | version u8 | fields (see `fields`)
//! ```
//!
//! The version is raised only if a field changes its meaning. A new field needs no new version: a program that does
//! not know a field skips it, and a missing field reads as 0, empty or none. A tag is never reused.

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

/// The stored kinds.
const SUMMARY: u8 = 1;
const READING: u8 = 2;
const ALERT: u8 = 3;
const EVIDENCE: u8 = 4;
const REPORT: u8 = 5;
const CLOCK: u8 = 6;
const STATUS: u8 = 7;

/// The version that this program writes for every kind, and the newest that it reads.
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

/// Appends a text field; an empty one is left out.
fn put_name(to: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_field(to, tag, |to| to.extend_from_slice(text.as_bytes()));
    }
}

/// Appends a count field; 0 is left out.
fn put_count(to: &mut Vec<u8>, tag: u8, count: u64) {
    if count != 0 {
        put_field(to, tag, |to| put_varint(to, count));
    }
}

/// Appends the clock of times; a correct clock is left out.
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
