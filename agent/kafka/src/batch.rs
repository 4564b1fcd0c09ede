//! Record batches of version 2, as they lie in the log: written for the producer, read for the consumer.
//!
//! ```text
//! base offset i64, length i32, leader epoch i32, magic 2, crc32c of what follows,
//! attributes i16, last offset delta i32, first time i64, last time i64, producer i64 i16, first sequence i32, count i32,
//! records: length, attributes, time delta, offset delta, key, value, headers (lengths of variable length)
//! ```
//!
//! Source: the Kafka documentation, "Message Format". A batch of another version (before Kafka 0.11) is skipped and counted.
//! A compressed batch is unpacked to at most [`UNPACKED_BYTES_MAX`].

use crate::bytes::{ByteReader, Malformed, put_length, put_var_bytes, put_varint};
use crate::codec::{self, RecordCompression, UnpackError};
use crc32c::crc32c;

/// The most bytes that a compressed batch may become.
pub(crate) const UNPACKED_BYTES_MAX: usize = 32 << 20;

/// Bytes of a batch before its records.
const HEADER_BYTES: usize = 61;

/// Bytes before the part that its length counts.
const PREFIX_BYTES: usize = 12;

/// Bytes before the part that its checksum covers.
const CHECKED_FROM: usize = 21;

const MAGIC: i8 = 2;

/// A batch that holds marks of transactions, and no records.
const CONTROL: i16 = 0x20;

/// A record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordToPut<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) headers: &'a [(&'static str, String)],
}

/// Writes a batch of records with one time [ms since the Unix epoch].
pub(crate) fn put_batch<'a>(
    to: &mut Vec<u8>,
    (time_ms, compression): (i64, RecordCompression),
    records: impl ExactSizeIterator<Item = RecordToPut<'a>>,
) {
    let (start, count) = (to.len(), records.len());
    let last = i32::try_from(count).unwrap_or(i32::MAX) - 1;
    to.extend(0_i64.to_be_bytes());
    to.extend([0; 4]); // the length, below
    to.extend((-1_i32).to_be_bytes());
    to.push(MAGIC.cast_unsigned());
    to.extend([0; 4]); // the checksum, below
    to.extend(compression.codec().to_be_bytes());
    to.extend(last.to_be_bytes());
    to.extend(time_ms.to_be_bytes());
    to.extend(time_ms.to_be_bytes());
    to.extend((-1_i64).to_be_bytes());
    to.extend((-1_i16).to_be_bytes());
    to.extend((-1_i32).to_be_bytes());
    put_length(to, count);
    let (mut record, from) = (Vec::new(), to.len());
    for (delta, RecordToPut { key, value, headers }) in (0..).zip(records) {
        record.clear();
        record.push(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta);
        put_var_bytes(&mut record, key);
        put_var_bytes(&mut record, value);
        put_varint(&mut record, i64::try_from(headers.len()).unwrap_or(0));
        for (name, text) in headers {
            put_var_bytes(&mut record, name.as_bytes());
            put_var_bytes(&mut record, text.as_bytes());
        }
        put_var_bytes(to, &record);
    }
    if let Some(packed) = compression.pack(to.get(from..).unwrap_or_default()) {
        to.truncate(from);
        to.extend(packed);
    }
    seal(to.get_mut(start..).unwrap_or_default());
}

/// Puts length and checksum into a batch.
pub(crate) fn seal(batch: &mut [u8]) {
    let length = i32::try_from(batch.len().saturating_sub(PREFIX_BYTES)).unwrap_or(i32::MAX);
    let crc = crc32c(batch.get(CHECKED_FROM..).unwrap_or_default());
    if let Some(place) = batch.get_mut(8..PREFIX_BYTES) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    if let Some(place) = batch.get_mut(CHECKED_FROM - 4..CHECKED_FROM) {
        place.copy_from_slice(&crc.to_be_bytes());
    }
}

/// A record as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchedRecord<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its time [ms since the Unix epoch]; -1: it has none.
    pub time_ms: i64,
    /// Its key; `None`: null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None`: null, which deletes a key in compacted topics.
    pub value: Option<&'a [u8]>,
}

/// Why a batch gives no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BatchFault {
    /// Its checksum or its structure is wrong.
    Damaged,
    /// It is of an old version.
    Old,
    Unpack(UnpackError),
}

impl BatchFault {
    /// In words.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Damaged => "a batch of records is damaged".into(),
            Self::Old => "a batch of records is of a version before Kafka 0.11".into(),
            Self::Unpack(error) => error.to_string(),
        }
    }
}

/// A batch at the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundBatch<'a> {
    pub(crate) base_offset: i64,
    /// The offset behind its last record.
    pub(crate) next_offset: i64,
    magic: i8,
    bytes: &'a [u8],
}

impl<'a> FoundBatch<'a> {
    /// Takes a whole batch from the front. `None`: there is none; a broker cuts off the last one where it likes.
    pub(crate) fn take(from: &mut &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader::new(from);
        let base_offset = reader.i64().ok()?;
        let length = usize::try_from(reader.i32().ok()?).ok()?;
        let (bytes, rest) = from.split_at_checked(PREFIX_BYTES.checked_add(length)?)?;
        *from = rest;
        let magic = bytes.get(16).copied().unwrap_or_default().cast_signed();
        let mut delta = ByteReader::new(bytes.get(23..).unwrap_or_default());
        let delta = if magic == MAGIC { delta.i32().unwrap_or(0).max(0) } else { 0 };
        let next_offset = base_offset.saturating_add(i64::from(delta)).saturating_add(1);
        Some(Self { base_offset, next_offset, magic, bytes })
    }

