//! Manages the segments: which one is filled, when the next one begins, which can be deleted, which must be evicted. It runs on
//! the disk thread. Of the outputs it knows only the [`Progress`].
//!
//! Limits: a segment is closed at a thirty-second of `max_size`, between 256 KiB and 4 MiB of content (more above 2 GiB, so that
//! there are never more than some 500). The size on disk, with sled's overhead, is what counts against `max_size`. A segment is
//! deleted when no output wants any of its messages. Memory: some 200 bytes a segment, and the runs of the one that is filled.

mod compact;
mod damage;
mod evict;
mod positions_note;
mod scan;
mod segment_meta;
mod stopped;

pub(crate) use positions_note::PositionsNote;
#[cfg(fuzzing)]
pub(crate) use segment_meta::read_note;
pub use stopped::{BufferError, BufferStats, StoppedBuffer};

use crate::config::BufferConfig;
use crate::output_set::OutputSet;
use crate::progress::{self, Progress, Run};
use crate::record::{self, BufferRecord};
use crate::store::{SegmentId, Store, StoreError};
use crate::{Compactor, DropReason, Lane, PerLane};
use segment_meta::{SegmentMeta, note_name};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Content of the smallest segment (bytes); in tests very small, so that there are many.
const SEGMENT_BYTES_MIN: u64 = if cfg!(test) { 2 * KIB } else { 256 * KIB };

/// The note with the acknowledgements.
const POSITIONS: &str = "positions";

/// The note of messages that were removed by hand. The next start reports them.
const CLEARED: &str = "cleared";

/// A segment that fails to be read this often in a row is set aside as if it were damaged.
const FAILURES_MAX: u32 = 5;

/// Bytes of messages that are read at once, about.
const READ_BYTES: usize = 128 << 10;

/// A change that the segment log has made by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEvent {
    /// Messages were evicted.
    Evicted {
        /// Which messages.
        runs: Vec<Run>,
        /// When they were made [ms since the Unix epoch], first and last.
        made_ms: Range<i64>,
        /// Why.
        why: DropReason,
    },
    /// Messages were merged into others, which have taken the numbers of some of them.
    Compacted {
        /// The numbers that are gone.
        runs: Vec<Run>,
    },
    /// Messages cannot be read.
    Damaged {
        /// At most these. Some may be acknowledged by all outputs.
        runs: Vec<Run>,
        /// How many messages it held, as far as known.
        count_max: u64,
        /// What is wrong and where it is now.
        what: String,
    },
}

/// The content of the buffer at the start.
#[derive(Debug, Default)]
pub(crate) struct FoundMessages {
    /// Messages on disk, those that cannot be read included, without overlaps.
    pub(crate) runs: Vec<Run>,
    /// The outputs' names in the order of their bits, and what they had acknowledged; `None`: unknown.
    pub(crate) positions: Option<(Vec<String>, Progress)>,
}

/// Messages to be written.
pub(crate) type LaneBatches = PerLane<Vec<BufferRecord>>;

pub(crate) struct SegmentLog {
    store: Box<dyn Store>,
    config: BufferConfig,
    compactor: Option<Arc<dyn Compactor>>,
    segments: BTreeMap<SegmentId, SegmentMeta>,
    /// The segment that new messages go to.
    filling: Option<SegmentId>,
    /// Whether it holds messages that are not synced.
    dirty: bool,
    /// The segment that alerts are moved to when their own is evicted.
    keeping: Option<SegmentId>,
    next: SegmentId,
    /// One past the last number that this program has written as new.
    new_end: PerLane<u64>,
    /// One past the last number that was read for an output. The output may not have got the message yet.
    handed: PerLane<u64>,
    aside_bytes: u64,
    log_events: Vec<LogEvent>,
    /// Whether it was told that some messages cannot be merged.
    has_told_unmergeable: bool,
}

