//! Sets of outputs, as the buffer writes them down with every message: a bit for each output.

use std::ops::{BitAnd, BitOr};

/// A set of outputs, by their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OutputSet(u64);

impl OutputSet {
    /// As many outputs as there are bits.
    pub(crate) const OUTPUTS_MAX: usize = 64;

    /// Every output that there may be.
    pub(crate) const ALL: Self = Self(u64::MAX);

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The set of one output.
    pub(crate) fn bit(output: usize) -> Self {
        Self(1_u64.checked_shl(u32::try_from(output).unwrap_or(u32::MAX)).unwrap_or(0))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, output: usize) -> bool {
        !(self & Self::bit(output)).is_empty()
    }

    pub(crate) fn insert(&mut self, output: usize) {
        *self = *self | Self::bit(output);
    }

    pub(crate) fn remove(&mut self, output: usize) {
        self.0 &= !Self::bit(output).0;
    }
}

impl BitAnd for OutputSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for OutputSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<usize> for OutputSet {
    fn from_iter<I: IntoIterator<Item = usize>>(outputs: I) -> Self {
        outputs.into_iter().fold(Self::default(), |set, output| set | Self::bit(output))
    }
}
