//! Messages that are given up.
//!
//! A message may be evicted from the buffer while it is in flight: read ahead for an output, or sent and not
//! acknowledged. Such a message is an orphan. It counts as waiting until the last output that has it in flight has
//! acknowledged it, and is delivered then; or until the connection of that output is gone, and is lost then. So no
//! message counts as both delivered and lost.
//!
//! A crash loses orphans, as all messages that are in memory only. They may have arrived or not.
//!
//! Limits: as many orphans as there are messages in flight, some 100 bytes each.

use super::{BURST_BYTES, DeliveryOutcome, Spool};
use crate::output_set::OutputSet;
use crate::progress::Run;
use crate::ranges::Ranges;
use crate::{DropReason, Lane, PerLane, Tag};
use std::ops::Range;
use std::rc::Rc;

/// Why messages were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LossCause {
    /// They were evicted.
    Evicted {
        /// When they were made [ms since the Unix epoch], first and last.
        made_ms: Range<i64>,
        /// Why.
        why: DropReason,
    },
    /// They cannot be read, for this reason.
    Damaged(String),
}

/// Messages that are lost, for the agent's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostMessages {
    pub(crate) lane: Lane,
    pub(crate) count: u64,
    pub(crate) cause: Rc<LossCause>,
}

/// A message that is in flight and nowhere else. Every output that has not acknowledged it has it in flight.
#[derive(Debug)]
pub(super) struct Orphan {
    /// The outputs that cannot get it any more.
    missed: OutputSet,
    cause: Rc<LossCause>,
}

impl Spool {
    /// Messages are evicted from disk and memory. Returns how many are lost by that at once.
    pub(crate) fn evicted(&mut self, runs: &[Run], cause: &Rc<LossCause>) -> PerLane<u64> {
        for run in runs {
            let queue = self.queues.of_mut(run.lane);
            let in_memory: Vec<u64> = queue.seqs_in(&run.seqs).collect();
            in_memory.into_iter().for_each(|seq| drop(queue.remove(seq)));
        }
        self.forget(runs, u64::MAX, cause)
    }

    /// Messages cannot be read from disk. Those that are still in memory are written again. Returns how many are
    /// lost at once, at most `count_max`.
    pub(crate) fn damaged(&mut self, runs: &[Run], count_max: u64, cause: &Rc<LossCause>) -> PerLane<u64> {
        let mut gone = Vec::new();
        for run in runs {
            let queue = self.queues.of_mut(run.lane);
            queue.write_again(&run.seqs);
            if let Some(hole) = queue.first_again(&run.seqs) {
                self.outputs.iter_mut().for_each(|cursors| cursors.lanes.of_mut(run.lane).stop_before(hole));
            }
            let mut in_memory = Ranges::default();
            queue.seqs_in(&run.seqs).for_each(|seq| in_memory.insert_range(seq..seq + 1));
            gone.extend(in_memory.gaps_in(&run.seqs).map(|seqs| Run { seqs, ..*run }));
        }
        self.forget(&gone, count_max, cause)
    }

    /// Messages were merged into others, which have taken the numbers of some of them.
    pub(crate) fn compacted(&mut self, runs: &[Run]) {
        for run in runs {
            let count = self.progress.owed_in(run).min(self.account.waiting);
            self.account.waiting -= count;
            self.account.thinned += count;
            self.depths.on_forgotten(&self.progress, run);
            self.progress.forget(run.lane, &run.seqs);
        }
    }

    /// Keeps memory within its bound: frees messages that are on disk, then gives up the oldest data, then the
    /// oldest alerts. A disk that takes messages has its turn before.
    pub(super) fn shrink(&mut self) -> Vec<LostMessages> {
        let mut lost = Vec::new();
        if self.bytes() <= self.bytes_max {
            return lost;
        }
        self.free_memory();
        let bytes_max = self.bytes_max + if self.disk_takes { BURST_BYTES } else { 0 };
        for lane in [Lane::Data, Lane::HeldData, Lane::HeldAlert, Lane::Alert] {
            while self.bytes() > bytes_max {
                let Some((run, made)) = self.queues.of_mut(lane).drop_oldest(lane) else { break };
                let (seq, made_ms) = (run.seqs.start, made..made);
                let cause = Rc::new(LossCause::Evicted { made_ms, why: DropReason::Memory });
                if self.is_in_flight(lane, seq) {
                    self.orphan(&run, seq, &cause);
                    continue;
                }
                self.depths.on_forgotten(&self.progress, &run);
                self.progress.forget(lane, &run.seqs);
                self.refused.remove(&(lane, seq));
                self.account.waiting = self.account.waiting.saturating_sub(1);
                self.account.lost += 1;
                add(&mut lost, LostMessages { lane, count: 1, cause });
            }
        }
        lost
    }

