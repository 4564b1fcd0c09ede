//! Merges old messages into coarser ones, so that a full buffer loses detail instead of messages.
//!
//! The [`crate::Compactor`] knows how to merge. This module chooses the segments: the oldest closed ones of those
//! that were compacted least, a few at a time. So detail is lost evenly, from the oldest on, and an older message
//! is never finer than a younger one. Only what is on its way to an output stays as it is: where messages come faster than
//! they leave, what comes then may become coarser than that.
//!
//! Gated messages are merged by themselves, when no others can be.
//!
//! Merged messages take the numbers of some of their parts: the order stays, and no number is new. A new segment
//! replaces the old ones. A note says so before they are deleted, so that after a crash there is either the new
//! one or the old ones. A segment is left alone while one of its messages is in memory or in flight.
//!
//! A message on which the compactor panics stays as it is, and the others are merged: it would end the agent again after every
//! start. A report says so once in a run.
//!
//! Limits: [`SLICE_BYTES`] of content in memory at a time, and as much again for the result.

use super::segment_meta::{self, SegmentMeta, extend_runs, note_name};
use super::{LaneBatches, LogEvent, MIB, SegmentLog};
use crate::output_set::OutputSet;
use crate::progress::{Progress, Run};
use crate::ranges::Ranges;
use crate::record::BufferRecord;
use crate::store::{SegmentId, StoreError};
use crate::{Compactor, Lane};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

/// Content of the segments that are merged at once (bytes).
const SLICE_BYTES: u64 = 8 * MIB;

/// The level of a segment that cannot be made coarser: it is not tried again.
const LEVEL_MAX: u32 = u32::MAX;

impl SegmentLog {
    /// Merges the oldest and finest messages. Returns whether that has made room.
    pub(super) fn compact(&mut self, progress: &Progress) -> bool {
        self.all_indexed() && Lane::MERGED.into_iter().any(|lane| self.compact_lane(lane, progress))
    }

    /// Writes missing indexes. Returns whether none is missing. A segment without one is read at the next start,
    /// which would find messages in it that were written again elsewhere, and merged there.
    fn all_indexed(&mut self) -> bool {
        let open = [self.filling, self.keeping];
        let has_none = |(segment, meta): (&SegmentId, &SegmentMeta)| {
            (!meta.sealed && !open.contains(&Some(*segment))).then_some(*segment)
        };
        let missing: Vec<SegmentId> = self.segments.iter().filter_map(has_none).collect();
        missing.into_iter().all(|segment| {
            self.seal(segment, &[]);
            self.segments.get(&segment).is_none_or(|meta| meta.sealed)
        })
    }

