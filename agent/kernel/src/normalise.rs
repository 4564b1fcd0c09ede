//! Scales the readings of one series by its own past, so that what is usual of one device is the same number as what is
//! usual of another.
//!
//! The past is kept as moments of two blocks of event time, the one that runs and the one before it, each `over_ms` long.
//! So it reaches back once to twice that long, in constant memory, and the same readings give the same numbers on every
//! processor. A silence takes nothing of it. A reading is scaled by what came before it, and then becomes a part of it.
//! Cost: one merge of moments and one square root a reading, 128 bytes.

use crate::aggregate::Moments;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged as _};
use crate::time::Time;

/// The readings that only teach, before the first one is scaled.
pub const NORMALISER_LEARNS: u64 = 30;

/// Scaled numbers are never further from 0, because a series that has been constant has no spread to measure by.
pub const NORMALISED_MAX: f64 = 1_000.0;

/// The version of the stored state, which it begins with. Version 1 held moments of version 1.
const VERSION: u16 = 2;

/// A smaller spread, as a share of the values, is rounding.
const ROUNDING: f64 = 1e-9;

/// What a past is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Distances from the mean, in standard deviations.
    ZScore,
    /// From the smallest value (0) to the largest (1); a reading beyond both lies outside.
    MinMax,
}

/// The past of one series, as a measure of its next readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normaliser {
    scaling: Scaling,
    over_ms: i64,
    /// The begin of the block that runs; `None`: there was no reading.
    since: Option<Time>,
    before: Moments,
    running: Moments,
}

impl Normaliser {
    /// One that has seen nothing; `over_ms`: the length of a block (ms of event time), at least 1.
    #[must_use]
    pub const fn new(scaling: Scaling, over_ms: i64) -> Self {
        Self { scaling, over_ms, since: None, before: Moments::new(), running: Moments::new() }
    }

    /// Takes a reading (in the unit of the series) and scales it (without unit, within [`NORMALISED_MAX`] of 0); `None`:
    /// the past is shorter than [`NORMALISER_LEARNS`] readings, or its numbers are beyond all bounds.
    pub fn on_reading(&mut self, time: Time, value: f64) -> Option<f64> {
        self.turn(time);
        let mut past = self.before;
        past.merge(&self.running);
        self.running.push(value);
        if past.count() < NORMALISER_LEARNS {
            return None;
        }
        let (low, high) = (past.min()?, past.max()?);
        let (origin, spread) = match self.scaling {
            Scaling::ZScore => (past.mean()?, past.stddev()?),
            Scaling::MinMax => (low, high - low),
        };
        let least = (low.abs().max(high.abs()) * ROUNDING).max(f64::MIN_POSITIVE);
        let scaled = (value - origin) / spread.max(least);
        if scaled.is_nan() { None } else { Some(scaled.clamp(-NORMALISED_MAX, NORMALISED_MAX)) }
    }

    /// Begins another block where the one that runs is over.
    fn turn(&mut self, time: Time) {
        let age = self.since.map_or(0, |since| time.since(since));
        if age >= self.over_ms {
            (self.before, self.running) = (self.running, Moments::new());
        }
        // A block of the future was begun by a clock that ran ahead.
        if self.since.is_none() || age >= self.over_ms || age <= self.over_ms.saturating_neg() {
            self.since = Some(time);
        }
    }

