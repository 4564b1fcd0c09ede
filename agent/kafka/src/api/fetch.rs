//! Fetch: batches of some partitions from given offsets on.

use super::{Api, RequestBody};
use crate::bytes::{ByteReader, Malformed, put_length, put_string};
use crate::error::ErrorCode;
use std::time::Duration;

/// From where a partition is read.
#[derive(Clone, Debug)]
pub(crate) struct FetchPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

pub(crate) struct FetchRequest {
    /// Those of one topic follow each other.
    pub(crate) partitions: Vec<FetchPartition>,
    /// How long the broker waits for a record.
    pub(crate) wait: Duration,
    /// The most bytes of the answer, and of one partition; the first batch comes whole whatever its size.
    pub(crate) bytes_max: i32,
}

impl RequestBody for FetchRequest {
    fn api(&self) -> Api {
        Api::FETCH
    }

    fn put(&self, version: i16, to: &mut Vec<u8>) {
        to.extend((-1_i32).to_be_bytes()); // no replica
        to.extend(i32::try_from(self.wait.as_millis()).unwrap_or(i32::MAX).to_be_bytes());
        to.extend(1_i32.to_be_bytes()); // an answer as soon as there is a byte
        to.extend(self.bytes_max.to_be_bytes());
        to.push(0); // uncommitted records count
        if version >= 7 {
            to.extend(0_i32.to_be_bytes()); // no session
            to.extend((-1_i32).to_be_bytes());
        }
        let topics = || self.partitions.chunk_by(|a, b| a.topic == b.topic);
        put_length(to, topics().count());
        for partitions in topics() {
            put_string(to, partitions.first().map_or("", |partition| &partition.topic));
            put_length(to, partitions.len());
            for FetchPartition { partition, offset, .. } in partitions {
                to.extend(partition.to_be_bytes());
                if version >= 9 {
                    to.extend((-1_i32).to_be_bytes()); // whatever the epoch of the leader
                }
                to.extend(offset.to_be_bytes());
                if version >= 5 {
                    to.extend((-1_i64).to_be_bytes());
                }
                to.extend(self.bytes_max.to_be_bytes());
            }
        }
        if version >= 7 {
            put_length(to, 0); // nothing to forget
        }
        if version >= 11 {
            put_string(to, ""); // no rack
        }
    }
}

/// What came of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchedPartition<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) code: ErrorCode,
    pub(crate) batches: &'a [u8],
}

pub(crate) fn read_fetch(version: i16, body: &[u8]) -> Result<Vec<FetchedPartition<'_>>, Malformed> {
    let mut reader = ByteReader::new(body);
    reader.i32()?; // throttle time
    if version >= 7 {
        let code = ErrorCode(reader.i16()?);
        reader.i32()?; // session
        if !code.is_ok() {
            return Err(Malformed);
        }
    }
    let topics = reader.list(|reader| {
        let topic = reader.string()?;
        reader.list(|reader| {
            let (partition, code) = (reader.i32()?, ErrorCode(reader.i16()?));
            reader.i64()?; // the end of what all replicas have
            reader.i64()?; // the end of what is committed
            if version >= 5 {
                reader.i64()?; // start of the log
            }
            reader.list(|reader| Ok((reader.i64()?, reader.i64()?)))?; // aborted transactions
            if version >= 11 {
                reader.i32()?; // another replica to read from
            }
            Ok(FetchedPartition { topic, partition, code, batches: reader.bytes()? })
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}