    fn forget(&mut self, runs: &[Run], count_max: u64, cause: &Rc<LossCause>) -> PerLane<u64> {
        let mut lost = PerLane::default();
        let mut room = count_max.min(self.account.waiting);
        let in_flight = PerLane::from_fn(|lane| self.in_flight(lane));
        for run in runs {
            let in_flight = in_flight.of(run.lane);
            let held: Vec<u64> = in_flight.within(&run.seqs).flatten().collect();
            held.into_iter().for_each(|seq| self.orphan(run, seq, cause));
            for seqs in in_flight.gaps_in(&run.seqs) {
                let gone = Run { seqs, ..*run };
                let count = self.progress.owed_in(&gone).min(room);
                self.depths.on_forgotten(&self.progress, &gone);
                room -= count;
                *lost.of_mut(run.lane) += count;
                self.progress.forget(run.lane, &gone.seqs);
            }
        }
        let count = lost.sum();
        self.account.waiting -= count;
        self.account.lost += count;
        lost
    }

    /// How many messages are orphans.
    #[cfg(test)]
    pub(crate) fn orphans(&self) -> u64 {
        self.orphans.len() as u64
    }

    /// The messages that outputs have in flight.
    fn in_flight(&self, lane: Lane) -> Ranges {
        let mut in_flight = Ranges::default();
        for (output, (cursors, acked)) in self.outputs.iter().zip(&self.progress.acked).enumerate() {
            if cursors.up {
                let of_one = cursors.lanes.of(lane).in_flight(acked.of(lane), OutputSet::bit(output));
                of_one.iter().for_each(|seqs| in_flight.insert_range(seqs.clone()));
            }
        }
        in_flight
    }

    fn is_in_flight(&self, lane: Lane, seq: u64) -> bool {
        (0..self.outputs.len()).any(|output| self.holds(output, lane, seq))
    }

    /// Whether the output has the message in flight.
    fn holds(&self, output: usize, lane: Lane, seq: u64) -> bool {
        let both = self.outputs.get(output).zip(self.progress.acked.get(output));
        both.is_some_and(|(cursors, acked)| {
            cursors.up
                && !acked.of(lane).contains(seq)
                && cursors.lanes.of(lane).has_taken(seq, OutputSet::bit(output))
        })
    }

    /// A message of a run becomes an orphan.
    fn orphan(&mut self, run: &Run, seq: u64, cause: &Rc<LossCause>) {
        let lane = run.lane;
        let mut missed = OutputSet::default();
        for output in 0..self.outputs.len() {
            let holds = self.holds(output, lane, seq);
            let acked = self.progress.acked.get_mut(output).filter(|_| !holds);
            if acked.is_some_and(|acked| acked.of_mut(lane).insert(seq)) {
                missed.insert(output);
                if run.owed.contains(output) {
                    self.depths.on_done(output);
                }
            }
        }
        self.orphans.entry((lane, seq)).or_insert_with(|| Orphan { missed, cause: cause.clone() });
    }

    /// Counts a message that has all its answers. It is lost if an output wanted it and could not get it.
    pub(super) fn settle(&mut self, tag: &Tag, outcome: DeliveryOutcome) -> Option<LostMessages> {
        let (lane, seq) = (tag.lane, tag.seq);
        let refused = self.refused.remove(&(lane, seq)) || outcome == DeliveryOutcome::Refused;
        let orphan = self.orphans.remove(&(lane, seq));
        let missed = orphan.filter(|orphan| !(orphan.missed & tag.owed & self.progress.active).is_empty());
        self.account.waiting = self.account.waiting.saturating_sub(1);
        if refused || missed.is_some() {
            self.account.lost += 1;
        } else {
            self.account.delivered += 1;
        }
        missed.map(|orphan| LostMessages { lane, count: 1, cause: orphan.cause })
    }

