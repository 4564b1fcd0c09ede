//! The slope of the least-squares line through the readings.
//!
//! Times are taken from the first reading on, so that milliseconds keep their weight in an `f64`.

use super::Comoments;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// The slope by least squares; the order of the readings does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slope {
    origin: Time,
    /// Seconds since the origin, and values.
    pairs: Comoments,
}

impl Slope {
    /// Adds one reading.
    #[inline]
    pub fn push(&mut self, time: Time, value: f64) {
        if self.pairs.count() == 0 {
            self.origin = time;
        }
        self.pairs.push(seconds(time.since(self.origin)), value);
    }

    /// Merges another accumulator.
    pub fn merge(&mut self, other: &Self) {
        if self.pairs.count() == 0 {
            *self = *other;
            return;
        }
        let mut shifted = other.pairs;
        shifted.mean[0] += seconds(other.origin.since(self.origin));
        self.pairs.merge(&shifted);
    }

    /// The slope [channel unit per second]. `None` if all readings have the same time.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        self.pairs.slope()
    }
}

impl Tagged for Slope {
    const TAG: u16 = 7;
    const VERSION: u16 = 1;
}

impl State for Slope {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.origin.save(to);
        self.pairs.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { origin: State::load(from)?, pairs: State::load(from)? })
    }
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::Slope;
    use crate::time::Time;
    use proptest::prelude::*;

    fn of(readings: &[(i64, f64)]) -> Slope {
        let mut slope = Slope::default();
        readings.iter().for_each(|(ms, value)| slope.push(Time(1_700_000_000_000 + ms), *value));
        slope
    }

    #[test]
    fn known_numbers() {
        assert_eq!(of(&[(0, 1.0), (2_000, 5.0), (1_000, 3.0)]).per_second(), Some(2.0));
        assert_eq!((of(&[]).per_second(), of(&[(5, 1.0)]).per_second()), (None, None));
        assert_eq!(of(&[(5, 1.0), (5, 2.0)]).per_second(), None);
        let mut far = Slope::default();
        far.push(Time::MIN, 1.0);
        far.push(Time::MAX, 2.0);
        assert!(far.per_second().is_none_or(f64::is_finite));
    }

    proptest! {
        #[test]
        fn merging_equals_pushing_all(
            all in prop::collection::vec((0..100_000_i64, -1e3..1e3_f64), 2..80), cut in 0..80_usize,
        ) {
            let (a, b) = all.split_at(cut.min(all.len()));
            let (mut merged, mut swapped) = (of(a), of(b));
            merged.merge(&of(b));
            swapped.merge(&of(a));
            let n = all.len() as f64;
            let (mt, mv) = (all.iter().map(|r| r.0 as f64).sum::<f64>() / n, all.iter().map(|r| r.1).sum::<f64>() / n);
            let tt = all.iter().map(|r| (r.0 as f64 - mt) * (r.0 as f64 - mt)).sum::<f64>();
            let tv = all.iter().map(|r| (r.0 as f64 - mt) * (r.1 - mv)).sum::<f64>();
            if tt > 0.0 {
                // Relative to the steepest slope that these values could have.
                let scale = 2e3 / (tt / n).sqrt() * 1e3;
                for slope in [of(&all), merged, swapped] {
                    prop_assert!((slope.per_second().unwrap() - tv / tt * 1e3).abs() <= 1e-9 * scale);
                }
            }
        }
    }
}
