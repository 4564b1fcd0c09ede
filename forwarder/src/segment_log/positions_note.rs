//! When the acknowledgements are written down.

/// Whether the acknowledgements are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionsNote {
    /// A later one holds them.
    Later,
    /// If messages lie on disk: without any, nothing is written while the uplink is up.
    OfMessages,
    /// In any case, because the outputs themselves are to be known.
    OfOutputs,
}

impl PositionsNote {
    /// Whether they are written now; `is_empty`: no message lies on disk.
    pub(super) fn is_wanted(self, is_empty: bool) -> bool {
        match self {
            Self::Later => false,
            Self::OfMessages => !is_empty,
            Self::OfOutputs => true,
        }
    }
}
