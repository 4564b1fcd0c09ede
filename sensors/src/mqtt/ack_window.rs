//! The messages that are handed over and not yet safely acknowledged: `ack = "durable"`.
//!
//! A message is acknowledged when a durable checkpoint holds its readings. Until the broker has seen the
//! acknowledgement, it may send the message again: on the next connection, marked as a repeat, under the same packet
//! id and in the same order (MQTT 3.1.1 and 5, 4.4 and 4.6). The mark, the id and a hash of topic and payload
//! identify a repeat, even after a crash: the list of possible repeats is part of every checkpoint. A message without
//! the mark is new, whatever its id and content: the broker has reused the packet id, and no old message follows it.
//!
//! Two messages cannot be told apart if the broker uses a packet id twice within one checkpoint's time, for messages
//! of equal topic and payload, and the agent then crashes. mosquitto assigns ids in turn, so that 65,535 messages lie
//! between.
//!
//! Limits: [`LIST_MAX`] messages (10 bytes each in memory, 6 in a checkpoint). Of the acknowledged messages, as many
//! are remembered as were ever unacknowledged at once, because the broker never had more in flight.

use crate::hash::stable;
use crate::safety::{PersistState, left_by};
use crate::{Safety, SafetyLevel, Sink};
use headwater_mqtt::{Client, Publish, Qos, Ticket};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::watch;

/// The version of the bytes that [`Lists::save`] writes.
const VERSION: u16 = 1;

/// The number of packet ids.
const LIST_MAX: usize = 65_535;

/// The fewest acknowledged messages that are remembered.
const ACKED_MIN: usize = 64;

/// Identifies one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Receipt {
    pkid: u16,
    hash: u32,
}

/// A message that was handed over under `number`.
#[derive(Clone, Copy, Debug)]
struct Held {
    receipt: Receipt,
    number: u64,
}

/// The messages that the broker may send again, oldest first: acknowledged, then unacknowledged, then expected.
#[derive(Debug, Default)]
struct Lists {
    /// Acknowledged on this connection; the broker may not have seen the acknowledgement.
    acked: VecDeque<Receipt>,
    /// Handed over, or repeated, on this connection, and not acknowledged.
    unacked: VecDeque<(Held, Ticket)>,
    /// Handed over on earlier connections.
    expected: VecDeque<Held>,
    /// The most messages that were ever unacknowledged at once.
    most: usize,
    /// The filters of the session, as far as known.
    filters: Vec<String>,
}

/// The acknowledgement window of a durable source.
pub(super) struct AckWindow {
    lists: Rc<RefCell<Lists>>,
    safety: Safety,
    durable: watch::Receiver<u64>,
}

/// Whether a message is delivered for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Its readings must be used; pass the hash to [`AckWindow::on_used`].
    New(u32),
    /// Its readings were used before.
    Repeated,
}

impl AckWindow {
    /// Restores the state of an earlier run; `None`: the sink makes nothing safe.
    pub(super) fn new(sink: &mut dyn Sink) -> Option<Self> {
        let lists = Rc::new(RefCell::new(Lists::default()));
        let (safety, saved) = sink.safety(Rc::new(SavedLists(lists.clone())))?;
        match Lists::restore(&saved) {
            Ok(restored) => *lists.borrow_mut() = restored,
            Err(why) => sink.state_dropped(&format!("{why}; messages that the broker repeats count twice")),
        }
        let durable = safety.safe(SafetyLevel::Durable);
        Some(Self { lists, safety, durable })
    }

    /// The broker accepted the connection; without a session it sends no repeats.
    pub(super) fn on_connected(&self, session_present: bool) {
        let mut lists = self.lists.borrow_mut();
        if session_present { lists.expect() } else { lists.forget() }
    }

    /// Whether a message is new or repeated.
    pub(super) fn on_publish(&self, publish: &Publish) -> Delivery {
        let hash = stable(&[publish.topic().as_bytes(), &publish.payload]);
        if publish.qos == Qos::AtMostOnce {
            return Delivery::New(hash);
        }
        self.lists.borrow_mut().delivery(publish.dup, publish.ticket(), hash)
    }

    /// The readings of a new message were handed over.
    pub(super) fn on_used(&self, publish: &Publish, hash: u32) {
        if publish.qos == Qos::AtMostOnce {
            return;
        }
        let ticket = publish.ticket();
        let receipt = Receipt { pkid: ticket.packet_id(), hash };
        let held = Held { receipt, number: self.safety.hand_over() };
        self.lists.borrow_mut().hold(held, ticket);
    }

    /// Acknowledges durable messages, as far as the connection's queue has room; the rest at the next call.
    pub(super) fn acknowledge(&self, client: &Client) {
        let durable = *self.durable.borrow();
        self.lists.borrow_mut().release(durable, |ticket| client.ack(ticket).is_ok());
    }

