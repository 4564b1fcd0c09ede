//! The increase of a counter, across its resets.

use super::moments::finite;
use super::slope::seconds;
use super::{Path, Stamped};
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// The increase of a counter from the first reading to the last one, and its rate.
///
/// A fall is a reset to 0: the counter increased by its new value. For values that may fall, use [`super::Ends`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterRate {
    ends: Option<(Stamped, Stamped)>,
    increase: f64,
}

impl Path for CounterRate {
    #[inline]
    fn step(&mut self, time: Time, value: f64) {
        let here = (time, value);
        if let Some((_, last)) = self.ends {
            self.increase += rise(last.1, value);
        }
        self.ends = Some((self.ends.map_or(here, |(first, _)| first), here));
    }

    fn join(&mut self, later: &Self) {
        self.ends = match (self.ends, later.ends) {
            (Some((first, last)), Some((their_first, their_last))) => {
                self.increase += rise(last.1, their_first.1);
                Some((first, their_last))
            }
            (one, other) => one.or(other),
        };
        self.increase += later.increase;
    }
}

fn rise(from: f64, to: f64) -> f64 {
    if to >= from { to - from } else { to.max(0.0) }
}

impl CounterRate {
    /// The increase [channel unit]; `None` without readings.
    #[must_use]
    pub fn increase(&self) -> Option<f64> {
        self.ends.and_then(|_| finite(self.increase))
    }

    /// The increase per second [channel unit per second]; `None` if all readings have the same time.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        let (first, last) = self.ends?;
        finite(self.increase / seconds(last.0.since(first.0)))
    }
}

impl Tagged for CounterRate {
    const TAG: u16 = 4;
    const VERSION: u16 = 1;
}

impl State for CounterRate {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.ends.save(to);
        self.increase.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { ends: State::load(from)?, increase: State::load(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{CounterRate, Path};
    use crate::time::Time;

    #[test]
    fn a_reset_is_no_fall() {
        let mut rate = CounterRate::default();
        assert_eq!((rate.increase(), rate.per_second()), (None, None));
        for (second, value) in [(0, 100.0), (10, 150.0), (20, 20.0), (25, 20.0), (40, 60.0)] {
            rate.step(Time(second * 1_000), value);
        }
        assert_eq!((rate.increase(), rate.per_second()), (Some(110.0), Some(2.75)));
        let mut once = CounterRate::default();
        once.step(Time(0), 5.0);
        assert_eq!((once.increase(), once.per_second()), (Some(0.0), None));
    }
}
