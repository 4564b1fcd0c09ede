//! The messages in flight to a broker.

use crate::Tag;
use std::collections::VecDeque;

/// The messages in flight.
pub(super) struct Flight {
    pub(super) up: bool,
    pub(super) closing: bool,
    pub(super) window: usize,
    pub(super) packet_bytes_max: usize,
    /// Whether a message was answered.
    pub(super) useful: bool,
    /// Whether a message was refused with a reason: if the broker then closes the connection, it was for that one.
    pub(super) refused: bool,
    /// Requested, without an id yet.
    pub(super) requested: VecDeque<Option<Sent>>,
    /// Sent and not acknowledged, by packet id.
    sent: Vec<Option<Option<Sent>>>,
    /// Ids in the order of sending. The first one is in use.
    order: VecDeque<u16>,
}

/// A message in flight.
pub(super) struct Sent {
    pub(super) tag: Tag,
    /// Its topic, for the text of a refusal; empty where the broker cannot refuse with a reason.
    pub(super) topic: String,
}

impl Flight {
    pub(super) fn new(inflight: u16) -> Self {
        Self {
            up: false,
            closing: false,
            window: 1,
            packet_bytes_max: 0,
            useful: false,
            refused: false,
            requested: VecDeque::new(),
            sent: (0..=inflight).map(|_| None).collect(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn room(&self) -> usize {
        if !self.up || self.closing {
            return 0;
        }
        self.window.saturating_sub(self.requested.len() + self.order.len())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.requested.is_empty() && self.order.is_empty()
    }

    pub(super) fn on_sent(&mut self, pkid: u16) {
        let sent = self.requested.pop_front().flatten();
        let at = usize::from(pkid);
        if at >= self.sent.len() {
            self.sent.resize_with(at + 1, || None);
        }
        if let Some(slot) = self.sent.get_mut(at) {
            *slot = Some(sent);
            self.order.push_back(pkid);
        }
    }

    /// The message with this id; or an announcement; or nothing.
    pub(super) fn on_acked(&mut self, pkid: u16) -> Option<Option<Sent>> {
        let answered = self.sent.get_mut(usize::from(pkid)).and_then(Option::take);
        let in_use = |sent: &[Option<_>], pkid: u16| sent.get(usize::from(pkid)).is_some_and(Option::is_some);
        while self.order.front().is_some_and(|pkid| !in_use(&self.sent, *pkid)) {
            self.order.pop_front();
        }
        answered
    }
}
