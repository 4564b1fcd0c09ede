//! The steps from one reading to the next: how far the values jump, and how long they stay the same.
//!
//! A mean and a deviation do not say in which order the readings came. Steps do: noise steps far and often, drift steps
//! little and one way, a spike steps once, and a sensor that hangs does not step at all.

use super::Path;
use super::moments::finite;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// The sum and the largest of the absolute steps, and the runs of equal values.
///
/// The number of steps is one less than the number of readings. Values are equal if `==` says so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ValueSteps {
    /// The first and the last value.
    ends: Option<(f64, f64)>,
    readings: u64,
    /// The sum of the absolute steps [channel unit].
    travel: f64,
    /// The largest absolute step [channel unit].
    largest: f64,
    /// How many equal values the path begins with, ends with, and has in a row at most.
    head: u64,
    tail: u64,
    longest: u64,
}

impl Path for ValueSteps {
    #[inline]
    fn step(&mut self, _: Time, value: f64) {
        self.join(&Self {
            ends: Some((value, value)),
            readings: 1,
            head: 1,
            tail: 1,
            longest: 1,
            ..Self::default()
        });
    }

    #[inline]
    fn join(&mut self, later: &Self) {
        let (Some((first, last)), Some((their_first, their_last))) = (self.ends, later.ends) else {
            if self.ends.is_none() {
                *self = *later;
            }
            return;
        };
        let step = (their_first - last).abs();
        self.travel += step + later.travel;
        self.largest = self.largest.max(step).max(later.largest);
        self.longest = self.longest.max(later.longest);
        let (is_one_run, is_theirs_one_run) = (self.head == self.readings, later.tail == later.readings);
        let across = self.tail.saturating_add(later.head);
        let goes_on = last == their_first;
        if goes_on {
            self.longest = self.longest.max(across);
            self.head = if is_one_run { across } else { self.head };
        }
        self.tail = if goes_on && is_theirs_one_run { across } else { later.tail };
        self.readings = self.readings.saturating_add(later.readings);
        self.ends = Some((first, their_last));
    }
}

impl ValueSteps {
    /// The mean absolute step [channel unit]; `None` with fewer than two readings.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let steps = self.readings.checked_sub(1).filter(|steps| *steps > 0)?;
        finite(self.travel / steps as f64)
    }

    /// The largest absolute step [channel unit]; `None` with fewer than two readings.
    #[must_use]
    pub fn largest(&self) -> Option<f64> {
        finite(self.largest).filter(|_| self.readings > 1)
    }

    /// The largest number of readings in a row that have the same value; 0 without readings.
    #[must_use]
    pub const fn longest_run(&self) -> u64 {
        self.longest
    }
}

impl Tagged for ValueSteps {
    const TAG: u16 = 11;
    const VERSION: u16 = 1;
}

impl State for ValueSteps {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.ends.save(to);
        self.readings.save(to);
        (self.travel, self.largest).save(to);
        (self.head, self.tail).save(to);
        self.longest.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (ends, readings) = (State::load(from)?, State::load(from)?);
        let ((travel, largest), (head, tail)) = (State::load(from)?, State::load(from)?);
        Ok(Self { ends, readings, travel, largest, head, tail, longest: State::load(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, ValueSteps};
    use crate::state::{State, StateReader};
    use crate::time::Time;

    extern crate std;
    use std::vec::Vec;

    fn of(values: &[f64]) -> ValueSteps {
        let mut steps = ValueSteps::default();
        values.iter().for_each(|value| steps.step(Time(0), *value));
        steps
    }

    #[test]
    fn noise_steps_and_a_sensor_that_hangs_does_not() {
        let says = |values: &[f64]| {
            let steps = of(values);
            (steps.mean(), steps.largest(), steps.longest_run())
        };
        assert_eq!(says(&[]), (None, None, 0));
        assert_eq!(says(&[4.0]), (None, None, 1));
        assert_eq!(says(&[4.0, 4.0, 4.0]), (Some(0.0), Some(0.0), 3));
        assert_eq!(says(&[1.0, 3.0, 3.0, 3.0, -5.0, -5.0]), (Some(2.0), Some(8.0), 3));
        assert_eq!(says(&[-1e308, 1e308]), (None, None, 1));
    }

    /// Every cut of every order of three values in six places.
    #[test]
    fn parts_that_join_are_the_whole() {
        for number in 0..729_u32 {
            let values: Vec<f64> = (0..6).map(|place| f64::from(number / 3_u32.pow(place) % 3)).collect();
            for cut in 0..=6 {
                let (a, b) = values.split_at(cut);
                let mut joined = of(a);
                joined.join(&of(b));
                assert_eq!(joined, of(&values), "{a:?} {b:?}");
            }
        }
    }

    /// The stored form of version 1, to the byte.
    #[test]
    fn the_stored_form_stays() {
        let steps = of(&[2.0, 2.0, 5.0]);
        let mut bytes = Vec::new();
        steps.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
        let mut wanted = Vec::from([1_u8]);
        [2.0_f64, 5.0].iter().for_each(|end| wanted.extend(end.to_le_bytes()));
        wanted.extend(3_u64.to_le_bytes());
        [3.0_f64, 3.0].iter().for_each(|size| wanted.extend(size.to_le_bytes()));
        [2_u64, 1, 2].iter().for_each(|run| wanted.extend(run.to_le_bytes()));
        assert_eq!(bytes, wanted);
        assert_eq!(ValueSteps::load(&mut StateReader::new(&wanted)), Ok(steps));
        assert!(ValueSteps::load(&mut StateReader::new(&wanted[..60])).is_err());
    }
}
