//! Reads segments: all of them at the start, as far as they have no index; later, the messages that an output
//! wants.

use super::segment_meta::{self, Index, SegmentMeta, note_name};
use super::{CLEARED, FoundMessages, LogEvent, POSITIONS, SegmentLog};
use crate::config::BufferConfig;
use crate::progress::{self, Run};
use crate::ranges::Ranges;
use crate::record::{self, BufferRecord};
use crate::store::{SegmentId, Store, StoreError};
use crate::{Compactor, DropReason, Lane, PerLane};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The start tries a segment that cannot be read again at such intervals, so often for the whole buffer.
const LOOKS_MAX: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl SegmentLog {
    /// Opens the buffer. Every fault of it becomes a [`LogEvent`], and the rest is used.
    pub(crate) fn open(
        store: Box<dyn Store>,
        config: BufferConfig,
        compactor: Option<Arc<dyn Compactor>>,
    ) -> (Self, FoundMessages) {
        let mut segment_log = Self {
            store,
            config,
            compactor,
            segments: BTreeMap::new(),
            filling: None,
            dirty: false,
            keeping: None,
            next: 1,
            new_end: PerLane::default(),
            handed: PerLane::default(),
            aside_bytes: 0,
            log_events: Vec::new(),
            has_told_unmergeable: false,
        };
        let mut runs = segment_log.scan();
        segment_log.subtract_copies(&runs);
        segment_log.read_cleared();
        for log_event in &segment_log.log_events {
            // Messages that cannot be read were made too: they are counted, and then counted as lost.
            if let LogEvent::Damaged { runs: gone, .. } | LogEvent::Evicted { runs: gone, .. } = log_event {
                runs.extend(gone.iter().cloned());
            }
        }
        segment_log.aside_bytes = segment_log.store.aside_bytes();
        let positions = segment_log.store.read_note(POSITIONS).and_then(|note| progress::read(&note));
        (segment_log, FoundMessages { runs: without_overlaps(runs), positions })
    }

    fn scan(&mut self) -> Vec<Run> {
        let segments = self.store.segments().unwrap_or_else(|error| {
            tracing::error!(%error, "the buffer's folder cannot be read");
            Vec::new()
        });
        let last = segments.last().copied();
        self.next = last.map_or(1, |last| last + 1);
        let mut unsealed = Vec::new();
        let mut replaced = Vec::new();
        for segment in segments {
            match self.store.read_note(&note_name(segment)).as_deref().and_then(segment_meta::read) {
                Some(Index::Building) => replaced.push(segment),
                Some(Index::Sealed { meta, replaces }) => {
                    replaced.extend(replaces);
                    let disk_bytes = self.store.bytes(segment);
                    self.segments.insert(segment, SegmentMeta { disk_bytes, ..*meta });
                }
                None => unsealed.push(segment),
            }
        }
        unsealed.retain(|segment| !replaced.contains(segment));
        replaced.into_iter().for_each(|segment| self.delete(segment));
        let mut looks = LOOKS_MAX;
        unsealed.iter().for_each(|segment| self.scan_segment(*segment, &mut looks));
        self.clip_overlaps(&unsealed);
        let runs = self.segments.values().flat_map(|meta| meta.runs.iter().cloned()).collect();
        if let Some(last) = last.filter(|last| !unsealed.contains(last)) {
            self.reopen(last);
        }
        self.segments.values_mut().filter(|meta| meta.sealed).for_each(|meta| meta.runs = Vec::new());
        for segment in unsealed {
            // The segment that was filled last is filled on, if it has room.
            if Some(segment) == last && self.has_room(segment) {
                self.filling = last;
            } else if self.segments.contains_key(&segment) {
                self.seal(segment, &[]);
            }
        }
        runs
    }

    /// Goes on filling the segment that was filled when the program stopped. Its index is invalid from now on, and
    /// that must be safe on disk before a message is added.
    fn reopen(&mut self, last: SegmentId) {
        let may = |meta: &SegmentMeta| meta.level == 0 && meta.digest.is_none();
        self.before_opening(last);
        let is_open = self.segments.get(&last).is_some_and(may) && self.has_room(last);
        if is_open && self.store.write_note(&note_name(last), &[]).is_ok() {
            self.filling = Some(last);
            if let Some(meta) = self.segments.get_mut(&last) {
                meta.sealed = false;
                meta.all_synced();
            }
        }
    }

    /// Takes messages out of reported losses that lie in another segment too.
    fn subtract_copies(&mut self, there: &[Run]) {
        let mut safe = PerLane::<Ranges>::default();
        there.iter().for_each(|run| safe.of_mut(run.lane).insert_range(run.seqs.clone()));
        for log_event in &mut self.log_events {
            let LogEvent::Damaged { runs, .. } = log_event else { continue };
            let rest = |run: &Run| {
                let gaps = safe.of(run.lane).gaps_in(&run.seqs).map(|seqs| Run { seqs, ..*run });
                gaps.collect::<Vec<_>>()
            };
            *runs = runs.iter().flat_map(rest).collect();
        }
    }

    /// Reports once the messages that somebody has removed while the program was stopped.
    fn read_cleared(&mut self) {
        let note = self.store.read_note(CLEARED);
        if let Some(Index::Sealed { meta, .. }) = note.as_deref().and_then(segment_meta::read) {
            let made_ms = meta.made_ms.unwrap_or(0..0);
            self.log_events.push(LogEvent::Evicted { runs: meta.runs, made_ms, why: DropReason::Cleared });
        }
        if note.is_some() {
            self.store.delete_note(CLEARED);
        }
    }

    /// A message whose write was not confirmed was written again to a later segment. There it counts.
    fn clip_overlaps(&mut self, unsealed: &[SegmentId]) {
        for segment in unsealed {
            for lane in Lane::ALL {
                let later =
                    self.segments.range(segment + 1..).flat_map(|(_, meta)| meta.spans.of(lane).iter());
                let later: Vec<Range<u64>> = later.cloned().collect();
                if let Some(meta) = self.segments.get_mut(segment) {
                    later.iter().for_each(|seqs| meta.cut(lane, seqs));
                }
            }
            if self.segments.get(segment).is_some_and(SegmentMeta::is_empty) {
                self.delete(*segment);
            }
        }
    }

    /// Reads a whole segment. One that cannot be read is tried again for a while, because the program before this
    /// one may be about to end, and is then left for the next start.
    fn scan_segment(&mut self, segment: SegmentId, looks: &mut u32) {
        while let Err(why) = self.try_scan_segment(segment) {
            let Some(left) = looks.checked_sub(1) else {
                tracing::error!(segment, %why, "a part of the buffer cannot be read; it is left for the next start");
                return self.forget(segment);
            };
            tracing::warn!(segment, %why, "a part of the buffer cannot be read now");
            *looks = left;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn try_scan_segment(&mut self, segment: SegmentId) -> Result<(), String> {
        let mut meta = SegmentMeta { disk_bytes: self.store.bytes(segment), ..SegmentMeta::default() };
        self.segments.insert(segment, SegmentMeta::default());
        let result = Lane::ALL.into_iter().try_for_each(|lane| {
            self.walk(segment, lane, |record, bytes| {
                meta.note_old(&record);
                meta.content_bytes += bytes as u64;
            })
        });
        // The last messages of a killed program may be in the system's cache only. If they cannot be synced, they
        // can at least be read.
        if let Err(error) = self.store.sync(segment) {
            tracing::warn!(segment, %error, "what was found in the buffer could not be synced");
            self.store.close(segment);
        }
        meta.all_synced();
        let is_empty = meta.is_empty();
        meta.damaged = self.segments.get(&segment).is_some_and(|meta| meta.damaged);
        self.segments.insert(segment, meta);
        match result {
            Ok(()) if is_empty => self.delete(segment),
            Ok(()) => {}
            Err(StoreError::Damaged(why)) => self.give_up(segment, &why),
            Err(StoreError::Failed(why) | StoreError::Blocked(why)) => {
                self.store.close(segment);
                return Err(why);
            }
        }
        Ok(())
    }

    /// Visits all messages of a lane in a segment, each with its share of the batch (bytes). A batch whose
    /// checksum is wrong is reported and skipped.
    pub(super) fn walk(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        mut visit: impl FnMut(BufferRecord, usize),
    ) -> Result<(), StoreError> {
        self.before_opening(segment);
        let mut batch = self.store.at(segment, lane, 0)?;
        while let Some(found) = batch {
            let bytes = found.bytes.len();
            batch = self.store.after(segment, lane, found.seqs.start)?;
            match record::decode(found.bytes) {
                Ok(records) => {
                    let share = bytes / records.len().max(1);
                    records.into_iter().for_each(|record| visit(record, share));
                }
                Err(bad) => self.on_bad_batch(
                    segment,
                    lane,
                    &found.seqs,
                    batch.as_ref().map(|next| next.seqs.start),
                    bad,
                ),
            }
        }
        Ok(())
    }

    /// The first batch with messages from `from` on, without those before it.
    pub(super) fn read_batch(&mut self, lane: Lane, from: u64) -> Result<Vec<BufferRecord>, String> {
        loop {
            let candidates = self
                .segments
                .iter()
                .filter_map(|(segment, meta)| Some((meta.spans.of(lane).next_in(from)?, *segment)));
            let Some((start, segment)) = candidates.min() else { return Ok(Vec::new()) };
            match self.read_in(segment, lane, start) {
                Ok(records) => {
                    let found = records.first().map(|record| record.seq);
                    let span = self.segments.get(&segment).map(|meta| meta.spans.of(lane));
                    let end = found.or(span.map(|span| span.next_gap(start))).unwrap_or(start);
                    self.on_missing(segment, lane, &(start..end));
                    if !records.is_empty() {
                        return Ok(records);
                    }
                }
                Err(StoreError::Damaged(why)) => self.give_up(segment, &why),
                Err(StoreError::Failed(why)) => self.on_read_error(segment, &why)?,
                Err(StoreError::Blocked(why)) => {
                    self.store.close(segment);
                    return Err(why);
                }
            }
        }
    }

    fn read_in(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        from: u64,
    ) -> Result<Vec<BufferRecord>, StoreError> {
        self.before_opening(segment);
        let mut batch = self.store.at(segment, lane, from)?;
        while let Some(found) = batch {
            match record::decode(found.bytes) {
                Ok(mut records) => {
                    let all = records.len();
                    // Only this interval: another segment may have the messages after it.
                    let end =
                        self.segments.get(&segment).map_or(0, |meta| meta.spans.of(lane).next_gap(from));
                    if found.seqs.start >= end {
                        break;
                    }
                    records.retain(|record| (from..end).contains(&record.seq));
                    if !records.is_empty() {
                        self.segments.entry(segment).or_default().failures = 0;
                        return Ok(if records.len() < all / 2 { copy_out(records) } else { records });
                    }
                }
                Err(bad) => {
                    let next = self.store.after(segment, lane, found.seqs.start)?;
                    self.on_bad_batch(segment, lane, &found.seqs, next.map(|next| next.seqs.start), bad);
                }
            }
            batch = self.store.after(segment, lane, found.seqs.start)?;
        }
        Ok(Vec::new())
    }
}

/// Copies the remaining messages of a batch, so that a few of them do not keep the whole batch in memory.
fn copy_out(mut records: Vec<BufferRecord>) -> Vec<BufferRecord> {
    for record in &mut records {
        record.message.body = Bytes::copy_from_slice(&record.message.body);
    }
    records
}

/// Removes overlaps: a crash between copying and deleting leaves messages twice, and they count once.
pub(super) fn without_overlaps(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by_key(|run| (run.lane, run.seqs.start));
    let mut end = PerLane::<u64>::default();
    for run in &mut runs {
        let end = end.of_mut(run.lane);
        run.seqs.start = run.seqs.start.max(*end);
        *end = (*end).max(run.seqs.end);
    }
    runs.retain(|run| run.seqs.start < run.seqs.end);
    runs
}
