//! The messages that a broker may send again.
//!
//! Limits: [`LIST_MAX`] messages (10 bytes each in memory, 6 in a checkpoint). Of the acknowledged messages, as many
//! are remembered as were ever unacknowledged at once, because the broker never had more in flight.

use crate::safety::{PersistState, left_by};
use crate::{Receipt, Safety, SourceLeft};
use headwater_mqtt::Ticket;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The version of the bytes that [`Lists::save`] writes. Version 1 has no client id.
const VERSION: u16 = 2;

/// The number of packet ids.
const LIST_MAX: usize = 65_535;

/// The fewest acknowledged messages that are remembered.
const ACKED_MIN: usize = 64;

/// Identifies one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageId {
    pub(super) pkid: u16,
    pub(super) hash: u32,
}

impl MessageId {
    pub(super) fn receipt(self) -> Receipt {
        Receipt(u64::from(self.hash) << 16 | u64::from(self.pkid))
    }

    /// `None`: not made by [`MessageId::receipt`].
    fn of(Receipt(number): Receipt) -> Option<Self> {
        Some(Self { pkid: (number & 0xffff).try_into().ok()?, hash: (number >> 16).try_into().ok()? })
    }
}

/// A message that was handed over under `number`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) number: u64,
}

/// The messages that the broker may send again, oldest first: acknowledged, then unacknowledged, then expected.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Acknowledged on this connection; the broker may not have seen the acknowledgement.
    acked: VecDeque<MessageId>,
    /// Handed over, or repeated, on this connection, and not acknowledged.
    pub(super) unacked: VecDeque<(Held, Ticket)>,
    /// Handed over on earlier connections.
    expected: VecDeque<Held>,
    /// The most messages that were ever unacknowledged at once.
    most: usize,
    /// The filters of the session, as far as known.
    pub(super) filters: Vec<String>,
    /// The client id of the session; empty: not known.
    pub(super) client_id: String,
}

/// Whether a message is delivered for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Delivery {
    /// Its readings must be used; its hash goes into its receipt.
    New(u32),
    /// Its readings were used before.
    Repeated,
}

impl Lists {
    pub(super) fn expect(&mut self) {
        let acked = self.acked.drain(..).map(|id| Held { id, number: 0 });
        let known: VecDeque<Held> = acked.chain(self.unacked.drain(..).map(|(held, _)| held)).collect();
        let later = std::mem::replace(&mut self.expected, known);
        self.expected.extend(later);
        let surplus = self.expected.len().saturating_sub(LIST_MAX);
        self.expected.drain(..surplus);
        self.most = 0;
    }

    pub(super) fn forget(&mut self) {
        *self = Self { client_id: std::mem::take(&mut self.client_id), ..Self::default() };
    }

    pub(super) fn delivery(&mut self, is_repeat: bool, ticket: Ticket, hash: u32) -> Delivery {
        let id = MessageId { pkid: ticket.packet_id(), hash };
        if !is_repeat {
            // The broker sends all repeats before the first new message.
            self.expected.clear();
            return Delivery::New(hash);
        }
        let position = self.expected.iter().position(|held| held.id == id);
        if let Some(held) = position.and_then(|at| self.expected.remove(at)) {
            self.hold(held, ticket);
            return Delivery::Repeated;
        }
        let is_known = self.unacked.iter().any(|(held, _)| held.id == id);
        if is_known { Delivery::Repeated } else { Delivery::New(hash) }
    }

    pub(super) fn hold(&mut self, held: Held, ticket: Ticket) {
        self.unacked.push_back((held, ticket));
        self.most = self.most.max(self.unacked.len());
    }

    pub(super) fn release(&mut self, safe: u64, mut acknowledge: impl FnMut(Ticket) -> bool) {
        while let Some((held, ticket)) = self.unacked.front().copied() {
            if held.number > safe || !acknowledge(ticket) {
                return;
            }
            self.unacked.pop_front();
            self.acked.push_back(held.id);
            if self.acked.len() > self.most.max(ACKED_MIN) {
                self.acked.pop_front();
            }
        }
    }

    /// ```text
    /// filters u32, each: length u32, text    ack_window u32, each: packet id u16, hash u32    client id: length u32, text
    /// ```
    fn save(&self, to: &mut Vec<u8>) {
        let put_length = |to: &mut Vec<u8>, length: usize| {
            to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        };
        let put_text = |to: &mut Vec<u8>, text: &str| {
            put_length(to, text.len());
            to.extend(text.as_bytes());
        };
        put_length(to, self.filters.len());
        self.filters.iter().for_each(|filter| put_text(to, filter));
        put_length(to, self.acked.len() + self.unacked.len() + self.expected.len());
        let unacked = self.unacked.iter().map(|(held, _)| &held.id);
        let expected = self.expected.iter().map(|held| &held.id);
        for id in self.acked.iter().chain(unacked).chain(expected) {
            to.extend(id.pkid.to_le_bytes());
            to.extend(id.hash.to_le_bytes());
        }
        put_text(to, &self.client_id);
    }

