//! Stores batches in segments: numbered, of bounded size, filled once and deleted whole.
//!
//! A store keeps bytes. The [segment log](crate::segment_log) decides what to keep. A store may block. `memory`
//! is the model that the tests trust, `sled` the one on disk; both pass the suite below.

#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod sled;

use crate::Lane;
use bytes::Bytes;
use std::ops::Range;

/// The number of a segment; a larger one was made later.
pub(crate) type SegmentId = u64;

/// Why the store has failed. The variant says what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// An I/O error. Go on in memory and try again later. A segment that stays unreadable counts as damaged.
    #[error("{0}")]
    Failed(String),
    /// No space, a read-only disk, no permission. Go on in memory and try again for any time. Reading may fail so
    /// too: sled writes a little before it reads.
    #[error("{0}")]
    Blocked(String),
    /// The segment cannot be read. Set it aside.
    #[error("{0}")]
    Damaged(String),
}

/// Segments of batches, and a few notes (small files) beside them.
///
/// The key of a batch is the number of its first message within the lane. The store also knows where each batch
/// ends, even if it cannot be read. Batches are safe from a crash of the program after [`Store::flush`], and from
/// a power cut after [`Store::sync`].
pub(crate) trait Store: Send {
    /// The segments that are there, or should be.
    fn segments(&mut self) -> Result<Vec<SegmentId>, StoreError>;

    /// Makes a new, empty segment.
    fn create(&mut self, segment: SegmentId) -> Result<(), StoreError>;

    /// Adds a batch of messages with these numbers; the key is new.
    fn put(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        seqs: &Range<u64>,
        bytes: &[u8],
    ) -> Result<(), StoreError>;

    /// Hands all put batches to the operating system.
    fn flush(&mut self, segment: SegmentId) -> Result<(), StoreError>;

    /// Writes all put batches to the disk. After an error, no batch since the last success counts as written.
    fn sync(&mut self, segment: SegmentId) -> Result<(), StoreError>;

