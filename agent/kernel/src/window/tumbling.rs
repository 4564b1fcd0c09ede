//! Tumbling windows: one after another, without gaps.

use super::{Window, Zone, span};
use crate::OutOfRange;
use crate::time::Time;

/// Windows of a fixed size, aligned to the epoch or to local time. Weeks begin on Mondays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    size_ms: i64,
    offset_ms: i64,
    zone: Option<Zone>,
}

const DAY_MS: i64 = 86_400_000;

/// The first Monday, 1970-01-05, in milliseconds since the epoch.
const MONDAY_MS: i64 = 4 * DAY_MS;

impl Tumbling {
    /// # Errors
    /// [`OutOfRange`] when the size is not between 1 ms and [`super::SPAN_MAX_MS`].
    pub fn new(size_ms: i64) -> Result<Self, OutOfRange> {
        Ok(Self { size_ms: span("size", size_ms)?, offset_ms: 0, zone: None })
    }

    /// Windows of local time in a zone, see [`Zone`].
    ///
    /// # Errors
    /// [`OutOfRange`] when the size neither divides a day nor is of whole days, or is past [`super::SPAN_MAX_MS`].
    pub fn local(size_ms: i64, zone: Zone) -> Result<Self, OutOfRange> {
        let windows = Self { zone: Some(zone), ..Self::new(size_ms)? };
        if size_ms % DAY_MS != 0 && DAY_MS % size_ms != 0 {
            return Err(OutOfRange::new(
                "align",
                "is for windows of whole days, or of a whole part of a day",
            ));
        }
        Ok(windows)
    }

    /// The same windows, each `offset_ms` milliseconds later.
    ///
    /// # Errors
    /// [`OutOfRange`] when that is negative, or not shorter than a window.
    pub fn offset(self, offset_ms: i64) -> Result<Self, OutOfRange> {
        if (0..self.size_ms).contains(&offset_ms) {
            Ok(Self { offset_ms, ..self })
        } else {
            Err(OutOfRange::new("offset", "must be shorter than the window"))
        }
    }

    /// How much later the windows begin than they would otherwise (ms).
    #[must_use]
    pub const fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// The zone of local time.
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
        let monday_ms = if self.size_ms % (7 * DAY_MS) == 0 { MONDAY_MS } else { 0 };
        let origin_ms = self.offset_ms + monday_ms;
        match &self.zone {
            None => Window::aligned_from(origin_ms, time, self.size_ms),
            Some(zone) => zone.window_of(time, self.size_ms, origin_ms),
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

    #[test]
    fn weeks_begin_on_mondays_and_shifts_where_they_are_told_to() {
        const HOUR: i64 = 3_600_000;
        let start = |windows: Tumbling, time: i64| windows.window_of(Time(time)).unwrap().start.0;
        let week = Tumbling::new(7 * 24 * HOUR).unwrap();
        // 2024-03-31, a Sunday; the Monday before is the 25th.
        assert_eq!(start(week, 1_711_843_200_000), 1_711_324_800_000);
        assert_eq!(start(week, 0), -3 * 24 * HOUR);
        let shifts = Tumbling::new(8 * HOUR).unwrap().offset(6 * HOUR).unwrap();
        assert_eq!([5, 6, 13, 14, 29].map(|hour| start(shifts, hour * HOUR) / HOUR), [-2, 6, 6, 14, 22]);
        assert_eq!(shifts.offset(8 * HOUR).unwrap_err().parameter, "offset");
        assert_eq!((shifts.window_of(Time::MIN), shifts.window_of(Time::MAX)), (None, None));
    }
}
