//! Chooses the message that an output gets next.

use super::Spool;
use crate::output_set::OutputSet;
use crate::ranges::Ranges;
use crate::record::BufferRecord;
use crate::{Delivery, Lane, Message, PerLane, Tag};
use std::collections::VecDeque;

/// With fewer messages read ahead, the next read begins.
const AHEAD_MIN: usize = 200;

/// The next step of an output's driver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this.
    Send(Delivery),
    /// Read the lane from this number on, and give the result to [`Spool::fill`]. Meanwhile there may be more to
    /// send.
    Read(Lane, u64),
    /// Nothing, until something is pushed or read.
    Nothing,
}

/// The cursors of one output, for all lanes.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    pub(super) up: bool,
    /// Whether what waited goes before what is new.
    pub(super) in_order: bool,
    /// Whether live data waits, alerts do not.
    holds_data: bool,
    pub(super) lanes: PerLane<Cursor>,
}

/// The cursors of one output in one lane.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Messages from this number on are live.
    live_from: u64,
    live: u64,
    /// The messages that were sent live on this connection.
    sent_live: Ranges,
    backfill: u64,
    /// Messages that were read from disk, from `backfill` on.
    ahead: VecDeque<BufferRecord>,
    /// Below this number, a message that is not in `ahead` is not on disk.
    read_end: u64,
    /// The running read: its first number, and the first number in memory when it began.
    reading: Option<(u64, u64)>,
}

impl Cursor {
    pub(super) fn restart(&mut self, backfill: u64, next: u64) {
        *self = Self { live_from: next, live: next, backfill, ..Self::default() };
    }

    /// Messages below `next` that were not sent yet are backfill.
    pub(super) fn rest_is_backfill(&mut self, next: u64) {
        (self.live_from, self.live) = (next, next);
    }
}

impl Cursor {
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The message that goes next as a live one, or a later one.
    pub(super) fn next_live(&self) -> u64 {
        self.live
    }

    /// The messages that are in flight or read ahead, for the outputs of `own`.
    pub(super) fn in_flight(&self, acked: &Ranges, own: OutputSet) -> Ranges {
        let mut in_flight = Ranges::default();
        let backfill = 0..self.backfill;
        for sent in std::iter::once(&backfill).chain(self.sent_live.iter()) {
            acked.gaps_in(sent).for_each(|seqs| in_flight.insert_range(seqs));
        }
        let ahead = self.ahead.iter().filter(|record| !(record.owed & own).is_empty());
        for record in ahead.filter(|record| !acked.contains(record.seq)) {
            in_flight.insert(record.seq);
        }
        in_flight
    }

    /// Whether [`Cursor::in_flight`] holds the message, provided that it is not acknowledged.
    pub(super) fn has_taken(&self, seq: u64, own: OutputSet) -> bool {
        let ahead = || self.ahead.binary_search_by_key(&seq, |record| record.seq).ok();
        seq < self.backfill
            || self.sent_live.contains(seq)
            || ahead().and_then(|at| self.ahead.get(at)).is_some_and(|record| !(record.owed & own).is_empty())
    }

    /// [`Cursor::in_flight`], with everything between the messages that were read.
    pub(super) fn busy(&self, acked: &Ranges) -> Ranges {
        let mut busy = self.in_flight(acked, OutputSet::ALL);
        busy.insert_range(acked.next_gap(0)..self.backfill.max(self.read_end));
        busy
    }

    /// Where to read on, if it is time to. Below `end` there may be more on disk.
    fn read_from(&self, end: u64) -> Option<u64> {
        let from = self.read_end.max(self.backfill);
        (self.reading.is_none() && self.ahead.len() < AHEAD_MIN && from < end).then_some(from)
    }

    /// Ends the read messages before `seq`: that message was missing on disk, and will be written again.
    pub(super) fn stop_before(&mut self, seq: u64) {
        let is_hole = (self.backfill..self.read_end).contains(&seq);
        if is_hole && self.ahead.binary_search_by_key(&seq, |record| record.seq).is_err() {
            self.ahead.truncate(self.ahead.partition_point(|record| record.seq < seq));
            self.read_end = seq;
        }
    }

    /// Moves on to a number, and drops the messages that were read before it.
    fn go_to(&mut self, seq: u64) {
        self.backfill = seq;
        while self.ahead.front().is_some_and(|record| record.seq < seq) {
            self.ahead.pop_front();
        }
    }
}

