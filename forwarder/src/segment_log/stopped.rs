//! The buffer of a stopped forwarder: its content, and how to clear it.
//!
//! Looking loses nothing. A segment that has changed since it was sealed is named, and copied before it is read.
//! The next start reports what cannot be read. A removal is noted first, so that the next start counts and reports
//! the messages as lost. A segment that a crash has left without an index cannot be checked: it is opened as it
//! is, as by the next start.

use super::damage::keep_copy;
use super::scan::without_overlaps;
use super::segment_meta::{self, Index, SegmentMeta, extend_runs, note_name};
use super::{CLEARED, POSITIONS};
use crate::output_set::OutputSet;
use crate::progress::{self, Progress, Run};
use crate::ranges::Ranges;
use crate::record;
use crate::store::sled::SledStore;
use crate::store::{SegmentId, Store, StoreError};
use crate::{Lane, Message};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

/// The buffer of a forwarder that is not started. Nothing else may use its folder meanwhile.
pub struct StoppedBuffer {
    store: Box<dyn Store>,
    segments: Vec<(SegmentId, Option<SegmentMeta>)>,
    names: Vec<String>,
    /// `None`: unknown, and all is to be sent again.
    progress: Option<Progress>,
    /// Segments to set aside rather than delete.
    bad: BTreeSet<SegmentId>,
}

/// What a stopped buffer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BufferStats {
    /// Messages that wait in [`Lane::Alert`].
    pub alerts: u64,
    /// Messages that wait in [`Lane::Data`].
    pub others: u64,
    /// When they were made, first and last [ms since the Unix epoch]; those that are sent and not yet deleted included.
    pub made_ms: Option<Range<i64>>,
    /// Everything on disk (bytes).
    pub disk_bytes: u64,
    /// Databases that it consists of.
    pub segments: usize,
    /// How many of these hold merged messages.
    pub thinned: usize,
    /// For each output, how many messages it still has to get.
    pub outputs: Vec<(String, u64)>,
    /// Damaged segments that are set aside: where, and their size (bytes).
    pub aside: Vec<(String, u64)>,
    /// What cannot be read.
    pub trouble: Vec<String>,
}

/// The buffer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// The folder or a file in it.
    #[error("{0}")]
    Disk(String),
}

impl From<StoreError> for BufferError {
    fn from(error: StoreError) -> Self {
        Self::Disk(error.to_string())
    }
}

