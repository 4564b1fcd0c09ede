//! The values of one payload, before they reach the sink.

use super::reason::RejectReason;
use crate::Stamp;

/// The values of one payload; buffers are reused.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) values: Vec<SlotValue>,
    pub(crate) failures: Vec<RejectReason>,
    pub(crate) refused: u32,
    /// Records with an identity, in the order of their values.
    pub(crate) spans: Vec<Span>,
    /// Name and labels of the present record, as [`super::identity`] writes them.
    pub(crate) identity: String,
}

pub(crate) struct SlotValue {
    pub(crate) slot: usize,
    pub(crate) stamp: Stamp,
    pub(crate) value: f64,
}

/// The values of one record with an identity.
pub(crate) struct Span {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Its index in [`super::slots`].
    pub(crate) record: usize,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.failures.clear();
        self.refused = 0;
        self.spans.clear();
        self.identity.clear();
    }
}