    /// The lists that an earlier run has left; empty if there was none.
    ///
    /// # Errors
    /// Another version, or bytes that are damaged.
    pub(super) fn restore(left: &SourceLeft) -> Result<Self, String> {
        let mut lists = match left_by(&left.state, VERSION)? {
            None => Self::default(),
            Some((version, bytes)) => Self::load(version, bytes).ok_or_else(|| "it is damaged".to_owned())?,
        };
        let since = left.receipts.iter().filter_map(|receipt| MessageId::of(*receipt));
        lists.expected.extend(since.map(|id| Held { id, number: Safety::LEFT }));
        Ok(lists)
    }

    /// `None`: not written by [`Lists::save`] of this version.
    fn load(version: u16, mut from: &[u8]) -> Option<Self> {
        fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
            let (bytes, rest) = from.split_at_checked(length)?;
            *from = rest;
            Some(bytes)
        }
        fn number(from: &mut &[u8]) -> Option<u32> {
            take(from, 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
        }
        fn text(from: &mut &[u8]) -> Option<String> {
            let length = number(from)?;
            let text = take(from, usize::try_from(length).ok()?)?;
            Some(std::str::from_utf8(text).ok()?.to_owned())
        }
        let mut lists = Self::default();
        for _ in 0..number(&mut from)? {
            lists.filters.push(text(&mut from)?);
        }
        for _ in 0..number(&mut from)? {
            let pkid = take(&mut from, 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)?;
            let id = MessageId { pkid, hash: number(&mut from)? };
            lists.expected.push_back(Held { id, number: Safety::LEFT });
        }
        if version >= 2 {
            lists.client_id = text(&mut from)?;
        }
        from.is_empty().then_some(lists)
    }
}

/// The lists, as every checkpoint holds them.
pub(super) struct SavedLists(pub(super) Rc<RefCell<Lists>>);

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
            lists.hold(Held { id: MessageId { pkid, hash }, number }, ticket);
        }
        arrival == Delivery::Repeated
    }

    fn acknowledged(lists: &mut Lists, safe: u64) -> Vec<u16> {
        let mut ids = Vec::new();
        lists.release(safe, |ticket| {
            ids.push(ticket.packet_id());
            true
        });
        ids
    }

    fn reborn(lists: &Lists) -> Lists {
        let mut bytes = Vec::new();
        lists.save(&mut bytes);
        assert!((0..bytes.len()).all(|cut| Lists::load(VERSION, &bytes[..cut]).is_none()));
        let mut lists = Lists::load(VERSION, &bytes).unwrap();
        lists.expect();
        lists
    }

    #[test]
    fn only_what_is_safe_is_acknowledged_in_order_and_as_room_allows() {
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
        assert_eq!(acknowledged(&mut lists, 2), [2], "the third is not safe yet");
        assert_eq!(acknowledged(&mut crashed, Safety::LEFT), [2, 3], "what an earlier run has left");
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
    fn what_was_handed_over_after_the_checkpoint_is_recognised_and_not_durable_yet() {
        let mut lists = Lists::default();
        on_message(&mut lists, NEW, 1, 7, 5);
        let state = crate::saved_state(&SavedLists(Rc::new(RefCell::new(lists))));
        let receipts = vec![MessageId { pkid: u16::MAX, hash: u32::MAX }.receipt(), Receipt(u64::MAX)];
        let mut lists = Lists::restore(&SourceLeft { state, receipts }).unwrap();
        assert_eq!(lists.expected.len(), 2, "a receipt that is none of its own is passed over");
        lists.expect();
        assert!(on_message(&mut lists, REPEAT, 1, 7, 9));
        assert!(on_message(&mut lists, REPEAT, u16::MAX, u32::MAX, 9));
        assert_eq!(acknowledged(&mut lists, 0), [0; 0], "no checkpoint of this run holds them yet");
        assert_eq!(acknowledged(&mut lists, Safety::LEFT), [1, u16::MAX]);
    }

    #[test]
    fn lists_of_another_version_are_dropped_and_said() {
        let lists = Lists { filters: vec!["a/#".to_owned()], ..Lists::default() };
        let saved = crate::saved_state(&SavedLists(Rc::new(RefCell::new(lists))));
        let restore =
            |state: &[u8]| Lists::restore(&SourceLeft { state: state.to_vec(), receipts: Vec::new() });
        assert_eq!(restore(&saved).unwrap().filters, ["a/#"]);
        assert!(restore(&[]).is_ok_and(|lists| lists.filters.is_empty()), "nothing was left");
        let (first, no_id) = (1_u16.to_le_bytes(), saved.len() - 4);
        assert_eq!(restore(&[&first, &saved[2..no_id]].concat()).unwrap().filters, ["a/#"], "of version 1");
        let mut newer = saved.clone();
        newer[0] += 1;
        assert!(restore(&newer).unwrap_err().contains("it is of version 3"));
        assert!(restore(&saved[..saved.len() - 1]).unwrap_err().contains("damaged"));
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
