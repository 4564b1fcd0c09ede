//! Mean and variance of the recent past, for detectors that measure in standard deviations.
//!
//! Source: T. Finch, "Incremental calculation of weighted mean and variance", 2009. Until the reach is filled they
//! are Welford's exact mean and variance, afterwards exponentially weighted ones.

use super::learned::learned_struct;

learned_struct!(Moments { mean, variance, count });

/// The largest score: after a constant past any change is infinitely many deviations.
pub(super) const SCORE_MAX: f64 = 1e6;
/// Larger values are clamped to this, so that squares stay finite.
const VALUE_MAX: f64 = 1e150;

/// Clamps `value`, so that its square is finite.
pub(super) const fn clamp_finite(value: f64) -> f64 {
    value.clamp(-VALUE_MAX, VALUE_MAX)
}

/// `distance` over `spread`, with its sign; 0 over 0 is 0.
pub(super) fn ratio(distance: f64, spread: f64) -> f64 {
    if distance == 0.0 { 0.0 } else { (distance / spread).clamp(-SCORE_MAX, SCORE_MAX) }
}

/// A mean and a variance [channel unit, and its square].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    variance: f64,
    /// Readings learned, up to the reach.
    pub(super) count: u32,
}

impl Moments {
    /// Learns a value; the memory reaches back about `reach` values.
    pub(super) fn learn(&mut self, value: f64, reach: u32) {
        self.count = self.count.saturating_add(1).min(reach.max(1));
        let share = 1.0 / f64::from(self.count);
        let distance = value - self.mean;
        self.mean += share * distance;
        self.variance = (1.0 - share) * (self.variance + share * distance * distance);
    }

    pub(super) fn deviation(&self) -> f64 {
        libm::sqrt(self.variance.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Moments, SCORE_MAX, clamp_finite, ratio};

    #[test]
    fn exact_at_first_and_weighted_afterwards() {
        let mut moments = Moments::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| moments.learn(value, 100));
        assert!((moments.mean - 5.0).abs() < 1e-12 && (moments.deviation() - 2.0).abs() < 1e-12);
        (0..2_000).for_each(|_| moments.learn(-1.0, 100));
        assert!((moments.mean + 1.0).abs() < 1e-6 && moments.deviation() < 1e-3);
        moments.learn(clamp_finite(f64::MAX), 2);
        assert!(moments.mean.is_finite() && moments.deviation().is_finite());
        assert_eq!([ratio(0.0, 0.0), ratio(1.0, 0.0), ratio(-1.0, 0.0)], [0.0, SCORE_MAX, -SCORE_MAX]);
    }
}
