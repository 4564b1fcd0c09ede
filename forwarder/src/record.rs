//! The format of messages on disk: batches, each with a checksum.
//!
//! ```text
//! batch   crc32 (of all that follows) u32 | version u8 | lane u8 | count u32 | records
//! record  length (of all that follows) u32 | sequence number u64 | owed u64 | made (ms) i64
//!         | body length u32 | body | fields of later versions
//! ```
//!
//! All numbers are little-endian. Nothing in a batch is trusted before its checksum holds. A version that only adds fields at
//! the end of a record keeps the number [`VERSION`], and older programs skip them; one that changes the rest takes another
//! number, and older programs set the batch aside.

use crate::output_set::OutputSet;
use crate::{Lane, Message};
use bytes::{Buf, BufMut, Bytes};
use std::ops::Range;

/// The size at which a batch is closed (bytes). It is large enough that the store's overhead per value is small,
/// and small enough to be read into memory at once.
pub(crate) const BATCH_BYTES: usize = 64 << 10;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 4 + 1 + 1 + 4;
const LENGTH_BYTES: usize = 4;
const RECORD_BYTES: usize = 8 + 8 + 8 + 4;

/// A message with its number, and the outputs that want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BufferRecord {
    /// The number within the lane.
    pub(crate) seq: u64,
    /// The outputs that had not acknowledged the message when it was written.
    pub(crate) owed: OutputSet,
    /// The message.
    pub(crate) message: Message,
}

/// A batch that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBatch {
    /// The bytes are not those that were written.
    #[error("a batch of messages does not match its checksum or its own lengths")]
    Damaged,
    /// A program of another version has written it.
    #[error(
        "a batch of messages is of version {0}, which this program does not know; start the newer program again"
    )]
    Version(u8),
}

/// Cuts the records of a lane, in order, into batches. Returns the numbers and the bytes of each.
pub(crate) fn encode(lane: Lane, records: &[BufferRecord]) -> impl Iterator<Item = (Range<u64>, Vec<u8>)> {
    let mut rest = records.iter().peekable();
    std::iter::from_fn(move || {
        let first = rest.peek()?.seq;
        let (mut end, mut count, mut bytes) = (first, 0, Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 16));
        bytes.resize(HEADER_BYTES, 0);
        while bytes.len() < BATCH_BYTES
            && let Some(record) = rest.next()
        {
            put(&mut bytes, record);
            (end, count) = (record.seq + 1, count + 1);
        }
        close(lane, count, &mut bytes);
        Some((first..end, bytes))
    })
}

/// The records of a batch.
///
/// # Errors
/// [`BadBatch`]: nothing of it can be trusted.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Vec<BufferRecord>, BadBatch> {
    if bytes.len() < HEADER_BYTES {
        return Err(BadBatch::Damaged);
    }
    let crc = bytes.get_u32_le();
    if crc32fast::hash(&bytes) != crc {
        return Err(BadBatch::Damaged);
    }
    let version = bytes.get_u8();
    if version != VERSION {
        return Err(BadBatch::Version(version));
    }
    let lane = bytes.get_u8();
    let lane = Lane::ALL.into_iter().find(|known| *known as u8 == lane).ok_or(BadBatch::Damaged)?;
    let count = bytes.get_u32_le() as usize;
    let mut records = Vec::with_capacity(count.min(bytes.len() / (LENGTH_BYTES + RECORD_BYTES)));
    for _ in 0..count {
        records.push(take(&mut bytes, lane).ok_or(BadBatch::Damaged)?);
    }
    Ok(records)
}

fn put(bytes: &mut Vec<u8>, record: &BufferRecord) {
    let Message { made_ms, body, .. } = &record.message;
    let length = RECORD_BYTES + body.len();
    bytes.reserve(LENGTH_BYTES + length);
    // Lengths are those of messages in memory, far below 4 GiB.
    bytes.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_u64_le(record.seq);
    bytes.put_u64_le(record.owed.bits());
    bytes.put_i64_le(*made_ms);
    bytes.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
    bytes.put_slice(body);
}