    /// The last batch of the lane with a key of at most `first`, or else the first one after it.
    fn at(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError>;

    /// The first batch of the lane with a key above `first`.
    fn after(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError>;

    /// Closes a segment, and frees its memory.
    fn close(&mut self, segment: SegmentId);

    /// Deletes a segment, for good.
    fn delete(&mut self, segment: SegmentId) -> Result<(), StoreError>;

    /// Moves a segment out of the way without deleting it. Returns where to.
    fn set_aside(&mut self, segment: SegmentId) -> Result<String, StoreError>;

    /// Copies a closed segment to where [`Store::set_aside`] would move it, all of it or nothing. Returns where
    /// to.
    fn copy_aside(&mut self, segment: SegmentId) -> Result<String, StoreError>;

    /// The digest of a closed segment, for [`Store::check`]. `None`: the file cannot be read.
    fn digest(&mut self, segment: SegmentId) -> Option<Digest>;

    /// Compares a closed segment with its digest, without opening it: opening a damaged one may destroy more of
    /// it. [`StoreError::Damaged`] names the file and the difference.
    fn check(&mut self, segment: SegmentId, known: &Digest) -> Result<(), StoreError>;

    /// The size of the segment on disk (bytes).
    fn bytes(&mut self, segment: SegmentId) -> u64;

    /// The segments that are set aside: where, and their size on disk (bytes).
    fn aside(&mut self) -> Vec<(String, u64)>;

    /// The size of all segments that are set aside (bytes).
    fn aside_bytes(&mut self) -> u64 {
        self.aside().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Replaces a note, so that either the old or the new one is there after a power cut.
    fn write_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// A note, if it was ever written.
    fn read_note(&mut self, name: &str) -> Option<Vec<u8>>;

    /// Deletes a note. One that stays does no harm.
    fn delete_note(&mut self, name: &str);
}

/// The digest of a sealed segment. Reading it later may only add to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Its size (bytes).
    pub(crate) bytes: u64,
    /// The CRC-32 of so many first bytes.
    pub(crate) crc: u32,
}

/// A stored batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The numbers of its messages. The first one is its key.
    pub(crate) seqs: Range<u64>,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

#[cfg(test)]
pub(crate) mod suite {
    //! What every store must do.

    use super::*;
    use crate::Lane::{Alert, Data};

    fn first(batch: Result<Option<Batch>, StoreError>) -> Option<u64> {
        batch.unwrap().map(|batch| batch.seqs.start)
    }

    /// `open` opens the same store again, as after a restart.
    pub(crate) fn run<S: Store>(mut open: impl FnMut() -> S) {
        let mut store = open();
        assert_eq!(store.segments(), Ok(vec![]));
        store.create(3).unwrap();
        store.create(10).unwrap();
        for n in [300, 100, 200] {
            store.put(3, Data, &(n..n + 9), format!("data {n}").as_bytes()).unwrap();
        }
        store.put(3, Alert, &(7..8), b"alert 7").unwrap();
        store.put(10, Data, &(400..500), &[0xff; 400_000]).unwrap();
        for n in 500..600 {
            store.put(10, Data, &(n..n + 1), &[1; 100]).unwrap();
        }
        store.sync(3).unwrap();
        store.flush(10).unwrap();
        for _ in 0..2 {
            assert_eq!(first(store.at(3, Data, 50)), Some(100));
            assert_eq!(first(store.at(3, Data, 100)), Some(100));
            assert_eq!(first(store.at(3, Data, 299)), Some(200));
            assert_eq!(store.at(3, Data, 299).unwrap().unwrap().seqs, 200..209);
            assert_eq!(first(store.at(3, Data, u64::MAX)), Some(300));
            assert_eq!(first(store.after(3, Data, 100)), Some(200));
            assert_eq!(first(store.after(3, Data, 300)), None);
            assert_eq!(store.at(3, Alert, 0).unwrap().unwrap().bytes, "alert 7");
            assert_eq!(first(store.after(3, Alert, 7)), None);
            assert_eq!(store.at(10, Data, 400).unwrap().unwrap().bytes.len(), 400_000);
            assert_eq!(first(store.after(10, Data, 598)), Some(599));
            assert_eq!(first(store.at(10, Alert, 0)), None);
            assert!(store.bytes(10) >= 400_000);
            drop(store);
            store = open();
            assert_eq!(store.segments(), Ok(vec![3, 10]));
        }
        store.close(3);
        store.put(3, Data, &(500..501), b"after a close").unwrap();
        assert_eq!(first(store.at(3, Data, 600)), Some(500));
        store.close(3);
        digests(&mut store, &mut open);
        store.delete(3).unwrap();
        assert_eq!(store.segments(), Ok(vec![10]));
        assert!(store.at(3, Data, 0).is_err(), "what is gone is an error");
        let copies = store.aside_bytes();
        assert!(store.set_aside(10).unwrap().contains("10.damaged"));
        assert_eq!(store.segments(), Ok(vec![]));
        assert!(store.aside_bytes() > copies);
        notes(&mut store, open);
    }

    /// Segment 3 is closed: it stays what it is while it is read, and can be copied.
    fn digests<S: Store>(store: &mut S, open: &mut impl FnMut() -> S) {
        let digest = store.digest(3).unwrap();
        for _ in 0..3 {
            assert_eq!(store.check(3, &digest), Ok(()));
            assert_eq!(first(store.at(3, Data, 0)), Some(100));
            store.close(3);
        }
        assert_eq!(open().check(3, &digest), Ok(()));
        let others = [Digest { crc: !digest.crc, ..digest }, Digest { bytes: u64::MAX, ..digest }];
        for other in others {
            assert!(matches!(store.check(3, &other), Err(StoreError::Damaged(_))));
        }
        assert_eq!(store.digest(4), None, "there is none");
        assert!(store.copy_aside(4).is_err());
        assert_eq!(store.aside(), []);
        assert!(store.copy_aside(3).unwrap().contains("3.damaged"));
        assert!(store.aside_bytes() > 0);
        assert_eq!(first(store.at(3, Data, 0)), Some(100), "a copy changes nothing");
        assert_eq!(store.segments(), Ok(vec![3, 10]));
        store.close(3);
    }

    fn notes<S: Store>(store: &mut S, mut open: impl FnMut() -> S) {
        assert_eq!(store.read_note("positions"), None);
        store.write_note("positions", b"one").unwrap();
        store.write_note("positions", b"two").unwrap();
        assert_eq!(store.read_note("positions").as_deref(), Some(&b"two"[..]));
        assert_eq!(open().read_note("positions").as_deref(), Some(&b"two"[..]));
        store.delete_note("positions");
        store.delete_note("positions");
        assert_eq!(open().read_note("positions"), None);
    }
}
