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
mod parts;
mod read;
mod series;
mod shared;
mod tags;

pub use parts::StoredError;
pub(crate) use read::read_to_send;
pub use read::{EventNames, names, read_event};
pub use series::{Mergeable, mergeable};

use headwater_pipeline::event::Event;
use parts::{ALERT, CLOCK, EVIDENCE, PREDICTION, READING, REPORT, STATUS, SUMMARY, VERSION};

/// Appends an event.
pub fn put_event(to: &mut Vec<u8>, event: &Event) {
    let kind = match event {
        Event::Summary(_) => SUMMARY,
        Event::Reading(_) => READING,
        Event::Alert(_) => ALERT,
        Event::Evidence(_) => EVIDENCE,
        Event::Prediction(_) => PREDICTION,
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
        Event::Prediction(prediction) => series::put_prediction(to, prediction),
        Event::Report(report) => own::put_report(to, report),
        Event::Clock(set) => own::put_clock(to, set),
        Event::Status(status) => own::put_status(to, status),
    }
}

#[cfg(test)]
mod tests;
