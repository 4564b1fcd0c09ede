//! Reading: at the start, what is there; later, what somebody wants; and what to do when it cannot be read.

use super::segment_meta::{self, Index, SegmentMeta, note_name};
use super::{CLEARED, Found, Notice, POSITIONS, SegmentLog};
use crate::config::BufferConfig;
use crate::positions::{self, Run};
use crate::ranges::Ranges;
use crate::record::{self, Record};
use crate::store::{Generation, Store, StoreError};
use crate::{Lane, PerLane, Thin, Why};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// At the start, what cannot be read is tried again at such intervals, so often for all of the buffer.
const LOOKS_MAX: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl SegmentLog {
    /// Looks at what is there. Whatever is wrong with it is a notice, and the rest is used.
    pub(crate) fn open(
        store: Box<dyn Store>,
        config: BufferConfig,
        thin: Option<Arc<dyn Thin>>,
    ) -> (Self, Found) {
        let mut segment_log = Self {
            store,
            config,
            thin,
            shelves: BTreeMap::new(),
            filling: None,
            dirty: false,
            keeping: None,
            next: 1,
            new_end: PerLane::default(),
            handed: PerLane::default(),
            aside_bytes: 0,
            notices: Vec::new(),
        };
        let mut runs = segment_log.look_around();
        segment_log.spare_copies(&runs);
        segment_log.look_for_cleared();
        for notice in &segment_log.notices {
            // What cannot be read was made too: it is counted, and then counted as lost.
            if let Notice::Damaged { runs: gone, .. } | Notice::Shed { runs: gone, .. } = notice {
                runs.extend(gone.iter().cloned());
            }
        }
        segment_log.aside_bytes = segment_log.store.aside_bytes();
        let positions = segment_log.store.read_note(POSITIONS).and_then(|note| positions::read(&note));
        (segment_log, Found { runs: without_overlaps(runs), positions })
    }

    fn look_around(&mut self) -> Vec<Run> {
        let generations = self.store.generations().unwrap_or_else(|error| {
            tracing::error!(%error, "the buffer's folder cannot be read");
            Vec::new()
        });
        let last = generations.last().copied();
        self.next = last.map_or(1, |last| last + 1);
        let mut unsealed = Vec::new();
        let mut replaced = Vec::new();
        for generation in generations {
            match self.store.read_note(&note_name(generation)).as_deref().and_then(segment_meta::read) {
                Some(Index::Building) => replaced.push(generation),
                Some(Index::Sealed { shelf, replaces }) => {
                    replaced.extend(replaces);
                    let disk_bytes = self.store.bytes(generation);
                    self.shelves.insert(generation, SegmentMeta { disk_bytes, ..*shelf });
                }
                None => unsealed.push(generation),
            }
        }
        unsealed.retain(|generation| !replaced.contains(generation));
        replaced.into_iter().for_each(|generation| self.delete(generation));
        let mut looks = LOOKS_MAX;
        unsealed.iter().for_each(|generation| self.look_into(*generation, &mut looks));
        self.clip_overlaps(&unsealed);
        let runs = self.shelves.values().flat_map(|shelf| shelf.runs.iter().cloned()).collect();
        if let Some(last) = last.filter(|last| !unsealed.contains(last)) {
            self.reopen(last);
        }
        self.shelves.values_mut().filter(|shelf| shelf.sealed).for_each(|shelf| shelf.runs = Vec::new());
        for generation in unsealed {
            // The one that was filled last is filled on, if it has room.
            if Some(generation) == last && self.has_room(generation) {
                self.filling = last;
            } else if self.shelves.contains_key(&generation) {
                self.seal(generation, &[]);
            }
        }
        runs
    }

    /// The generation that was filled when the program was stopped is filled on. Its index holds no longer: that must
    /// be safe before anything is added.
    fn reopen(&mut self, last: Generation) {
        let may = |shelf: &SegmentMeta| shelf.level == 0 && shelf.digest.is_none();
        self.before_opening(last);
        let is_open = self.shelves.get(&last).is_some_and(may) && self.has_room(last);
        if is_open && self.store.write_note(&note_name(last), &[]).is_ok() {
            self.filling = Some(last);
            if let Some(shelf) = self.shelves.get_mut(&last) {
                shelf.sealed = false;
                shelf.all_synced();
            }
        }
    }

    /// What lies elsewhere too is not lost.
    fn spare_copies(&mut self, there: &[Run]) {
        let mut safe = PerLane::<Ranges>::default();
        there.iter().for_each(|run| safe.of_mut(run.lane).insert_range(run.seqs.clone()));
        for notice in &mut self.notices {
            let Notice::Damaged { runs, .. } = notice else { continue };
            let rest = |run: &Run| {
                let gaps = safe.of(run.lane).gaps_in(&run.seqs).map(|seqs| Run { seqs, ..*run });
                gaps.collect::<Vec<_>>()
            };
            *runs = runs.iter().flat_map(rest).collect();
        }
    }

    /// What somebody removed while the program was stopped is told once.
    fn look_for_cleared(&mut self) {
        let note = self.store.read_note(CLEARED);
        if let Some(Index::Sealed { shelf, .. }) = note.as_deref().and_then(segment_meta::read) {
            let made_ms = shelf.made_ms.unwrap_or(0..0);
            self.notices.push(Notice::Shed { runs: shelf.runs, made_ms, why: Why::Cleared });
        }
        if note.is_some() {
            self.store.delete_note(CLEARED);
        }
    }

    /// What was written and not confirmed was written again, to a later generation: there it counts.
    fn clip_overlaps(&mut self, unsealed: &[Generation]) {
        for generation in unsealed {
            for lane in Lane::ALL {
                let later =
                    self.shelves.range(generation + 1..).flat_map(|(_, shelf)| shelf.spans.of(lane).iter());
                let later: Vec<Range<u64>> = later.cloned().collect();
                if let Some(shelf) = self.shelves.get_mut(generation) {
                    later.iter().for_each(|seqs| shelf.cut(lane, seqs));
                }
            }
            if self.shelves.get(generation).is_some_and(SegmentMeta::is_bare) {
                self.delete(*generation);
            }
        }
    }

    /// Reads a generation through. One that cannot be read is left for the next start; for a while it is tried again,
    /// because the program before this one may be just about to end.
    fn look_into(&mut self, generation: Generation, looks: &mut u32) {
        while let Err(why) = self.try_look_into(generation) {
            let Some(left) = looks.checked_sub(1) else {
                tracing::error!(generation, %why, "a part of the buffer cannot be read; it is left for the next start");
                return self.forget(generation);
            };
            tracing::warn!(generation, %why, "a part of the buffer cannot be read now");
            *looks = left;
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn try_look_into(&mut self, generation: Generation) -> Result<(), String> {
        let mut shelf = SegmentMeta { disk_bytes: self.store.bytes(generation), ..SegmentMeta::default() };
        self.shelves.insert(generation, SegmentMeta::default());
        let result = Lane::ALL.into_iter().try_for_each(|lane| {
            self.walk(generation, lane, |record, bytes| {
                shelf.note_old(&record);
                shelf.content_bytes += bytes as u64;
            })
        });
        // A killed program's last messages may lie in the system's memory only. If that cannot be mended, they can at
        // least be read.
        if let Err(error) = self.store.sync(generation) {
            tracing::warn!(generation, %error, "what was found in the buffer could not be synced");
            self.store.close(generation);
        }
        shelf.all_synced();
        let is_bare = shelf.is_bare();
        shelf.damaged = self.shelves.get(&generation).is_some_and(|shelf| shelf.damaged);
        self.shelves.insert(generation, shelf);
        match result {
            Ok(()) if is_bare => self.delete(generation),
            Ok(()) => {}
            Err(StoreError::Damaged(why)) => self.give_up(generation, &why),
            Err(StoreError::Failed(why) | StoreError::Blocked(why)) => {
                self.store.close(generation);
                return Err(why);
            }
        }
        Ok(())
    }

    /// All messages of a generation's lane, each with its share of the batch [bytes]. A batch that does not match its
    /// checksum is reported and skipped.
    pub(super) fn walk(
        &mut self,
        generation: Generation,
        lane: Lane,
        mut visit: impl FnMut(Record, usize),
    ) -> Result<(), StoreError> {
        self.before_opening(generation);
        let mut batch = self.store.at(generation, lane, 0)?;
        while let Some(found) = batch {
            let bytes = found.bytes.len();
            batch = self.store.after(generation, lane, found.seqs.start)?;
            match record::decode(found.bytes) {
                Ok(records) => {
                    let share = bytes / records.len().max(1);
                    records.into_iter().for_each(|record| visit(record, share));
                }
                Err(bad) => self.on_bad_batch(
                    generation,
                    lane,
                    &found.seqs,
                    batch.as_ref().map(|next| next.seqs.start),
                    bad,
                ),
            }
        }
        Ok(())
    }

    /// The first batch with messages from `from` on, without those before.
    pub(super) fn read_batch(&mut self, lane: Lane, from: u64) -> Result<Vec<Record>, String> {
        loop {
            let candidates = self
                .shelves
                .iter()
                .filter_map(|(generation, shelf)| Some((shelf.spans.of(lane).next_in(from)?, *generation)));
            let Some((start, generation)) = candidates.min() else { return Ok(Vec::new()) };
            match self.read_in(generation, lane, start) {
                Ok(records) => {
                    let found = records.first().map(|record| record.seq);
                    let span = self.shelves.get(&generation).map(|shelf| shelf.spans.of(lane));
                    let end = found.or(span.map(|span| span.next_gap(start))).unwrap_or(start);
                    self.on_missing(generation, lane, &(start..end));
                    if !records.is_empty() {
                        return Ok(records);
                    }
                }
                Err(StoreError::Damaged(why)) => self.give_up(generation, &why),
                Err(StoreError::Failed(why)) => self.on_read_error(generation, &why)?,
                Err(StoreError::Blocked(why)) => {
                    self.store.close(generation);
                    return Err(why);
                }
            }
        }
    }

    fn read_in(&mut self, generation: Generation, lane: Lane, from: u64) -> Result<Vec<Record>, StoreError> {
        self.before_opening(generation);
        let mut batch = self.store.at(generation, lane, from)?;
        while let Some(found) = batch {
            match record::decode(found.bytes) {
                Ok(mut records) => {
                    let all = records.len();
                    // Nothing beyond the interval: others may have what comes next.
                    let end =
                        self.shelves.get(&generation).map_or(0, |shelf| shelf.spans.of(lane).next_gap(from));
                    if found.seqs.start >= end {
                        break;
                    }
                    records.retain(|record| (from..end).contains(&record.seq));
                    if !records.is_empty() {
                        self.shelves.entry(generation).or_default().failures = 0;
                        return Ok(if records.len() < all / 2 { compact(records) } else { records });
                    }
                }
                Err(bad) => {
                    let next = self.store.after(generation, lane, found.seqs.start)?;
                    self.on_bad_batch(generation, lane, &found.seqs, next.map(|next| next.seqs.start), bad);
                }
            }
            batch = self.store.after(generation, lane, found.seqs.start)?;
        }
        Ok(Vec::new())
    }
}

/// Copies what is left of a batch, so that a few messages do not hold the whole of it in memory.
fn compact(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        record.message.body = Bytes::copy_from_slice(&record.message.body);
    }
    records
}

/// A crash between copying and deleting leaves messages twice; they count once.
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
