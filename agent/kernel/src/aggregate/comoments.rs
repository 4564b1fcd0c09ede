//! Covariance and correlation of two series.
//!
//! Source: updating and merging as [`super::Moments`], for products: P. Pébay, SAND2008-6212, 2008.

use super::moments::finite;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged, load_count};

/// The second moments of pairs of values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comoments {
    count: u64,
    pub(super) mean: [f64; 2],
    /// Sums of squares about the mean, of x and of y.
    m2: [f64; 2],
    /// The sum of products about the means.
    product: f64,
}

impl Comoments {
    /// Adds one pair [units of the two channels].
    #[inline]
    pub fn push(&mut self, x: f64, y: f64) {
        self.count += 1;
        let count = self.count as f64;
        let (dx, dy) = (x - self.mean[0], y - self.mean[1]);
        self.mean = [self.mean[0] + dx / count, self.mean[1] + dy / count];
        let after = y - self.mean[1];
        self.m2 = [self.m2[0] + dx * (x - self.mean[0]), self.m2[1] + dy * after];
        self.product += dx * after;
    }

    /// Merges another accumulator.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { *other } else { *self };
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (mine + theirs);
        let (dx, dy) = (other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]);
        let weight = mine * share;
        self.m2 = [self.m2[0] + other.m2[0] + dx * dx * weight, self.m2[1] + other.m2[1] + dy * dy * weight];
        self.product += other.product + dx * dy * weight;
        self.mean = [self.mean[0] + dx * share, self.mean[1] + dy * share];
        self.count += other.count;
    }

    /// The number of pairs.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The population's covariance [product of the units].
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        if self.count == 0 { None } else { finite(self.product / self.count as f64) }
    }

    /// Pearson's correlation, -1 to 1. `None`: one of the two is constant.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let [x, y] = self.m2;
        // One root rounds less than two; two do not overflow.
        let spread = if (x * y).is_normal() { libm::sqrt(x * y) } else { libm::sqrt(x) * libm::sqrt(y) };
        finite(self.product / spread).map(|correlation| correlation.clamp(-1.0, 1.0))
    }

    /// The slope of the least-squares line of y over x.
    pub(super) fn slope(&self) -> Option<f64> {
        if self.m2[0] > 0.0 { finite(self.product / self.m2[0]) } else { None }
    }
}

impl Tagged for Comoments {
    const TAG: u16 = 9;
    const VERSION: u16 = 1;
    const BYTES: u16 = 48;
}

impl State for Comoments {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.count.save(to);
        self.mean.iter().chain(&self.m2).chain([&self.product]).for_each(|number| number.save(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            count: load_count(from)?,
            mean: [State::load(from)?, State::load(from)?],
            m2: [State::load(from)?, State::load(from)?],
            product: State::load(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Comoments;
    use proptest::prelude::*;

    fn of(pairs: &[(f64, f64)]) -> Comoments {
        let mut comoments = Comoments::default();
        pairs.iter().for_each(|(x, y)| comoments.push(*x, *y));
        comoments
    }

    #[test]
    fn known_numbers() {
        let line = of(&[(1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (6.0, 13.0)]);
        assert_eq!((line.covariance(), line.slope()), (Some(7.0), Some(2.0)));
        assert!((line.correlation().unwrap() - 1.0).abs() < 1e-12);
        let flat = of(&[(1.0, 3.0), (2.0, 3.0)]);
        assert_eq!((flat.covariance(), flat.correlation()), (Some(0.0), None));
        assert_eq!(
            (of(&[]).covariance(), of(&[]).correlation(), of(&[(1.0, 1.0)]).slope()),
            (None, None, None)
        );
        let huge = of(&[(1e308, 1e308), (-1e308, -1e308)]);
        assert_eq!((huge.covariance(), huge.correlation(), huge.slope()), (None, None, None));
    }

    proptest! {
        #[test]
        fn merging_equals_pushing_all(
            all in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64), 0..80), cut in 0..80_usize,
        ) {
            let (a, b) = all.split_at(cut.min(all.len()));
            let mut merged = of(a);
            merged.merge(&of(b));
            let whole = of(&all);
            prop_assert_eq!(merged.count(), whole.count());
            if whole.count() > 0 {
                let n = all.len() as f64;
                let (mx, my) = (all.iter().map(|p| p.0).sum::<f64>() / n, all.iter().map(|p| p.1).sum::<f64>() / n);
                let naive = all.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>() / n;
                for covariance in [merged.covariance(), whole.covariance()] {
                    prop_assert!((covariance.unwrap() - naive).abs() <= 1e-9 * 1e6);
                }
            }
            if let (Some(a), Some(b)) = (merged.correlation(), whole.correlation()) {
                prop_assert!((a - b).abs() <= 1e-9);
            }
        }
    }
}
