//! Local time, for windows in zones whose offset from UTC changes.
//!
//! A window of more than an hour begins at the first moment at which the zone's clocks show its start or a later time: if
//! midnight is skipped, a day begins at the end of the skipped hour; if midnight occurs twice, the first time. So days
//! follow one another without gap or overlap, and days on which clocks change have 23, 25 or another number of hours. A
//! window of an hour or less is cut in the time that the clocks show at that moment, so that an hour that occurs twice is
//! two windows. It ends where the clocks change.
//!
//! The caller passes the changes as a table, from an IANA time zone database. Cost: a binary search when a window
//! opens.

use super::Window;
use crate::OutOfRange;
use crate::time::Time;
use core::fmt;

/// The furthest that local time may be from UTC, in either direction (ms).
const OFFSET_MAX_MS: i64 = 26 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;

/// An offset from UTC that holds from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The moment.
    pub from: Time,
    /// Local time less UTC (ms).
    pub ms: i64,
}

/// A time zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    offsets: &'static [Offset],
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Zone {
    /// A zone from its name and its offsets, in order; the first offset also holds before its moment.
    ///
    /// # Errors
    /// [`OutOfRange`] when there is none, they are not in order, or one is further than 26 hours from UTC.
    pub fn new(name: &'static str, offsets: &'static [Offset]) -> Result<Self, OutOfRange> {
        let in_order = offsets.windows(2).all(|pair| match pair {
            [before, after] => before.from < after.from,
            _ => true,
        });
        let near = offsets.iter().all(|offset| (-OFFSET_MAX_MS..=OFFSET_MAX_MS).contains(&offset.ms));
        if offsets.is_empty() || !in_order || !near {
            return Err(OutOfRange::new("align", "must be a zone with changes in order"));
        }
        Ok(Self { name, offsets })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The window of `size_ms` of local time, counted from `origin_ms` after 1970-01-01T00:00 local time, that contains
    /// `time`; `None` if it would leave the range of [`Time`].
    pub(super) fn window_of(&self, time: Time, size_ms: i64, origin_ms: i64) -> Option<Window> {
        let place = self.place_of(time);
        let offset_ms = self.offsets.get(place).map_or(0, |offset| offset.ms);
        let local = Time(time.0.checked_add(offset_ms)?);
        let mut start = Window::aligned_from(origin_ms, local, size_ms)?.start;
        start.0.checked_sub(size_ms)?.checked_sub(OFFSET_MAX_MS)?;
        start.0.checked_add(size_ms)?.checked_add(size_ms)?.checked_add(OFFSET_MAX_MS)?;
        if size_ms <= HOUR_MS {
            let begins = if place > 0 { self.offsets.get(place).map(|offset| offset.from) } else { None };
            let ends = self.offsets.get(place + 1).map_or(Time::MAX, |next| next.from);
            let start = start.minus(offset_ms);
            let end = start.plus(size_ms).min(ends);
            return Some(Window { start: begins.map_or(start, |begins| start.max(begins)), end });
        }
        // An hour that occurs twice at the end of a window belongs to the window that had begun.
        while self.first(start.plus(size_ms)) <= time {
            start = start.plus(size_ms);
        }
        Some(Window { start: self.first(start), end: self.first(start.plus(size_ms)) })
    }

    fn place_of(&self, time: Time) -> usize {
        self.offsets.partition_point(|offset| offset.from <= time).saturating_sub(1)
    }

    /// The first moment at which local clocks show `local` or later.
    fn first(&self, local: Time) -> Time {
        let from = self.place_of(local.minus(OFFSET_MAX_MS));
        let mut offsets = self.offsets.get(from..).unwrap_or_default().iter().peekable();
        let mut begins = Time::MIN;
        while let Some(offset) = offsets.next() {
            let moment = local.minus(offset.ms).max(begins);
            match offsets.peek() {
                Some(next) if moment >= next.from => begins = next.from,
                _ => return moment,
            }
        }
        local
    }
}

#[cfg(test)]
mod tests {
    use super::{Offset, Zone};
    use crate::time::Time;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    /// Clocks that go forward over midnight, and back over midnight: the worst that there is.
    static OFFSETS: [Offset; 4] = [
        Offset { from: Time::MIN, ms: HOUR },
        Offset { from: Time(100 * DAY - HOUR), ms: 2 * HOUR },
        Offset { from: Time(200 * DAY - 2 * HOUR + HOUR / 2), ms: HOUR },
        Offset { from: Time(300 * DAY + 5), ms: -11 * HOUR },
    ];

    const PARTS: [i64; 6] = [HOUR / 4, HOUR, 2 * HOUR, 3 * HOUR, 8 * HOUR, 12 * HOUR];

    #[test]
    fn days_have_as_many_hours_as_clocks_say() {
        let zone = Zone::new("Test", &OFFSETS).unwrap();
        let hours = |day: i64| {
            let window = zone.window_of(Time(day * DAY + 12 * HOUR), DAY, 0).unwrap();
            (window.start.0, window.length_ms() / HOUR)
        };
        assert_eq!(hours(50), (50 * DAY - HOUR, 24));
        // Midnight is skipped: the day begins when the hour is over, at 1 o'clock.
        assert_eq!((hours(99).1, hours(100)), (24, (100 * DAY - HOUR, 23)));
        // At half past midnight clocks go back: the day had begun.
        assert_eq!((hours(199), hours(200)), ((199 * DAY - 2 * HOUR, 24), (200 * DAY - 2 * HOUR, 25)));
        assert!(Zone::new("None", &[]).is_err());
        assert_eq!(format!("{zone:?}"), "Test");
    }

    extern crate std;
    use std::format;

    proptest! {
        #[test]
        fn windows_hold_their_times_and_follow_one_another(
            time in prop_oneof![-DAY..400 * DAY, 99 * DAY..101 * DAY, 199 * DAY..201 * DAY, 299 * DAY..302 * DAY],
            size in prop_oneof![(1..40_i64).prop_map(|days| days * DAY), prop::sample::select(&PARTS[..])],
            origin in 0..DAY,
        ) {
            let zone = Zone::new("Test", &OFFSETS).unwrap();
            let window_of = |time| zone.window_of(time, size, origin % size);
            let window = window_of(Time(time)).unwrap();
            prop_assert!(window.contains(Time(time)), "{:?} {}", window, time);
            let (next, before) = (window_of(window.end).unwrap(), window_of(window.start.minus(1)).unwrap());
            prop_assert_eq!((next.start, before.end), (window.end, window.start));
            for extreme in [Time::MIN, Time::MAX] {
                prop_assert_eq!(window_of(extreme), None);
            }
        }
    }
}
