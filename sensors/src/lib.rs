//! Where readings come from: sources, and the payload formats they share.
//!
//! A source owns its connection, its back-off and its decoding, and knows nothing of windows, detectors or outputs:
//! it puts readings into a [`Sink`], synchronously and without an allocation per reading, on the thread that polls
//! it. To add a source, write one folder in `sensors/src/` and add two lines here: its `mod`, and its entry in
//! [`SOURCES`].

mod checkpoints;
mod csv;
mod decode;
mod format;
mod hash;
mod mqtt;
pub mod recording;
mod time;
mod topic;

pub use checkpoints::{Checkpoints, PersistState, saved_state};
pub use decode::{DecodeConfig, Decoder, Fields, NAME_BYTES_MAX, RejectReason, SeriesTemplate, Want};
pub use format::{FORMATS, Format, JsonError, Problem, Scalar};
pub use time::TimeFormat;
pub use topic::{Template, TopicError};

use headwater_settings::{Or, Table};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use tokio::sync::watch;

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
        /// What went wrong and, where known, the way out.
        reason: &'a str,
    },
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

/// Turns true when the source shall stop; a closed channel means the same.
pub type Stop = watch::Receiver<bool>;

/// A source, configured and not yet running.
pub trait Source {
    /// How its payloads become readings; `replay` reads recordings with it.
    fn decode(&self) -> &DecodeConfig;

    /// Whether it hands over again, in the same order, what a crash has made the sink forget.
    fn is_durable(&self) -> bool {
        false
    }

    /// Runs until `stop`, however often the connection is lost.
    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// What every source is told about the agent that runs it.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The agent's id, for client ids.
    pub agent: String,
    /// The source's own name in the config.
    pub source: String,
    /// `[limits] payload` (bytes).
    pub payload_bytes_max: usize,
    /// `[limits] series`.
    pub series_max: usize,
}

/// A kind of source: what `type = "…"` names.
pub struct SourceKind {
    /// The word in the config.
    pub name: &'static str,
    /// Reads the source's table; mistakes go to the table, and `None` means there were some.
    pub read: fn(&mut Table<'_>, &SourceContext) -> Option<Box<dyn Source>>,
    /// A commented sample of its table.
    pub sample: &'static str,
}

/// All kinds; the first is the one that most people want.
pub const SOURCES: &[SourceKind] = &[mqtt::KIND];

/// Reads a source's table by its `type`; the caller finishes the table. `None`: there were mistakes, which the table
/// knows.
pub fn read_source(table: &mut Table<'_>, context: &SourceContext) -> Option<Box<dyn Source>> {
    let kinds: Vec<(&str, &SourceKind)> = SOURCES.iter().map(|kind| (kind.name, kind)).collect();
    let kind = table.choice("type", &kinds).given();
    if kind.is_none() {
        let names: Vec<String> = kinds.iter().map(|(name, _)| format!("`type = \"{name}\"`")).collect();
        table.missing("type", format!("add {}", names.join(" or ")));
        // As the likeliest kind, so that its other keys are not taken for unknown ones.
        (SOURCES.first()?.read)(table, context);
    }
    (kind?.read)(table, context)
}
