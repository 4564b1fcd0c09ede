//! One lane's messages in memory, by number.

use crate::output_set::OutputSet;
use crate::progress::Run;
use crate::record::BufferRecord;
use crate::{Lane, Message};
use std::collections::VecDeque;
use std::ops::Range;

/// Slots whose room is kept while there is no message.
const SLOTS_KEPT: usize = 256;

/// A message and who wants it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) owed: OutputSet,
    /// It was on disk, and must be written again.
    again: bool,
}

/// Slots for the numbers from `base` on. A slot is empty when its message is done with.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    base: u64,
    slots: VecDeque<Option<Entry>>,
    bytes: usize,
    /// Messages below this number are on disk or done with.
    written: u64,
    /// Written messages below this number are safe from a power cut.
    safe: u64,
    /// Messages that are to be written again.
    again: usize,
    /// No message from this number on is on disk.
    pub(super) on_disk_end: u64,
}

impl Queue {
    /// The first number, before anything is pushed.
    pub(super) fn start_at(&mut self, seq: u64) {
        (self.base, self.written, self.safe) = (seq, seq, seq);
    }

    /// Takes over a queue of which nothing was written: its numbers begin where this one ends. The outputs' bits change
    /// with `moved`.
    pub(super) fn append(&mut self, other: Self, moved: impl Fn(OutputSet) -> OutputSet) {
        debug_assert!(self.slots.is_empty() && other.on_disk_end == 0, "nothing was written or pushed");
        self.start_at(self.base + other.base);
        self.bytes = other.bytes;
        self.slots = other.slots;
        self.slots.iter_mut().flatten().for_each(|entry| entry.owed = moved(entry.owed));
    }

    /// The number that the next message gets.
    pub(super) fn next(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    /// The first number that may be in memory.
    pub(super) fn first_in_memory(&self) -> u64 {
        self.base
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_written(&self, seq: u64) -> bool {
        seq < self.written
    }

    pub(super) fn push(&mut self, message: Message, owed: OutputSet) {
        self.bytes += message.cost_bytes();
        self.slots.push_back(Some(Entry { message, owed, again: false }));
    }

    /// The message, if it is in memory.
    pub(super) fn at(&self, seq: u64) -> Option<&Entry> {
        let position = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.slots.get(position)?.as_ref()
    }

    fn at_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        let position = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.slots.get_mut(position)?.as_mut()
    }

    /// Removes a message that is done with.
    pub(super) fn remove(&mut self, seq: u64) -> Option<Entry> {
        let position = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        let entry = self.slots.get_mut(position)?.take()?;
        self.again -= usize::from(entry.again);
        self.bytes -= entry.message.cost_bytes();
        self.trim();
        Some(entry)
    }

    /// Numbers of `range` that are in memory.
    pub(super) fn seqs_in(&self, range: &Range<u64>) -> impl Iterator<Item = u64> {
        let from = range.start.max(self.base);
        let to = range.end.min(self.next()).max(from);
        (from..to).filter(|seq| self.at(*seq).is_some())
    }

    /// The first message that is in memory only.
    pub(super) fn first_unwritten(&mut self) -> Option<u64> {
        if self.again > 0 {
            return (self.base..self.next()).find(|seq| self.at(*seq).is_some_and(|entry| entry.again));
        }
        self.written = self.written.max(self.base);
        while self.written < self.next() && self.at(self.written).is_none() {
            self.written += 1;
        }
        (self.written < self.next()).then_some(self.written)
    }

    /// Those of the messages that are in memory must be written again.
    pub(super) fn write_again(&mut self, range: &Range<u64>) {
        let seqs: Vec<u64> = self.seqs_in(range).filter(|seq| *seq < self.written).collect();
        for seq in seqs {
            if let Some(entry) = self.at_mut(seq).filter(|entry| !entry.again) {
                entry.again = true;
                self.again += 1;
            }
        }
    }

    /// The first of these that is to be written again.
    pub(super) fn first_again(&self, range: &Range<u64>) -> Option<u64> {
        if self.again == 0 {
            return None;
        }
        self.seqs_in(range).find(|seq| self.at(*seq).is_some_and(|entry| entry.again))
    }

    /// Written messages are safe from a power cut.
    pub(super) fn all_safe(&mut self) {
        self.safe = self.written;
    }

    /// Written messages that are not safe yet must be written again.
    pub(super) fn unsafe_again(&mut self) {
        self.written = self.written.min(self.safe).max(self.base);
        self.safe = self.safe.min(self.written);
    }

    /// Messages for the disk, in order. Messages that are written a second time come by themselves, before the
    /// others.
    pub(super) fn unwritten(&self, bytes_max: usize) -> Vec<BufferRecord> {
        let again = self.again > 0;
        let from = if again { self.base } else { self.written.max(self.base) };
        let mut bytes = 0;
        (from..self.next())
            .filter_map(|seq| {
                let entry = self.at(seq).filter(|entry| entry.again == again)?;
                Some(BufferRecord { seq, owed: entry.owed, message: entry.message.clone() })
            })
            .take_while(|record| {
                let room = bytes < bytes_max;
                bytes += record.message.cost_bytes();
                room
            })
            .collect()
    }

    /// These messages are on disk.
    pub(super) fn written(&mut self, records: &[BufferRecord]) {
        for record in records {
            if let Some(entry) = self.at_mut(record.seq).filter(|entry| entry.again) {
                entry.again = false;
                self.again -= 1;
            }
        }
        let end = records.last().map_or(0, |last| last.seq + 1);
        self.written = self.written.max(end);
        self.on_disk_end = self.on_disk_end.max(end);
    }

    /// Frees the oldest message if it is safe on disk. Returns whether it did.
    pub(super) fn free_oldest(&mut self) -> bool {
        let again = self.at(self.base).is_some_and(|entry| entry.again);
        let on_disk = self.base < self.written.min(self.safe) && !self.slots.is_empty() && !again;
        if on_disk {
            self.pop();
            self.trim();
        }
        on_disk
    }

    /// Gives up the oldest message that is in memory only. Returns its number and who wants it, and when it was made.
    pub(super) fn drop_oldest(&mut self, lane: Lane) -> Option<(Run, i64)> {
        let seq = self.first_unwritten()?;
        let entry = self.remove(seq)?;
        Some((Run { lane, seqs: seq..seq + 1, owed: entry.owed }, entry.message.made_ms))
    }

    fn trim(&mut self) {
        while matches!(self.slots.front(), Some(None)) {
            self.pop();
        }
        // After a burst, such as 10,000 windows that end together, its room is given back.
        if self.slots.is_empty() && self.slots.capacity() > SLOTS_KEPT {
            self.slots = VecDeque::new();
        }
    }

    fn pop(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.base += 1;
            self.bytes -= slot.map_or(0, |entry| entry.message.cost_bytes());
        }
    }
}
