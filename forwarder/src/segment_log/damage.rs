//! Handles segments that cannot be read. Their messages are reported as exactly as they are known. The segment is
//! moved out of the way and never deleted.
//!
//! Opening a damaged segment may destroy more of it. So a sealed segment is compared with its digest before it is
//! opened. If it differs, it is copied first; then the original is read as far as it can be, and deleted in the
//! end. If there is no room for a copy, the original is set aside in the end.

use super::segment_meta::{self, Index, SegmentMeta, cut_runs, note_name};
use super::{FAILURES_MAX, LogEvent, SegmentLog};
use crate::Lane;
use crate::output_set::OutputSet;
use crate::progress::Run;
use crate::record::BadBatch;
use crate::store::{SegmentId, Store, StoreError};
use std::ops::Range;
use std::path::Path;

/// Copies a damaged segment before it is opened, and notes that, so that it is done once. Returns the name of the
/// copy. If the note cannot be written, the copy may be made again.
pub(super) fn keep_copy(store: &mut dyn Store, segment: SegmentId) -> Result<String, StoreError> {
    let path = store.copy_aside(segment)?;
    let name = Path::new(&path).file_name().map_or(path.clone(), |name| name.to_string_lossy().into());
    let note = store.read_note(&note_name(segment));
    if let Some(Index::Sealed { mut meta, replaces }) = note.as_deref().and_then(segment_meta::read) {
        (meta.damaged, meta.copy, meta.digest) = (true, Some(name.clone()), None);
        if let Err(error) =
            store.write_note(&note_name(segment), &segment_meta::write(&meta, &meta.runs, &replaces))
        {
            tracing::warn!(segment, %error, "a part of the buffer may be copied again at the next start");
        }
    }
    Ok(name)
}

impl SegmentLog {
    /// Checks a segment before its first read since it was sealed. A damaged one is copied.
    pub(super) fn before_opening(&mut self, segment: SegmentId) {
        let Some(meta) = self.segments.get_mut(&segment) else { return };
        let Some(digest) = &meta.digest else { return };
        match self.store.check(segment, digest) {
            Ok(()) => meta.digest = None,
            Err(StoreError::Damaged(why)) => {
                (meta.digest, meta.damaged) = (None, true);
                match keep_copy(self.store.as_mut(), segment) {
                    Ok(copy) => {
                        tracing::warn!(segment, %why, %copy, "a part of the buffer is damaged; it is kept as a copy");
                        meta.copy = Some(copy);
                    }
                    Err(error) => {
                        tracing::warn!(segment, %why, %error, "a part of the buffer is damaged, and cannot be copied");
                    }
                }
                self.aside_bytes = self.store.aside_bytes();
            }
            // The file cannot be read now. The store will say so too.
            Err(StoreError::Failed(_) | StoreError::Blocked(_)) => {}
        }
    }

    /// Deletes a segment, or sets it aside if some of it could not be read.
    pub(super) fn delete(&mut self, segment: SegmentId) {
        self.store.delete_note(&note_name(segment));
        if self.segments.get(&segment).is_some_and(SegmentMeta::must_keep) {
            let _ =
                self.store.set_aside(segment).inspect_err(|error| tracing::warn!(segment, %error, "stays"));
            self.aside_bytes = self.store.aside_bytes();
        } else if let Err(error) = self.store.delete(segment) {
            tracing::warn!(segment, %error, "a part of the buffer could not be deleted");
        }
        self.forget(segment);
    }

    /// Names the copy of a segment, for people.
    fn kept(&self, segment: SegmentId) -> String {
        let copy = self.segments.get(&segment).and_then(|meta| meta.copy.as_ref());
        copy.map_or_else(String::new, |copy| format!("; it is kept as {copy}"))
    }

