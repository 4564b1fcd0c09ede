//! The usual value at a time of day, and at an hour of the week.
//!
//! There is one mean for each half hour of the day and one for each hour of the week, each over the last readings at
//! that time. Where a mean is missing, the week falls back to the day, and the day to the level of the series. Days
//! are UTC days; a daylight saving change must be learned like a shift.

use crate::detect::learned::learned_struct;
use crate::time::Time;

learned_struct!(Profile { day, week });
learned_struct!(Bins<const N: usize> { means, counts });

const DAY_MS: i64 = 86_400_000;
const DAY_BINS: usize = 48;
const WEEK_BINS: usize = 168;
/// A mean reaches back about this many readings.
const READINGS: u8 = 20;

/// Means by time of day and of week [channel unit].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Profile {
    day: Bins<DAY_BINS>,
    week: Bins<WEEK_BINS>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bins<const N: usize> {
    means: [f64; N],
    counts: [u8; N],
}

impl Profile {
    pub(super) const fn new() -> Self {
        Self { day: Bins::new(), week: Bins::new() }
    }

    /// The usual value at `time`, by day and by week.
    pub(super) fn expected(&self, time: Time, level: f64) -> [f64; 2] {
        let day = self.day.mean(time, DAY_MS).unwrap_or(level);
        [day, self.week.mean(time, 7 * DAY_MS).unwrap_or(day)]
    }

    pub(super) fn learn(&mut self, time: Time, value: f64) {
        self.day.learn(time, DAY_MS, value);
        self.week.learn(time, 7 * DAY_MS, value);
    }
}

impl<const N: usize> Bins<N> {
    const fn new() -> Self {
        Self { means: [0.0; N], counts: [0; N] }
    }

    fn bin(time: Time, period_ms: i64) -> usize {
        (time.0.rem_euclid(period_ms) * N as i64 / period_ms) as usize
    }

    fn mean(&self, time: Time, period_ms: i64) -> Option<f64> {
        let bin = Self::bin(time, period_ms);
        self.counts.get(bin).filter(|count| **count > 0)?;
        self.means.get(bin).copied()
    }

    fn learn(&mut self, time: Time, period_ms: i64, value: f64) {
        let bin = Self::bin(time, period_ms);
        if let (Some(mean), Some(count)) = (self.means.get_mut(bin), self.counts.get_mut(bin)) {
            *count = count.saturating_add(1).min(READINGS);
            *mean += (value - *mean) / f64::from(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, Profile, Time};

    #[test]
    fn the_week_falls_back_to_the_day_and_the_day_to_the_level() {
        let mut profile = Profile::new();
        let noon = Time(DAY_MS / 2);
        assert_eq!(profile.expected(noon, 7.0), [7.0, 7.0]);
        profile.learn(noon, 20.0);
        profile.learn(noon, 22.0);
        assert_eq!(profile.expected(noon.plus(60_000), 7.0), [21.0, 21.0]);
        assert_eq!(profile.expected(noon.plus(DAY_MS), 7.0), [21.0, 21.0]);
        profile.learn(noon.plus(DAY_MS), 24.0);
        assert_eq!(profile.expected(noon.plus(7 * DAY_MS), 7.0), [22.0, 21.0]);
        assert_eq!(profile.expected(Time::MIN, 7.0).len(), 2);
        profile.learn(Time::MAX, 1.0);
    }
}