    fn compact_lane(&mut self, lane: Lane, progress: &Progress) -> bool {
        let Some(compactor) = self.compactor.clone() else { return false };
        while let Some(slice) = self.slice(lane, progress.busy.of(lane)) {
            match self.compact_slice((lane, &slice), compactor.as_ref(), progress) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "old messages could not be merged");
                    return false;
                }
            }
            for segment in slice {
                if let Some(meta) = self.segments.get_mut(&segment) {
                    meta.level = LEVEL_MAX;
                }
            }
        }
        false
    }

    /// Neighbouring segments that may be merged, with no message in memory or in flight: the oldest of the lowest
    /// level.
    fn slice(&self, lane: Lane, busy: &Ranges) -> Option<Vec<SegmentId>> {
        let mut in_order: Vec<(u64, SegmentId, &SegmentMeta)> = self
            .segments
            .iter()
            .filter_map(|(segment, meta)| Some((meta.spans.of(lane).start()?, *segment, meta)))
            .collect();
        in_order.sort_unstable_by_key(|(start, segment, _)| (*start, *segment));
        let may = |(start, _, meta): &(u64, SegmentId, &SegmentMeta)| {
            let end = meta.spans.of(lane).end();
            let free = *start >= *self.handed.of(lane) && busy.count_in(&(*start..end)) == 0;
            free && meta.sealed && meta.level < LEVEL_MAX
        };
        let lowest = in_order.iter().filter(|entry| may(entry)).map(|(_, _, meta)| meta.level).min()?;
        let mut bytes = 0;
        let slice: Vec<SegmentId> = in_order
            .into_iter()
            .skip_while(|entry| !(may(entry) && entry.2.level == lowest))
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.2.content_bytes;
                may(entry) && entry.2.level == lowest && (first || bytes <= SLICE_BYTES)
            })
            .map(|(_, segment, _)| segment)
            .collect();
        (!slice.is_empty()).then_some(slice)
    }

    /// Returns whether the result is smaller.
    fn compact_slice(
        &mut self,
        (lane, slice): (Lane, &[SegmentId]),
        compactor: &dyn Compactor,
        progress: &Progress,
    ) -> Result<bool, StoreError> {
        let (mut before, mut merged, mut level) = (Vec::<BufferRecord>::new(), LaneBatches::default(), 0);
        for segment in slice {
            match self.wanted(*segment, lane, progress) {
                Ok(records) => before.extend(records),
                Err(StoreError::Damaged(why)) => {
                    self.give_up(*segment, &why);
                    // The other segments are merged the next time.
                    return Ok(true);
                }
                Err(error) => return Err(error),
            }
            for other in Lane::ALL.into_iter().filter(|other| *other != lane) {
                merged.of_mut(other).extend(self.wanted(*segment, other, progress)?);
            }
            level = self.segments.get(segment).map_or(level, |meta| meta.level.max(level));
        }
        // The segments are in the order of this lane. The order of other lanes may differ.
        in_order(&mut before);
        Lane::ALL.into_iter().for_each(|lane| in_order(merged.of_mut(lane)));
        if before.is_empty() && Lane::ALL.into_iter().all(|lane| merged.of(lane).is_empty()) {
            slice.iter().for_each(|segment| self.delete(*segment));
            return Ok(true);
        }
        let elsewhere = self.elsewhere(lane, slice);
        let careful = CarefulCompactor { compactor, panics: AtomicU32::new(0) };
        let merged_part = merge(lane, &before, &elsewhere, &careful);
        if careful.panics.into_inner() > 0 {
            self.on_unmergeable();
        }
        let Some((coarser, gone)) = merged_part else { return Ok(false) };
        *merged.of_mut(lane) = coarser;
        let segment = self.next;
        self.store.write_note(&note_name(segment), &segment_meta::write_building())?;
        let segment = self.create()?;
        if let Err(error) = self.fill(segment, &merged, true) {
            self.store.close(segment);
            self.delete(segment);
            return Err(error);
        }
        if let Some(meta) = self.segments.get_mut(&segment) {
            meta.level = level + 1;
        }
        self.seal(segment, slice);
        if !self.segments.get(&segment).is_some_and(|meta| meta.sealed) {
            self.delete(segment);
            return Err(StoreError::Failed("the merged segment has no index".into()));
        }
        slice.iter().for_each(|segment| self.delete(*segment));
        self.log_events.push(LogEvent::Compacted { runs: gone });
        Ok(true)
    }

    /// Tells once that messages stay as they are.
    fn on_unmergeable(&mut self) {
        if !std::mem::replace(&mut self.has_told_unmergeable, true) {
            let what = "some messages in the buffer cannot be merged, because the program fails on them (see the panic in the log); \
                        they stay as they are";
            self.log_events.push(LogEvent::Damaged { runs: Vec::new(), count_max: 0, what: what.to_owned() });
        }
    }

    /// The lane's numbers in all other segments.
    fn elsewhere(&self, lane: Lane, slice: &[SegmentId]) -> Ranges {
        let mut elsewhere = Ranges::default();
        let others = self.segments.iter().filter(|(segment, _)| !slice.contains(segment));
        others
            .flat_map(|(_, meta)| meta.spans.of(lane).iter())
            .for_each(|seqs| elsewhere.insert_range(seqs.clone()));
        elsewhere
    }
}

/// A compactor whose panics cost the messages that cause them, and no others, as long as there are few.
struct CarefulCompactor<'c> {
    compactor: &'c dyn Compactor,
    panics: AtomicU32,
}

/// After so many panics the rest of the messages stays as it is: two or three messages are found within it.
const PANICS_MAX: u32 = 32;

