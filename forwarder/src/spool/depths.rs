//! How many messages each output still has to get, and since when.
//!
//! The counts follow what happens to messages. What the disk has lost without a trace stays in them until nothing waits
//! any more; so they are shown no larger than what is not acknowledged.

use super::Spool;
use crate::Lane;
use crate::output_set::OutputSet;
use crate::progress::{Progress, Run};
use std::ops::Range;

/// The messages that an output still has to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// How many.
    pub(crate) waiting: u64,
    /// When the oldest one was made [ms since the Unix epoch]; `None`: not known, or none waits.
    pub(crate) oldest_ms: Option<i64>,
}

/// The counts, by the outputs' bits.
#[derive(Debug, Default)]
pub(super) struct Depths(Vec<u64>);

impl Depths {
    /// Of what was found on disk.
    pub(super) fn new(progress: &Progress, found: &[Run]) -> Self {
        let mut depths = Self(vec![0; progress.acked.len()]);
        for run in found {
            for (output, count) in depths.0.iter_mut().enumerate() {
                *count += wanted(progress, output, run);
            }
        }
        depths
    }

    /// Adds what was pushed before the disk was known; `bits` are those of the outputs that had 0, 1, … then.
    pub(super) fn adopt(&mut self, before: &Self, bits: &[usize]) {
        for (count, bit) in before.0.iter().zip(bits) {
            if let Some(known) = self.0.get_mut(*bit) {
                *known += count;
            }
        }
    }

    /// An output has nothing to get.
    pub(super) fn begin(&mut self, output: usize) {
        self.0.resize(self.0.len().max(output + 1), 0);
        self.0.iter_mut().skip(output).take(1).for_each(|count| *count = 0);
    }

    /// How many messages an output has yet to get.
    pub(super) fn of(&self, output: usize) -> u64 {
        self.0.get(output).copied().unwrap_or(0)
    }

    /// These outputs have a message more to get.
    pub(super) fn on_owed(&mut self, owed: OutputSet) {
        for (_, count) in self.0.iter_mut().enumerate().filter(|(output, _)| owed.contains(*output)) {
            *count += 1;
        }
    }

    /// An output has one less to get.
    pub(super) fn on_done(&mut self, output: usize) {
        if let Some(count) = self.0.get_mut(output) {
            *count = count.saturating_sub(1);
        }
    }

    /// The outputs do not get these any more; `progress` does not know that yet.
    pub(super) fn on_forgotten(&mut self, progress: &Progress, run: &Run) {
        for (output, count) in self.0.iter_mut().enumerate() {
            *count = count.saturating_sub(wanted(progress, output, run));
        }
    }
}

/// How many messages of a run an output has not acknowledged.
fn wanted(progress: &Progress, output: usize, run: &Run) -> u64 {
    let acked = progress.acked.get(output).filter(|_| (run.owed & progress.active).contains(output));
    acked.map_or(0, |acked| (run.seqs.end - run.seqs.start) - acked.of(run.lane).count_in(&run.seqs))
}

impl Spool {
    /// What an output still has to get; `disk_ms` is when the oldest message on disk was made.
    pub(crate) fn depth(&self, output: usize, disk_ms: Option<i64>) -> Depth {
        let (Some(count), Some(acked)) = (self.depths.0.get(output), self.progress.acked.get(output)) else {
            return Depth::default();
        };
        let open = |lane: Lane| {
            let end = self.queues.of(lane).next();
            end - acked.of(lane).count_in(&(0..end))
        };
        let open: u64 = Lane::ALL.into_iter().map(open).sum();
        let waiting = (*count).min(open).min(self.account.waiting);
        let oldest = Lane::ALL.into_iter().filter_map(|lane| self.oldest_of(output, lane, disk_ms)).min();
        Depth { waiting, oldest_ms: oldest.filter(|_| waiting > 0) }
    }

    /// When the oldest message of a lane was made that an output has not acknowledged, as far as known.
    fn oldest_of(&self, output: usize, lane: Lane, disk_ms: Option<i64>) -> Option<i64> {
        // Times of another clock say nothing.
        if lane.is_held() {
            return None;
        }
        let (queue, acked) = (self.queues.of(lane), self.progress.acked.get(output)?.of(lane));
        let first = acked.next_gap(0);
        let memory = queue.first_in_memory();
        if first < memory && first < queue.on_disk_end {
            return disk_ms;
        }
        let in_memory = memory..queue.next();
        let mut gaps = acked.gaps_in(&in_memory);
        let owed = |seq: u64| queue.at(seq).filter(|entry| entry.owed.contains(output));
        gaps.find_map(|seqs: Range<u64>| seqs.filter_map(owed).next().map(|entry| entry.message.made_ms))
    }

    /// The counts before they are bounded, for tests.
    #[cfg(test)]
    pub(crate) fn raw_depths(&self) -> Vec<u64> {
        self.depths.0.clone()
    }

