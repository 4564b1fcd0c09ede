//! Covariance and correlation of two series, and how their readings find each other.
//!
//! Source: updating and merging as [`super::Moments`], for products: P. Pébay, SAND2008-6212, 2008.

use super::Stamped;
use super::moments::finite;
use crate::state::{Corrupt, Sink, State, Stored, load_count};
use crate::time::Time;

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
    /// Takes one pair [units of the two channels].
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

    /// Takes all that `other` has taken.
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

    /// How many pairs.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The population's covariance [product of the units].
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        if self.count == 0 { None } else { finite(self.product / self.count as f64) }
    }

    /// Pearson's correlation, -1 to 1. `None` where one of the two does not vary.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let spread = libm::sqrt(self.m2[0]) * libm::sqrt(self.m2[1]);
        finite(self.product / spread).map(|correlation| correlation.clamp(-1.0, 1.0))
    }

    /// The slope of the least-squares line of y over x.
    pub(super) fn slope(&self) -> Option<f64> {
        if self.m2[0] > 0.0 { finite(self.product / self.m2[0]) } else { None }
    }
}

impl State for Comoments {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.count.save(to);
        self.mean.iter().chain(&self.m2).chain([&self.product]).for_each(|number| number.save(to));
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            count: load_count(from)?,
            mean: [State::load(from)?, State::load(from)?],
            m2: [State::load(from)?, State::load(from)?],
            product: State::load(from)?,
        })
    }
}

/// Which of two series a reading is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    X,
    /// The second.
    Y,
}

/// How many readings wait for their counterpart.
const WAITING: usize = 8;

/// The second moments of two series whose readings are paired by event time.
///
/// A reading is paired with the earliest waiting one of the other series that is at most `tolerance_ms` away.
/// Of those that find none, the latest eight wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    moments: Comoments,
    /// All of one side.
    waiting: heapless::Vec<Stamped, WAITING>,
    waiting_is_y: bool,
}

impl Pairs {
    /// Takes a reading of one of the series.
    pub fn push(&mut self, side: Side, time: Time, value: f64, tolerance_ms: i64) {
        let is_y = side == Side::Y;
        if is_y == self.waiting_is_y || self.waiting.is_empty() {
            return self.wait(is_y, time, value);
        }
        let near =
            |(other, _): &Stamped| time.since(*other).checked_abs().is_some_and(|ms| ms <= tolerance_ms);
        match self.waiting.iter().position(near) {
            Some(at) => {
                let (_, other) = self.waiting.remove(at);
                let (x, y) = if is_y { (other, value) } else { (value, other) };
                self.moments.push(x, y);
            }
            // A newer one of this side outlives older ones of the other, which will find none any more.
            None if self.waiting.iter().all(|(other, _)| *other < time) => {
                self.waiting.clear();
                self.wait(is_y, time, value);
            }
            None => {}
        }
    }

    fn wait(&mut self, is_y: bool, time: Time, value: f64) {
        self.waiting_is_y = is_y;
        if self.waiting.is_full() {
            self.waiting.remove(0);
        }
        // There is room: one has just gone.
        let _ = self.waiting.push((time, value));
    }

    /// Takes all that `later` has taken; readings that wait here are given up.
    pub fn merge(&mut self, later: &Self) {
        self.moments.merge(&later.moments);
        self.waiting.clone_from(&later.waiting);
        self.waiting_is_y = later.waiting_is_y;
    }

    /// The pairs found.
    #[must_use]
    pub const fn moments(&self) -> &Comoments {
        &self.moments
    }
}

impl State for Pairs {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.moments.save(to);
        self.waiting_is_y.save(to);
        (self.waiting.len() as u8).save(to);
        self.waiting.iter().for_each(|reading| reading.save(to));
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        let (moments, waiting_is_y) = (State::load(from)?, State::load(from)?);
        let mut waiting = heapless::Vec::new();
        for _ in 0..u8::load(from)? {
            waiting.push(State::load(from)?).map_err(|_| Corrupt)?;
        }
        Ok(Self { moments, waiting, waiting_is_y })
    }
}

#[cfg(test)]
mod tests {
    use super::{Comoments, Pairs, Side};
    use crate::time::Time;
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

    #[test]
    fn readings_find_their_counterpart() {
        let mut pairs = Pairs::default();
        for (side, time, value) in [
            (Side::X, 0, 1.0),
            (Side::Y, 0, 10.0), // with 1
            (Side::Y, 100, 20.0),
            (Side::Y, 200, 30.0),
            (Side::X, 195, 3.0), // with 30
            (Side::X, 100, 2.0), // with 20
            (Side::X, 300, 4.0), // alone
            (Side::Y, 900, 90.0),
            (Side::X, 905, 9.0), // with 90
        ] {
            pairs.push(side, Time(time), value, 5);
        }
        assert_eq!(*pairs.moments(), of(&[(1.0, 10.0), (3.0, 30.0), (2.0, 20.0), (9.0, 90.0)]));
        let before = *pairs.moments();
        pairs.merge(&Pairs::default());
        assert_eq!(*pairs.moments(), before);
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
