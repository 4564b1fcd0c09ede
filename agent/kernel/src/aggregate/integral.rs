//! The area under the readings, and their mean weighted by time.
//!
//! Between readings the value follows a straight line (trapezoids); nothing is added before the first reading or
//! after the last one.

use super::moments::finite;
use super::slope::seconds;
use super::{Path, Stamped};
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// The integral over time, e.g. of a power in W: an energy in Ws.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Integral {
    ends: Option<(Stamped, Stamped)>,
    area: f64,
}

impl Path for Integral {
    #[inline]
    fn step(&mut self, time: Time, value: f64) {
        let here = (time, value);
        if let Some((_, last)) = self.ends {
            self.area += trapezoid(last, here);
        }
        self.ends = Some((self.ends.map_or(here, |(first, _)| first), here));
    }

    fn join(&mut self, later: &Self) {
        self.ends = match (self.ends, later.ends) {
            (Some((first, last)), Some((their_first, their_last))) => {
                self.area += trapezoid(last, their_first);
                Some((first, their_last))
            }
            (one, other) => one.or(other),
        };
        self.area += later.area;
    }
}

fn trapezoid(from: Stamped, to: Stamped) -> f64 {
    (0.5 * from.1 + 0.5 * to.1) * seconds(to.0.since(from.0))
}

impl Integral {
    /// The area [channel unit times seconds]; `None` without readings.
    #[must_use]
    pub fn area(&self) -> Option<f64> {
        self.ends.and_then(|_| finite(self.area))
    }

    /// From the first reading to the last one, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.ends.map_or(0.0, |(first, last)| seconds(last.0.since(first.0)))
    }

    /// The mean weighted by time [channel unit]; if all readings have the same time, the last value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let (_, last) = self.ends?;
        let seconds = self.seconds();
        if seconds > 0.0 { finite(self.area / seconds) } else { finite(last.1) }
    }
}

impl Tagged for Integral {
    const TAG: u16 = 5;
    const VERSION: u16 = 1;
}

impl State for Integral {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.ends.save(to);
        self.area.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { ends: State::load(from)?, area: State::load(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Integral, Path};
    use crate::time::Time;

    #[test]
    fn uneven_readings_weigh_by_time() {
        let mut integral = Integral::default();
        assert_eq!((integral.area(), integral.mean()), (None, None));
        integral.step(Time(0), 10.0);
        assert_eq!((integral.area(), integral.mean()), (Some(0.0), Some(10.0)));
        integral.step(Time(1_000), 10.0);
        integral.step(Time(10_000), 0.0);
        assert_eq!((integral.area(), integral.mean()), (Some(55.0), Some(5.5)));
        let mut huge = Integral::default();
        huge.step(Time::MIN, 1e308);
        huge.step(Time::MAX, 1e308);
        assert_eq!((huge.area(), huge.mean()), (None, None));
    }
}