fn close(lane: Lane, count: u32, bytes: &mut [u8]) {
    if let Some(mut head) = bytes.get_mut(4..HEADER_BYTES) {
        head.put_u8(VERSION);
        head.put_u8(lane as u8);
        head.put_u32_le(count);
    }
    let crc = crc32fast::hash(bytes.get(4..).unwrap_or_default());
    if let Some(mut head) = bytes.get_mut(..4) {
        head.put_u32_le(crc);
    }
}

/// Reads the next record, and skips the fields that a later version has added.
fn take(bytes: &mut Bytes, lane: Lane) -> Option<BufferRecord> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    if length < RECORD_BYTES || length > bytes.len() {
        return None;
    }
    let mut bytes = bytes.split_to(length);
    let (seq, owed, made_ms) = (bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_i64_le());
    let owed = OutputSet::from_bits(owed);
    let body = bytes.get_u32_le() as usize;
    if body > bytes.len() {
        return None;
    }
    Some(BufferRecord { seq, owed, message: Message { lane, made_ms, body: bytes.split_to(body) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, body: usize) -> BufferRecord {
        let message =
            Message { lane: Lane::Data, made_ms: -(seq as i64), body: vec![seq as u8; body].into() };
        BufferRecord { seq, owed: OutputSet::from_bits(seq * 3), message }
    }

    #[test]
    fn batches_carry_everything_and_are_of_bounded_size() {
        let records: Vec<BufferRecord> =
            (5..2_000).filter(|n| n % 7 != 0).map(|n| record(n, n as usize % 300)).collect();
        let batches: Vec<_> = encode(Lane::Data, &records).collect();
        assert!(batches.len() > 3 && batches.iter().all(|(_, bytes)| bytes.len() < BATCH_BYTES + 1_000));
        let mut back = Vec::new();
        for (seqs, bytes) in batches {
            let decoded = decode(bytes.into()).unwrap();
            assert_eq!((decoded[0].seq, decoded[decoded.len() - 1].seq + 1), (seqs.start, seqs.end));
            back.extend(decoded);
        }
        assert_eq!(back, records);
        assert_eq!(encode(Lane::Alert, &[]).count(), 0);
    }

    /// Every flipped byte and every cut is found, and nothing panics, checksum mended or not.
    #[test]
    fn damage_is_an_error() {
        let (_, good) = encode(Lane::Data, &[record(1, 20), record(2, 0)]).next().unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x41;
            assert_eq!(decode(bad.clone().into()), Err(BadBatch::Damaged), "byte {at}");
            assert_eq!(decode(good[..at].to_vec().into()), Err(BadBatch::Damaged));
            let crc = crc32fast::hash(&bad[4..]);
            bad[..4].copy_from_slice(&crc.to_le_bytes());
            let _ = decode(bad.into());
        }
    }
    #[test]
    fn fields_of_later_versions_are_skipped_and_other_versions_are_named() {
        let records = [record(1, 20), record(2, 0)];
        let (_, mut batch) = encode(Lane::Data, &records).next().unwrap();
        let first = u32::from_le_bytes(batch[HEADER_BYTES..][..LENGTH_BYTES].try_into().unwrap());
        batch[HEADER_BYTES..][..LENGTH_BYTES].copy_from_slice(&(first + 3).to_le_bytes());
        let end = HEADER_BYTES + LENGTH_BYTES + first as usize;
        batch.splice(end..end, *b"new");
        close(Lane::Data, 2, &mut batch);
        assert_eq!(decode(batch.clone().into()).unwrap(), records);
        batch[4] = VERSION + 1;
        let crc = crc32fast::hash(&batch[4..]);
        batch[..4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(batch.into()), Err(BadBatch::Version(VERSION + 1)));
    }
}