    /// Returns when more is durable.
    pub(super) async fn on_durable(&mut self) {
        if self.durable.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// The number of unacknowledged messages, and the most there ever were on a connection to this broker.
    pub(super) fn unacked(&self) -> (usize, usize) {
        let lists = self.lists.borrow();
        (lists.unacked.len(), lists.most)
    }

    /// Asks for what is handed over to be made durable.
    pub(super) fn want_durable(&self) {
        self.safety.want_durable();
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

impl Lists {
    fn expect(&mut self) {
        let acked = self.acked.drain(..).map(|receipt| Held { receipt, number: 0 });
        let known: VecDeque<Held> = acked.chain(self.unacked.drain(..).map(|(held, _)| held)).collect();
        let later = std::mem::replace(&mut self.expected, known);
        self.expected.extend(later);
        let surplus = self.expected.len().saturating_sub(LIST_MAX);
        self.expected.drain(..surplus);
        self.most = 0;
    }

    fn forget(&mut self) {
        *self = Self::default();
    }

    fn delivery(&mut self, is_repeat: bool, ticket: Ticket, hash: u32) -> Delivery {
        let receipt = Receipt { pkid: ticket.packet_id(), hash };
        if !is_repeat {
            // The broker sends all repeats before the first new message.
            self.expected.clear();
            return Delivery::New(hash);
        }
        let position = self.expected.iter().position(|held| held.receipt == receipt);
        if let Some(held) = position.and_then(|at| self.expected.remove(at)) {
            self.hold(held, ticket);
            return Delivery::Repeated;
        }
        let is_known = self.unacked.iter().any(|(held, _)| held.receipt == receipt);
        if is_known { Delivery::Repeated } else { Delivery::New(hash) }
    }

    fn hold(&mut self, held: Held, ticket: Ticket) {
        self.unacked.push_back((held, ticket));
        self.most = self.most.max(self.unacked.len());
    }

    fn release(&mut self, durable: u64, mut acknowledge: impl FnMut(Ticket) -> bool) {
        while let Some((held, ticket)) = self.unacked.front().copied() {
            if held.number > durable || !acknowledge(ticket) {
                return;
            }
            self.unacked.pop_front();
            self.acked.push_back(held.receipt);
            if self.acked.len() > self.most.max(ACKED_MIN) {
                self.acked.pop_front();
            }
        }
    }

    /// ```text
    /// filters u32, each: length u32, text    ack_window u32, each: packet id u16, hash u32
    /// ```
    fn save(&self, to: &mut Vec<u8>) {
        let put_length = |to: &mut Vec<u8>, length: usize| {
            to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        };
        put_length(to, self.filters.len());
        for filter in &self.filters {
            put_length(to, filter.len());
            to.extend(filter.as_bytes());
        }
        put_length(to, self.acked.len() + self.unacked.len() + self.expected.len());
        let unacked = self.unacked.iter().map(|(held, _)| &held.receipt);
        let expected = self.expected.iter().map(|held| &held.receipt);
        for receipt in self.acked.iter().chain(unacked).chain(expected) {
            to.extend(receipt.pkid.to_le_bytes());
            to.extend(receipt.hash.to_le_bytes());
        }
    }

    /// The lists that an earlier run has saved; empty if there was none.
    ///
    /// # Errors
    /// Another version, or bytes that are damaged.
    fn restore(saved: &[u8]) -> Result<Self, String> {
        match left_by(saved, VERSION)? {
            [] => Ok(Self::default()),
            bytes => Self::load(bytes).ok_or_else(|| "it is damaged".to_owned()),
        }
    }

    /// `None`: not written by [`Lists::save`].
    fn load(mut from: &[u8]) -> Option<Self> {
        fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
            let (bytes, rest) = from.split_at_checked(length)?;
            *from = rest;
            Some(bytes)
        }
        fn number(from: &mut &[u8]) -> Option<u32> {
            take(from, 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
        }
        let mut lists = Self::default();
        for _ in 0..number(&mut from)? {
            let length = number(&mut from)?;
            let text = take(&mut from, usize::try_from(length).ok()?)?;
            lists.filters.push(std::str::from_utf8(text).ok()?.to_owned());
        }
        for _ in 0..number(&mut from)? {
            let pkid = take(&mut from, 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)?;
            let receipt = Receipt { pkid, hash: number(&mut from)? };
            lists.expected.push_back(Held { receipt, number: 0 });
        }
        from.is_empty().then_some(lists)
    }
}

/// The lists, as every checkpoint holds them.
struct SavedLists(Rc<RefCell<Lists>>);

impl PersistState for SavedLists {
    fn version(&self) -> u16 {
        VERSION
    }

    fn save(&self, to: &mut Vec<u8>) {
        self.0.borrow().save(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: bool = false;
    const REPEAT: bool = true;

    /// A message comes in, is used if it is new, and is handed over under `number`.
    fn on_message(lists: &mut Lists, is_repeat: bool, pkid: u16, hash: u32, number: u64) -> bool {
        let ticket = Ticket::at_least_once(pkid);
        let arrival = lists.delivery(is_repeat, ticket, hash);
        if arrival == Delivery::New(hash) {
            lists.hold(Held { receipt: Receipt { pkid, hash }, number }, ticket);
        }
        arrival == Delivery::Repeated
    }

    fn acknowledged(lists: &mut Lists, durable: u64) -> Vec<u16> {
        let mut ids = Vec::new();
        lists.release(durable, |ticket| {
            ids.push(ticket.packet_id());
            true
        });
        ids
    }

    fn reborn(lists: &Lists) -> Lists {
        let mut bytes = Vec::new();
        lists.save(&mut bytes);
        assert!((0..bytes.len()).all(|cut| Lists::load(&bytes[..cut]).is_none()));
        let mut lists = Lists::load(&bytes).unwrap();
        lists.expect();
        lists
    }

    #[test]
    fn only_what_is_durable_is_acknowledged_in_order_and_as_room_allows() {
        let mut lists = Lists::default();
        for (pkid, number) in [(1, 1), (2, 1), (3, 2)] {
            assert!(!on_message(&mut lists, NEW, pkid, 7, number));
        }
        assert_eq!(acknowledged(&mut lists, 0), [0; 0]);
        let mut room = 1;
        lists.release(1, |_| std::mem::replace(&mut room, 0) == 1);
        assert_eq!(acknowledged(&mut lists, 1), [2]);
        assert_eq!(acknowledged(&mut lists, 2), [3]);
    }

    #[test]
    fn after_a_reconnect_and_after_a_crash_the_same_messages_are_recognised() {
        let mut lists = Lists { filters: vec!["a/#".to_owned()], ..Lists::default() };
        for pkid in 1..=4 {
            on_message(&mut lists, NEW, pkid, u32::from(pkid), u64::from(pkid));
        }
        assert_eq!(acknowledged(&mut lists, 2), [1, 2]);
        let mut crashed = reborn(&lists);
        assert_eq!(crashed.filters, lists.filters);
        lists.expect();
        for lists in [&mut lists, &mut crashed] {
            // The broker has seen the first acknowledgement and not the second.
            assert!(on_message(lists, REPEAT, 2, 2, 9));
            assert!(on_message(lists, REPEAT, 3, 3, 9));
            assert!(!on_message(lists, REPEAT, 4, 44, 9), "another payload is another message");
            assert!(!on_message(lists, REPEAT, 5, 5, 9), "it was on its way when the connection broke");
        }
        assert_eq!(acknowledged(&mut lists, 2), [2], "the third is not durable yet");
        assert_eq!(acknowledged(&mut crashed, 0), [2, 3], "what was read back is durable");
    }

    #[test]
    fn a_packet_id_given_away_again_is_a_new_message() {
        let mut lists = Lists::default();
        on_message(&mut lists, NEW, 1, 7, 1);
        acknowledged(&mut lists, 1);
        assert!(!on_message(&mut lists, NEW, 1, 7, 2));
        lists.expect();
        assert!(!on_message(&mut lists, NEW, 1, 7, 3));
        assert!(on_message(&mut lists, REPEAT, 1, 7, 3), "the same, while it is unacknowledged");
        lists.forget();
        assert!(!on_message(&mut lists, REPEAT, 1, 7, 4), "of another session");
    }

    #[test]
    fn lists_of_another_version_are_dropped_and_said() {
        let lists = Lists { filters: vec!["a/#".to_owned()], ..Lists::default() };
        let saved = crate::saved_state(&SavedLists(Rc::new(RefCell::new(lists))));
        assert_eq!(Lists::restore(&saved).unwrap().filters, ["a/#"]);
        assert!(Lists::restore(&[]).is_ok_and(|lists| lists.filters.is_empty()), "nothing was left");
        let mut newer = saved.clone();
        newer[0] += 1;
        assert!(Lists::restore(&newer).unwrap_err().contains("it is of version 2"));
        assert!(Lists::restore(&saved[..saved.len() - 1]).unwrap_err().contains("damaged"));
    }

    #[test]
    fn the_lists_are_bounded() {
        let mut lists = Lists::default();
        for n in 0..200_000_u32 {
            on_message(&mut lists, NEW, (n % 65_535 + 1) as u16, n, u64::from(n));
            if n % 50 == 0 {
                acknowledged(&mut lists, u64::from(n));
            }
            if n % 30_000 == 0 {
                lists.expect();
            }
        }
        assert!(lists.acked.len() <= ACKED_MIN && lists.expected.len() <= LIST_MAX, "{lists:?}");
    }
}
