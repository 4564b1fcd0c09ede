//! A sink beside another one, which sees what becomes of a payload, so that its sender can be told.

use crate::sink_layer::SinkLayer;
use crate::{SeriesRef, Sink, Stamp};
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

impl SinkLayer for Witness<'_> {
    fn behind(&self) -> &dyn Sink {
        self.sink
    }

    fn behind_mut(&mut self) -> &mut dyn Sink {
        self.sink
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        self.is_used = true;
        self.sink.reading(series, stamp, value);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.invalid.get_or_insert_with(|| clean(&why.to_string(), LINE_BYTES_MAX).into_owned());
        self.sink.invalid(origin, why);
    }

    fn understood(&mut self) {
        self.is_used = true;
    }
}
