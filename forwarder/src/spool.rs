//! The spool: every message that is not done with, and what each output still has to get. It does no I/O and knows
//! no clock.
//!
//! Every message has a number within its lane. For each output, the spool keeps the set of numbers that the output
//! has acknowledged ([`Ranges`](crate::ranges::Ranges)) and two cursors. `live` goes through the messages that are
//! pushed while the output is connected; `backfill` catches up on those from before.
//!
//! A message leaves memory when all its outputs have acknowledged it, or when it is on disk and memory is needed.
//! [`Next::Read`] asks for a message that is not in memory any more.
//!
//! ```text
//! acknowledged ... backfill -> ... | live_from ... live -> ... | next
//!              (memory or disk)     (memory)
//! ```
//!
//! Limits: messages in memory take at most `memory_bytes_max`, and once they are on disk a quarter of it, or three quarters
//! while a connected output has yet to get them: so that what is made at one moment stays live as long as it takes it. What is
//! made at one moment may take [`BURST_BYTES`] more until the disk has had its turn, as long as it takes what it is given.
//! Past it, the oldest are given up, alerts last, and counted. Per output, the spool keeps one batch that was read from
//! disk, and its [`Ranges`](crate::ranges::Ranges).

mod cursors;
mod depths;
mod losses;
mod members;
mod queue;

pub(crate) use cursors::Next;
pub(crate) use depths::Depth;
pub(crate) use losses::{LossCause, LostMessages};

use crate::output_set::OutputSet;
use crate::progress::{Progress, Run};
use crate::record::BufferRecord;
use crate::{Account, Lane, Message, PerLane};
use cursors::Cursors;
use depths::Depths;
use losses::Orphan;
use queue::Queue;
use std::collections::{BTreeMap, BTreeSet};

/// The most that messages in memory take beyond its bound, until a disk that takes them has had its turn (bytes).
pub const BURST_BYTES: usize = 8 << 20;

/// Messages that one output has refused and another still wants. Past this number, a refused message may count as
/// delivered.
const REFUSED_MAX: usize = 1_000;

/// How an output answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// It has acknowledged the message.
    Acked,
    /// It will never take it.
    Refused,
    /// It does not want it after all.
    Unwanted,
}

pub(crate) struct Spool {
    queues: PerLane<Queue>,
    outputs: Vec<Cursors>,
    /// The acknowledgements, those of outputs that are no longer configured included.
    progress: Progress,
    refused: BTreeSet<(Lane, u64)>,
    /// Messages that are evicted and still in flight.
    orphans: BTreeMap<(Lane, u64), Orphan>,
    account: Account,
    depths: Depths,
    bytes_max: usize,
    /// Whether the disk takes what it is given.
    disk_takes: bool,
    /// Send only what is on disk.
    disk_first: bool,
    /// Whether gated lanes are open.
    released: bool,
}

impl Spool {
    /// A spool for the outputs of `progress`. Numbers go on after all that `progress` and the disk know.
    pub(crate) fn new(progress: Progress, found: &[Run], bytes_max: usize, disk_first: bool) -> Self {
        let mut queues = PerLane::<Queue>::default();
        let mut account = Account::default();
        for run in found {
            let queue = queues.of_mut(run.lane);
            queue.on_disk_end = queue.on_disk_end.max(run.seqs.end);
            account.made += progress.owed_in(run);
        }
        for lane in Lane::ALL {
            let queue = queues.of_mut(lane);
            queue.start_at(queue.on_disk_end.max(progress.end(lane)));
        }
        account.waiting = account.made;
        let outputs = progress.acked.iter().map(|_| Cursors::default()).collect();
        let depths = Depths::new(&progress, found);
        Self {
            queues,
            outputs,
            progress,
            refused: BTreeSet::new(),
            orphans: BTreeMap::new(),
            account,
            depths,
            bytes_max,
            disk_takes: false,
            disk_first,
            released: false,
        }
    }

    /// Takes over the content of the disk, before any message is sent or written. Messages that were pushed
    /// meanwhile get the numbers after it. `bits` are those of the outputs that had 0, 1, … so far. Returns by how
    /// much the numbers have grown.
    pub(crate) fn adopt(&mut self, progress: Progress, found: &[Run], bits: &[usize]) -> PerLane<u64> {
        let before = std::mem::replace(self, Self::new(progress, found, self.bytes_max, self.disk_first));
        (self.released, self.disk_takes) = (before.released, before.disk_takes);
        self.account.made += before.account.made;
        self.account.delivered += before.account.delivered;
        self.account.waiting += before.account.waiting;
        self.account.lost += before.account.lost;
        self.depths.adopt(&before.depths, bits);
        let (grown, mut queues) = (self.position(), before.queues);
        for lane in Lane::ALL {
            let by = *grown.of(lane);
            let queue = self.queues.of_mut(lane);
            queue.append(std::mem::take(queues.of_mut(lane)), |owed| moved(owed, bits));
            // Messages that memory had no room for.
            self.progress.forget(lane, &(by..queue.first_in_memory()));
        }
        grown
    }

