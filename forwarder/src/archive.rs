//! Decides what lies where in the store: which generation is filled, when the next one begins, which can be deleted,
//! which must give way. Runs on the keeper's thread, and knows of the outputs only what [`Progress`] tells it.
//!
//! Limits: a generation is closed at a sixteenth of `max_size`, between 1 and 8 MiB of content; its size on disk,
//! sled's overhead included, is what counts against `max_size`. A generation is deleted when nobody wants anything of
//! it any more. Memory: some 100 bytes per generation, and one generation's list of runs while it is read.

mod shed;

use crate::config::BufferConfig;
use crate::positions::{self, Progress, Run};
use crate::ranges::Ranges;
use crate::record::{self, Record};
use crate::store::{Generation, Store, StoreError};
use crate::{Lane, PerLane};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// The note that tells who has acknowledged what.
const POSITIONS: &str = "positions";

/// A generation that fails to be read this often in a row is set aside as if it were damaged.
const FAILURES_MAX: u32 = 5;

/// At the start, a generation that cannot be read is tried so often, at such intervals.
const LOOKS_MAX: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What the archive did by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Messages gave way.
    Shed {
        /// Which.
        runs: Vec<Run>,
        /// When they were made [ms since the Unix epoch], first and last.
        made_ms: Range<i64>,
        /// Whether they were too old, rather than too many.
        aged: bool,
    },
    /// Messages cannot be read.
    Damaged {
        /// At most these; what was acknowledged by all is among them.
        runs: Vec<Run>,
        /// Messages that were in there, as far as known.
        count_max: u64,
        /// What is wrong and where it is now.
        what: String,
    },
}

/// What was there at the start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Messages on disk, without overlaps.
    pub(crate) runs: Vec<Run>,
    /// The outputs' names in the order of their bits, and what they had acknowledged; `None`: unknown.
    pub(crate) positions: Option<(Vec<String>, Progress)>,
}

/// Messages to be written.
pub(crate) type Batches = PerLane<Vec<Record>>;

pub(crate) struct Archive {
    store: Box<dyn Store>,
    config: BufferConfig,
    shelves: BTreeMap<Generation, Shelf>,
    /// The generation that new messages go to.
    filling: Option<Generation>,
    /// The generation that old alerts go to when their own gives way.
    keeping: Option<Generation>,
    next: Generation,
    aside_bytes: u64,
    notices: Vec<Notice>,
}

/// What is known of a generation without opening it.
#[derive(Clone, Debug, Default)]
struct Shelf {
    spans: PerLane<Option<Range<u64>>>,
    counts: PerLane<u64>,
    made_ms: Option<Range<i64>>,
    content_bytes: u64,
    disk_bytes: u64,
    failures: u32,
}

impl Shelf {
    fn note(&mut self, lane: Lane, record: &Record) {
        let (seq, made) = (record.seq, record.message.made_ms);
        let span = self.spans.of_mut(lane).get_or_insert(seq..seq);
        *span = span.start.min(seq)..span.end.max(seq + 1);
        *self.counts.of_mut(lane) += 1;
        let span = self.made_ms.get_or_insert(made..made);
        *span = span.start.min(made)..span.end.max(made);
    }

    /// At most these messages, as if all outputs wanted them.
    fn runs(&self) -> Vec<Run> {
        let run = |lane| Some(Run { lane, seqs: self.spans.of(lane).clone()?, owed: u64::MAX });
        Lane::ALL.into_iter().filter_map(run).collect()
    }

    /// Whether nobody wants anything of it any more.
    fn is_done(&self, done: &PerLane<Option<Ranges>>) -> bool {
        Lane::ALL.into_iter().all(|lane| match (self.spans.of(lane), done.of(lane)) {
            (Some(span), Some(done)) => done.next_gap(span.start) >= span.end,
            _ => true,
        })
    }
}

impl Archive {
    /// Looks at what is there. Whatever is wrong with it is a notice, and the rest is used.
    pub(crate) fn open(store: Box<dyn Store>, config: BufferConfig) -> (Self, Found) {
        let mut archive = Self {
            store,
            config,
            shelves: BTreeMap::new(),
            filling: None,
            keeping: None,
            next: 1,
            aside_bytes: 0,
            notices: Vec::new(),
        };
        let generations = archive.store.generations().unwrap_or_default();
        archive.next = generations.last().map_or(1, |last| last + 1);
        let mut runs = Vec::new();
        for generation in generations {
            runs.extend(archive.look_into(generation));
        }
        archive.aside_bytes = archive.store.aside_bytes();
        let positions = archive.store.read_note(POSITIONS).and_then(|note| positions::read(&note));
        (archive, Found { runs: without_overlaps(runs), positions })
    }

