//! A sink beside another one, which sees what becomes of a payload, so that its sender can be told.

use crate::{ConnectionState, SeriesRef, Sink, Stamp};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::fmt::Display;

/// Hands everything on, and remembers whether anything could be used.
pub(super) struct Witness<'a> {
    sink: &'a mut dyn Sink,
    is_used: bool,
    /// Why something could not be used.
    invalid: Option<String>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink) -> Self {
        Self { sink, is_used: false, invalid: None }
    }

    /// Why nothing of the payload could be used.
    pub(super) fn refusal(self) -> Option<String> {
        self.invalid.filter(|_| !self.is_used)
    }
}

impl Sink for Witness<'_> {
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
        self.is_used = true;
        self.sink.reading(series, stamp, value);
    }

    fn refused(&mut self, count: u32) {
        self.is_used = true;
        self.sink.refused(count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.invalid.get_or_insert_with(|| clean(&why.to_string(), LINE_BYTES_MAX).into_owned());
        self.sink.invalid(origin, why);
    }

    fn empty(&mut self, count: u32) {
        self.is_used = true;
        self.sink.empty(count);
    }

    fn filtered(&mut self, count: u32) {
        self.is_used = true;
        self.sink.filtered(count);
    }

    fn repeated(&mut self, count: u32) {
        self.is_used = true;
        self.sink.repeated(count);
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        self.sink.connection(state);
    }
}
