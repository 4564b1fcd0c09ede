//! Sliding windows: overlapping, cut into panes that each reading enters once.
//!
//! Source: J. Li et al., "No pane, no gain", SIGMOD Record 34(1):39-44, 2005, with panes of `every`.

use super::{Window, span};
use crate::OutOfRange;
use crate::time::Time;

/// Windows of a fixed size with a fixed step; the size is a multiple of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    size_ms: i64,
    every_ms: i64,
}

impl Sliding {
    /// The most panes a window may have, which bounds the memory of a series.
    pub const PANES_MAX: i64 = 10_000;

    /// # Errors
    /// [`OutOfRange`] when a parameter is not between 1 ms and [`super::SPAN_MAX_MS`], or the size is no
    /// multiple of `every_ms`, or more than [`Sliding::PANES_MAX`] times as long.
    pub fn new(size_ms: i64, every_ms: i64) -> Result<Self, OutOfRange> {
        let (size_ms, every_ms) = (span("size", size_ms)?, span("every", every_ms)?);
        if size_ms % every_ms != 0 {
            return Err(OutOfRange::new("size", "must be a multiple of `every`"));
        }
        if size_ms / every_ms > Self::PANES_MAX {
            return Err(OutOfRange::new("every", "must be at least a ten-thousandth of `size`"));
        }
        Ok(Self { size_ms, every_ms })
    }

    /// The length of a window in milliseconds.
    #[must_use]
    pub const fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// The time from one window's end to the next one's in milliseconds; the length of a pane.
    #[must_use]
    pub const fn every_ms(&self) -> i64 {
        self.every_ms
    }

    /// The pane that holds `time`; `None` where a window around it would leave the range of [`Time`].
    #[must_use]
    pub fn pane_of(&self, time: Time) -> Option<Window> {
        let pane = Window::aligned(time, self.every_ms)?;
        pane.end.0.checked_add(self.size_ms)?;
        pane.start.0.checked_sub(self.size_ms)?;
        Some(pane)
    }
}

#[cfg(test)]
mod tests {
    use super::{Sliding, Window};
    use crate::time::Time;

    #[test]
    fn panes_are_aligned_and_keep_away_from_the_ends() {
        let sliding = Sliding::new(300_000, 60_000).unwrap();
        assert_eq!(sliding.pane_of(Time(-1)), Some(Window { start: Time(-60_000), end: Time(0) }));
        assert_eq!(sliding.pane_of(Time(i64::MAX - 200_000)), None);
        assert_eq!(sliding.pane_of(Time(i64::MIN + 200_000)), None);
    }
}
