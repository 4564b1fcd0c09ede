//! An event as what the forwarder keeps.

use super::fields::Encoded;
use super::id::Id;
use super::place::Unplaced;
use super::stored::put_event;
use bytes::Bytes;
use headwater_forwarder::{Lane, Message};
use headwater_pipeline::event::Event;

/// Stores events; keeps its buffer between them.
#[derive(Debug, Default)]
pub struct Messages {
    scratch: Vec<u8>,
}

impl Messages {
    /// An event as what the forwarder keeps, made at `made_ms`.
    pub fn message(&mut self, event: &Event, made_ms: i64) -> Message {
        self.scratch.clear();
        put_event(&mut self.scratch, event);
        let body = Bytes::copy_from_slice(&self.scratch);
        Message { lane: lane(event), made_ms, body }
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