/// What comes next in a lane.
enum BackfillStep {
    Message(u64, OutputSet, Message),
    /// There is no message below this number.
    NothingBelow(u64),
}

impl BackfillStep {
    fn of(message: Option<(u64, OutputSet, Message)>, or_below: u64) -> Self {
        message.map_or(Self::NothingBelow(or_below), |(seq, owed, message)| Self::Message(seq, owed, message))
    }
}

impl Spool {
    /// The next step for the output: alerts before data, live messages before backfill, or of an output that keeps the
    /// order behind it. `allow_backfill`: backfill has room.
    pub(crate) fn next(&mut self, output: usize, mut allow_backfill: bool) -> Next {
        let Some((in_order, holds_data)) =
            self.outputs.get(output).filter(|cursors| cursors.up).map(|c| (c.in_order, c.holds_data))
        else {
            return Next::Nothing;
        };
        let released = self.released;
        for alerts in [true, false] {
            let lanes = Lane::ALL.into_iter().filter(|lane| lane.is_alert() == alerts);
            let lanes = lanes.filter(|lane| released || !lane.is_held());
            let is_free = |spool: &Self, lane| !in_order || !spool.has_backfill(output, lane);
            let may_go = |spool: &Self, lane| (alerts || !holds_data) && is_free(spool, lane);
            let live = |lane| if may_go(self, lane) { self.next_live(output, lane) } else { None };
            if let Some(delivery) = lanes.clone().find_map(live) {
                return Next::Send(delivery);
            }
            for lane in lanes.clone().filter(|_| alerts || allow_backfill) {
                match self.next_backfill(output, lane) {
                    Next::Nothing => {}
                    next => return next,
                }
            }
            // Backfill waits for alerts that are being read. Live messages do not wait for the disk.
            allow_backfill &= !(alerts && lanes.into_iter().any(|lane| self.is_reading(output, lane)));
        }
        Next::Nothing
    }

    /// Whether the output gets no live data for now.
    pub(crate) fn hold_live_data(&mut self, output: usize, holds: bool) {
        if let Some(cursors) = self.outputs.get_mut(output) {
            cursors.holds_data = holds;
        }
    }

    /// How many messages that are no alerts the output is yet to get live, at most.
    pub(crate) fn live_data(&self, output: usize) -> u64 {
        let Some(cursors) = self.outputs.get(output).filter(|cursors| cursors.up) else { return 0 };
        let lanes = Lane::MERGED.into_iter().filter(|lane| self.released || !lane.is_held());
        let waiting = lanes.map(|lane| {
            let queue = self.queues.of(lane);
            queue.next().saturating_sub(cursors.lanes.of(lane).live.max(queue.first_in_memory()))
        });
        waiting.sum()
    }

    /// Whether there may be messages before those that are live.
    fn has_backfill(&self, output: usize, lane: Lane) -> bool {
        let (cursors, acked) = (self.outputs.get(output), self.progress.acked.get(output));
        cursors.zip(acked).is_some_and(|(cursors, acked)| {
            let cursor = cursors.lanes.of(lane);
            acked.of(lane).next_gap(cursor.backfill) < cursor.live_from
        })
    }

    fn is_reading(&self, output: usize, lane: Lane) -> bool {
        self.outputs.get(output).is_some_and(|cursors| cursors.lanes.of(lane).is_reading())
    }

    /// Takes the messages that were read from disk. None: there are none from that number on.
    pub(crate) fn fill(&mut self, output: usize, lane: Lane, from: u64, records: Vec<BufferRecord>) {
        let Some(cursor) = self.outputs.get_mut(output).map(|cursors| cursors.lanes.of_mut(lane)) else {
            return;
        };
        let Some((_, memory)) = cursor.reading.take_if(|(asked, _)| *asked == from) else { return };
        let found = records.first().map_or(memory, |record| record.seq.min(memory));
        cursor.read_end = records.last().map_or(memory, |record| record.seq + 1).max(cursor.read_end);
        cursor.ahead.extend(records);
        if let Some(hole) = self.queues.of(lane).first_again(&(from..cursor.read_end)) {
            cursor.stop_before(hole);
        }
        // Messages that are gone need no sending.
        self.skip(output, lane, from, found);
    }

    /// The read has failed: ask again.
    pub(crate) fn fill_failed(&mut self, output: usize, lane: Lane) {
        if let Some(cursors) = self.outputs.get_mut(output) {
            cursors.lanes.of_mut(lane).reading = None;
        }
    }