    /// Takes a message for the outputs of `owed`. Returns the messages that were given up for it.
    pub(crate) fn push(&mut self, message: Message, owed: OutputSet) -> Vec<LostMessages> {
        self.account.made += 1;
        if owed.is_empty() {
            self.account.delivered += 1;
            return Vec::new();
        }
        self.account.waiting += 1;
        self.depths.on_owed(owed);
        self.queues.of_mut(message.lane).push(message, owed);
        self.shrink()
    }

    /// The output is connected. Messages that are pushed from now on are live for it.
    pub(crate) fn up(&mut self, output: usize) {
        let Some(cursors) = self.outputs.get_mut(output) else { return };
        cursors.up = true;
        for lane in Lane::ALL {
            let next = self.queues.of(lane).next();
            let acked = self.progress.acked.get(output).map_or(0, |acked| acked.of(lane).next_gap(0));
            cursors.lanes.of_mut(lane).restart(acked, next);
        }
    }

    /// Whether the output gets what waited before what is new.
    pub(crate) fn keep_order(&mut self, output: usize, in_order: bool) {
        if let Some(cursors) = self.outputs.get_mut(output) {
            cursors.in_order = in_order;
        }
    }

    /// Opens the gated lanes, or closes them. Messages that have waited in them are backfill.
    pub(crate) fn release(&mut self, released: bool) {
        if std::mem::replace(&mut self.released, released) || !released {
            return;
        }
        for lane in Lane::ALL.into_iter().filter(|lane| lane.is_held()) {
            let next = self.queues.of(lane).next();
            self.outputs.iter_mut().for_each(|cursors| cursors.lanes.of_mut(lane).rest_is_backfill(next));
        }
    }

    /// Takes the output's answer to a delivery. Returns the message if it is lost by that.
    pub(crate) fn done(
        &mut self,
        output: usize,
        delivery: &crate::Tag,
        outcome: DeliveryOutcome,
    ) -> Option<LostMessages> {
        let (lane, seq) = (delivery.lane, delivery.seq);
        let acked = self.progress.acked.get_mut(output)?.of_mut(lane);
        if !acked.insert(seq) {
            return None;
        }
        if delivery.owed.contains(output) {
            self.depths.on_done(output);
        }
        let wanted = delivery.owed & self.progress.active;
        let mut others = self.progress.acked.iter().enumerate().filter(|(other, _)| wanted.contains(*other));
        if others.all(|(_, acked)| acked.of(lane).contains(seq)) {
            self.queues.of_mut(lane).remove(seq);
            return self.settle(delivery, outcome);
        }
        if outcome == DeliveryOutcome::Refused && self.refused.len() < REFUSED_MAX {
            self.refused.insert((lane, seq));
        }
        None
    }

    /// Notes whether the disk takes what it is given. Returns the messages that are given up because it does not.
    pub(crate) fn on_disk(&mut self, takes: bool) -> Vec<LostMessages> {
        self.disk_takes = takes;
        self.shrink()
    }

    /// Whether a message waits for the disk.
    pub(crate) fn has_unwritten(&mut self) -> bool {
        Lane::ALL.into_iter().any(|lane| self.queues.of_mut(lane).first_unwritten().is_some())
    }

    /// The numbers that the next messages will get, to ask [`Spool::has_unwritten_before`] later.
    pub(crate) fn position(&self) -> PerLane<u64> {
        PerLane::from_fn(|lane| self.queues.of(lane).next())
    }

    /// Whether a message before the position waits for the disk.
    pub(crate) fn has_unwritten_before(&mut self, position: &PerLane<u64>) -> bool {
        Lane::ALL.into_iter().any(|lane| {
            let first = self.queues.of_mut(lane).first_unwritten();
            first.is_some_and(|seq| seq < *position.of(lane))
        })
    }

