//! Metadata: the brokers of a cluster, and who leads the partitions of a topic.

use super::{Api, RequestBody};
use crate::bytes::{ByteReader, Malformed, put_length, put_string};
use crate::error::ErrorCode;

pub(crate) struct MetadataRequest<'a> {
    pub(crate) topics: &'a [String],
    /// Whether the broker may make topics that are not there.
    pub(crate) create: bool,
}

impl RequestBody for MetadataRequest<'_> {
    fn api(&self) -> Api {
        Api::METADATA
    }

    fn put(&self, _version: i16, to: &mut Vec<u8>) {
        put_length(to, self.topics.len());
        self.topics.iter().for_each(|topic| put_string(to, topic));
        to.push(u8::from(self.create));
    }
}

/// What a broker knows of its cluster.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// Id, host and port of each broker.
    pub(crate) brokers: Vec<(i32, String, u16)>,
    pub(crate) topics: Vec<TopicMetadata>,
}

#[derive(Debug)]
pub(crate) struct TopicMetadata {
    pub(crate) code: ErrorCode,
    pub(crate) name: String,
    /// Number and leader of each partition; a leader of -1: it has none now.
    pub(crate) partitions: Vec<(i32, i32)>,
}

impl Metadata {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(body);
        reader.i32()?; // throttle time
        let brokers = reader.list(|reader| {
            let (id, host, port) = (reader.i32()?, reader.string()?.to_owned(), reader.i32()?);
            reader.string()?; // rack
            Ok((id, host, u16::try_from(port).map_err(|_| Malformed)?))
        })?;
        reader.string()?; // cluster
        reader.i32()?; // controller
        let topics = reader.list(|reader| {
            let (code, name) = (ErrorCode(reader.i16()?), reader.string()?.to_owned());
            reader.u8()?; // internal
            let mut partitions = reader.list(|reader| {
                reader.i16()?; // its own error: then it has no leader
                let partition = (reader.i32()?, reader.i32()?);
                reader.list(ByteReader::i32)?; // replicas
                reader.list(ByteReader::i32)?; // those in sync
                Ok(partition)
            })?;
            partitions.sort_unstable();
            Ok(TopicMetadata { code, name, partitions })
        })?;
        Ok(Self { brokers, topics })
    }
}
