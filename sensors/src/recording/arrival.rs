//! Readings without a time of their own, in a recording that says when they came.

use crate::{ConnectionState, SeriesRef, Sink, Stamp};
use std::fmt::Display;

/// Hands everything on to a sink; a reading that has no time is one of the recorded arrival.
pub(super) struct Arrived<'a> {
    pub(super) sink: &'a mut dyn Sink,
    /// When the message came [ms since the Unix epoch]; `None`: that is not recorded.
    pub(super) arrival_ms: Option<i64>,
}

impl Sink for Arrived<'_> {
    fn message(&mut self) {
        self.sink.message();
    }

    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        self.sink.series(name, labels)
    }

    fn generation(&self) -> u32 {
        self.sink.generation()
    }

    fn knows(&self, series: SeriesRef) -> bool {
        self.sink.knows(series)
    }

    fn renamed(&mut self, raw: &str, name: &str) {
        self.sink.renamed(raw, name);
    }

    fn unit(&mut self, unit: &str) {
        self.sink.unit(unit);
    }

    fn remark(&mut self, source: &str, text: &str) {
        self.sink.remark(source, text);
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        let stamp = match (stamp, self.arrival_ms) {
            (Stamp::Arrival, Some(ms)) => Stamp::Event(ms),
            (Stamp::FromArrival(apart), Some(ms)) => Stamp::Event(ms.saturating_add(apart)),
            (stamp, _) => stamp,
        };
        self.sink.reading(series, stamp, value);
    }

    fn refused(&mut self, count: u32) {
        self.sink.refused(count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.sink.invalid(origin, why);
    }

    fn empty(&mut self, count: u32) {
        self.sink.empty(count);
    }

    fn filtered(&mut self, count: u32) {
        self.sink.filtered(count);
    }

    fn repeated(&mut self, count: u32) {
        self.sink.repeated(count);
    }

    fn replaying(&mut self, is_replayed: bool) {
        self.sink.replaying(is_replayed);
    }

    fn retained(&mut self, count: u32) {
        self.sink.retained(count);
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        self.sink.connection(state);
    }
}
