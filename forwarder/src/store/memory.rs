//! A store in memory: the model of the one on disk, with faults that tests inject.

use crate::Lane;
use crate::store::{Batch, Digest, SegmentId, Store, StoreError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Key = (Lane, u64);

/// The batches: where each ends, and its bytes.
type Batches = BTreeMap<Key, (u64, Vec<u8>)>;

/// The content of the disk. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore(pub(crate) Arc<Mutex<Disk>>);

/// The disk, and its faults.
#[derive(Default)]
pub(crate) struct Disk {
    segments: BTreeMap<SegmentId, FakeSegment>,
    aside: BTreeMap<SegmentId, FakeSegment>,
    notes: BTreeMap<String, Vec<u8>>,
    /// Every write fails with this.
    pub(crate) failing: Option<&'static str>,
    /// Segments that cannot be read.
    pub(crate) damaged: Vec<SegmentId>,
    /// Bytes that were put.
    pub(crate) written: u64,
    /// Every sync takes so long.
    pub(crate) sync_takes: Duration,
    /// The first look takes so long.
    pub(crate) opening_takes: Duration,
    /// What panics.
    pub(crate) panics: Option<&'static str>,
}

#[derive(Clone, Default)]
struct FakeSegment {
    synced: Batches,
    flushed: Batches,
    put: Batches,
}

impl FakeSegment {
    fn all(&self) -> BTreeMap<Key, &(u64, Vec<u8>)> {
        self.synced.iter().chain(&self.flushed).chain(&self.put).map(|(key, batch)| (*key, batch)).collect()
    }

    fn bytes(&self) -> u64 {
        self.all().values().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn digest(&self) -> Digest {
        let mut crc = crc32fast::Hasher::new();
        for ((lane, start), (end, bytes)) in self.all() {
            crc.update(&[lane as u8]);
            crc.update(&start.to_be_bytes());
            crc.update(&end.to_be_bytes());
            crc.update(bytes);
        }
        Digest { bytes: self.bytes(), crc: crc.finalize() }
    }
}

impl Disk {
    /// Drops the batches that a crash of the program, or of the power, loses.
    pub(crate) fn crash(&mut self, power: bool) {
        for fake in self.segments.values_mut() {
            fake.put.clear();
            if power {
                fake.flushed.clear();
            }
        }
    }

    /// All batches that are not set aside.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Vec<u8>> {
        let of_one =
            |fake: &FakeSegment| fake.all().into_values().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>();
        self.segments.values().flat_map(of_one)
    }

    /// Flips a bit of some batch, or loses it, as sled does with the end of a file that was cut off.
    pub(crate) fn damage(&mut self, rng: &mut fastrand::Rng) {
        let filled = self.segments.iter_mut().filter(|(_, fake)| !fake.synced.is_empty());
        let mut filled: Vec<(&SegmentId, &mut FakeSegment)> = filled.collect();
        let count = filled.len();
        let Some((segment, fake)) = (count > 0).then(|| &mut filled[rng.usize(..count)]) else { return };
        let at = rng.usize(..fake.synced.len());
        let (key, (_, batch)) = fake.synced.iter_mut().nth(at).unwrap();
        let (key, byte, bit) = (*key, rng.usize(..batch.len()), rng.u8(..8));
        // Without its index nobody can know what a segment should hold.
        let index = self.notes.get(&format!("{segment}.index"));
        if rng.bool() && index.is_some_and(|note| !note.is_empty()) {
            fake.synced.remove(&key);
        } else {
            batch[byte] ^= 1 << bit;
        }
    }

    fn fake(&mut self, segment: SegmentId) -> Result<&mut FakeSegment, StoreError> {
        if self.damaged.contains(&segment) {
            return Err(StoreError::Damaged("damaged, as the test wants it".into()));
        }
        let gone = || StoreError::Failed(format!("there is no segment {segment}"));
        self.segments.get_mut(&segment).ok_or_else(gone)
    }

    fn may_write(&self) -> Result<(), StoreError> {
        self.failing.map_or(Ok(()), |why| Err(StoreError::Failed(why.into())))
    }
}

impl MemoryStore {
    fn may_panic(&self, what: &'static str) {
        let panics = self.disk().panics;
        assert!(panics != Some(what), "a test wants {what} to panic");
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl Store for MemoryStore {
    fn segments(&mut self) -> Result<Vec<SegmentId>, StoreError> {
        let takes = self.disk().opening_takes;
        std::thread::sleep(takes);
        self.may_panic("open");
        Ok(self.disk().segments.keys().copied().collect())
    }

    fn create(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.may_write()?;
        disk.segments.insert(segment, FakeSegment::default());
        Ok(())
    }

    fn put(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        seqs: &Range<u64>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.may_write()?;
        disk.written += bytes.len() as u64;
        disk.fake(segment)?.put.insert((lane, seqs.start), (seqs.end, bytes.to_vec()));
        Ok(())
    }

    fn flush(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.may_write()?;
        let fake = disk.fake(segment)?;
        fake.flushed.append(&mut fake.put);
        Ok(())
    }

    fn sync(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        self.flush(segment)?;
        let takes = self.disk().sync_takes;
        std::thread::sleep(takes);
        self.may_panic("sync");
        let mut disk = self.disk();
        let fake = disk.fake(segment)?;
        fake.synced.append(&mut fake.flushed);
        Ok(())
    }

    fn at(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let mut disk = self.disk();
        let all = disk.fake(segment)?.all();
        let before = all.range((lane, 0)..=(lane, first)).next_back();
        let found = before.or_else(|| all.range((lane, first)..=(lane, u64::MAX)).next());
        Ok(found.map(to_batch))
    }

    fn after(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let mut disk = self.disk();
        let all = disk.fake(segment)?.all();
        let found = all.range((lane, first.saturating_add(1))..=(lane, u64::MAX)).next();
        Ok(found.map(to_batch))
    }

    fn close(&mut self, _generation: SegmentId) {}

    fn delete(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        self.disk().segments.remove(&segment);
        Ok(())
    }

    fn set_aside(&mut self, segment: SegmentId) -> Result<String, StoreError> {
        let mut disk = self.disk();
        disk.damaged.retain(|damaged| *damaged != segment);
        let fake = disk.segments.remove(&segment).unwrap_or_default();
        disk.aside.insert(segment, fake);
        Ok(format!("{segment}.damaged-1"))
    }

    fn copy_aside(&mut self, segment: SegmentId) -> Result<String, StoreError> {
        let mut disk = self.disk();
        disk.may_write()?;
        let fake = disk.fake(segment)?.clone();
        disk.aside.insert(segment, fake);
        Ok(format!("{segment}.damaged-1"))
    }

    fn digest(&mut self, segment: SegmentId) -> Option<Digest> {
        self.disk().segments.get(&segment).map(FakeSegment::digest)
    }

    fn check(&mut self, segment: SegmentId, known: &Digest) -> Result<(), StoreError> {
        if self.digest(segment).is_some_and(|found| found == *known) {
            return Ok(());
        }
        Err(StoreError::Damaged(format!("segment {segment} is not as it was written")))
    }

    fn bytes(&mut self, segment: SegmentId) -> u64 {
        let disk = self.disk();
        disk.segments.get(&segment).map_or(0, FakeSegment::bytes)
    }

    fn aside(&mut self) -> Vec<(String, u64)> {
        let disk = self.disk();
        disk.aside.iter().map(|(segment, fake)| (segment.to_string(), fake.bytes())).collect()
    }

    fn write_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        disk.may_write()?;
        disk.notes.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn read_note(&mut self, name: &str) -> Option<Vec<u8>> {
        self.disk().notes.get(name).cloned()
    }

    fn delete_note(&mut self, name: &str) {
        self.disk().notes.remove(name);
    }
}

fn to_batch(((_, first), (end, bytes)): (&Key, &&(u64, Vec<u8>))) -> Batch {
    Batch { seqs: *first..*end, bytes: bytes.clone().into() }
}

#[test]
fn passes_the_suite() {
    let store = MemoryStore::default();
    crate::store::suite::run(|| store.clone());
}