    /// The output has lost its connection. Messages in flight are sent again later. Its orphans are lost, unless
    /// another output has them in flight.
    pub(crate) fn down(&mut self, output: usize) -> Vec<LostMessages> {
        if let Some(cursors) = self.outputs.get_mut(output) {
            cursors.up = false;
        }
        let Some(acked) = self.progress.acked.get_mut(output) else { return Vec::new() };
        let dropped = |((lane, seq), orphan): (&(Lane, u64), &mut Orphan)| {
            acked.of_mut(*lane).insert(*seq).then(|| {
                orphan.missed.insert(output);
                (*lane, *seq)
            })
        };
        let dropped: Vec<(Lane, u64)> = self.orphans.iter_mut().filter_map(dropped).collect();
        let mut lost = Vec::new();
        for (lane, seq) in dropped {
            self.depths.on_done(output);
            if self.progress.acked.iter().all(|acked| acked.of(lane).contains(seq))
                && let Some(Orphan { cause, .. }) = self.orphans.remove(&(lane, seq))
            {
                self.refused.remove(&(lane, seq));
                self.account.waiting = self.account.waiting.saturating_sub(1);
                self.account.lost += 1;
                add(&mut lost, LostMessages { lane, count: 1, cause });
            }
        }
        lost
    }
}

/// Adds a loss to the list, or to one of its kind in it.
fn add(list: &mut Vec<LostMessages>, lost: LostMessages) {
    let same =
        list.iter_mut().rev().find(|known| known.lane == lost.lane && is_like(&known.cause, &lost.cause));
    match same {
        Some(known) => {
            known.count += lost.count;
            if let (LossCause::Evicted { made_ms, .. }, LossCause::Evicted { made_ms: more, .. }) =
                (Rc::make_mut(&mut known.cause), &*lost.cause)
            {
                *made_ms = made_ms.start.min(more.start)..made_ms.end.max(more.end);
            }
        }
        None => list.push(lost),
    }
}