    /// What the outputs really have to get of what is in memory, one by one.
    #[cfg(test)]
    pub(crate) fn counted_in_memory(&self) -> Vec<u64> {
        let of = |output: usize, lane: Lane| {
            let (queue, acked) = (self.queues.of(lane), self.progress.acked[output].of(lane));
            let range = queue.first_in_memory()..queue.next();
            let wanted = |seq: &u64| queue.at(*seq).is_some_and(|entry| entry.owed.contains(output));
            queue.seqs_in(&range).filter(|seq| !acked.contains(*seq)).filter(wanted).count() as u64
        };
        let outputs = 0..self.progress.acked.len();
        outputs.map(|output| Lane::ALL.into_iter().map(|lane| of(output, lane)).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeliveryOutcome, LossCause, Next};
    use super::*;
    use crate::{DropReason, Message};
    use std::rc::Rc;

    fn message(lane: Lane, made_ms: i64) -> Message {
        Message { lane, made_ms, body: "b".into() }
    }

    /// Against a count one by one, whatever happens in memory.
    #[test]
    fn the_counts_are_what_is_there() {
        let mut rng = fastrand::Rng::with_seed(18);
        for _ in 0..50 {
            let mut spool = Spool::new(Progress::new(3), &[], 3_000, false);
            let mut sent = Vec::new();
            for step in 0..400 {
                match rng.u8(..6) {
                    0 => spool.up(rng.usize(..3)),
                    1 if rng.u8(..4) == 0 => {
                        let output = rng.usize(..3);
                        spool.down(output);
                        sent.retain(|(to, _)| *to != output);
                    }
                    2 | 3 => {
                        let output = rng.usize(..3);
                        if let Next::Send(delivery) = spool.next(output, true) {
                            sent.push((output, delivery.tag));
                        }
                    }
                    4 if !sent.is_empty() => {
                        let (output, tag) = sent.swap_remove(rng.usize(..sent.len()));
                        spool.done(output, &tag, DeliveryOutcome::Acked);
                    }
                    _ => {
                        let lane = if rng.bool() { Lane::Data } else { Lane::Alert };
                        spool.push(message(lane, step), OutputSet::from_bits(rng.u64(..8)));
                    }
                }
                let waiting = spool.account().waiting;
                let depths = spool.raw_depths();
                assert!(depths.iter().all(|depth| *depth <= waiting), "{depths:?} of {waiting}");
                assert!(depths.iter().sum::<u64>() >= waiting, "{depths:?} of {waiting}");
                if spool.orphans() == 0 {
                    assert_eq!(depths, spool.counted_in_memory());
                }
            }
        }
    }

    #[test]
    fn what_was_found_counts_and_what_is_evicted_does_not() {
        let runs = [
            Run { lane: Lane::Data, seqs: 0..10, owed: OutputSet::from_bits(0b01) },
            Run { lane: Lane::Data, seqs: 10..14, owed: OutputSet::from_bits(0b11) },
        ];
        let mut progress = Progress::new(2);
        progress.acked[0].of_mut(Lane::Data).insert_range(0..3);
        let mut spool = Spool::new(progress, &runs, 10_000, false);
        let depths = |spool: &Spool| [0, 1].map(|output| spool.depth(output, Some(77)).waiting);
        assert_eq!(depths(&spool), [11, 4]);
        spool.push(message(Lane::Data, 90), OutputSet::from_bits(0b10));
        assert_eq!(spool.depth(0, Some(77)), Depth { waiting: 11, oldest_ms: Some(77) });
        let cause = Rc::new(LossCause::Evicted { made_ms: 0..1, why: DropReason::Full });
        spool.evicted(&runs[1..], &cause);
        assert_eq!(depths(&spool), [7, 1]);
        spool.compacted(&[Run { seqs: 4..8, ..runs[0].clone() }]);
        assert_eq!(depths(&spool), [3, 1]);
        spool.evicted(&runs[..1], &cause);
        assert_eq!(depths(&spool), [0, 1]);
        assert_eq!(spool.depth(0, None).oldest_ms, None);
    }

    #[test]
    fn the_oldest_is_that_of_the_output() {
        let mut spool = Spool::new(Progress::new(2), &[], 10_000, false);
        for (made_ms, bits) in [(1, 0b10), (2, 0b01), (3, 0b11)] {
            spool.push(message(Lane::Data, made_ms), OutputSet::from_bits(bits));
        }
        let oldest = |spool: &Spool, output| spool.depth(output, None).oldest_ms;
        assert_eq!((oldest(&spool, 0), oldest(&spool, 1)), (Some(2), Some(1)));
        spool.up(1);
        let Next::Send(delivery) = spool.next(1, true) else { panic!("nothing to send") };
        spool.done(1, &delivery.tag, DeliveryOutcome::Acked);
        assert_eq!((oldest(&spool, 0), oldest(&spool, 1)), (Some(2), Some(3)));
    }
}