    /// Writes the past; how it is measured is part of the config.
    pub fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        VERSION.save(to);
        self.since.is_some().save(to);
        self.since.unwrap_or(Time(0)).save(to);
        self.before.save(to);
        self.running.save(to);
    }

    /// Restores what [`Normaliser::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it, or by another version; the normaliser is as it was.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let moments = match u16::load(from)? {
            1 => 1,
            VERSION => Moments::VERSION,
            _ => return Err(Corrupt),
        };
        let (is_begun, since): (bool, Time) = State::load(from)?;
        let (before, running) =
            (Moments::load_version(moments, from)?, Moments::load_version(moments, from)?);
        *self = Self { since: Some(since).filter(|_| is_begun), before, running, ..*self };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern crate std;
    use std::vec::Vec;

    const HOUR: i64 = 3_600_000;

    /// Readings a second apart, alternating by 1 around a level.
    fn alternating(normaliser: &mut Normaliser, from_s: i64, count: i64, level: f64) -> Vec<Option<f64>> {
        let value = |at: i64| level + if at % 2 == 0 { 1.0 } else { -1.0 };
        (0..count).map(|at| normaliser.on_reading(Time(1_000 * (from_s + at)), value(at))).collect()
    }

    #[test]
    fn what_is_usual_is_the_same_number_at_every_level_and_what_came_first_only_teaches() {
        let learns = NORMALISER_LEARNS as usize;
        for (scaling, usual) in [(Scaling::ZScore, [1.0, -1.0]), (Scaling::MinMax, [1.0, 0.0])] {
            for level in [-40.0, 0.0, 9_000.0] {
                let mut own = Normaliser::new(scaling, HOUR);
                let scaled = alternating(&mut own, 0, 600, level);
                assert!(scaled.iter().take(learns).all(Option::is_none));
                for (at, scaled) in scaled.iter().enumerate().skip(learns + 100) {
                    let scaled = scaled.unwrap();
                    assert!((scaled - usual[at % 2]).abs() < 0.02, "{scaling:?} {level}: {at} {scaled}");
                }
            }
        }
    }

    #[test]
    fn a_new_level_becomes_usual_after_two_blocks_and_a_silence_takes_nothing() {
        let mut own = Normaliser::new(Scaling::ZScore, 600_000);
        alternating(&mut own, 0, 600, 10.0);
        let moved = own.on_reading(Time(86_400_000), 16.0).unwrap();
        assert!((moved - 6.0).abs() < 0.01, "after a day: {moved}");
        alternating(&mut own, 86_401, 1_500, 16.0);
        let usual = own.on_reading(Time(88_000_000), 17.0).unwrap();
        assert!((usual - 1.0).abs() < 0.01, "{usual}");
        // A clock that ran ahead holds up nothing.
        own.on_reading(Time(1 << 50), 16.0);
        alternating(&mut own, 88_000, 1_500, 30.0);
        assert!(own.on_reading(Time(89_600_000), 31.0).unwrap() < 1.5);
    }

    #[test]
    fn a_constant_series_and_extreme_numbers_stay_within_bounds() {
        for scaling in [Scaling::ZScore, Scaling::MinMax] {
            let mut own = Normaliser::new(scaling, HOUR);
            (0..40).for_each(|at| _ = own.on_reading(Time(at), 5.0));
            assert_eq!(own.on_reading(Time(40), 5.0), Some(0.0));
            assert_eq!(own.on_reading(Time(41), 6.0), Some(NORMALISED_MAX));
            for value in [f64::MAX, -f64::MAX, f64::MIN_POSITIVE, 0.0, 1e300, f64::MAX] {
                let scaled = own.on_reading(Time(42), value);
                assert!(scaled.is_none_or(|scaled| scaled.abs() <= NORMALISED_MAX), "{value}: {scaled:?}");
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing_and_damage_is_refused() {
        let mut own = Normaliser::new(Scaling::MinMax, 60_000);
        alternating(&mut own, 0, 100, 7.0);
        let mut state = Vec::new();
        own.save(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
        assert_eq!(state.len(), 2 + 1 + 8 + 2 * 48, "the stored form is fixed");
        let mut restored = Normaliser::new(Scaling::MinMax, 60_000);
        restored.restore(&mut StateReader::new(&state)).unwrap();
        assert_eq!(restored, own);
        for length in 0..state.len() {
            assert!(restored.restore(&mut StateReader::new(&state[..length])).is_err());
            assert_eq!(restored, own);
        }
    }
}
