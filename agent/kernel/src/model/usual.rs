//! What is usual of the rows that a model judges: the mean of those with which nothing is wrong.
//!
//! Of the last thousand rows or so: the weight of an earlier one fades, so that seasons and wear become usual. Memory: one
//! number a feature, in `S`.

use crate::state::{Corrupt, State, StateReader, StateWriter};

/// The rows that count before earlier ones fade.
const ROWS: u32 = 1_000;

/// The mean of usual rows.
#[derive(Clone, Debug, PartialEq)]
pub struct UsualRow<S> {
    count: u32,
    means: S,
}

impl<S: AsRef<[f64]> + AsMut<[f64]> + FromIterator<f64>> UsualRow<S> {
    /// Of rows of so many features, none of which has come.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self { count: 0, means: core::iter::repeat_n(0.0, features).collect() }
    }

    /// Takes a row with which nothing is wrong (features that are finite, in their units).
    pub fn on_row(&mut self, row: &[f64]) {
        self.count = (self.count + 1).min(ROWS);
        let share = 1.0 / f64::from(self.count);
        for (mean, feature) in self.means.as_mut().iter_mut().zip(row) {
            // Not by the difference, which the largest numbers do not have.
            *mean = *mean * (1.0 - share) + feature * share;
        }
    }

    /// The usual value of each feature; `None`: no row has come.
    #[must_use]
    pub fn means(&self) -> Option<&[f64]> {
        (self.count > 0).then(|| self.means.as_ref())
    }

    /// Writes the state.
    pub fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.count.save(to);
        self.means.as_ref().iter().for_each(|mean| mean.save(to));
    }

    /// Restores what [`UsualRow::save`] wrote for as many features.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; what is usual is then not to be used.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.count = u32::load(from)?.min(ROWS);
        for place in self.means.as_mut() {
            let mean: f64 = State::load(from)?;
            *place = if mean.is_finite() { mean } else { return Err(Corrupt) };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec::Vec;

    #[test]
    fn the_mean_follows_slowly_and_comes_back_after_a_restart() {
        let mut usual = UsualRow::<Vec<f64>>::new(2);
        assert_eq!(usual.means(), None);
        (0..10).for_each(|at| usual.on_row(&[f64::from(at), 5.0]));
        let means = usual.means().unwrap();
        assert!((means[0] - 4.5).abs() < 1e-12 && (means[1] - 5.0).abs() < 1e-12, "{means:?}");
        let mut state = Vec::new();
        usual.save(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
        let mut restored = UsualRow::new(2);
        restored.restore(&mut StateReader::new(&state)).unwrap();
        assert_eq!(restored, usual);
        assert!((0..state.len()).all(|end| restored.restore(&mut StateReader::new(&state[..end])).is_err()));
        (0..10_000).for_each(|_| usual.on_row(&[f64::MAX, -1.0]));
        assert!(usual.means().unwrap().iter().all(|mean| mean.is_finite()));
        assert!((usual.means().unwrap()[1] + 1.0).abs() < 1e-3);
    }
}
