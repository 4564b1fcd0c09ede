//! Produce: a batch for each of some partitions, acknowledged by all replicas in sync.

use super::{Api, RequestBody};
use crate::bytes::{ByteReader, Malformed, put_bytes, put_length, put_string};
use crate::error::ErrorCode;
use std::time::Duration;

/// A batch for a partition.
#[derive(Debug)]
pub(crate) struct BatchToPut {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct ProduceRequest {
    /// Batches of one topic follow each other.
    pub(crate) batches: Vec<BatchToPut>,
    /// How long the leader may wait for the other replicas.
    pub(crate) timeout: Duration,
}

impl RequestBody for ProduceRequest {
    fn api(&self) -> Api {
        Api::PRODUCE
    }

    fn put(&self, _version: i16, to: &mut Vec<u8>) {
        const ALL_IN_SYNC: i16 = -1;
        to.extend((-1_i16).to_be_bytes()); // no transaction
        to.extend(ALL_IN_SYNC.to_be_bytes());
        to.extend(i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
        let topics = || self.batches.chunk_by(|a, b| a.topic == b.topic);
        put_length(to, topics().count());
        for batches in topics() {
            put_string(to, batches.first().map_or("", |batch| &batch.topic));
            put_length(to, batches.len());
            for batch in batches {
                to.extend(batch.partition.to_be_bytes());
                put_bytes(to, &batch.bytes);
            }
        }
    }
}

/// The answer for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducedPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) code: ErrorCode,
    /// The broker's own words.
    pub(crate) message: String,
}

pub(crate) fn read_produce(version: i16, body: &[u8]) -> Result<Vec<ProducedPartition>, Malformed> {
    let mut reader = ByteReader::new(body);
    let topics = reader.list(|reader| {
        let topic = reader.string()?;
        reader.list(|reader| {
            let (partition, code) = (reader.i32()?, ErrorCode(reader.i16()?));
            reader.i64()?; // base offset
            reader.i64()?; // time of appending
            if version >= 5 {
                reader.i64()?; // start of the log
            }
            let mut message = String::new();
            if version >= 8 {
                let first = reader.list(|reader| Ok((reader.i32()?, reader.string()?)))?;
                message = reader.string()?.to_owned();
                if let Some((_, text)) = first.first().filter(|(_, text)| !text.is_empty()) {
                    message = (*text).to_owned();
                }
            }
            Ok(ProducedPartition { topic: topic.to_owned(), partition, code, message })
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}
