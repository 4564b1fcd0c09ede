//! Count, sum, extremes, mean and spread.
//!
//! Source: B. P. Welford, Technometrics 4(3):419-420, 1962; merging after T. F. Chan, G. H. Golub and
//! R. J. LeVeque, COMPSTAT 1982. Addition: a plain sum runs beside the mean, so that sums of whole numbers
//! are exact. Cost: one division a reading, 56 bytes.

use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged, load_count};

/// Count, sum, extremes, mean and variance of the values.
///
/// Answers are `None` without values, or where a result exceeds the range of `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    sum: f64,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self::new()
    }
}

impl Moments {
    /// The moments of no values.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { count: 0, sum: 0.0, mean: 0.0, m2: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    /// The moments of forgotten values: they answer nothing, whatever is pushed or merged.
    #[must_use]
    pub const fn lost() -> Self {
        Self { count: 1, sum: f64::NAN, mean: f64::NAN, m2: f64::NAN, min: f64::NAN, max: f64::NAN }
    }

    /// Whether the values are forgotten, see [`Moments::lost`].
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.min.is_nan()
    }

    /// Adds one value [channel unit].
    #[inline]
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (value - self.mean);
        self.sum += value;
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
    }

    /// Merges another accumulator.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 || other.is_lost() {
            *self = *other;
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (mine + theirs);
        let delta = other.mean - self.mean;
        self.m2 += other.m2 + delta * delta * mine * share;
        self.mean += delta * share;
        self.count += other.count;
        self.sum += other.sum;
        self.min = if other.min < self.min { other.min } else { self.min };
        self.max = if other.max > self.max { other.max } else { self.max };
    }

    /// The number of values.
    #[must_use]
    #[inline]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sum; 0 without values.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        finite(self.sum)
    }

    /// The smallest value.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        finite(self.min)
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        finite(self.max)
    }

    /// Largest minus smallest.
    #[must_use]
    pub fn range(&self) -> Option<f64> {
        finite(self.max()? - self.min()?)
    }

    /// The arithmetic mean, never outside the extremes.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let (min, max) = (self.min()?, self.max()?);
        finite(self.mean).map(|mean| mean.max(min).min(max))
    }

    /// The population's variance [channel unit squared].
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        if self.count == 0 {
            None
        } else {
            finite((self.m2 / self.count as f64).max(0.0)).filter(|_| !self.m2.is_nan())
        }
    }

    /// The population's standard deviation [channel unit].
    #[must_use]
    pub fn stddev(&self) -> Option<f64> {
        self.variance().map(libm::sqrt)
    }
}

impl Tagged for Moments {
    const TAG: u16 = 1;
    const VERSION: u16 = 2;
    const BYTES: u16 = 48;
    const OLDEST: u16 = 1;

    fn load_version(version: u16, from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let stored = Self::load_fields(from)?;
        match version {
            1 => Ok(stored),
            Self::VERSION => Ok(Self { mean: stored.mean_of(stored.mean.to_bits()), ..stored }),
            _ => Err(Corrupt),
        }
    }
}

impl State for Moments {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.count.save(to);
        self.sum.save(to);
        self.distance().save(to);
        [self.m2, self.min, self.max].iter().for_each(|number| number.save(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Self::load_version(Self::VERSION, from)
    }
}

/// The mean is stored as its distance to the sum's share: a few steps of the last bit, so that a checkpoint's delta takes
/// one byte of it instead of seven.
impl Moments {
    fn load_fields(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            count: load_count(from)?,
            sum: State::load(from)?,
            mean: State::load(from)?,
            m2: State::load(from)?,
            min: State::load(from)?,
            max: State::load(from)?,
        })
    }

    /// The bits of the sum's share of each value; 0 where that is no number, whose bits processors disagree about.
    fn share(&self) -> u64 {
        let share = self.sum / self.count as f64;
        if share.is_nan() { 0 } else { share.to_bits() }
    }

    /// From that share to the mean [steps of the last bit], zigzag: 0, -1, 1, -2, ...
    fn distance(&self) -> u64 {
        let steps = self.mean.to_bits().wrapping_sub(self.share()) as i64;
        (steps << 1 ^ steps >> 63) as u64
    }

    /// The mean at that distance.
    fn mean_of(&self, distance: u64) -> f64 {
        let steps = distance >> 1 ^ (distance & 1).wrapping_neg();
        f64::from_bits(self.share().wrapping_add(steps))
    }
}

pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::Moments;
    use crate::state::{Corrupt, State, StateReader, Tagged};
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::new();
        values.iter().for_each(|value| moments.push(*value));
        moments
    }

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(f64::MIN_POSITIVE)
    }

    #[test]
    fn known_numbers() {
        let moments = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((moments.count(), moments.sum(), moments.mean()), (8, Some(40.0), Some(5.0)));
        assert_eq!((moments.min(), moments.max(), moments.range()), (Some(2.0), Some(9.0), Some(7.0)));
        assert!((moments.stddev().unwrap() - 2.0).abs() < 1e-12);
        let none = Moments::new();
        assert_eq!((none.sum(), none.mean(), none.min(), none.range()), (Some(0.0), None, None, None));
        assert_eq!((none.variance(), none.stddev()), (None, None));
    }

    #[test]
    fn what_leaves_the_range_of_numbers_is_absent_not_wrong() {
        let huge = of(&[1e308, -1e308, 1e308, 1e308]);
        assert_eq!((huge.min(), huge.max(), huge.range()), (Some(-1e308), Some(1e308), None));
        for answer in [huge.sum(), huge.mean(), huge.variance(), huge.stddev()] {
            assert!(answer.is_none_or(f64::is_finite));
        }
        let mut merged = of(&[1e308]);
        merged.merge(&of(&[-1e308]));
        assert!(merged.variance().is_none_or(f64::is_finite));
    }

    #[test]
    fn a_small_spread_on_a_large_offset_is_kept() {
        let moments = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moments.variance(), Some(22.5));
    }

    fn stored(moments: &Moments) -> Vec<u8> {
        let mut bytes = Vec::new();
        moments.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
        bytes
    }

    #[test]
    fn a_mean_is_stored_as_its_distance_to_the_share_of_the_sum() {
        let noisy: Vec<f64> = (0..60).map(|at| f64::from(at * 7_919 % 1_000) / 100.0 + 15.0).collect();
        let bytes = stored(&of(&noisy));
        assert_eq!(&bytes[17..24], &[0; 7], "a few steps of the last bit");
        // No values, an endless sum: the bits come back all the same.
        for moments in
            [Moments::new(), Moments::lost(), of(&[0.1, 0.2]), of(&[-0.0]), of(&[1e308, 1e308, -1e308])]
        {
            let bytes = stored(&moments);
            let again = Moments::load(&mut StateReader::new(&bytes)).unwrap();
            assert_eq!(again.mean.to_bits(), moments.mean.to_bits(), "{moments:?}");
            assert_eq!(stored(&again), bytes);
        }
        assert_eq!(stored(&Moments::new())[16..24], [0; 8]);
    }

    #[test]
    fn version_1_held_the_mean_itself() {
        let moments = of(&[2.0, 4.5, 9.25]);
        let mut bytes = Vec::new();
        moments.count.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
        for number in [moments.sum, moments.mean, moments.m2, moments.min, moments.max] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        assert_eq!(Moments::load_version(1, &mut StateReader::new(&bytes)), Ok(moments));
        assert_eq!(Moments::load_version(3, &mut StateReader::new(&bytes)), Err(Corrupt));
    }

    proptest! {
        #[test]
        fn stored_moments_come_back_bit_by_bit(values in prop::collection::vec(prop::num::f64::NORMAL, 0..70)) {
            let bytes = stored(&of(&values));
            let again = Moments::load(&mut StateReader::new(&bytes)).unwrap();
            prop_assert_eq!(stored(&again), bytes);
            prop_assert_eq!(again.mean.to_bits(), of(&values).mean.to_bits());
        }

        #[test]
        fn merging_equals_pushing_all(
            a in prop::collection::vec(-1e6..1e6_f64, 0..60), b in prop::collection::vec(-1e6..1e6_f64, 0..60),
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let (mut merged, whole) = (of(&a), of(&all));
            merged.merge(&of(&b));
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert_eq!((merged.min(), merged.max()), (whole.min(), whole.max()));
            let scale = all.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let n = all.len() as f64;
            prop_assert!(close(merged.sum().unwrap(), whole.sum().unwrap(), scale * n));
            if let (Some(x), Some(y)) = (merged.mean(), whole.mean()) {
                prop_assert!(close(x, y, scale));
                let naive = all.iter().map(|v| (v - y) * (v - y)).sum::<f64>() / n;
                prop_assert!(close(merged.variance().unwrap(), naive, naive.max(scale)));
                prop_assert!(close(whole.variance().unwrap(), naive, naive.max(scale)));
            }
        }
    }
}
