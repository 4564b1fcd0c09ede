//! ListOffsets: where the log of a partition begins and ends.

use super::{Api, RequestBody};
use crate::bytes::{ByteReader, Malformed, put_length, put_string};
use crate::error::ErrorCode;

/// Asks for one offset of each of some partitions.
pub(crate) struct ListOffsets<'a> {
    /// Topic and number of each partition; those of one topic follow each other.
    pub(crate) partitions: &'a [(String, i32)],
    /// -1: behind the last record; -2: the first one.
    pub(crate) which: i64,
}

impl ListOffsets<'_> {
    pub(crate) const LATEST: i64 = -1;
    pub(crate) const EARLIEST: i64 = -2;
}

impl RequestBody for ListOffsets<'_> {
    fn api(&self) -> Api {
        Api::LIST_OFFSETS
    }

    fn put(&self, version: i16, to: &mut Vec<u8>) {
        to.extend((-1_i32).to_be_bytes()); // no replica
        if version >= 2 {
            to.push(0); // uncommitted records count
        }
        let topics = || self.partitions.chunk_by(|a, b| a.0 == b.0);
        put_length(to, topics().count());
        for partitions in topics() {
            put_string(to, partitions.first().map_or("", |(topic, _)| topic));
            put_length(to, partitions.len());
            for (_, partition) in partitions {
                to.extend(partition.to_be_bytes());
                to.extend(self.which.to_be_bytes());
            }
        }
    }
}

/// Topic, partition, error and offset.
pub(crate) fn read_offsets(
    version: i16,
    body: &[u8],
) -> Result<Vec<(String, i32, ErrorCode, i64)>, Malformed> {
    let mut reader = ByteReader::new(body);
    if version >= 2 {
        reader.i32()?; // throttle time
    }
    let topics = reader.list(|reader| {
        let topic = reader.string()?;
        reader.list(|reader| {
            let (partition, code) = (reader.i32()?, ErrorCode(reader.i16()?));
            reader.i64()?; // time
            Ok((topic.to_owned(), partition, code, reader.i64()?))
        })
    })?;
    Ok(topics.into_iter().flatten().collect())
}