    /// Writes messages, in order, and makes them safe from a crash, or with `sync` from a power cut too.
    ///
    /// # Errors
    /// Nothing of it may be taken for written; try again later.
    pub(crate) fn append(
        &mut self,
        batches: &Batches,
        sync: bool,
        progress: &Progress,
    ) -> Result<(), String> {
        let cost = |records: &Vec<Record>| {
            records.iter().map(|record| record.message.cost_bytes() as u64).sum::<u64>()
        };
        self.make_room(2 * (cost(&batches.alert) + cost(&batches.data)), progress);
        // A failed database does not recover: the second attempt is with a new one.
        self.try_append(batches, sync)
            .or_else(|_| self.try_append(batches, sync))
            .map_err(|error| error.to_string())
    }

    /// The first messages of the lane that lie on disk, from `from` on; empty if there are none.
    ///
    /// # Errors
    /// The disk cannot be read now; try again later.
    pub(crate) fn read(&mut self, lane: Lane, from: u64) -> Result<Vec<Record>, String> {
        loop {
            let candidates = self.shelves.iter().filter_map(|(generation, shelf)| {
                let span = shelf.spans.of(lane).as_ref().filter(|span| span.end > from)?;
                Some((span.start.max(from), *generation))
            });
            let Some((start, generation)) = candidates.min() else { return Ok(Vec::new()) };
            match self.read_in(generation, lane, start, from) {
                Ok(records) if !records.is_empty() => return Ok(records),
                // The rest of the generation holds nothing, whatever was thought of it.
                Ok(_) => self.cut_span(generation, lane, start),
                Err(StoreError::Damaged(why)) => self.give_up(generation, &why),
                Err(StoreError::Failed(why)) => self.on_failure(generation, &why)?,
            }
        }
    }

    /// Deletes what nobody wants any more; whether anything is left. Writes the positions if `note` or if all is gone.
    pub(crate) fn settle(&mut self, names: &[String], progress: &Progress, note: bool) -> bool {
        let had = !self.shelves.is_empty();
        let done = PerLane {
            alert: progress.done(Lane::Alert, u64::MAX),
            data: progress.done(Lane::Data, u64::MAX),
        };
        let all = self.shelves.values().all(|shelf| shelf.is_done(&done));
        let drained = |(generation, shelf): (&Generation, &Shelf)| {
            let closed = Some(*generation) != self.filling || all;
            (closed && shelf.is_done(&done)).then_some(*generation)
        };
        let drained: Vec<Generation> = self.shelves.iter().filter_map(drained).collect();
        for generation in drained {
            self.delete(generation);
        }
        let empty = self.shelves.is_empty();
        if (had && empty) || (note && !empty) {
            self.write_positions(names, progress);
        }
        !empty
    }

    /// Writes down who has acknowledged what. A failure costs repeats only.
    pub(crate) fn write_positions(&mut self, names: &[String], progress: &Progress) {
        if let Err(error) = self.store.write_note(POSITIONS, &positions::write(names, progress)) {
            tracing::warn!(%error, "the buffer's positions were not written; messages may be sent again");
        }
    }

    /// What has happened since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Everything on disk [bytes].
    pub(crate) fn bytes(&self) -> u64 {
        self.aside_bytes + self.shelves.values().map(|shelf| shelf.disk_bytes).sum::<u64>()
    }

