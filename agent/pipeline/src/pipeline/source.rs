//! One source as the pipeline knows it: its config, its counts, and whether it is connected.

use super::SourceEntry;
use crate::account::SourceCounts;

/// A source of the config.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) entry: SourceEntry,
    pub(super) counts: SourceCounts,
    /// Whether the source has lost its connection.
    pub(super) is_down: bool,
}

impl Source {
    /// A connected source that has delivered nothing.
    pub(super) fn new(entry: SourceEntry) -> Self {
        Self { entry, counts: SourceCounts::default(), is_down: false }
    }
}