impl SegmentLog {
    /// Brings the buffer within its bounds at the start.
    pub(crate) fn fit(&mut self, names: &[String], progress: &Progress) {
        self.settle(names, progress, PositionsNote::OfMessages);
        self.make_room(&LaneBatches::default(), progress);
    }

    /// Writes messages, in order. They are safe from a crash then, and with `sync` from a power cut too.
    ///
    /// # Errors
    /// None of the messages counts as written, nor does any that was appended before without `sync`. Try again
    /// later.
    pub(crate) fn append(
        &mut self,
        batches: &LaneBatches,
        sync: bool,
        progress: &Progress,
    ) -> Result<(), String> {
        if !progress.reading {
            self.handed = PerLane::default();
        }
        self.make_room(batches, progress);
        let was_dirty = self.dirty;
        let result = match self.try_append(batches, sync) {
            // A failed database does not recover: the second attempt is with a new one.
            Err(_) if !was_dirty => self.try_append(batches, sync),
            // Messages that were not synced are in doubt too: the caller appends all of them again.
            result => result,
        };
        result.map_err(|error| error.to_string())
    }

    /// Makes all appended messages safe from a power cut.
    ///
    /// # Errors
    /// No message since the last success counts as written: append it again.
    pub(crate) fn sync(&mut self) -> Result<(), String> {
        let Some(segment) = self.filling.filter(|_| self.dirty) else { return Ok(()) };
        let result = self.store.sync(segment);
        self.dirty = false;
        if let Some(meta) = self.segments.get_mut(&segment).filter(|_| result.is_ok()) {
            meta.all_synced();
        }
        result.inspect_err(|error| self.on_write_error(segment, error)).map_err(|error| error.to_string())
    }

    /// The first messages of the lane that lie on disk, from `from` on; empty if there are none.
    ///
    /// # Errors
    /// The disk cannot be read now; try again later.
    pub(crate) fn read(&mut self, lane: Lane, from: u64) -> Result<Vec<BufferRecord>, String> {
        let mut records: Vec<BufferRecord> = Vec::new();
        let mut bytes = 0;
        while bytes < READ_BYTES {
            let next = records.last().map_or(from, |last| last.seq + 1);
            let more = match self.read_batch(lane, next) {
                Ok(more) if !more.is_empty() => more,
                Err(error) if records.is_empty() => return Err(error),
                _ => break,
            };
            bytes += more.iter().map(|record| record.message.cost_bytes()).sum::<usize>();
            records.extend(more);
        }
        let handed = self.handed.of_mut(lane);
        *handed = (*handed).max(records.last().map_or(0, |last| last.seq + 1));
        Ok(records)
    }

    /// Deletes segments of which no output wants a message. Writes the acknowledgements as `note` says, and if no
    /// segment is left.
    pub(crate) fn settle(&mut self, names: &[String], progress: &Progress, note: PositionsNote) {
        let had = !self.segments.is_empty();
        let done = PerLane::from_fn(|lane| progress.done(lane, OutputSet::ALL));
        let all = self.segments.values().all(|meta| meta.is_done(&done));
        let drained = |(segment, meta): (&SegmentId, &SegmentMeta)| {
            let closed = Some(*segment) != self.filling || all;
            (closed && meta.is_done(&done)).then_some(*segment)
        };
        let drained: Vec<SegmentId> = self.segments.iter().filter_map(drained).collect();
        drained.into_iter().for_each(|segment| self.delete(segment));
        if self.bytes() > self.config.max_size {
            // Something was copied aside.
            self.make_room(&LaneBatches::default(), progress);
        }
        let empty = self.segments.is_empty();
        if (had && empty) || note.is_wanted(empty) {
            self.write_positions(names, progress);
        }
    }

    /// Writes the acknowledgements down. If that fails, messages may be sent again.
    pub(crate) fn write_positions(&mut self, names: &[String], progress: &Progress) {
        if let Err(error) = self.store.write_note(POSITIONS, &progress::write(names, progress)) {
            tracing::warn!(%error, "the buffer's positions were not written; messages may be sent again");
        }
    }

