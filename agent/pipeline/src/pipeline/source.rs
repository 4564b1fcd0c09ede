//! One source, as the pipeline sees it: what it is, what it counts, and whether it is cut off.

use super::SourceEntry;
use crate::account::SourceCounts;

/// A source of the config.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) entry: SourceEntry,
    pub(super) counts: SourceCounts,
    /// Whether it has lost its connection.
    pub(super) is_down: bool,
}

impl Source {
    /// A source that is connected and has handed nothing over.
    pub(super) fn new(entry: SourceEntry) -> Self {
        Self { entry, counts: SourceCounts::default(), is_down: false }
    }
}