    /// Whether memory is so full that the disk is needed at once. Outputs that are all connected may take what has come at
    /// one moment before.
    pub(crate) fn is_tight(&mut self) -> bool {
        let active = self.progress.active;
        let mut wanting = self.outputs.iter().enumerate().filter(|(output, _)| active.contains(*output));
        let quarters = if wanting.all(|(_, cursors)| cursors.up) { 3 } else { 2 };
        self.bytes() > self.bytes_max / 4 * quarters && self.has_unwritten()
    }

    /// Messages for the disk, oldest first, about `bytes_max` of them.
    pub(crate) fn unwritten(&self, bytes_max: usize) -> PerLane<Vec<BufferRecord>> {
        PerLane::from_fn(|lane| self.queues.of(lane).unwritten(bytes_max))
    }

    /// Gives up all messages that wait for the disk. They are only counted: the program ends.
    pub(crate) fn lose_unwritten(&mut self) {
        let unwritten = self.unwritten(usize::MAX);
        let count: usize = Lane::ALL.into_iter().map(|lane| unwritten.of(lane).len()).sum();
        self.account.waiting -= count as u64;
        self.account.lost += count as u64;
    }

    /// These messages are on disk. `safe`: they survive a power cut, and memory may forget them.
    pub(crate) fn written(&mut self, batches: &PerLane<Vec<BufferRecord>>, safe: bool) {
        for lane in Lane::ALL {
            self.queues.of_mut(lane).written(batches.of(lane));
        }
        if safe {
            self.synced(true);
        }
    }

    /// Written messages are safe from a power cut now, or else must be written again.
    pub(crate) fn synced(&mut self, safe: bool) {
        for lane in Lane::ALL {
            let queue = self.queues.of_mut(lane);
            if safe { queue.all_safe() } else { queue.unsafe_again() }
        }
        self.free_memory();
    }

    /// No message is on disk any more.
    pub(crate) fn disk_is_empty(&mut self) {
        for lane in Lane::ALL {
            let queue = self.queues.of_mut(lane);
            if queue.first_in_memory() >= queue.on_disk_end {
                queue.on_disk_end = 0;
            }
        }
    }

    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// The acknowledgements so far.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = self.progress.clone();
        for lane in Lane::MERGED {
            let busy = progress.busy.of_mut(lane);
            busy.insert_range(self.queues.of(lane).first_in_memory()..u64::MAX);
            let outputs = self.outputs.iter().zip(&self.progress.acked).filter(|(cursors, _)| cursors.up);
            for (cursor, acked) in outputs.map(|(cursors, acked)| (cursors.lanes.of(lane), acked.of(lane))) {
                progress.reading |= cursor.is_reading();
                cursor.busy(acked).iter().for_each(|seqs| busy.insert_range(seqs.clone()));
            }
        }
        progress
    }

    /// Messages in memory (bytes).
    pub(crate) fn bytes(&self) -> usize {
        Lane::ALL.into_iter().map(|lane| self.queues.of(lane).bytes()).sum()
    }

    /// Frees messages that are safe on disk, down to a quarter of the bound; those that a connected output has yet to get
    /// live, down to three quarters. Read from the disk, they would be backfill.
    fn free_memory(&mut self) {
        for lane in [Lane::Data, Lane::HeldData, Lane::HeldAlert, Lane::Alert] {
            let unsent = self.first_unsent(lane);
            loop {
                let is_sent = self.queues.of(lane).first_in_memory() < unsent;
                let enough = self.bytes_max / 4 * if is_sent { 1 } else { 3 };
                if self.bytes() <= enough || !self.queues.of_mut(lane).free_oldest() {
                    break;
                }
            }
        }
    }

    /// Messages below this number were sent live to every connected output, or are no live ones.
    fn first_unsent(&self, lane: Lane) -> u64 {
        let up = self.outputs.iter().filter(|cursors| cursors.up);
        up.map(|cursors| cursors.lanes.of(lane).next_live()).min().unwrap_or(u64::MAX)
    }
}

