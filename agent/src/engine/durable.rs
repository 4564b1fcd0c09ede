//! The engine's state on disk: what is in it and when it is written; `earlier.rs` reads it back.
//!
//! A checkpoint is written only once the messages made before it are acknowledged or in the buffer: a window that it
//! holds as closed must not have its summary in memory only. It is written at every interval, mostly as what has
//! changed, and earlier where something waits for it: a source that acknowledges only what is durable, or a window that has been told of as often
//! as the last checkpoint allows. `write_budget.rs` keeps that within `daily_writes`.

use super::Engine;
use super::clock_follower::Permit;
use crate::checkpoint::{Body, BodyWriter};
use headwater_forwarder::SpoolPosition;
use headwater_pipeline::account::ReadingCounts;
use headwater_pipeline::pipeline::RevLimit;
use std::time::Duration;
use tokio::time::Instant;

/// The file in the state directory.
pub(crate) const FILE: &str = "windows.checkpoint";

/// State taken at one moment, and the messages that must be safe before it is written.
pub(crate) struct Snapshot {
    pub(super) body: Body,
    /// Whether nothing comes after it.
    pub(super) is_last: bool,
    pub(super) rev_limit: RevLimit,
    /// The number of what sources have handed over last: it holds everything up to that.
    pub(super) through: u64,
    /// How long it took to take.
    pub(super) took: Duration,
    pub(super) permit: Permit,
    pub(super) position: SpoolPosition,
    /// The segment of the journal that follows it.
    pub(super) segment: u64,
    /// The readings that it knows of.
    pub(super) readings: ReadingCounts,
}

impl Engine {
    /// The whole state, now; the next one follows within `next_ms`. `None`: nothing comes after it, and every message is
    /// safe.
    pub(crate) fn snapshot(&self, next_ms: Option<i64>) -> Snapshot {
        self.settle();
        let (start, is_last) = (Instant::now(), next_ms.is_none());
        let mut body = BodyWriter::default();
        self.save_own(is_last, next_ms.unwrap_or(0), &mut body);
        let now = self.now();
        let rev_limit = self.pipeline.borrow_mut().checkpoint(now, &mut body);
        let body = body.finish();
        // After the last one nothing is made; should it not be written, the journal is what there is.
        let segment = if is_last { 0 } else { self.begin_segment(body.name(), now) };
        let (through, position) = (self.safety.handed_over(), self.forwarder().position());
        let (took, permit) = (start.elapsed(), self.follower.permit());
        let readings = self.pipeline.borrow().totals();
        Snapshot { body, is_last, rev_limit, through, took, permit, position, segment, readings }
    }
}