    /// Reports messages that should lie between these numbers and do not: sled opens a database that is cut off as
    /// if it had always ended there.
    pub(super) fn on_missing(&mut self, segment: SegmentId, lane: Lane, seqs: &Range<u64>) {
        if seqs.is_empty() {
            return;
        }
        let (gone, rest) = self.split_runs(segment, lane, seqs);
        if gone.is_empty() {
            if let Some(meta) = self.segments.get_mut(&segment) {
                meta.spans.of_mut(lane).remove_range(seqs.clone());
            }
            return;
        }
        let what = format!("messages of segment {segment} are not there any more{}", self.kept(segment));
        self.on_lost(segment, lane, seqs, gone, rest, what);
    }

    /// A whole segment cannot be read. It is set aside, and its messages are reported.
    pub(super) fn give_up(&mut self, segment: SegmentId, why: &str) {
        let mut runs = self.runs_of(segment);
        let meta = self.segments.get(&segment).cloned().unwrap_or_default();
        if runs.is_empty() {
            runs = meta.spanning_runs();
        }
        let what = if meta.copy.is_some() {
            let _ = self.store.delete(segment).inspect_err(|error| tracing::warn!(segment, %error, "stays"));
            format!("{why}{}", self.kept(segment))
        } else {
            match self.store.set_aside(segment) {
                Ok(path) => format!("{why}; it is kept as {path}"),
                Err(error) => format!("{why}; it could not be set aside: {error}"),
            }
        };
        self.store.delete_note(&note_name(segment));
        self.forget(segment);
        self.aside_bytes = self.store.aside_bytes();
        let count_max = meta.counts.sum();
        self.log_events.push(LogEvent::Damaged { runs, count_max, what });
    }

    /// A batch cannot be read. The index tells its messages. Without an index, only its numbers are known, and
    /// some of these may be acknowledged.
    pub(super) fn on_bad_batch(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        numbers: &Range<u64>,
        next: Option<u64>,
        bad: BadBatch,
    ) {
        let seqs = numbers.start..next.unwrap_or(u64::MAX);
        let (mut gone, rest) = self.split_runs(segment, lane, &seqs);
        if gone.is_empty() {
            if !self.is_unknown(segment) {
                // It was reported before, or another segment has the messages.
                return;
            }
            gone.push(Run { lane, seqs: numbers.clone(), owed: OutputSet::ALL });
        }
        let what = format!("{bad}, in segment {segment}{}", self.kept(segment));
        self.on_lost(segment, lane, &seqs, gone, rest, what);
    }

    /// The segment's messages with these numbers of the lane, as far as known; and all its other messages.
    fn split_runs(&mut self, segment: SegmentId, lane: Lane, seqs: &Range<u64>) -> (Vec<Run>, Vec<Run>) {
        let mut within = self.runs_of(segment);
        let mut rest = within.clone();
        cut_runs(&mut rest, lane, seqs);
        cut_runs(&mut within, lane, &(0..seqs.start));
        cut_runs(&mut within, lane, &(seqs.end..u64::MAX));
        within.retain(|run| run.lane == lane);
        (within, rest)
    }

    /// Whether the start is just reading the segment.
    fn is_unknown(&self, segment: SegmentId) -> bool {
        self.segments.get(&segment).is_some_and(|meta| !meta.sealed && meta.is_empty())
    }

    /// Some messages of a segment are lost. The rest is used. If there is no copy, the segment is set aside in the
    /// end.
    fn on_lost(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        seqs: &Range<u64>,
        gone: Vec<Run>,
        rest: Vec<Run>,
        what: String,
    ) {
        let is_unknown = self.is_unknown(segment);
        if let Some(meta) = self.segments.get_mut(&segment) {
            meta.damaged = true;
            meta.spans.of_mut(lane).remove_range(seqs.clone());
            (meta.runs, meta.sealed) = (rest, false);
            if !is_unknown {
                self.seal(segment, &[]);
            }
        }
        self.log_events.push(LogEvent::Damaged { runs: gone, count_max: u64::MAX, what });
    }