fn is_like(one: &LossCause, other: &LossCause) -> bool {
    match (one, other) {
        (LossCause::Evicted { why, .. }, LossCause::Evicted { why: other, .. }) => why == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use crate::record::BufferRecord;
    use crate::spool::Next;
    use crate::{Account, Message};

    fn message() -> Message {
        Message { lane: Lane::Data, made_ms: 0, body: "b".into() }
    }

    /// A spool with ten messages on disk, 0 to 9, for so many outputs, all of them up; and that run.
    fn ten_on_disk(outputs: usize) -> (Spool, Run) {
        let progress = Progress::new(outputs);
        let run = Run { lane: Lane::Data, seqs: 0..10, owed: progress.active };
        let mut spool = Spool::new(progress, std::slice::from_ref(&run), 10_000, false);
        (0..outputs).for_each(|output| spool.up(output));
        (spool, run)
    }

    /// Reads as many for an output, and sends them.
    fn send(spool: &mut Spool, output: usize, count: u64, owed: OutputSet) -> Vec<Tag> {
        assert_eq!(spool.next(output, true), Next::Read(Lane::Data, 0));
        let records = (0..count).map(|seq| BufferRecord { seq, owed, message: message() }).collect();
        spool.fill(output, Lane::Data, 0, records);
        let mut tags = Vec::new();
        while tags.len() < count as usize {
            match spool.next(output, true) {
                Next::Send(delivery) => tags.push(delivery.tag),
                Next::Read(..) => {}
                Next::Nothing => break,
            }
        }
        tags
    }

    fn full() -> Rc<LossCause> {
        Rc::new(LossCause::Evicted { made_ms: 0..9, why: DropReason::Full })
    }

    fn account(spool: &Spool) -> (u64, u64, u64) {
        let Account { made, delivered, waiting, thinned, lost } = spool.account();
        assert_eq!(made, delivered + waiting + thinned + lost);
        (delivered, waiting, lost)
    }

    #[test]
    fn what_is_in_hands_is_delivered_or_lost_not_both() {
        for damaged in [false, true] {
            let (mut spool, run) = ten_on_disk(1);
            let tags = send(&mut spool, 0, 6, OutputSet::bit(0));
            assert_eq!(spool.done(0, &tags[1], DeliveryOutcome::Acked), None);
            let cause = if damaged { Rc::new(LossCause::Damaged("bad".into())) } else { full() };
            let runs = std::slice::from_ref(&run);
            let lost = if damaged { spool.damaged(runs, 10, &cause) } else { spool.evicted(runs, &cause) };
            assert_eq!(
                (*lost.of(Lane::Data), account(&spool)),
                (4, (1, 5, 4)),
                "what was not sent is lost at once"
            );
            assert_eq!(spool.next(0, true), Next::Nothing, "and not sent any more");
            assert_eq!(spool.done(0, &tags[0], DeliveryOutcome::Acked), None);
            assert_eq!(spool.done(0, &tags[0], DeliveryOutcome::Acked), None, "twice");
            assert_eq!(account(&spool), (2, 4, 4));
            assert_eq!(spool.down(0), [LostMessages { lane: Lane::Data, count: 4, cause }]);
            assert_eq!(account(&spool), (2, 0, 8));
            assert_eq!(spool.done(0, &tags[2], DeliveryOutcome::Acked), None, "too backfill");
            assert_eq!(account(&spool), (2, 0, 8));
        }
    }

    #[test]
    fn what_was_read_ahead_is_sent_although_it_is_on_disk_no_more() {
        let (mut spool, run) = ten_on_disk(1);
        assert_eq!(spool.next(0, true), Next::Read(Lane::Data, 0));
        let records =
            (0..8).map(|seq| BufferRecord { seq, owed: OutputSet::bit(0), message: message() }).collect();
        spool.fill(0, Lane::Data, 0, records);
        assert_eq!(*spool.evicted(&[run], &full()).of(Lane::Data), 2);
        for seq in 0..8 {
            let mut next = spool.next(0, true);
            if let Next::Read(lane, from) = next {
                spool.fill(0, lane, from, Vec::new());
                next = spool.next(0, true);
            }
            let Next::Send(delivery) = next else { panic!("{next:?}") };
            assert_eq!((delivery.tag.seq, spool.done(0, &delivery.tag, DeliveryOutcome::Acked)), (seq, None));
        }
        assert_eq!(account(&spool), (8, 0, 2));
    }

    /// A message that one output has and another can never get is lost, once.
    #[test]
    fn with_two_outputs_the_last_answer_decides() {
        let (mut spool, run) = ten_on_disk(2);
        let first = send(&mut spool, 0, 3, OutputSet::from_bits(0b11));
        let second = send(&mut spool, 1, 2, OutputSet::from_bits(0b11));
        assert_eq!(*spool.evicted(&[run], &full()).of(Lane::Data), 7);
        for tag in &first {
            let lost = spool.done(0, tag, DeliveryOutcome::Acked);
            assert_eq!(lost.map(|lost| lost.count), (tag.seq == 2).then_some(1), "the second never had it");
        }
        assert_eq!(account(&spool), (0, 2, 8));
        assert_eq!(spool.done(1, &second[0], DeliveryOutcome::Acked), None);
        assert_eq!(spool.down(0), []);
        assert_eq!(spool.down(1), [LostMessages { lane: Lane::Data, count: 1, cause: full() }]);
        assert_eq!(account(&spool), (1, 0, 9));
    }

    #[test]
    fn what_memory_has_no_room_for_may_still_arrive() {
        let mut spool = Spool::new(Progress::new(1), &[], 400, false);
        spool.up(0);
        assert_eq!(spool.push(message(), OutputSet::bit(0)), []);
        let Next::Send(delivery) = spool.next(0, true) else { panic!("nothing to send") };
        let lost: u64 =
            (0..6).flat_map(|_| spool.push(message(), OutputSet::bit(0))).map(|lost| lost.count).sum();
        assert!(lost > 0 && spool.account().waiting == 7 - lost);
        assert_eq!(spool.done(0, &delivery.tag, DeliveryOutcome::Acked), None);
        assert_eq!((spool.account().delivered, spool.account().lost), (1, lost));
    }
}
