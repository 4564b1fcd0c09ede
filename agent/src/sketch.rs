//! A percentile sketch that starts small.
//!
//! Thousands of series mostly have a few dozen bins in use in a window; those that need more get them, before a value
//! would make bins merge, so that the answers are those of a sketch that was large from the start.

use headwater_kernel::aggregate::{SKETCH_BINS, Sketch};
use headwater_kernel::state::{Corrupt, Sink, State, Stored};

/// Bins at the start: 300 bytes, a ratio of 2.6 between the largest and the smallest value if all are in use.
const SMALL_BINS: usize = 48;

/// A sketch of up to [`SKETCH_BINS`] bins.
#[derive(Clone, Debug)]
pub(crate) enum GrowingSketch {
    Small(Box<Sketch<SMALL_BINS>>),
    Large(Box<Sketch<SKETCH_BINS>>),
}

impl Default for GrowingSketch {
    fn default() -> Self {
        Self::Small(Box::default())
    }
}

impl PartialEq for GrowingSketch {
    fn eq(&self, other: &Self) -> bool {
        self.to_large() == other.to_large()
    }
}

impl GrowingSketch {
    /// What it takes when it has grown (bytes).
    pub(crate) const BYTES_MAX: usize = size_of::<Sketch<SKETCH_BINS>>();

    #[inline]
    pub(crate) fn push(&mut self, value: f64) {
        match self {
            Self::Small(small) => {
                small.push(value);
                if small.bins_used() == SMALL_BINS {
                    self.grow();
                }
            }
            Self::Large(large) => large.push(value),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.grow();
        if let Self::Large(large) = self {
            match other {
                Self::Small(_) => large.merge(&other.to_large()),
                Self::Large(other) => large.merge(other),
            }
        }
    }

    /// See [`Sketch::quantile_within`].
    pub(crate) fn quantile_within(&self, q: f64, min: f64, max: f64) -> Option<f64> {
        match self {
            Self::Small(small) => small.quantile_within(q, min, max),
            Self::Large(large) => large.quantile_within(q, min, max),
        }
    }

    #[cold]
    fn grow(&mut self) {
        if let Self::Small(_) = self {
            *self = Self::Large(Box::new(self.to_large()));
        }
    }

    fn to_large(&self) -> Sketch<SKETCH_BINS> {
        match self {
            Self::Small(small) => Sketch::from_bins(small.level(), small.bins()).unwrap_or_default(),
            Self::Large(large) => **large,
        }
    }
}

impl State for GrowingSketch {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        match self {
            Self::Small(small) => small.save(to),
            Self::Large(large) => large.save(to),
        }
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        let large = Sketch::<SKETCH_BINS>::load(from)?;
        let small = || Sketch::from_bins(large.level(), large.bins());
        let is_small = large.level() == 0 && large.bins_used() < SMALL_BINS;
        Ok(match is_small.then(small).flatten() {
            Some(small) => Self::Small(Box::new(small)),
            None => Self::Large(Box::new(large)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_changes_no_answer() {
        let mut random = 12_345_u64;
        let mut values = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((random >> 40) as f64 - 3e6).powi(3)
        });
        for count in [1, 40, 60, 1_000] {
            let mut growing = GrowingSketch::default();
            let mut large = Sketch::<SKETCH_BINS>::new();
            let mut half = GrowingSketch::default();
            for value in values.by_ref().take(count) {
                growing.push(value);
                large.push(value);
                half.push(value);
            }
            assert_eq!(growing.to_large(), large);
            half.merge(&growing);
            large.merge(&large.clone());
            assert_eq!(half.to_large(), large);
        }
    }
}