    fn next_live(&mut self, output: usize, lane: Lane) -> Option<Delivery> {
        loop {
            let queue = self.queues.of(lane);
            let cursor = self.outputs.get_mut(output)?.lanes.of_mut(lane);
            if cursor.live < queue.first_in_memory() && cursor.live < queue.on_disk_end {
                // The output is too slow: memory had no room for these messages. They are on disk, and are
                // backfill now.
                cursor.rest_is_backfill(queue.next());
                return None;
            }
            cursor.live = cursor.live.max(queue.first_in_memory());
            let seq = cursor.live;
            if seq >= queue.next() || (self.disk_first && !queue.is_written(seq)) {
                return None;
            }
            cursor.live += 1;
            let Some(entry) = queue.at(seq) else { continue };
            let (owed, message) = (entry.owed, entry.message.clone());
            if owed.contains(output) {
                cursor.sent_live.insert(seq);
            }
            if let Some(delivery) = self.delivery(output, Tag { lane, seq, owed }, message, false) {
                return Some(delivery);
            }
        }
    }

    fn next_backfill(&mut self, output: usize, lane: Lane) -> Next {
        loop {
            let Some(acked) = self.progress.acked.get(output) else { return Next::Nothing };
            let Some(cursors) = self.outputs.get_mut(output) else { return Next::Nothing };
            let (cursor, queue) = (cursors.lanes.of_mut(lane), self.queues.of(lane));
            cursor.go_to(acked.of(lane).next_gap(cursor.backfill));
            let (seq, memory) = (cursor.backfill, queue.first_in_memory());
            if seq >= cursor.live_from {
                return Next::Nothing;
            }
            if let Some(from) = cursor.read_from(memory.min(queue.on_disk_end)) {
                cursor.reading = Some((from, memory));
                return Next::Read(lane, from);
            }
            let found = if seq >= memory {
                BackfillStep::of(queue.at(seq).map(|entry| (seq, entry.owed, entry.message.clone())), seq + 1)
            } else if let Some(record) = cursor.ahead.pop_front() {
                BackfillStep::Message(record.seq, record.owed, record.message)
            } else if cursor.reading.is_some() {
                return Next::Nothing;
            } else {
                // There is none, on disk or in memory.
                BackfillStep::NothingBelow(if seq < cursor.read_end {
                    cursor.read_end.min(memory)
                } else {
                    memory
                })
            };
            match found {
                BackfillStep::NothingBelow(end) => {
                    self.skip(output, lane, seq, end);
                    self.backfill_is_at(output, lane, end);
                }
                BackfillStep::Message(found, owed, message) => {
                    self.skip(output, lane, seq, found);
                    self.backfill_is_at(output, lane, found + 1);
                    // The message may have been given up meanwhile.
                    if self.is_acked(output, lane, found) {
                        continue;
                    }
                    if let Some(delivery) =
                        self.delivery(output, Tag { lane, seq: found, owed }, message, true)
                    {
                        return Next::Send(delivery);
                    }
                }
            }
        }
    }

    fn backfill_is_at(&mut self, output: usize, lane: Lane, seq: u64) {
        if let Some(cursors) = self.outputs.get_mut(output) {
            cursors.lanes.of_mut(lane).backfill = seq;
        }
    }

    fn is_acked(&self, output: usize, lane: Lane, seq: u64) -> bool {
        self.progress.acked.get(output).is_some_and(|acked| acked.of(lane).contains(seq))
    }

    /// A delivery, unless the output does not want the message.
    fn delivery(&mut self, output: usize, tag: Tag, message: Message, backfill: bool) -> Option<Delivery> {
        if !tag.owed.contains(output) {
            // The message is not for this output: do not come back to it.
            self.skip(output, tag.lane, tag.seq, tag.seq + 1);
            return None;
        }
        Some(Delivery { tag, backfill, message })
    }

    /// There is nothing for the output between these numbers, except messages in flight.
    fn skip(&mut self, output: usize, lane: Lane, mut from: u64, to: u64) {
        let Some(acked) = self.progress.acked.get_mut(output) else { return };
        let orphans =
            if from < to { self.orphans.range((lane, from)..(lane, to)) } else { Default::default() };
        for ((_, orphan), _) in orphans {
            acked.of_mut(lane).insert_range(from..*orphan);
            from = orphan + 1;
        }
        acked.of_mut(lane).insert_range(from..to);
    }
}
