//! The trait of those that receive readings from sources: the agent, `replay` and tests.

use crate::{AckFigures, PersistState, Receipt, Safety, SourceLeft, SourcePosition};
use headwater_http::Routes;
use std::rc::Rc;

/// A series, as the sink numbers it; no other one gets the number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef(pub u64);

/// When a reading was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// At its own time [ms since the Unix epoch].
    Event(i64),
    /// On arrival, which the sink knows.
    Arrival,
    /// So long after its arrival (ms); negative: before it.
    FromArrival(i64),
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
    /// The input has ended: no more readings will come.
    Ended,
}

/// Receives readings from a source. The agent implements it.
pub trait Sink {
    /// Begins a message that names series; those which follow until the next one are of this message.
    fn message(&mut self) {}

    /// Says that a message is read now which may end this run, or may have ended one before, by a hash of it. `false`: it has
    /// ended two runs while it was read, and must not be read again. Otherwise [`Sink::end_reading`] follows.
    fn begin_reading(&mut self, message: u32) -> bool {
        let _ = message;
        true
    }

    /// Says whether the message was read which [`Sink::begin_reading`] has named; otherwise it ends this run.
    fn end_reading(&mut self, was_read: bool) {
        let _ = was_read;
    }

    /// Whether there is room for what comes of further readings; `false`: it would be given up. A source whose input keeps what
    /// it holds waits while there is none.
    fn has_room(&self) -> bool {
        true
    }

    /// Introduces a series by name and labels, once per source and series; every reading carries the result. `None`:
    /// the limit on series is reached. The source then counts its readings with [`Sink::refused`] and remembers
    /// nothing of the series.
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef>;

    /// How many series the sink has forgotten so far, modulo 2^32. When that changes, a source asks [`Sink::knows`] of those
    /// that it remembers before it uses them, and introduces them again.
    fn generation(&self) -> u32 {
        0
    }

    /// Whether the sink has not forgotten a series.
    fn knows(&self, series: SeriesRef) -> bool {
        let _ = series;
        true
    }

    /// Notes that a series which is introduced next has a name or a label that was not safe: `raw` is its name as it
    /// came, `name` that of the series.
    fn renamed(&mut self, raw: &str, name: &str) {
        let _ = (raw, name);
    }

    /// Says the unit of the series that is introduced next, as the payload has it.
    fn unit(&mut self, unit: &str) {
        let _ = unit;
    }

    /// One number [series unit] of one series that the sink knows; always finite.
    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64);

    /// Says once what a person may want to know of the payloads of `source`, with the way out. By default the log has it.
    fn remark(&mut self, source: &str, text: &str) {
        tracing::info!(source, "{text}");
    }

    /// Counts `count` readings of series beyond the limit.
    fn refused(&mut self, count: u32);

    /// Counts a payload, or one wanted field of it, that cannot be decoded. `origin` is the topic or file.
    fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display);

    /// Counts records that hold no reading, which is ordinary.
    fn empty(&mut self, count: u32) {
        let _ = count;
    }

    /// Counts readings that the source's own condition turns away.
    fn filtered(&mut self, count: u32) {
        let _ = count;
    }

    /// Counts payloads or readings that were handed over before.
    fn repeated(&mut self, count: u32) {
        let _ = count;
    }

    /// Says whether the readings that follow are values that a broker had kept, which are no sign of life of the sensor.
    fn replaying(&mut self, is_replayed: bool) {
        let _ = is_replayed;
    }

    /// Counts messages that the broker had retained and that are not read.
    fn retained(&mut self, count: u32) {
        let _ = count;
    }

    /// Counts payloads that were lost before they were decoded, because there was no room for them.
    fn dropped(&mut self, count: u32) {
        let _ = count;
    }

    /// Counts payloads that the other side keeps no longer; `why` says which.
    fn gone(&mut self, count: u32, why: &str) {
        let _ = (count, why);
    }

    /// Reports that the connection came up or went down; called on changes only.
    fn connection(&mut self, state: ConnectionState<'_>);

    /// Says what a person should know of the source while it lasts, with the way out; `None` when it is over.
    fn trouble(&mut self, what: Option<&str>) {
        let _ = what;
    }

    /// Shows how the source stands with its acknowledgements, from now on.
    fn acks(&mut self, figures: Rc<AckFigures>) {
        let _ = figures;
    }

    /// The paths of the agent's HTTP listener, to which the source may add its own; `None`: there is no listener.
    fn routes(&mut self) -> Option<Routes> {
        None
    }

    /// Registers the source's `state` for every checkpoint. Returns how far what is handed over is safe, and what an
    /// earlier run has left. `None`: the sink makes nothing safe.
    fn safety(&mut self, state: Rc<dyn PersistState>) -> Option<(Safety, SourceLeft)> {
        let _ = state;
        None
    }

    /// Takes the receipt of a message, right after all its readings. Returns its number in [`Safety`]; 0, for what is
    /// safe already, of a sink that makes nothing safe.
    fn hand_over(&mut self, receipt: Receipt) -> u64 {
        let _ = receipt;
        0
    }

    /// The positions that an earlier run has left; none, of a sink that keeps none.
    fn positions(&mut self) -> Vec<SourcePosition> {
        Vec::new()
    }

    /// Takes the position of an input, right after the readings that were read before it; no bytes in `at`: the input is
    /// gone, and its position is forgotten. Returns its number in [`Safety`], as [`Sink::hand_over`] does. A source keeps
    /// few positions, because every checkpoint holds them.
    fn position(&mut self, key: &[u8], at: &[u8]) -> u64 {
        let _ = (key, at);
        0
    }

    /// Reports that the state of an earlier run cannot be read: the source starts without it.
    fn state_dropped(&mut self, why: &str) {
        let _ = why;
    }
}