    /// Closes the log for good. The segment that is filled gets its index, so that the next start need not read
    /// it, and knows what is missing if it is damaged meanwhile.
    pub(crate) fn close(mut self) {
        if let Some(filling) = self.filling.filter(|_| !self.dirty) {
            self.seal(filling, &[]);
        }
    }

    /// The events since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<LogEvent> {
        std::mem::take(&mut self.log_events)
    }

    /// Everything on disk (bytes).
    pub(crate) fn bytes(&self) -> u64 {
        self.aside_bytes + self.living_bytes()
    }

    /// When the oldest message was made [ms since the Unix epoch]; `None`: there is none whose time is known.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.segments.values().filter_map(|meta| Some(meta.made_ms.as_ref()?.start)).min()
    }

    /// Whether no message lies on disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    fn living_bytes(&self) -> u64 {
        self.segments.values().map(|meta| meta.disk_bytes).sum()
    }

    /// Content of a segment (bytes).
    fn segment_bytes_max(&self) -> u64 {
        let max = self.config.max_size;
        (max / 32).clamp(SEGMENT_BYTES_MIN, (4 * MIB).max(max / 512))
    }

    fn try_append(&mut self, batches: &LaneBatches, sync: bool) -> Result<(), StoreError> {
        let segment = self.filling(batches)?;
        let result = self.fill(segment, batches, sync);
        match &result {
            Ok(()) => self.dirty = !sync,
            Err(error) => self.on_write_error(segment, error),
        }
        result
    }

    /// Ends the segment after a failed write. Its synced messages stay good; the others will come again.
    fn on_write_error(&mut self, segment: SegmentId, error: &StoreError) {
        tracing::debug!(segment, %error, "the buffer could not be written");
        (self.filling, self.dirty) = (None, false);
        self.store.close(segment);
        if let Some(meta) = self.segments.get_mut(&segment) {
            (meta.disk_bytes, meta.torn) = (self.store.bytes(segment), true);
            Lane::ALL.into_iter().for_each(|lane| meta.cut(lane, &(*meta.synced_end.of(lane)..u64::MAX)));
        }
        match error {
            StoreError::Damaged(why) => self.give_up(segment, why),
            _ if self.segments.get(&segment).is_none_or(SegmentMeta::is_empty) => {
                self.delete(segment);
            }
            StoreError::Failed(_) | StoreError::Blocked(_) => self.seal(segment, &[]),
        }
    }

    fn fill(&mut self, segment: SegmentId, batches: &LaneBatches, sync: bool) -> Result<(), StoreError> {
        let mut bytes = 0;
        self.segments.entry(segment).or_default().torn = true;
        for lane in Lane::ALL {
            for (seqs, batch) in record::encode(lane, batches.of(lane)) {
                bytes += batch.len() as u64;
                self.store.put(segment, lane, &seqs, &batch)?;
            }
        }
        if sync {
            self.store.sync(segment)?
        } else {
            self.store.flush(segment)?
        }
        let is_new = Some(segment) == self.filling;
        let meta = self.segments.entry(segment).or_default();
        (meta.disk_bytes, meta.torn) = (self.store.bytes(segment), false);
        meta.content_bytes += bytes;
        for lane in Lane::ALL {
            let records = batches.of(lane);
            if is_new {
                let end = self.new_end.of_mut(lane);
                meta.note_new(lane, records, *end);
                *end = records.last().map_or(*end, |last| (*end).max(last.seq + 1));
            } else {
                records.iter().for_each(|record| meta.note_old(record))
            }
        }
        if sync {
            meta.all_synced();
        }
        Ok(())
    }

    /// The segment to write to, a new one if need be.
    fn filling(&mut self, batches: &LaneBatches) -> Result<SegmentId, StoreError> {
        if let Some(segment) = self.filling {
            let fits = self.has_room(segment) && self.goes_on(segment, batches);
            if fits && !self.is_old(segment, batches) {
                return Ok(segment);
            }
            if self.dirty {
                // Messages that are not synced must not be forgotten with the segment: the caller writes them
                // again.
                self.sync().map_err(StoreError::Failed)?;
            }
            self.seal(segment, &[]);
        }
        let segment = self.create()?;
        self.filling = Some(segment);
        Ok(segment)
    }

    /// A database that is opened again takes 512 KiB, twice the smallest content, however little is in it.
    fn has_room(&self, segment: SegmentId) -> bool {
        let max = self.segment_bytes_max();
        let meta = self.segments.get(&segment);
        meta.is_some_and(|meta| !meta.damaged && meta.content_bytes < max && meta.disk_bytes < 3 * max)
    }

    /// Whether all batches come after those of the segment. Batches of a segment must not overlap, so that the one
    /// that holds a number can be found.
    fn goes_on(&self, segment: SegmentId, batches: &LaneBatches) -> bool {
        let end = |lane| self.segments.get(&segment).map_or(0, |meta| meta.spans.of(lane).end());
        Lane::ALL.into_iter().all(|lane| batches.of(lane).first().is_none_or(|first| end(lane) <= first.seq))
    }

    /// Whether the segment should be closed so that `max_age` can be kept: a segment is evicted as a whole.
    fn is_old(&self, segment: SegmentId, batches: &LaneBatches) -> bool {
        let newest =
            Lane::ALL.into_iter().filter_map(|lane| Some(batches.of(lane).last()?.message.made_ms)).max();
        let oldest = self.segments.get(&segment).and_then(|meta| Some(meta.made_ms.as_ref()?.start));
        let (Some(age_ms), Some(newest), Some(oldest)) = (self.config.max_age_ms, newest, oldest) else {
            return false;
        };
        newest.saturating_sub(oldest) > age_ms / 8
    }

    fn create(&mut self) -> Result<SegmentId, StoreError> {
        let segment = self.next;
        // Also after a failure: the remains must not be written to.
        self.next += 1;
        self.segments.insert(segment, SegmentMeta::default());
        match self.store.create(segment) {
            Ok(()) => Ok(segment),
            Err(error) => {
                self.delete(segment);
                Err(error)
            }
        }
    }

    /// Closes a segment and writes its index. A segment without an index is read by the next start.
    fn seal(&mut self, segment: SegmentId, replaces: &[SegmentId]) {
        self.store.close(segment);
        self.filling = self.filling.filter(|filling| *filling != segment);
        let Some(meta) = self.segments.get_mut(&segment).filter(|meta| !meta.sealed) else { return };
        meta.note_digest(segment, self.store.as_mut());
        let runs = std::mem::take(&mut meta.runs);
        match self.store.write_note(&note_name(segment), &segment_meta::write(meta, &runs, replaces)) {
            Ok(()) => meta.sealed = true,
            Err(error) => {
                meta.runs = runs;
                tracing::warn!(segment, %error, "a part of the buffer has no index; the next start takes longer");
            }
        }
    }

    /// The messages of the segment, as exactly as they are known without reading it.
    fn runs_of(&mut self, segment: SegmentId) -> Vec<Run> {
        let Some(meta) = self.segments.get(&segment) else { return Vec::new() };
        if !meta.sealed {
            return meta.runs.clone();
        }
        match self.store.read_note(&note_name(segment)).as_deref().and_then(segment_meta::read) {
            Some(segment_meta::Index::Sealed { meta, .. }) => meta.runs,
            _ => meta.spanning_runs(),
        }
    }

    fn forget(&mut self, segment: SegmentId) {
        self.segments.remove(&segment);
        self.filling = self.filling.filter(|filling| *filling != segment);
        self.keeping = self.keeping.filter(|keeping| *keeping != segment);
    }
}
