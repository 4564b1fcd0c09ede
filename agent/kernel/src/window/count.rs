//! Count windows: a fixed number of readings, in order of arrival.

use crate::OutOfRange;

/// Windows of a fixed number of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    size: u64,
}

impl Count {
    /// # Errors
    /// [`OutOfRange`] when the size is 0.
    pub const fn new(size: u64) -> Result<Self, OutOfRange> {
        match size {
            0 => Err(OutOfRange::new("size", "must be at least 1 reading")),
            _ => Ok(Self { size }),
        }
    }

    /// The number of readings that fill a window.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}
