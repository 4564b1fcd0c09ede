//! The trait of those who take readings from sources: the agent, `replay` and tests.

use crate::{Checkpoints, PersistState};
use std::rc::Rc;

/// A series, as its sink numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef(pub u32);

/// When a reading was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Its own time [ms since the Unix epoch].
    Event(i64),
    /// It has none: the time of arrival, which the sink knows.
    Arrival,
}

/// The state of a source's connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConnectionState<'a> {
    /// The source is connected.
    Up,
    /// The source is not connected, and tries again.
    Down {
        /// The mistake and, where known, the way out.
        reason: &'a str,
    },
    /// The input has ended: no reading comes any more.
    Ended,
}

/// Takes what a source reads. The agent implements it.
pub trait Sink {
    /// Introduces a series by name and labels, once per source and series: the answer goes with every reading.
    /// `None` means that the limit on series is reached: the source counts its readings with [`Sink::refused`] and
    /// remembers nothing of it.
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef>;

    /// One number [series unit] of one series; always finite.
    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64);

    /// `count` readings of series past the limit.
    fn refused(&mut self, count: u32);

    /// A payload (or one wanted field of it) that cannot be decoded: counts one. `origin` is the topic or file.
    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display);

    /// A payload that was handed over before: counts one.
    fn repeated(&mut self) {}

    /// The connection came up or went down; called on changes only.
    fn connection(&mut self, state: ConnectionState<'_>);

    /// Registers the source's `state` for every checkpoint; the answer is the sink's checkpoints and the bytes that the
    /// state of an earlier run has left. `None`: the sink has no checkpoints.
    fn checkpoints(&mut self, state: Rc<dyn PersistState>) -> Option<(Checkpoints, Vec<u8>)> {
        let _ = state;
        None
    }

    /// The state that an earlier run has left cannot be read: the source begins without it.
    fn state_dropped(&mut self, why: &str) {
        let _ = why;
    }
}
