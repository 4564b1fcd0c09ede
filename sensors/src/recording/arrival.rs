//! Readings without a time of their own, in a recording that says when they came.

use crate::sink_layer::SinkLayer;
use crate::{SeriesRef, Sink, Stamp};

/// Hands everything on to a sink; a reading that has no time is one of the recorded arrival.
pub(super) struct Arrived<'a> {
    pub(super) sink: &'a mut dyn Sink,
    /// When the message came [ms since the Unix epoch]; `None`: that is not recorded.
    pub(super) arrival_ms: Option<i64>,
}

impl SinkLayer for Arrived<'_> {
    fn behind(&self) -> &dyn Sink {
        self.sink
    }

    fn behind_mut(&mut self) -> &mut dyn Sink {
        self.sink
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        let stamp = match (stamp, self.arrival_ms) {
            (Stamp::Arrival, Some(ms)) => Stamp::Event(ms),
            (Stamp::FromArrival(apart), Some(ms)) => Stamp::Event(ms.saturating_add(apart)),
            (stamp, _) => stamp,
        };
        self.sink.reading(series, stamp, value);
    }
}