    /// # Errors
    /// Worth another attempt.
    pub(super) fn on_read_error(&mut self, segment: SegmentId, why: &str) -> Result<(), String> {
        self.store.close(segment);
        let failures = self.segments.get_mut(&segment).map_or(FAILURES_MAX, |meta| {
            meta.failures += 1;
            meta.failures
        });
        if failures < FAILURES_MAX {
            return Err(why.to_owned());
        }
        self.give_up(segment, why);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use crate::record::BufferRecord;
    use crate::segment_log::PositionsNote;
    use crate::segment_log::{LaneBatches, StoppedBuffer};
    use crate::store::memory::MemoryStore;
    use crate::store::sled::SledStore;
    use crate::testing::Folder;
    use crate::{BufferConfig, Message};

    fn open(store: &MemoryStore) -> SegmentLog {
        SegmentLog::open(Box::new(store.clone()), BufferConfig::default(), None).0
    }

    fn data(records: Vec<BufferRecord>) -> LaneBatches {
        let mut batches = LaneBatches::default();
        *batches.of_mut(Lane::Data) = records;
        batches
    }

    /// A store with one segment of ten batches, one of them damaged; indexed or not.
    fn damaged(seed: u64, indexed: bool) -> MemoryStore {
        let store = MemoryStore::default();
        let mut segment_log = open(&store);
        for batch in 0..10 {
            let record = |n| {
                let message = Message { lane: Lane::Data, made_ms: n, body: "body".into() };
                BufferRecord { seq: 7 * batch + n as u64, owed: OutputSet::bit(0), message }
            };
            let batches = data((0..7).map(record).collect());
            segment_log.append(&batches, true, &Progress::new(1)).unwrap();
        }
        if indexed {
            segment_log.close();
        }
        store.0.lock().unwrap().damage(&mut fastrand::Rng::with_seed(seed));
        store
    }

    fn lost(segment_log: &mut SegmentLog) -> u64 {
        let lost = |log_event| match log_event {
            LogEvent::Damaged { runs, .. } => runs.iter().map(|run| run.seqs.end - run.seqs.start).sum(),
            _ => 0,
        };
        segment_log.take_events().into_iter().map(lost).sum()
    }

    #[test]
    fn what_is_damaged_is_counted_once_and_never_deleted_whatever_restarts() {
        for seed in 0..20 {
            let store = damaged(seed, seed % 2 == 0);
            let mut segment_log = open(&store);
            let mut from = 0;
            while let Some(last) = segment_log.read(Lane::Data, from).unwrap().last() {
                from = last.seq + 1;
            }
            assert_eq!(lost(&mut segment_log), 7, "seed {seed}: a batch, whatever is known of it");
            drop(segment_log);
            let mut segment_log = open(&store);
            assert_eq!(segment_log.read(Lane::Data, 0).unwrap().len() % 7, 0);
            segment_log.walk(1, Lane::Data, |_, _| {}).unwrap();
            assert_eq!(lost(&mut segment_log), 0, "seed {seed}: it is known");
            let mut progress = Progress::new(1);
            progress.forget(Lane::Data, &(0..70));
            segment_log.settle(&["cloud".into()], &progress, PositionsNote::OfMessages);
            assert!(segment_log.is_empty() && store.clone().aside_bytes() > 0, "seed {seed}");
        }
    }

    #[test]
    fn clearing_sets_aside_what_is_damaged() {
        let store = damaged(1, true);
        let mut segment_log = open(&store);
        (0..70).for_each(|seq| drop(segment_log.read(Lane::Data, seq)));
        drop(segment_log);
        StoppedBuffer::on(Box::new(store.clone())).unwrap().clear().unwrap();
        assert!(store.clone().aside_bytes() > 0);
    }

    const COUNT: u64 = 400;

    fn open_in(folder: &Folder) -> SegmentLog {
        SegmentLog::open(Box::new(SledStore::new(folder.path().into())), BufferConfig::default(), None).0
    }

    /// A sealed segment of sled's, and what its file holds.
    fn sealed() -> (Folder, Vec<u8>) {
        let folder = Folder::new();
        let mut segment_log = open_in(&folder);
        for first in (0..COUNT).step_by(10) {
            let record = |seq| {
                let body = vec![seq as u8; 1_000].into();
                let message = Message { lane: Lane::Data, made_ms: seq as i64, body };
                BufferRecord { seq, owed: OutputSet::bit(0), message }
            };
            let batches = data((first..first + 10).map(record).collect());
            segment_log.append(&batches, true, &Progress::new(1)).unwrap();
        }
        segment_log.close();
        let bytes = std::fs::read(folder.path().join("1/db")).unwrap();
        (folder, bytes)
    }

    /// How many messages can be read; then nobody wants any, and all is deleted.
    fn drain(segment_log: &mut SegmentLog) -> u64 {
        let (mut from, mut count) = (0, 0);
        loop {
            let records = segment_log.read(Lane::Data, from).unwrap();
            let Some(last) = records.last() else { break };
            (from, count) = (last.seq + 1, count + records.len() as u64);
        }
        let mut progress = Progress::new(1);
        progress.forget(Lane::Data, &(0..COUNT));
        segment_log.settle(&["cloud".into()], &progress, PositionsNote::OfMessages);
        assert!(segment_log.is_empty());
        count
    }

    fn aside(folder: &Folder) -> Vec<String> {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.contains("damaged") || name.contains("copying"));
        names.sort();
        names
    }