impl Compactor for CarefulCompactor<'_> {
    fn merge(&self, older: &[crate::Message]) -> Option<Vec<crate::Message>> {
        if self.panics.load(Ordering::Relaxed) >= PANICS_MAX {
            return None;
        }
        // It changes nothing but what it answers.
        if let Ok(merged) = catch_unwind(AssertUnwindSafe(|| self.compactor.merge(older))) {
            return merged;
        }
        self.panics.fetch_add(1, Ordering::Relaxed);
        let (first, second) = older.split_at(older.len() / 2);
        if first.is_empty() {
            return None;
        }
        let halves = [first, second].map(|half| self.merge(half).unwrap_or_else(|| half.to_vec()));
        Some(halves.concat())
    }
}

/// Sorts by number; of two copies one stays.
fn in_order(records: &mut Vec<BufferRecord>) {
    records.sort_by_key(|record| record.seq);
    records.dedup_by_key(|record| record.seq);
}

/// Merges messages. Returns the coarser ones, and the numbers that are gone. Two messages are merged only if no
/// other segment has a message between them, because a merged message stands where the last of its parts was.
/// `None`: the result would not be smaller by a fifth.
fn merge(
    lane: Lane,
    before: &[BufferRecord],
    elsewhere: &Ranges,
    compactor: &dyn Compactor,
) -> Option<(Vec<BufferRecord>, Vec<Run>)> {
    let together = |earlier: &BufferRecord, later: &BufferRecord| {
        elsewhere.next_in(earlier.seq).is_none_or(|between| between > later.seq)
    };
    let (mut after, mut gone) = (Vec::new(), Vec::new());
    for part in before.chunk_by(together) {
        let (coarser, runs) =
            merge_part(lane, part, compactor).unwrap_or_else(|| (part.to_vec(), Vec::new()));
        after.extend(coarser);
        gone.extend(runs);
    }
    (after.len() * 5 <= before.len() * 4).then_some((after, gone))
}

/// Merges messages that are owed to the same outputs. `None`: the results cannot be put in order.
fn merge_part(
    lane: Lane,
    before: &[BufferRecord],
    compactor: &dyn Compactor,
) -> Option<(Vec<BufferRecord>, Vec<Run>)> {
    let mut groups: BTreeMap<OutputSet, (Vec<u64>, Vec<crate::Message>)> = BTreeMap::new();
    for record in before {
        let (seqs, messages) = groups.entry(record.owed).or_default();
        seqs.push(record.seq);
        messages.push(record.message.clone());
    }
    let all = groups.keys().fold(OutputSet::default(), |all, owed| all | *owed);
    let mut after = Vec::new();
    for (owed, (seqs, messages)) in groups {
        let merged = compactor.merge(&messages).filter(|merged| merged.len() < messages.len());
        let places = places(&seqs, &messages, merged.as_ref().unwrap_or(&messages));
        let placed = places.into_iter().zip(merged.unwrap_or(messages));
        after.extend(placed.map(|(place, message)| (place, owed, message)));
    }
    // By number, not by time: clocks step.
    after.sort_by_key(|(place, ..)| *place);
    let numbers = numbers(before, all, after.iter().map(|(place, ..)| *place).collect())?;
    let mut gone = Vec::new();
    let is_gone = |record: &&BufferRecord| numbers.binary_search(&record.seq).is_err();
    before.iter().filter(is_gone).for_each(|record| extend_runs(&mut gone, lane, record));
    let renumbered = numbers.iter().zip(after).map(|(seq, (_, owed, mut message))| {
        message.lane = lane;
        BufferRecord { seq: *seq, owed, message }
    });
    Some((renumbered.collect(), gone))
}

/// Chooses the numbers of merged messages. A number that an output has acknowledged must not go to a message that
/// it has not got. So the numbers are the last of those that every output wants; if these are too few, the numbers
/// of the messages' own places. `None`: two messages would get one number.
fn numbers(before: &[BufferRecord], all: OutputSet, places: Vec<u64>) -> Option<Vec<u64>> {
    let free: Vec<u64> = before.iter().filter(|record| record.owed == all).map(|record| record.seq).collect();
    let numbers = match free.len().checked_sub(places.len()) {
        Some(rest) => free.into_iter().skip(rest).collect(),
        None => places,
    };
    numbers.is_sorted_by(|earlier, later| earlier < later).then_some(numbers)
}

