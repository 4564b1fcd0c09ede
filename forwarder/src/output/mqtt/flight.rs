//! The messages in flight to a broker.

use crate::Tag;
use std::collections::{HashMap, VecDeque};

/// The messages in flight.
pub(super) struct Flight {
    pub(super) up: bool,
    pub(super) closing: bool,
    /// The most messages that may be unacknowledged.
    pub(super) window: usize,
    pub(super) packet_bytes_max: usize,
    /// Whether a message was answered.
    pub(super) useful: bool,
    /// Whether a message was refused with a reason: if the broker then closes the connection, it was for that one.
    pub(super) refused: bool,
    /// Requested, without an id yet.
    pub(super) requested: VecDeque<Option<Sent>>,
    /// Sent and not acknowledged, by packet id.
    sent: HashMap<u16, Option<Sent>>,
}

/// A message in flight, or a batch of them.
pub(super) struct Sent {
    pub(super) tag: Tag,
    /// The other messages of its batch.
    pub(super) others: Vec<Tag>,
    /// Its topic, for the text of a refusal; empty where the broker cannot refuse with a reason.
    pub(super) topic: String,
}

impl Flight {
    pub(super) fn new() -> Self {
        Self {
            up: false,
            closing: false,
            window: 1,
            packet_bytes_max: 0,
            useful: false,
            refused: false,
            requested: VecDeque::new(),
            sent: HashMap::new(),
        }
    }

    pub(super) fn room(&self) -> usize {
        if !self.up || self.closing {
            return 0;
        }
        self.window.saturating_sub(self.requested.len() + self.sent.len())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requested.is_empty() && self.sent.is_empty()
    }

    pub(super) fn on_sent(&mut self, pkid: u16) {
        let sent = self.requested.pop_front().flatten();
        self.sent.insert(pkid, sent);
    }

    /// The message with this id; or an announcement; or nothing.
    pub(super) fn on_acked(&mut self, pkid: u16) -> Option<Option<Sent>> {
        self.sent.remove(&pkid)
    }
}
