//! Windows and their shapes.
//!
//! Windows are half-open intervals of event time. Tumbling and sliding windows are aligned to the Unix epoch, so that
//! agents agree on them without communication; floor division keeps that true before 1970. Tumbling windows may
//! be aligned to local time instead, and begin at an offset.

mod count;
mod session;
mod sliding;
mod tumbling;
mod zone;

use crate::OutOfRange;
use crate::time::Time;
pub use count::Count;
pub use session::SessionWindow;
pub use sliding::Sliding;
pub use tumbling::Tumbling;
pub use zone::{Offset, Zone};

/// The longest window, gap or step: 10 years in milliseconds.
pub const SPAN_MAX_MS: i64 = 3_652 * 86_400_000;

/// An interval of event time, `start <= t < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first moment inside.
    pub start: Time,
    /// The first moment after it.
    pub end: Time,
}

impl Window {
    /// Whether `time` is inside.
    #[must_use]
    #[inline]
    pub fn contains(&self, time: Time) -> bool {
        self.start <= time && time < self.end
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn length_ms(&self) -> i64 {
        self.end.since(self.start)
    }

    /// The interval of `size_ms` (positive), aligned to the epoch, that holds `time`.
    ///
    /// `None`: it would begin or end beyond the range of [`Time`].
    #[must_use]
    pub(crate) fn aligned(time: Time, size_ms: i64) -> Option<Self> {
        Self::aligned_from(0, time, size_ms)
    }

    /// The same, aligned to `origin_ms` after the epoch.
    fn aligned_from(origin_ms: i64, time: Time, size_ms: i64) -> Option<Self> {
        let into = time.0.checked_sub(origin_ms)?.checked_rem_euclid(size_ms)?;
        let start = time.0.checked_sub(into)?;
        let end = start.checked_add(size_ms)?;
        Some(Self { start: Time(start), end: Time(end) })
    }
}

/// How a series is cut into windows; made by the checked constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One after another.
    Tumbling(Tumbling),
    /// Overlapping, with a fixed step.
    Sliding(Sliding),
    /// As long as readings follow one another closely.
    Session(SessionWindow),
    /// A fixed number of readings, whatever their times.
    Count(Count),
}

impl Shape {
    /// The tag of the shape in stored state; a tag is never reused.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Tumbling(_) => 0,
            Self::Sliding(_) => 1,
            Self::Session(_) => 2,
            Self::Count(_) => 3,
        }
    }

    /// Windows of `size_ms` milliseconds, one after another.
    ///
    /// # Errors
    /// [`OutOfRange`] when the size is not between 1 ms and [`SPAN_MAX_MS`].
    pub fn tumbling(size_ms: i64) -> Result<Self, OutOfRange> {
        Tumbling::new(size_ms).map(Self::Tumbling)
    }

    /// Windows of `size_ms` milliseconds of local time, one after another.
    ///
    /// # Errors
    /// [`OutOfRange`] when the size neither divides a day nor is of whole days, or is past [`SPAN_MAX_MS`].
    pub fn local(size_ms: i64, zone: Zone) -> Result<Self, OutOfRange> {
        Tumbling::local(size_ms, zone).map(Self::Tumbling)
    }

    /// Windows of `size_ms` milliseconds, one every `every_ms`.
    ///
    /// # Errors
    /// [`OutOfRange`] when a parameter is not between 1 ms and [`SPAN_MAX_MS`], or the size is no multiple of
    /// `every_ms`, or more than [`Sliding::PANES_MAX`] times as long.
    pub fn sliding(size_ms: i64, every_ms: i64) -> Result<Self, OutOfRange> {
        Sliding::new(size_ms, every_ms).map(Self::Sliding)
    }

    /// Windows that end `gap_ms` milliseconds after their last reading, at most `max_ms` long.
    ///
    /// # Errors
    /// [`OutOfRange`] when a parameter is not between 1 ms and [`SPAN_MAX_MS`], or `max_ms` is below `gap_ms`.
    pub fn session(gap_ms: i64, max_ms: i64) -> Result<Self, OutOfRange> {
        SessionWindow::new(gap_ms, max_ms).map(Self::Session)
    }

    /// Windows of `size` readings each.
    ///
    /// # Errors
    /// [`OutOfRange`] when the size is 0.
    pub fn count(size: u64) -> Result<Self, OutOfRange> {
        Count::new(size).map(Self::Count)
    }
}

/// Checks that `ms` is a valid length of a window.
fn span(parameter: &'static str, ms: i64) -> Result<i64, OutOfRange> {
    if (1..=SPAN_MAX_MS).contains(&ms) {
        Ok(ms)
    } else {
        Err(OutOfRange::new(parameter, "must be longer than 0 and at most 10 years (3652d)"))
    }
}

#[cfg(test)]
mod tests {
    use super::{SPAN_MAX_MS, Shape, Window};
    use crate::time::Time;
    use proptest::prelude::*;

    #[test]
    fn bad_shapes_are_refused_by_name() {
        let named = |shape: Result<Shape, crate::OutOfRange>| shape.unwrap_err().parameter;
        assert_eq!(named(Shape::tumbling(0)), "size");
        assert_eq!(named(Shape::tumbling(-1)), "size");
        assert_eq!(named(Shape::tumbling(SPAN_MAX_MS + 1)), "size");
        assert_eq!(named(Shape::sliding(60_000, 0)), "every");
        assert_eq!(named(Shape::sliding(60_000, 7_000)), "size");
        assert_eq!(named(Shape::sliding(10, 20)), "size");
        assert_eq!(named(Shape::sliding(SPAN_MAX_MS, 1)), "every");
        assert_eq!(named(Shape::session(0, 5)), "gap");
        assert_eq!(named(Shape::session(10, 5)), "max");
        assert_eq!(named(Shape::count(0)), "size");
    }

    proptest! {
        #[test]
        fn an_aligned_window_holds_its_time_or_does_not_exist(time: i64, size in 1..=SPAN_MAX_MS) {
            match Window::aligned(Time(time), size) {
                Some(window) => {
                    prop_assert!(window.contains(Time(time)));
                    prop_assert_eq!(window.length_ms(), size);
                    prop_assert_eq!(window.start.0.rem_euclid(size), 0);
                }
                None => prop_assert!(time.unsigned_abs() > i64::MAX.unsigned_abs() - size.unsigned_abs()),
            }
        }
    }
}