/// The places of merged messages among their parts. Each has the time of one of its parts, and they are in order.
fn places(seqs: &[u64], messages: &[crate::Message], merged: &[crate::Message]) -> Vec<u64> {
    let mut rest = seqs.iter().zip(messages);
    let mut place = 0;
    let find = |merged: &crate::Message| {
        let mut ahead = rest.clone();
        if let Some((seq, _)) = ahead.find(|(_, message)| message.made_ms == merged.made_ms) {
            (place, rest) = (*seq, ahead);
        }
        place
    };
    merged.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::config::BufferConfig;
    use crate::store::memory::MemoryStore;
    use bytes::Bytes;
    use std::sync::Arc;

    /// Makes one message of two.
    struct Pairs;

    impl Compactor for Pairs {
        fn merge(&self, older: &[Message]) -> Option<Vec<Message>> {
            Some(older.chunks(2).filter_map(|pair| pair.last().cloned()).collect())
        }
    }

    /// The same, and panics on one message.
    struct Fussy(i64);

    impl Compactor for Fussy {
        fn merge(&self, older: &[Message]) -> Option<Vec<Message>> {
            assert!(older.iter().all(|message| message.made_ms != self.0), "what a message");
            Pairs.merge(older)
        }
    }

    fn record(lane: Lane, seq: u64) -> BufferRecord {
        let body = Bytes::from(vec![b'x'; 200]);
        BufferRecord { seq, owed: OutputSet::bit(0), message: Message { lane, made_ms: seq as i64, body } }
    }

    /// What is held becomes coarser as the rest does, and every message is there or said to be gone; what lies between in
    /// the other lane stays.
    #[test]
    fn both_lanes_of_data_become_coarser_before_they_give_way() {
        const COUNT: u64 = 600;
        for (lane, other) in [(Lane::Data, Lane::HeldAlert), (Lane::HeldData, Lane::Alert)] {
            let config = BufferConfig { max_size: 96 << 10, ..BufferConfig::default() };
            let store = Box::new(MemoryStore::default());
            let (mut segment_log, _) = SegmentLog::open(store, config, Some(Arc::new(Pairs)));
            let progress = Progress::new(1);
            for first in (0..COUNT).step_by(10) {
                let mut batches = LaneBatches::default();
                *batches.of_mut(lane) = (first..first + 10).map(|seq| record(lane, seq)).collect();
                *batches.of_mut(other) = vec![record(other, first / 10)];
                segment_log.append(&batches, true, &progress).unwrap();
            }
            let mut gone = 0;
            for log_event in segment_log.take_events() {
                let LogEvent::Compacted { runs } = log_event else { panic!("{log_event:?}") };
                assert!(runs.iter().all(|run| run.lane == lane));
                gone += runs.iter().map(|run| run.seqs.end - run.seqs.start).sum::<u64>();
            }
            let left = |lane| segment_log.segments.values().map(|meta| *meta.counts.of(lane)).sum::<u64>();
            assert!(gone > 100, "{gone} of {COUNT}");
            assert_eq!((left(lane) + gone, left(other)), (COUNT, COUNT / 10));
        }
    }

    /// One message on which the compactor panics: it stays, the others become coarser, and that is said once.
    #[test]
    fn a_message_that_cannot_be_merged_stays_alone() {
        const COUNT: u64 = 600;
        let config = BufferConfig { max_size: 96 << 10, ..BufferConfig::default() };
        let store = Box::new(MemoryStore::default());
        let (mut segment_log, _) = SegmentLog::open(store, config, Some(Arc::new(Fussy(17))));
        let progress = Progress::new(1);
        for first in (0..COUNT).step_by(10) {
            let mut batches = LaneBatches::default();
            *batches.of_mut(Lane::Data) = (first..first + 10).map(|seq| record(Lane::Data, seq)).collect();
            segment_log.append(&batches, true, &progress).unwrap();
        }
        let (mut gone, mut said) = (Vec::new(), 0);
        for log_event in segment_log.take_events() {
            match log_event {
                LogEvent::Compacted { runs } => gone.extend(runs),
                LogEvent::Damaged { runs, count_max: 0, what } => {
                    assert!(runs.is_empty() && what.contains("cannot be merged"), "{what}");
                    said += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        let count: u64 = gone.iter().map(|run| run.seqs.end - run.seqs.start).sum();
        let left: u64 = segment_log.segments.values().map(|meta| *meta.counts.of(Lane::Data)).sum();
        assert!(count > 100 && said == 1, "{count} of {COUNT}, said {said} times");
        assert_eq!(left + count, COUNT, "none is lost");
    }
}
