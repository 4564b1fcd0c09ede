//! Events as messages of the forwarder.

use super::id::Id;
use super::kinds::Encoded;
use super::place::Unplaced;
use super::stored::put_event;
use bytes::Bytes;
use headwater_forwarder::{Lane, Message};
use headwater_pipeline::event::Event;

/// Encodes events, and reuses its buffer.
#[derive(Debug, Default)]
pub struct Messages {
    scratch: Vec<u8>,
}

impl Messages {
    /// Encodes an event that was made at `made_ms`.
    pub fn message(&mut self, event: &Event, made_ms: i64) -> Message {
        self.scratch.clear();
        put_event(&mut self.scratch, event);
        let body = Bytes::copy_from_slice(&self.scratch);
        Message { lane: lane(event), made_ms, body }
    }
}

/// The lane of an event. An event whose time is not known is held.
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

/// The id of an event, with the clocks that it was stamped with; empty if it has none.
#[must_use]
pub fn id(event: &Event) -> String {
    Id::of(event, &Unplaced).map_or_else(String::new, |id| id.to_string())
}
