//! What cannot be read: it is reported as exactly as it is known, and goes out of the way. It is never deleted.

use super::shelf::{cut_runs, note_name};
use super::{Archive, FAILURES_MAX, Notice};
use crate::Lane;
use crate::positions::Run;
use crate::store::Generation;
use std::ops::Range;

impl Archive {
    /// Nothing lies between these numbers. If something should, sled has lost it: it opens a database that is cut off
    /// as if it had always ended there.
    pub(super) fn on_missing(&mut self, generation: Generation, lane: Lane, seqs: &Range<u64>) {
        if seqs.is_empty() {
            return;
        }
        let (gone, rest) = self.split_runs(generation, lane, seqs);
        if gone.is_empty() {
            if let Some(shelf) = self.shelves.get_mut(&generation) {
                shelf.spans.of_mut(lane).remove_range(seqs.clone());
            }
            return;
        }
        let what = format!("messages of generation {generation} are not there any more");
        self.on_lost(generation, lane, seqs, gone, rest, what);
    }

    /// A whole generation cannot be read: it goes out of the way, and what it held is reported.
    pub(super) fn give_up(&mut self, generation: Generation, why: &str) {
        let mut runs = self.runs_of(generation);
        let shelf = self.shelves.get(&generation).cloned().unwrap_or_default();
        if runs.is_empty() {
            runs = shelf.spanning_runs();
        }
        let what = match self.store.set_aside(generation) {
            Ok(path) => format!("{why}; it is kept as {path}"),
            Err(error) => format!("{why}; it could not be set aside: {error}"),
        };
        self.store.delete_note(&note_name(generation));
        self.forget(generation);
        self.aside_bytes = self.store.aside_bytes();
        let count_max = shelf.counts.sum();
        self.notices.push(Notice::Damaged { runs, count_max, what });
    }

    /// A batch cannot be read: what it held is known from the index; without one, its numbers are, and some of these may
    /// have been acknowledged.
    pub(super) fn on_bad_batch(
        &mut self,
        generation: Generation,
        lane: Lane,
        numbers: &Range<u64>,
        next: Option<u64>,
    ) {
        let seqs = numbers.start..next.unwrap_or(u64::MAX);
        let (mut gone, rest) = self.split_runs(generation, lane, &seqs);
        if gone.is_empty() {
            if !self.is_unknown(generation) {
                // It was found before, or another generation stands for it.
                return;
            }
            gone.push(Run { lane, seqs: numbers.clone(), owed: u64::MAX });
        }
        let what = format!("a batch of generation {generation} does not match its checksum");
        self.on_lost(generation, lane, &seqs, gone, rest, what);
    }

    /// The generation's messages of the lane with these numbers, as far as known; and all its others.
    fn split_runs(&mut self, generation: Generation, lane: Lane, seqs: &Range<u64>) -> (Vec<Run>, Vec<Run>) {
        let mut within = self.runs_of(generation);
        let mut rest = within.clone();
        cut_runs(&mut rest, lane, seqs);
        cut_runs(&mut within, lane, &(0..seqs.start));
        cut_runs(&mut within, lane, &(seqs.end..u64::MAX));
        within.retain(|run| run.lane == lane);
        (within, rest)
    }

    /// Whether the generation is just being looked through for the first time.
    fn is_unknown(&self, generation: Generation) -> bool {
        self.shelves.get(&generation).is_some_and(|shelf| !shelf.sealed && shelf.is_bare())
    }

    /// Messages of a generation are lost; the rest of it is used, and set aside in the end.
    fn on_lost(
        &mut self,
        generation: Generation,
        lane: Lane,
        seqs: &Range<u64>,
        gone: Vec<Run>,
        rest: Vec<Run>,
        what: String,
    ) {
        let is_unknown = self.is_unknown(generation);
        if let Some(shelf) = self.shelves.get_mut(&generation) {
            shelf.damaged = true;
            shelf.spans.of_mut(lane).remove_range(seqs.clone());
            (shelf.runs, shelf.sealed) = (rest, false);
            if !is_unknown {
                self.seal(generation, &[]);
            }
        }
        self.notices.push(Notice::Damaged { runs: gone, count_max: u64::MAX, what });
    }

    /// # Errors
    /// Worth another attempt.
    pub(super) fn on_read_error(&mut self, generation: Generation, why: &str) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Batches, StoppedBuffer};
    use crate::positions::Progress;
    use crate::record::Record;
    use crate::store::Store as _;
    use crate::store::memory::MemoryStore;
    use crate::{BufferConfig, Message};

    fn open(store: &MemoryStore) -> Archive {
        Archive::open(Box::new(store.clone()), BufferConfig::default(), None).0
    }

    /// A store with one generation of ten batches, one of them damaged; indexed or not.
    fn damaged(seed: u64, indexed: bool) -> MemoryStore {
        let store = MemoryStore::default();
        let mut archive = open(&store);
        for batch in 0..10 {
            let record = |n| {
                let message =
                    Message { lane: Lane::Data, made_ms: n, route: "r".into(), body: "body".into() };
                Record { seq: 7 * batch + n as u64, owed: 1, message }
            };
            let batches = Batches { data: (0..7).map(record).collect(), ..Batches::default() };
            archive.append(&batches, true, &Progress::new(1)).unwrap();
        }
        if indexed {
            archive.close();
        }
        store.0.lock().unwrap().damage(&mut fastrand::Rng::with_seed(seed));
        store
    }

    fn lost(archive: &mut Archive) -> u64 {
        let lost = |notice| match notice {
            Notice::Damaged { runs, .. } => runs.iter().map(|run| run.seqs.end - run.seqs.start).sum(),
            _ => 0,
        };
        archive.take_notices().into_iter().map(lost).sum()
    }

    #[test]
    fn what_is_damaged_is_counted_once_and_never_deleted_whatever_restarts() {
        for seed in 0..20 {
            let store = damaged(seed, seed % 2 == 0);
            let mut archive = open(&store);
            let mut from = 0;
            while let Some(last) = archive.read(Lane::Data, from).unwrap().last() {
                from = last.seq + 1;
            }
            assert_eq!(lost(&mut archive), 7, "seed {seed}: a batch, whatever is known of it");
            drop(archive);
            let mut archive = open(&store);
            assert_eq!(archive.read(Lane::Data, 0).unwrap().len() % 7, 0);
            archive.walk(1, Lane::Data, |_, _| {}).unwrap();
            assert_eq!(lost(&mut archive), 0, "seed {seed}: it is known");
            let mut progress = Progress::new(1);
            progress.forget(Lane::Data, &(0..70));
            archive.settle(&["cloud".into()], &progress, true);
            assert!(archive.is_empty() && store.clone().aside_bytes() > 0, "seed {seed}");
        }
    }

    #[test]
    fn clearing_sets_aside_what_is_damaged() {
        let store = damaged(1, true);
        let mut archive = open(&store);
        (0..70).for_each(|seq| drop(archive.read(Lane::Data, seq)));
        drop(archive);
        StoppedBuffer::on(Box::new(store.clone())).unwrap().clear().unwrap();
        assert!(store.clone().aside_bytes() > 0);
    }
}
