//! What was fetched of a partition.

use crate::batch::{FetchedRecord, FoundBatch};
use bytes::Bytes;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KafkaPartition {
    /// The topic.
    pub topic: String,
    /// Its number.
    pub number: i32,
}

/// Batches of a partition, as they were fetched.
#[derive(Debug)]
pub struct FetchedBatches {
    /// Where.
    pub partition: KafkaPartition,
    /// The offset that was asked for: a batch may begin before it.
    pub(super) from: i64,
    pub(super) batches: Bytes,
}

/// A batch of which no record can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadBatch {
    /// Its first offset.
    pub offset: i64,
    /// The offset behind it.
    pub next: i64,
    /// Why.
    pub why: String,
}

impl FetchedBatches {
    /// Hands over the records, and after each batch the offset behind it. A batch that cannot be read is passed over.
    pub fn read(
        &self,
        mut each: impl FnMut(FetchedRecord<'_>),
        mut after: impl FnMut(i64, Result<(), UnreadBatch>) -> bool,
    ) {
        let mut rest = &self.batches[..];
        while let Some(batch) = FoundBatch::take(&mut rest) {
            let read = batch.read(|record| {
                if record.offset >= self.from {
                    each(record);
                }
            });
            let (offset, next) = (batch.base_offset, batch.next_offset);
            let result = read.map(drop).map_err(|fault| UnreadBatch { offset, next, why: fault.text() });
            if next > self.from && !after(next, result) {
                return;
            }
        }
    }

    /// The offset behind the last whole batch; `None`: there is none.
    pub(super) fn next(&self) -> Option<i64> {
        let mut rest = &self.batches[..];
        std::iter::from_fn(|| FoundBatch::take(&mut rest))
            .last()
            .map(|batch| batch.next_offset.max(self.from))
    }
}