    /// Whether anything lies on disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.shelves.is_empty()
    }

    /// Reads a generation through, at the start. One that cannot be read is left for the next start; for a while it is
    /// tried again, because the program before this one may be just about to end.
    fn look_into(&mut self, generation: Generation) -> Vec<Run> {
        for _ in 0..LOOKS_MAX {
            match self.try_look_into(generation) {
                Ok(runs) => return runs,
                Err(why) => tracing::warn!(generation, %why, "a part of the buffer cannot be read now"),
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        tracing::error!(generation, "a part of the buffer cannot be read; it is left for the next start");
        self.forget(generation);
        Vec::new()
    }

    fn try_look_into(&mut self, generation: Generation) -> Result<Vec<Run>, String> {
        let mut shelf = Shelf { disk_bytes: self.store.bytes(generation), ..Shelf::default() };
        let mut runs = Vec::new();
        let result = self.walk(generation, |lane, record, bytes| {
            shelf.note(lane, record);
            shelf.content_bytes += bytes as u64;
            extend_runs(&mut runs, lane, record);
        });
        self.store.close(generation);
        self.shelves.insert(generation, shelf);
        match result {
            Ok(()) if runs.is_empty() => self.delete(generation),
            Ok(()) => {}
            Err(StoreError::Damaged(why)) => {
                self.give_up(generation, &why);
                runs.clear();
            }
            Err(StoreError::Failed(why)) => return Err(why),
        }
        Ok(runs)
    }

    /// All messages of a generation, lane by lane, each with its share of the batch [bytes]. A batch that does not
    /// match its checksum is reported and skipped.
    fn walk(
        &mut self,
        generation: Generation,
        mut visit: impl FnMut(Lane, &Record, usize),
    ) -> Result<(), StoreError> {
        for lane in Lane::ALL {
            let mut batch = self.store.at(generation, lane, 0)?;
            while let Some(found) = batch {
                let bytes = found.bytes.len();
                match record::decode(found.bytes) {
                    Ok(records) => {
                        let share = bytes / records.len().max(1);
                        records.iter().for_each(|record| visit(lane, record, share));
                    }
                    Err(bad) => self.on_bad_batch(generation, lane, found.first, &bad.to_string()),
                }
                batch = self.store.after(generation, lane, found.first)?;
            }
        }
        Ok(())
    }

    fn try_append(&mut self, batches: &Batches, sync: bool) -> Result<(), StoreError> {
        let generation = self.filling()?;
        let result = self.fill(generation, batches, sync);
        if let Err(error) = &result {
            tracing::warn!(generation, %error, "the buffer could not be written");
            self.filling = None;
            self.store.close(generation);
            match error {
                StoreError::Damaged(why) => self.give_up(generation, why),
                StoreError::Failed(_) if self.is_bare(generation) => self.delete(generation),
                StoreError::Failed(_) => {}
            }
        }
        result
    }

    fn fill(&mut self, generation: Generation, batches: &Batches, sync: bool) -> Result<(), StoreError> {
        let mut bytes = 0;
        for lane in Lane::ALL {
            for (first, batch) in record::encode(lane, batches.of(lane)) {
                bytes += batch.len() as u64;
                self.store.put(generation, lane, first, &batch)?;
            }
        }
        if sync {
            self.store.sync(generation)?
        } else {
            self.store.flush(generation)?
        }
        let disk_bytes = self.store.bytes(generation);
        let shelf = self.shelves.entry(generation).or_default();
        shelf.disk_bytes = disk_bytes;
        shelf.content_bytes += bytes;
        for lane in Lane::ALL {
            batches.of(lane).iter().for_each(|record| shelf.note(lane, record));
        }
        Ok(())
    }

    /// The generation to write to, a new one if need be.
    fn filling(&mut self) -> Result<Generation, StoreError> {
        let has_room = |generation: &Generation| {
            let max = self.generation_bytes_max();
            let shelf = self.shelves.get(generation);
            shelf.is_some_and(|shelf| shelf.content_bytes < max && shelf.disk_bytes < 4 * max)
        };
        if let Some(generation) = self.filling.filter(has_room) {
            return Ok(generation);
        }
        let generation = self.create()?;
        self.filling = Some(generation);
        Ok(generation)
    }

    fn create(&mut self) -> Result<Generation, StoreError> {
        let generation = self.next;
        // Also after a failure: what is left of it must not be written to.
        self.next += 1;
        self.shelves.insert(generation, Shelf::default());
        match self.store.create(generation) {
            Ok(()) => Ok(generation),
            Err(error) => {
                self.delete(generation);
                Err(error)
            }
        }
    }

    fn generation_bytes_max(&self) -> u64 {
        (self.config.max_size / 16).clamp(MIB, 8 * MIB)
    }

    fn is_bare(&self, generation: Generation) -> bool {
        self.shelves.get(&generation).is_none_or(|shelf| shelf.made_ms.is_none())
    }

    fn delete(&mut self, generation: Generation) {
        if let Err(error) = self.store.delete(generation) {
            tracing::warn!(generation, %error, "a part of the buffer could not be deleted");
        }
        self.forget(generation);
    }

    fn forget(&mut self, generation: Generation) {
        self.shelves.remove(&generation);
        self.filling = self.filling.filter(|filling| *filling != generation);
        self.keeping = self.keeping.filter(|keeping| *keeping != generation);
    }

    fn read_in(
        &mut self,
        generation: Generation,
        lane: Lane,
        start: u64,
        from: u64,
    ) -> Result<Vec<Record>, StoreError> {
        let mut batch = self.store.at(generation, lane, start)?;
        while let Some(found) = batch {
            match record::decode(found.bytes) {
                Ok(mut records) => {
                    records.retain(|record| record.seq >= from);
                    if !records.is_empty() {
                        self.shelves.entry(generation).or_default().failures = 0;
                        return Ok(compact(records));
                    }
                }
                Err(bad) => self.on_bad_batch(generation, lane, found.first, &bad.to_string()),
            }
            batch = self.store.after(generation, lane, found.first)?;
        }
        Ok(Vec::new())
    }

    fn cut_span(&mut self, generation: Generation, lane: Lane, start: u64) {
        let Some(shelf) = self.shelves.get_mut(&generation) else { return };
        let span = shelf.spans.of_mut(lane);
        *span = span.take().filter(|span| span.start < start).map(|span| span.start..start);
    }

    /// A whole generation cannot be read: it goes out of the way, and what it held is reported.
    fn give_up(&mut self, generation: Generation, why: &str) {
        let shelf = self.shelves.get(&generation).cloned().unwrap_or_default();
        let what = match self.store.set_aside(generation) {
            Ok(path) => format!("{why}; it is kept as {path}"),
            Err(error) => format!("{why}; it could not be set aside: {error}"),
        };
        self.forget(generation);
        self.aside_bytes = self.store.aside_bytes();
        let count_max = shelf.counts.alert + shelf.counts.data;
        self.notices.push(Notice::Damaged { runs: shelf.runs(), count_max, what });
    }

    fn on_bad_batch(&mut self, generation: Generation, lane: Lane, first: u64, why: &str) {
        // How many messages it held stands in what cannot be trusted: at least one.
        let runs = vec![Run { lane, seqs: first..first + 1, owed: u64::MAX }];
        let what = format!("{why} (generation {generation}, {lane:?} {first})");
        self.notices.push(Notice::Damaged { runs, count_max: 1, what });
    }

    /// # Errors
    /// Worth another attempt.
    fn on_failure(&mut self, generation: Generation, why: &str) -> Result<(), String> {
        self.store.close(generation);
        let failures = self.shelves.get_mut(&generation).map_or(FAILURES_MAX, |shelf| {
            shelf.failures += 1;
            shelf.failures
        });
        if failures < FAILURES_MAX {
            return Err(why.to_owned());
        }
        self.give_up(generation, why);
        Ok(())
    }
}

/// Copies what is left of a batch, so that a few records do not hold the whole of it in memory.
fn compact(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        record.message.route = Bytes::copy_from_slice(&record.message.route);
        record.message.body = Bytes::copy_from_slice(&record.message.body);
    }
    records
}

fn extend_runs(runs: &mut Vec<Run>, lane: Lane, record: &Record) {
    match runs.last_mut() {
        Some(run) if run.lane == lane && run.owed == record.owed && run.seqs.end == record.seq => {
            run.seqs.end += 1
        }
        _ => runs.push(Run { lane, seqs: record.seq..record.seq + 1, owed: record.owed }),
    }
}

/// A crash between copying and deleting leaves messages twice; they count once.
fn without_overlaps(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_by_key(|run| (run.lane, run.seqs.start));
    let mut end = PerLane { alert: 0, data: 0 };
    for run in &mut runs {
        let end = end.of_mut(run.lane);
        run.seqs.start = run.seqs.start.max(*end);
        *end = (*end).max(run.seqs.end);
    }
    runs.retain(|run| run.seqs.start < run.seqs.end);
    runs
}
