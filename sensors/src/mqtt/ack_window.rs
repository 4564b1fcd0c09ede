//! The messages that are handed over and not yet safely acknowledged.
//!
//! A message is acknowledged when its readings are as safe as `ack` wants: written, or durable. Until the broker has seen the
//! acknowledgement, it may send the message again: on the next connection, marked as a repeat, under the same packet
//! id and in the same order (MQTT 3.1.1 and 5, 4.4 and 4.6). The mark, the id and a hash of topic and payload
//! identify a repeat, even after a crash: the list of possible repeats is part of every checkpoint, and what is handed over
//! after it leaves a receipt. A message without the mark is new, whatever its id and content: the broker has reused the
//! packet id, and no old message follows it.
//!
//! Two messages cannot be told apart if the broker uses a packet id twice within one checkpoint's time, for messages
//! of equal topic and payload, and the agent then crashes. mosquitto assigns ids in turn, so that 65,535 messages lie
//! between.

mod lists;

use crate::hash::stable;
use crate::{Safety, SafetyLevel, Sink};
use headwater_mqtt::{Client, Publish, Qos};
pub(super) use lists::Delivery;
use lists::{Held, Lists, MessageId, SavedLists};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::watch;

/// The acknowledgement window of a source.
pub(super) struct AckWindow {
    lists: Rc<RefCell<Lists>>,
    safety: Safety,
    level: SafetyLevel,
    safe: watch::Receiver<u64>,
}

impl AckWindow {
    /// Restores the state of an earlier run; `None`: the sink makes nothing safe.
    pub(super) fn new(sink: &mut dyn Sink, level: SafetyLevel) -> Option<Self> {
        let lists = Rc::new(RefCell::new(Lists::default()));
        let (safety, left) = sink.safety(Rc::new(SavedLists(lists.clone())))?;
        match Lists::restore(&left) {
            Ok(restored) => *lists.borrow_mut() = restored,
            Err(why) => sink.state_dropped(&format!("{why}; messages that the broker repeats count twice")),
        }
        let safe = safety.safe(level);
        Some(Self { lists, safety, level, safe })
    }

    /// The connection is lost: what is not acknowledged is to come again, and can be acknowledged only then.
    pub(super) fn on_lost(&self) {
        self.lists.borrow_mut().expect();
    }

    /// The broker has begun a new session: it sends no repeats.
    pub(super) fn on_new_session(&self) {
        self.lists.borrow_mut().forget();
    }

    /// Whether a message is new or repeated.
    pub(super) fn on_publish(&self, publish: &Publish) -> Delivery {
        if publish.qos == Qos::AtMostOnce {
            return Delivery::New(0);
        }
        let hash = stable(&[publish.topic_bytes(), &publish.payload]);
        self.lists.borrow_mut().delivery(publish.dup, publish.ticket(), hash)
    }

    /// The readings of a new message were handed over.
    pub(super) fn on_used(&self, publish: &Publish, hash: u32, sink: &mut dyn Sink) {
        if publish.qos == Qos::AtMostOnce {
            return;
        }
        let ticket = publish.ticket();
        let id = MessageId { pkid: ticket.packet_id(), hash };
        let held = Held { id, number: sink.hand_over(id.receipt()) };
        self.lists.borrow_mut().hold(held, ticket);
    }

    /// Acknowledges messages that are safe, as far as the connection has room; the rest at the next call.
    pub(super) fn acknowledge(&self, client: &Client) {
        let safe = *self.safe.borrow();
        self.lists.borrow_mut().release(safe, |ticket| client.ack(ticket).is_ok());
    }

    /// Returns when more is safe.
    pub(super) async fn safer(&mut self) {
        if self.safe.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Returns when everything is safe that is only to be written, which takes as long as one write.
    pub(super) async fn written(&mut self) {
        let last = self.lists.borrow().unacked.back().map_or(0, |(held, _)| held.number);
        if self.level == SafetyLevel::Written {
            // An error means that the sink is gone: nothing is written any more.
            let _ = self.safe.wait_for(|safe| *safe >= last).await;
        }
    }

    /// The number of unacknowledged messages.
    pub(super) fn unacked(&self) -> usize {
        self.lists.borrow().unacked.len()
    }

    /// Asks for what is handed over to be made durable.
    pub(super) fn want_durable(&self) {
        self.safety.want_durable();
    }

    /// The session is that of this client id. Returns the one that an earlier run has left, if it was another.
    pub(super) fn exchange_client_id(&self, client_id: &str) -> Option<String> {
        let earlier = std::mem::replace(&mut self.lists.borrow_mut().client_id, client_id.to_owned());
        (!earlier.is_empty() && earlier != client_id).then_some(earlier)
    }

    /// The filters of the session, as far as known.
    pub(super) fn filters(&self) -> Vec<String> {
        self.lists.borrow().filters.clone()
    }

    /// The session has these filters from now on.
    pub(super) fn on_subscribed(&self, filters: &[String]) {
        self.lists.borrow_mut().filters = filters.to_vec();
    }
}
