//! The requests that are sent, the versions of them that are spoken, and their bodies.
//!
//! Spoken are the last versions before the "flexible" ones, which every broker from Kafka 2.4 to 4.x takes, and a few
//! below them. Source: the protocol guide, "The Messages".

mod fetch;
mod list_offsets;
mod metadata;
mod produce;
mod versions;

pub(crate) use fetch::{FetchPartition, FetchRequest, read_fetch};
pub(crate) use list_offsets::{ListOffsets, read_offsets};
pub(crate) use metadata::{Metadata, MetadataRequest};
pub(crate) use produce::{BatchToPut, ProduceRequest, ProducedPartition, read_produce};
pub(crate) use versions::Versions;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) name: &'static str,
    /// The versions that are spoken, both included.
    pub(crate) versions: (i16, i16),
}

impl Api {
    const fn new(key: i16, name: &'static str, oldest: i16, newest: i16) -> Self {
        Self { key, name, versions: (oldest, newest) }
    }

    pub(crate) const PRODUCE: Self = Self::new(0, "Produce", 3, 8);
    pub(crate) const FETCH: Self = Self::new(1, "Fetch", 4, 11);
    pub(crate) const LIST_OFFSETS: Self = Self::new(2, "ListOffsets", 1, 2);
    pub(crate) const METADATA: Self = Self::new(3, "Metadata", 4, 4);
    pub(crate) const SASL_HANDSHAKE: Self = Self::new(17, "SaslHandshake", 1, 1);
    pub(crate) const VERSIONS: Self = Self::new(18, "ApiVersions", 0, 0);
    pub(crate) const SASL_AUTHENTICATE: Self = Self::new(36, "SaslAuthenticate", 0, 1);
}

/// The body of a request.
pub(crate) trait RequestBody {
    fn api(&self) -> Api;
    fn put(&self, version: i16, to: &mut Vec<u8>);
}
