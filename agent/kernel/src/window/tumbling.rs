//! Tumbling windows: one after another, without gaps.

use super::{Window, Zone, span};
use crate::OutOfRange;
use crate::time::Time;

/// Windows of a fixed size, aligned to the epoch or to local days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    size_ms: i64,
    zone: Option<Zone>,
}

impl Tumbling {
    /// # Errors
    /// [`OutOfRange`] when the size is not between 1 ms and [`super::SPAN_MAX_MS`].
    pub fn new(size_ms: i64) -> Result<Self, OutOfRange> {
        Ok(Self { size_ms: span("size", size_ms)?, zone: None })
    }

    /// Windows of local days in a zone: 23 or 25 hours long when clocks change.
    ///
    /// # Errors
    /// [`OutOfRange`] when the size is not of whole days, or past [`super::SPAN_MAX_MS`].
    pub fn local(size_ms: i64, zone: Zone) -> Result<Self, OutOfRange> {
        const DAY_MS: i64 = 86_400_000;
        if size_ms % DAY_MS != 0 {
            return Err(OutOfRange::new("align", "is for windows of whole days (size = \"1d\")"));
        }
        Ok(Self { zone: Some(zone), ..Self::new(size_ms)? })
    }

    /// The zone of local days.
    #[must_use]
    pub const fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    /// The length of a window in milliseconds, of local time if aligned to it.
    #[must_use]
    pub const fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// The window that contains `time`; `None` if it would leave the range of [`Time`].
    #[must_use]
    pub fn window_of(&self, time: Time) -> Option<Window> {
        match &self.zone {
            None => Window::aligned(time, self.size_ms),
            Some(zone) => zone.window_of(time, self.size_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tumbling, Window};
    use crate::time::Time;

    #[test]
    fn windows_are_aligned_before_and_after_the_epoch() {
        let minutes = Tumbling::new(60_000).unwrap();
        let window = |start, end| Some(Window { start: Time(start), end: Time(end) });
        assert_eq!(minutes.window_of(Time(0)), window(0, 60_000));
        assert_eq!(minutes.window_of(Time(59_999)), window(0, 60_000));
        assert_eq!(minutes.window_of(Time(60_000)), window(60_000, 120_000));
        assert_eq!(minutes.window_of(Time(-1)), window(-60_000, 0));
        assert_eq!(minutes.window_of(Time(-60_000)), window(-60_000, 0));
        assert_eq!(minutes.window_of(Time(1_700_000_071_000)), window(1_700_000_040_000, 1_700_000_100_000));
        assert_eq!((minutes.window_of(Time::MIN), minutes.window_of(Time::MAX)), (None, None));
    }
}