    #[test]
    fn what_is_damaged_is_kept_as_it_was_found_whatever_sled_makes_of_it() {
        for (round, flips) in [1, 64, 3_000, 1].into_iter().enumerate() {
            let (folder, mut bytes) = sealed();
            let at = bytes.len() / 3;
            bytes[at..at + flips].iter_mut().for_each(|byte| *byte ^= 0xa5);
            let db = folder.path().join("1/db");
            std::fs::write(&db, &bytes).unwrap();
            if round == 3 {
                // What an attempt that was killed has left.
                std::fs::create_dir_all(folder.path().join("1.copying/blobs")).unwrap();
            }
            let mut segment_log = open_in(&folder);
            assert_eq!(aside(&folder), ["1.damaged-1"]);
            assert!(segment_log.filling.is_none(), "nothing is added to it");
            let _ = segment_log.read(Lane::Data, 0).unwrap();
            assert!(
                std::fs::read(&db).is_ok_and(|now| now[..] != bytes[..]) || !db.exists(),
                "sled changes it"
            );
            drop(segment_log);
            // Neither a restart nor its end make another.
            let mut segment_log = open_in(&folder);
            let read = drain(&mut segment_log);
            assert!(lost(&mut segment_log) + read <= COUNT && read < COUNT, "{read}");
            assert_eq!(
                (aside(&folder), folder.path().join("1").exists()),
                (vec!["1.damaged-1".into()], false)
            );
            assert!(std::fs::read(folder.path().join("1.damaged-1/db")).unwrap() == bytes, "{flips}");
            assert!(segment_log.bytes() >= bytes.len() as u64, "it counts");
        }
    }

    #[test]
    fn what_is_lost_is_told_with_the_place_of_its_copy() {
        let (folder, mut bytes) = sealed();
        let at = bytes.len() / 3;
        bytes[at..at + 64].fill(0xa5);
        std::fs::write(folder.path().join("1/db"), &bytes).unwrap();
        let mut segment_log = open_in(&folder);
        let read = drain(&mut segment_log);
        let log_events = segment_log.take_events();
        let count = |run: &Run| run.seqs.end - run.seqs.start;
        let told = log_events.iter().map(|log_event| match log_event {
            LogEvent::Damaged { runs, what, .. } => {
                assert!(what.ends_with("; it is kept as 1.damaged-1"), "{what}");
                runs.iter().map(count).sum::<u64>()
            }
            other => panic!("{other:?}"),
        });
        assert_eq!((told.sum::<u64>() + read, read < COUNT), (COUNT, true));
    }

