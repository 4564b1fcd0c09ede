//! One stream as the pipeline knows it: its config and its counts.

use super::ids::{IndexVec, StreamId};
use crate::account::ReadingCounts;
use crate::config::StreamConfig;

/// A stream of the config.
pub(super) struct Stream {
    pub(super) config: StreamConfig,
    pub(super) counts: ReadingCounts,
    /// Whether a reading that `map` has no value for has been named.
    pub(super) has_named_unmapped: bool,
}

/// All streams of the config.
pub(super) type Streams = IndexVec<StreamId, Stream>;

impl Stream {
    /// A stream that has received nothing.
    pub(super) fn new(config: StreamConfig) -> Self {
        Self { config, counts: ReadingCounts::default(), has_named_unmapped: false }
    }

    /// The config, and the counts to change.
    #[inline]
    pub(super) fn parts(&mut self) -> (&StreamConfig, &mut ReadingCounts) {
        (&self.config, &mut self.counts)
    }
}

impl Streams {
    /// The config of a stream. `None` is a mistake in the program, and is logged.
    #[inline]
    pub(super) fn config(&self, id: StreamId) -> Option<&StreamConfig> {
        self.at(id).map(|stream| &stream.config)
    }

    /// Every stream's config with its index.
    pub(super) fn configs(&self) -> impl Iterator<Item = (StreamId, &StreamConfig)> {
        self.enumerate().map(|(id, stream)| (id, &stream.config))
    }

    /// The stream of a name, as the config has it.
    pub(super) fn find(&self, name: &str) -> Option<(StreamId, &StreamConfig)> {
        self.configs().find(|(_, config)| *config.name == *name)
    }
}
