//! How fast readings come, and how much more evidence that asks for.
//!
//! One false alarm in some thousand readings is one a week for a reading every ten minutes, and one an hour for a
//! reading a second. So a series with more than one reading a minute needs more evidence, the more the faster it is.
//! It needs it once so many readings have been seen: until then nothing is rarer than one in the readings seen.

use crate::detect::learned::learned_struct;
use crate::time::Time;

learned_struct!(Tempo { last, interval, readings });

/// A series with so many readings a day needs no more evidence than a slower one.
const READINGS_PER_DAY: f64 = 1_440.0;
/// More evidence is asked for beyond so many readings.
const READINGS_SEEN: f64 = 750.0;
const DAY_MS: f64 = 86_400_000.0;
/// The natural logarithm of the interval [ms] from which the means by time of day, of 20 readings, remember other days as
/// much as the last minutes: 54 s, a minute that is kept badly.
const SLOW: f64 = 10.897;
/// An interval this many times the usual one is a gap.
const GAP: f64 = 10.0;
/// The interval reaches back this many readings.
const REACH: f64 = 1_000.0;

/// The usual interval of readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tempo {
    /// The time of the last reading [ms].
    last: i64,
    /// The mean natural logarithm of the interval [ms].
    interval: f64,
    readings: u32,
}

impl Tempo {
    pub(super) const fn new() -> Self {
        Self { last: 0, interval: 0.0, readings: 0 }
    }

    /// Takes the time of a reading. Gaps weigh little, because the mean is that of logarithms.
    pub(super) fn learn(&mut self, time: Time) {
        if self.readings > 0 {
            let interval = libm::log(time.0.saturating_sub(self.last).max(1) as f64);
            self.interval += (interval - self.interval) / f64::from(self.readings).min(REACH);
        }
        self.last = time.0;
        self.readings = self.readings.saturating_add(1);
    }

    /// Whether `time` is much later than the next reading was due, or earlier than the last one.
    pub(super) fn is_gap(&self, time: Time) -> bool {
        let interval = time.0.saturating_sub(self.last);
        self.readings > 1 && (interval < 0 || interval as f64 > GAP * self.usual_ms())
    }

    /// Whether readings come so slowly that what is usual at a time of day is that of other days.
    pub(super) fn knows_days(&self) -> bool {
        self.interval >= SLOW
    }

    /// The usual interval [ms].
    pub(super) fn usual_ms(&self) -> f64 {
        libm::exp(self.interval)
    }

    /// How many readings a week has, or have come in all where that is fewer.
    pub(super) fn readings_of_a_week(&self) -> f64 {
        (7.0 * DAY_MS / self.usual_ms()).min(f64::from(self.readings))
    }

    /// The more of evidence that is asked for [decimal digits]: 0 for a reading a minute, 1.8 for one a second.
    pub(super) fn digits(&self) -> f64 {
        let faster = DAY_MS / self.usual_ms() / READINGS_PER_DAY;
        libm::log10(faster.min(f64::from(self.readings) / READINGS_SEEN).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Tempo, Time};

    fn after(readings: i64, interval_ms: i64) -> f64 {
        let mut tempo = Tempo::new();
        (0..readings).for_each(|at| tempo.learn(Time(at * interval_ms)));
        tempo.digits()
    }

    #[test]
    fn what_is_faster_needs_more_evidence_once_it_can_be_had() {
        assert_eq!([after(100_000, 60_000), after(100_000, 900_000), after(700, 1_000)], [0.0; 3]);
        assert!((after(100_000, 1_000) - 1.778).abs() < 0.01);
        assert!((after(7_500, 1_000) - 1.0).abs() < 0.01);
        let mut steady = Tempo::new();
        (0..10).for_each(|at| steady.learn(Time(at * 1_000)));
        assert_eq!(
            [9_500, 18_000, 20_000, 8_000].map(|at| steady.is_gap(Time(at))),
            [false, false, true, true]
        );
        let mut odd = Tempo::new();
        for time in [i64::MIN, i64::MAX, 0, 0, -5] {
            odd.learn(Time(time));
            assert!(odd.digits().is_finite());
        }
    }
}