    #[test]
    fn what_is_cut_short_or_deleted_is_known_before_it_is_opened() {
        let (folder, bytes) = sealed();
        std::fs::write(folder.path().join("1/db"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(drain(&mut open_in(&folder)) < COUNT);
        assert!(std::fs::read(folder.path().join("1.damaged-1/db")).unwrap() == bytes[..bytes.len() / 2]);

        let (folder, _) = sealed();
        std::fs::remove_file(folder.path().join("1/db")).unwrap();
        let mut segment_log = open_in(&folder);
        assert_eq!((drain(&mut segment_log), lost(&mut segment_log)), (0, COUNT));
        assert!(folder.path().join("1.damaged-1/conf").exists());
    }

    #[test]
    fn what_is_whole_is_never_copied() {
        let (folder, bytes) = sealed();
        for round in 0..4 {
            let mut segment_log = open_in(&folder);
            assert_eq!(segment_log.filling, Some(1), "{round}");
            assert!(!segment_log.read(Lane::Data, round * 50).unwrap().is_empty());
            segment_log.close();
        }
        let now = std::fs::read(folder.path().join("1/db")).unwrap();
        assert!(now[..bytes.len()] == bytes, "reading only adds to it");
        let mut segment_log = open_in(&folder);
        assert_eq!((drain(&mut segment_log), lost(&mut segment_log)), (COUNT, 0));
        assert_eq!(aside(&folder), Vec::<String>::new());
    }

    /// As the disk is when the program is killed with the database open.
    fn killed(folder: &Folder) -> Folder {
        let copy = Folder::new();
        std::fs::create_dir_all(copy.path().join("1/blobs")).unwrap();
        for name in ["1/db", "1/conf", "1.index"] {
            let _ = std::fs::copy(folder.path().join(name), copy.path().join(name));
        }
        copy
    }

    #[test]
    fn a_kill_is_no_damage() {
        let (folder, _) = sealed();
        let read = |folder: &Folder, config: BufferConfig| {
            let mut segment_log =
                SegmentLog::open(Box::new(SledStore::new(folder.path().into())), config, None).0;
            let records = segment_log.read(Lane::Data, 0).unwrap();
            assert!(!records.is_empty());
            segment_log
        };
        // Too small to be filled on: it is only read.
        let small = || BufferConfig { max_size: 1 << 10, ..BufferConfig::default() };
        let mut folder = folder;
        for _ in 0..3 {
            let segment_log = read(&folder, small());
            assert!(segment_log.filling.is_none());
            let next = killed(&folder);
            drop(segment_log);
            folder = next;
        }
        // Filled on, killed, found without an index, sealed, and read again.
        let segment_log = read(&folder, BufferConfig::default());
        let next = killed(&folder);
        drop(segment_log);
        read(&next, BufferConfig::default()).close();
        let mut segment_log = read(&next, small());
        assert_eq!((drain(&mut segment_log), lost(&mut segment_log)), (COUNT, 0));
        assert_eq!((aside(&folder), aside(&next)), (vec![], vec![]));
    }

    #[test]
    fn without_room_for_a_copy_it_is_set_aside_in_the_end() {
        let (folder, mut bytes) = sealed();
        let at = bytes.len() / 3;
        bytes[at..at + 64].fill(0xa5);
        std::fs::write(folder.path().join("1/db"), &bytes).unwrap();
        // No folder can be made there.
        std::fs::write(folder.path().join("1.copying"), "").unwrap();
        let mut segment_log = open_in(&folder);
        assert!(segment_log.filling.is_none());
        assert!(drain(&mut segment_log) < COUNT);
        assert_eq!(aside(&folder), ["1.copying", "1.damaged-1"]);
    }
}
