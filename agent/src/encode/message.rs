//! An event as what the forwarder keeps.

use super::Route;
use super::fields::Encoded;
use super::id::Id;
use super::place::{Placer, Unplaced};
use crate::event::Event;
use crate::thin;
use bytes::Bytes;
use headwater_forwarder::{Lane, Message};

/// Encodes events; keeps its buffer between them.
#[derive(Debug, Default)]
pub struct Messages {
    scratch: Vec<u8>,
}

impl Messages {
    /// Encodes an event into what the forwarder keeps, made at `made_ms`.
    pub fn message(&mut self, event: &Event, made_ms: i64) -> Message {
        self.placed(event, made_ms, &Unplaced)
    }

    /// The same, with what is known of clocks: an alert may have been raised before its clock was.
    pub(crate) fn placed(&mut self, event: &Event, made_ms: i64, placer: &dyn Placer) -> Message {
        self.scratch.clear();
        let written = serde_cbor::to_writer(&mut self.scratch, &Encoded { event, placer });
        debug_assert!(written.is_ok(), "a map of plain values into memory cannot fail");
        let body = Bytes::copy_from_slice(&self.scratch);
        self.scratch.clear();
        let names = event.about().map_or(("", ""), |about| (&*about.stream, &*about.series));
        Route::new(event.kind(), names.0, names.1).save(&mut self.scratch);
        if let Event::Summary(summary) = event
            && let Some(pane) = &summary.pane
        {
            thin::save_parts(summary.start.ms, summary.end_ms, summary.rev, pane, &mut self.scratch);
        }
        Message { lane: lane(event), made_ms, route: Bytes::copy_from_slice(&self.scratch), body }
    }
}

/// The queue that an event waits in. What carries times that are not known is held.
fn lane(event: &Event) -> Lane {
    let lane = if event.is_urgent() { Lane::Alert } else { Lane::Data };
    if event.clock().is_unsynced() { lane.held() } else { lane }
}

/// An event as JSON, with the clocks that it was stamped with.
///
/// # Errors
/// A number that JSON has no word for.
pub fn to_json(event: &Event) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Encoded { event, placer: &Unplaced })
}

/// An event's id, with the clocks that it was stamped with; empty: it has none.
#[must_use]
pub fn id(event: &Event) -> String {
    Id::of(event, &Unplaced).map_or_else(String::new, |id| id.to_string())
}