/// The bits of the same outputs, whose places have changed.
fn moved(owed: OutputSet, bits: &[usize]) -> OutputSet {
    bits.iter().enumerate().filter(|(before, _)| owed.contains(*before)).map(|(_, now)| *now).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tag;

    #[test]
    fn what_is_held_is_sent_when_it_is_let_go_and_then_as_backfill() {
        let mut spool = Spool::new(Progress::new(1), &[], 10_000, false);
        let push = |spool: &mut Spool, lane: Lane| {
            let message = Message { lane, made_ms: 0, body: "b".into() };
            spool.push(message, OutputSet::bit(0));
        };
        let next = |spool: &mut Spool| match spool.next(0, true) {
            Next::Send(delivery) => Some((delivery.tag, delivery.backfill)),
            _ => None,
        };
        spool.up(0);
        for lane in [Lane::HeldData, Lane::Data, Lane::HeldAlert] {
            push(&mut spool, lane);
        }
        let tag = |lane, seq| Tag { lane, seq, owed: OutputSet::bit(0) };
        assert_eq!(next(&mut spool), Some((tag(Lane::Data, 0), false)));
        assert_eq!(next(&mut spool), None);
        spool.release(true);
        push(&mut spool, Lane::HeldData);
        let sent: Vec<_> = std::iter::from_fn(|| next(&mut spool)).collect();
        let backfill = [(tag(Lane::HeldAlert, 0), true), (tag(Lane::HeldData, 1), false)];
        assert_eq!(sent, [backfill[0], backfill[1], (tag(Lane::HeldData, 0), true)]);
        spool.release(false);
        push(&mut spool, Lane::HeldData);
        assert_eq!(next(&mut spool), None, "held again");
        let tags =
            [tag(Lane::Data, 0), tag(Lane::HeldAlert, 0), tag(Lane::HeldData, 0), tag(Lane::HeldData, 1)];
        tags.iter().for_each(|tag| assert_eq!(spool.done(0, tag, DeliveryOutcome::Acked), None));
        assert_eq!((spool.account().delivered, spool.account().waiting), (4, 1));
    }

    /// An output that keeps the order gets nothing live before all that waited, on disk too.
    #[test]
    fn what_waited_goes_first_where_the_order_is_kept() {
        let message = || Message { lane: Lane::Data, made_ms: 0, body: "b".into() };
        let found = [Run { lane: Lane::Data, seqs: 0..2, owed: OutputSet::bit(0) }];
        for in_order in [false, true] {
            let mut spool = Spool::new(Progress::new(1), &found, 10_000, false);
            spool.keep_order(0, in_order);
            spool.push(message(), OutputSet::bit(0));
            spool.up(0);
            spool.push(message(), OutputSet::bit(0));
            let mut sent = Vec::new();
            loop {
                match spool.next(0, true) {
                    Next::Send(delivery) => sent.push(delivery.tag.seq),
                    Next::Read(lane, from) => {
                        if in_order {
                            assert_eq!(spool.next(0, true), Next::Nothing, "it waits for the disk");
                            assert_eq!(spool.next(0, false), Next::Nothing);
                        }
                        let record = |seq| BufferRecord { seq, owed: OutputSet::bit(0), message: message() };
                        spool.fill(0, lane, from, (0..2).map(record).collect());
                    }
                    Next::Nothing => break,
                }
            }
            assert_eq!(sent, if in_order { [0, 1, 2, 3] } else { [3, 0, 1, 2] });
        }
    }

    /// What is made at one moment is live for an output that takes it, also where that takes longer than the disk waits.
    #[test]
    fn what_a_connected_output_is_taking_stays_live_when_it_is_on_disk() {
        let made = |is_up: bool| {
            let mut spool = Spool::new(Progress::new(1), &[], 1_000_000, false);
            if is_up {
                spool.up(0);
            }
            for _ in 0..3_000 {
                let message = Message { lane: Lane::Data, made_ms: 0, body: vec![0; 100].into() };
                assert!(spool.push(message, OutputSet::bit(0)).is_empty());
            }
            spool
        };
        assert!(made(false).is_tight() && !made(true).is_tight());
        let mut spool = made(true);
        let batches = spool.unwritten(usize::MAX);
        spool.written(&batches, true);
        let live = std::iter::from_fn(|| match spool.next(0, false) {
            Next::Send(delivery) => Some(delivery.backfill),
            _ => None,
        });
        assert_eq!(live.filter(|is_backfill| !is_backfill).count(), 3_000);
        // One that falls behind further frees memory all the same.
        let mut spool = made(true);
        let batches = spool.unwritten(usize::MAX);
        spool.written(&batches, true);
        for _ in 0..5_000 {
            let message = Message { lane: Lane::Data, made_ms: 0, body: vec![0; 100].into() };
            assert!(spool.push(message, OutputSet::bit(0)).is_empty(), "nothing is lost");
            let batches = spool.unwritten(usize::MAX);
            spool.written(&batches, true);
            assert!(spool.bytes() <= 1_000_000);
        }
    }

    /// What is made at one moment waits for a disk that takes messages, up to a bound; for another one it does not.
    #[test]
    fn what_is_made_at_one_moment_waits_for_the_disk() {
        let mut spool = Spool::new(Progress::new(1), &[], 100_000, false);
        let push = |spool: &mut Spool| {
            let message = Message { lane: Lane::Data, made_ms: 0, body: vec![0; 872].into() };
            spool.push(message, OutputSet::bit(0)).into_iter().map(|lost| lost.count).sum::<u64>()
        };
        assert_eq!((0..101).map(|_| push(&mut spool)).sum::<u64>(), 1, "the disk is not known yet");
        assert!(spool.on_disk(true).is_empty());
        let burst = BURST_BYTES / 1_000;
        assert_eq!((0..burst).map(|_| push(&mut spool)).sum::<u64>(), 0);
        assert_eq!(push(&mut spool), 1, "{}", spool.bytes());
        let batches = spool.unwritten(usize::MAX);
        spool.written(&batches, true);
        assert!(spool.bytes() <= 25_000);
        assert_eq!((0..200).map(|_| push(&mut spool)).sum::<u64>(), 0);
        let lost: u64 = spool.on_disk(false).into_iter().map(|lost| lost.count).sum();
        assert_eq!((lost, spool.bytes()), (100, 100_000));
    }

    #[test]
    fn what_the_program_ends_without_is_counted_as_lost() {
        let mut spool = Spool::new(Progress::new(1), &[], 10_000, false);
        for lane in [Lane::Data, Lane::Data, Lane::Alert] {
            spool.push(Message { lane, made_ms: 0, body: "b".into() }, OutputSet::bit(0));
        }
        let first = spool.unwritten(1);
        spool.written(&first, true);
        spool.lose_unwritten();
        assert_eq!(spool.account(), Account { made: 3, waiting: 2, lost: 1, ..Account::default() });
    }

    #[test]
    fn what_is_pushed_before_the_disk_is_known_gets_the_numbers_after_it() {
        let message = |n: u8| Message { lane: Lane::Data, made_ms: 0, body: vec![n].into() };
        let mut spool = Spool::new(Progress::new(2), &[], 300, false);
        spool.release(true);
        let lost: u64 =
            (0..4).flat_map(|n| spool.push(message(n), OutputSet::bit(1))).map(|lost| lost.count).sum();
        assert_eq!((lost, spool.account().waiting), (2, 2), "memory has its bound all the same");
        let position = spool.position();
        let found = [Run { lane: Lane::Data, seqs: 3..10, owed: OutputSet::bit(0) }];
        // The second output had the first bit, the first one is new and has the third.
        let mut progress = Progress::new(3);
        progress.acked[2].of_mut(Lane::Data).insert_range(0..10);
        let grown = spool.adopt(progress, &found, &[2, 0]);
        assert_eq!((*grown.of(Lane::Data), *position.of(Lane::Data)), (10, 4));
        assert_eq!(spool.account(), Account { made: 11, waiting: 9, lost: 2, ..Account::default() });
        let unwritten = spool.unwritten(1_000);
        let records: Vec<_> = unwritten
            .of(Lane::Data)
            .iter()
            .map(|record| (record.seq, record.owed.bits(), record.message.body[0]))
            .collect();
        assert_eq!(records, [(12, 1, 2), (13, 1, 3)]);
        spool.up(2);
        assert_eq!(spool.next(2, true), Next::Nothing, "a new output gets nothing of what was there");
    }

    #[test]
    fn alerts_that_are_being_read_go_before_allow_backfill_and_hold_up_nothing_live() {
        let message = |lane| Message { lane, made_ms: 0, body: "b".into() };
        let found = [Lane::Alert, Lane::Data].map(|lane| Run { lane, seqs: 0..2, owed: OutputSet::bit(0) });
        let mut spool = Spool::new(Progress::new(1), &found, 10_000, false);
        spool.up(0);
        assert_eq!(spool.next(0, true), Next::Read(Lane::Alert, 0));
        assert_eq!(spool.next(0, true), Next::Nothing, "it waits for the alerts");
        spool.push(message(Lane::Data), OutputSet::bit(0));
        assert!(matches!(spool.next(0, true), Next::Send(delivery) if !delivery.backfill));
        let records =
            (0..2).map(|seq| BufferRecord { seq, owed: OutputSet::bit(0), message: message(Lane::Alert) });
        spool.fill(0, Lane::Alert, 0, records.collect());
        for seq in 0..2 {
            let tag = Tag { lane: Lane::Alert, seq, owed: OutputSet::bit(0) };
            assert!(matches!(spool.next(0, true), Next::Send(delivery) if delivery.tag == tag));
        }
        assert_eq!(spool.next(0, true), Next::Read(Lane::Data, 0));
    }
}
