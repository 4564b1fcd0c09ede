//! What was fetched of a partition.

use crate::batch::{FetchedRecord, FoundBatch};
use bytes::{Buf, Bytes};

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
    /// The batches that were not read yet.
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
    /// Batches of a partition that were fetched from an offset on.
    pub(crate) fn new(partition: KafkaPartition, from: i64, batches: Bytes) -> Self {
        Self { partition, from, batches }
    }

    /// Takes the next batch: hands over its records, and returns the offset behind it. `None`: there is no more.
    pub fn read_batch(
        &mut self,
        mut each: impl FnMut(FetchedRecord<'_>),
    ) -> Option<(i64, Result<(), UnreadBatch>)> {
        loop {
            let bytes = self.batches.clone();
            let mut rest = &bytes[..];
            let batch = FoundBatch::take(&mut rest)?;
            self.batches.advance(bytes.len() - rest.len());
            let (offset, next) = (batch.base_offset, batch.next_offset);
            if next <= self.from {
                continue;
            }
            let read = batch.read(|record| {
                if record.offset >= self.from {
                    each(record);
                }
            });
            return Some((
                next,
                read.map(drop).map_err(|fault| UnreadBatch { offset, next, why: fault.text() }),
            ));
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