    /// Hands every record to `each`, in order. Returns how many there were.
    ///
    /// # Errors
    /// What is wrong with the batch; some records may have been handed over.
    pub(crate) fn read(&self, mut each: impl FnMut(FetchedRecord<'_>)) -> Result<usize, BatchFault> {
        if self.magic != MAGIC {
            return Err(BatchFault::Old);
        }
        let damaged = |_: Malformed| BatchFault::Damaged;
        let crc = ByteReader::new(self.bytes.get(CHECKED_FROM - 4..).unwrap_or_default()).u32();
        let checked = self.bytes.get(CHECKED_FROM..).unwrap_or_default();
        if self.bytes.len() < HEADER_BYTES || crc != Ok(crc32c(checked)) {
            return Err(BatchFault::Damaged);
        }
        let mut header = ByteReader::new(checked);
        let attributes = header.i16().map_err(damaged)?;
        header.take(4).map_err(damaged)?;
        let first_time = header.i64().map_err(damaged)?;
        header.take(22).map_err(damaged)?;
        let count = header.i32().map_err(damaged)?;
        if attributes & CONTROL != 0 {
            return Ok(0);
        }
        let unpacked =
            codec::unpack(attributes & 7, header.rest(), UNPACKED_BYTES_MAX).map_err(BatchFault::Unpack)?;
        let mut records = ByteReader::new(&unpacked);
        for _ in 0..count {
            each(self.record(&mut records, first_time).map_err(damaged)?);
        }
        usize::try_from(count).map_err(|_| BatchFault::Damaged)
    }

    fn record<'r>(
        &self,
        records: &mut ByteReader<'r>,
        first_time: i64,
    ) -> Result<FetchedRecord<'r>, Malformed> {
        let length = usize::try_from(records.varint()?).map_err(|_| Malformed)?;
        let mut record = ByteReader::new(records.take(length)?);
        record.u8()?;
        let time_ms = first_time.saturating_add(record.varint()?);
        let offset = self.base_offset.saturating_add(record.varint()?);
        Ok(FetchedRecord { offset, time_ms, key: record.var_bytes()?, value: record.var_bytes()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<u8> {
        packed(RecordCompression::None)
    }

    fn packed(compression: RecordCompression) -> Vec<u8> {
        let headers = [("kind", "summary".to_owned())];
        let records = [("k1", "one"), ("", "two"), ("k3", "")];
        let records = records.map(|(key, value)| RecordToPut {
            key: key.as_bytes(),
            value: value.as_bytes(),
            headers: &headers,
        });
        let mut bytes = Vec::new();
        put_batch(&mut bytes, (1_700_000_000_000, compression), records.into_iter());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(i64, String)>, BatchFault> {
        let mut from = bytes;
        let (mut batch, mut found) = (FoundBatch::take(&mut from), Vec::new());
        while let Some(some) = batch {
            some.read(|record| {
                found.push((
                    record.offset,
                    String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned(),
                ));
            })?;
            batch = FoundBatch::take(&mut from);
        }
        Ok(found)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = batch();
        let expected = [(0, "one".to_owned()), (1, "two".to_owned()), (2, String::new())];
        assert_eq!(read(&bytes).unwrap(), expected);
        let mut whole = &bytes[..];
        assert_eq!(FoundBatch::take(&mut whole).unwrap().next_offset, 3);
        bytes.extend(&batch()[..70]);
        assert_eq!(read(&bytes).unwrap(), expected, "the rest of a cut batch is nothing");
        for (name, compression) in RecordCompression::ALL {
            assert_eq!(read(&packed(compression)).unwrap(), expected, "{name}");
        }
    }

    /// What a broker stored may be anything: every flipped bit and every cut is an error or nothing, and no panic.
    #[test]
    fn damage_is_noticed() {
        let good = batch();
        for at in PREFIX_BYTES + 4..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(read(&bad).is_err(), "byte {at} bit {bit}");
            }
        }
        for end in 0..good.len() {
            assert_eq!(read(&good[..end]).unwrap(), [], "cut at {end}");
        }
        let mut noise = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..noise.usize(..200)).map(|_| noise.u8(..)).collect();
            if let Some(place) = bytes.get_mut(8..12) {
                place.copy_from_slice(&[0, 0, 0, noise.u8(..)]);
            }
            let _ = read(&bytes);
        }
    }

    /// Records behind a right checksum may still be nonsense.
    #[test]
    fn nonsense_behind_a_right_checksum_is_an_error() {
        let mut noise = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let mut bytes = batch();
            for _ in 0..3 {
                let at = noise.usize(CHECKED_FROM..bytes.len());
                bytes[at] = noise.u8(..);
            }
            let crc = crc32c(&bytes[CHECKED_FROM..]);
            bytes[CHECKED_FROM - 4..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
            let _ = read(&bytes);
        }
    }
}