impl StoppedBuffer {
    /// The buffer in a folder, which need not exist.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: PathBuf) -> Result<Self, BufferError> {
        Self::on(Box::new(SledStore::new(folder)))
    }

    pub(super) fn on(mut store: Box<dyn Store>) -> Result<Self, BufferError> {
        let (mut found, mut replaced) = (Vec::new(), Vec::new());
        for segment in store.segments()? {
            match store.read_note(&note_name(segment)).as_deref().and_then(segment_meta::read) {
                Some(Index::Building) => replaced.push(segment),
                Some(Index::Sealed { meta, replaces }) => {
                    replaced.extend(replaces);
                    found.push((segment, Some(*meta)));
                }
                None => found.push((segment, None)),
            }
        }
        found.retain(|(segment, _)| !replaced.contains(segment));
        // Merged messages have younger segments than their neighbours; what has no index is the youngest.
        let age = |meta: &SegmentMeta| {
            meta.spans.of(Lane::Data).start().or(meta.spans.of(Lane::Alert).start()).unwrap_or(0)
        };
        found.sort_by_key(|(segment, meta)| (meta.as_ref().map_or(u64::MAX, age), *segment));
        let positions = store.read_note(POSITIONS).and_then(|note| progress::read(&note));
        let (names, progress) = positions.map_or_else(Default::default, |(names, it)| (names, Some(it)));
        Ok(Self { store, segments: found, names, progress, bad: BTreeSet::new() })
    }

    /// Names the outputs in the order of the config, for a buffer without acknowledgements, as after a crash in
    /// the first outage. The next start sends all messages to them.
    #[must_use]
    pub fn for_outputs(mut self, names: impl Iterator<Item = String>) -> Self {
        if self.progress.is_none() {
            self.names = names.collect();
            self.progress = Some(Progress::new(self.names.len()));
        }
        self
    }

    /// The content of the buffer.
    pub fn stats(&mut self) -> BufferStats {
        let mut stats = BufferStats { aside: self.store.aside(), ..BufferStats::default() };
        stats.trouble = self.damage();
        let (runs, made_ms) = self.runs(&mut stats.trouble);
        stats.made_ms = made_ms;
        stats.segments = self.segments.len();
        let is_compacted = |meta: &Option<SegmentMeta>| meta.as_ref().is_some_and(|meta| meta.level > 0);
        stats.thinned = self.segments.iter().filter(|(_, meta)| is_compacted(meta)).count();
        let living = self.segments.iter().map(|(segment, _)| self.store.bytes(*segment));
        stats.disk_bytes = living.sum::<u64>() + self.store.aside_bytes();
        for run in &runs {
            let count = if run.lane.is_alert() { &mut stats.alerts } else { &mut stats.others };
            *count += self.owed_in(run, OutputSet::ALL);
        }
        let owed_to = |output| runs.iter().map(|run| self.owed_in(run, OutputSet::bit(output))).sum();
        stats.outputs = self.names.iter().enumerate().map(|(at, name)| (name.clone(), owed_to(at))).collect();
        stats
    }

    /// Damage that is known without opening a segment.
    fn damage(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for at in 0..self.segments.len() {
            let changed = self.changed(at);
            let Some((segment, Some(meta))) = self.segments.get(at) else { continue };
            match changed {
                Some(error) => told.push(format!("segment {segment}: {error}")),
                None if meta.damaged => told.push(format!("segment {segment} is damaged{}", kept(meta))),
                None => {}
            }
        }
        told
    }

    /// Why a segment is not what it was when it was sealed, if it is not.
    fn changed(&mut self, at: usize) -> Option<StoreError> {
        let (segment, meta) = self.segments.get(at)?;
        let known = meta.as_ref()?.digest.as_ref()?;
        self.store.check(*segment, known).err()
    }

    /// Copies a damaged segment before it is read. Returns whether it may be read.
    fn keep_copy_of(&mut self, at: usize, trouble: &mut Vec<String>) -> bool {
        let Some(StoreError::Damaged(why)) = self.changed(at) else { return true };
        let Some((segment, Some(meta))) = self.segments.get_mut(at) else { return true };
        match keep_copy(self.store.as_mut(), *segment) {
            Ok(copy) => {
                (meta.damaged, meta.copy, meta.digest) = (true, Some(copy), None);
                trouble.push(format!("segment {segment}: {why}{}", kept(meta)));
                true
            }
            Err(error) => {
                trouble.push(format!("segment {segment}: {why}; not read, for want of a copy: {error}"));
                false
            }
        }
    }

    /// Shows all waiting messages, alerts first, each lane from the oldest on, until `visit` breaks off. Returns
    /// what could not be read, as exactly as the indexes tell.
    pub fn export(&mut self, mut visit: impl FnMut(&Message) -> ControlFlow<()>) -> Vec<String> {
        let mut trouble = Vec::new();
        let may_read: Vec<bool> =
            (0..self.segments.len()).map(|at| self.keep_copy_of(at, &mut trouble)).collect();
        let mut missing = vec![0; self.segments.len()];
        for lane in Lane::ALL {
            let mut seen = Ranges::default();
            for at in may_read.iter().enumerate().filter_map(|(at, may)| may.then_some(at)) {
                let flow = self.walk(at, lane, &mut trouble, |progress, record| {
                    let run = Run { lane, seqs: record.seq..record.seq + 1, owed: record.owed };
                    if owed_in(progress, &run) > 0 && seen.insert(record.seq) {
                        return visit(&record.message);
                    }
                    ControlFlow::Continue(())
                });
                if flow.is_break() {
                    return trouble;
                }
            }
            for (count, (_, meta)) in missing.iter_mut().zip(&self.segments) {
                let runs = meta.iter().flat_map(|meta| &meta.runs).filter(|run| run.lane == lane);
                let gaps = runs.flat_map(|run| seen.gaps_in(&run.seqs).map(|seqs| Run { seqs, ..*run }));
                *count += gaps.map(|gap| self.owed_in(&gap, OutputSet::ALL)).sum::<u64>();
            }
        }
        let missing = missing.into_iter().zip(&self.segments).filter(|(count, _)| *count > 0);
        trouble.extend(missing.map(|(count, (segment, meta))| {
            let copy = meta.as_ref().and_then(|meta| meta.copy.as_ref());
            let copy =
                copy.map_or_else(String::new, |copy| format!("; it is kept as it was found in {copy}"));
            format!("segment {segment}: {count} messages could not be read{copy}")
        }));
        trouble
    }

    /// Removes all messages. Damaged segments are set aside. Returns what there was.
    ///
    /// # Errors
    /// A part of the buffer is still there. The next start reports the removed messages nevertheless.
    pub fn clear(mut self) -> Result<BufferStats, BufferError> {
        let mut stats = self.stats();
        for at in 0..self.segments.len() {
            let changed = self.changed(at).is_some();
            if let Some((segment, meta)) = self.segments.get(at)
                && (changed || meta.as_ref().is_some_and(SegmentMeta::must_keep))
            {
                self.bad.insert(*segment);
            }
        }
        let (mut runs, made_ms) = self.runs(&mut Vec::new());
        let mut removed = SegmentMeta { made_ms, ..SegmentMeta::default() };
        let before = self.store.read_note(CLEARED);
        if let Some(Index::Sealed { meta, .. }) = before.as_deref().and_then(segment_meta::read) {
            runs.extend(meta.runs);
            removed.made_ms = match (removed.made_ms, meta.made_ms) {
                (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
                (a, b) => a.or(b),
            };
        }
        if !runs.is_empty() {
            self.store.write_note(CLEARED, &segment_meta::write(&removed, &without_overlaps(runs), &[]))?;
        }
        for (segment, _) in std::mem::take(&mut self.segments) {
            self.store.delete_note(&note_name(segment));
            // A segment whose folder is gone cannot be set aside.
            if self.bad.contains(&segment) && self.store.bytes(segment) > 0 {
                self.store.set_aside(segment)?;
            } else {
                self.store.delete(segment)?;
            }
        }
        stats.aside = self.store.aside();
        Ok(stats)
    }

    /// All messages, wanted or not, and when they were made.
    fn runs(&mut self, trouble: &mut Vec<String>) -> (Vec<Run>, Option<Range<i64>>) {
        let (mut runs, mut made_ms) = (Vec::new(), None);
        let mut add = |made: Range<i64>| {
            let known = made_ms.get_or_insert(made.clone());
            *known = known.start.min(made.start)..known.end.max(made.end);
        };
        for at in 0..self.segments.len() {
            if let Some((_, Some(meta))) = self.segments.get(at) {
                runs.extend(meta.runs.iter().cloned());
                meta.made_ms.clone().into_iter().for_each(&mut add);
                continue;
            }
            for lane in Lane::ALL {
                let _ = self.walk(at, lane, trouble, |_, record| {
                    extend_runs(&mut runs, lane, &record);
                    add(record.message.made_ms..record.message.made_ms);
                    ControlFlow::Continue(())
                });
            }
        }
        (without_overlaps(runs), made_ms)
    }

    /// A segment's messages; what cannot be read is told.
    fn walk(
        &mut self,
        at: usize,
        lane: Lane,
        trouble: &mut Vec<String>,
        mut visit: impl FnMut(Option<&Progress>, record::BufferRecord) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(&(segment, _)) = self.segments.get(at) else { return ControlFlow::Continue(()) };
        let was_bad = self.bad.contains(&segment);
        let bad = &mut self.bad;
        let mut tell = |why: &dyn std::fmt::Display| {
            bad.insert(segment);
            let what = format!("segment {segment} cannot be read: {why}");
            if trouble.last() != Some(&what) {
                trouble.push(what);
            }
        };
        let mut next = self.store.at(segment, lane, 0);
        loop {
            let batch = match next {
                Ok(Some(batch)) => batch,
                Ok(None) => return ControlFlow::Continue(()),
                // A database that failed to open holds its lock for a moment: the next lane would meet that, and hide the cause.
                Err(_) if was_bad => return ControlFlow::Continue(()),
                Err(error) => {
                    tell(&error);
                    return ControlFlow::Continue(());
                }
            };
            next = self.store.after(segment, lane, batch.seqs.start);
            match record::decode(batch.bytes) {
                Ok(records) => {
                    records.into_iter().try_for_each(|record| visit(self.progress.as_ref(), record))?;
                }
                Err(error) => tell(&error),
            }
        }
    }

    fn owed_in(&self, run: &Run, outputs: OutputSet) -> u64 {
        owed_in(self.progress.as_ref(), &Run { owed: run.owed & outputs, ..run.clone() })
    }
}

/// How many of the run's messages somebody still wants: all, if nothing is known.
fn owed_in(progress: Option<&Progress>, run: &Run) -> u64 {
    progress.map_or(run.seqs.end - run.seqs.start, |progress| progress.owed_in(run))
}

/// Names the copy of a segment, for people.
fn kept(meta: &SegmentMeta) -> String {
    meta.copy.as_ref().map_or_else(String::new, |copy| format!("; it is kept as it was found in {copy}"))
}
