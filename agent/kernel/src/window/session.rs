//! Session windows: from the first reading to a gap after the last one.

use super::span;
use crate::OutOfRange;

/// Windows that end a gap after their last reading, and at a greatest length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindow {
    gap_ms: i64,
    max_ms: i64,
}

impl SessionWindow {
    /// # Errors
    /// [`OutOfRange`] when a parameter is not between 1 ms and [`super::SPAN_MAX_MS`], or `max_ms` is below
    /// `gap_ms`.
    pub fn new(gap_ms: i64, max_ms: i64) -> Result<Self, OutOfRange> {
        let (gap_ms, max_ms) = (span("gap", gap_ms)?, span("max", max_ms)?);
        if max_ms < gap_ms {
            return Err(OutOfRange::new("max", "must be at least as long as `gap`"));
        }
        Ok(Self { gap_ms, max_ms })
    }

    /// The silence that ends a window, in milliseconds.
    #[must_use]
    pub const fn gap_ms(&self) -> i64 {
        self.gap_ms
    }

    /// The greatest length of a window in milliseconds.
    #[must_use]
    pub const fn max_ms(&self) -> i64 {
        self.max_ms
    }
}
