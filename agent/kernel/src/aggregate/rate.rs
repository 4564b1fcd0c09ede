//! The increase of a counter, across its resets.

use super::moments::finite;
use super::slope::seconds;
use super::{Path, Stamped};
use crate::OutOfRange;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// The meaning of a counter's fall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterRule {
    /// Where the counter begins anew at 0 [channel unit]; 0: nowhere.
    wrap: f64,
    /// The largest fall that is none.
    dip: Dip,
}

/// The largest fall of a counter that is no reset: rounding, a meter that corrects itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dip {
    /// In the counter's unit.
    Absolute(f64),
    /// Of the value before it, in percent.
    Percent(f64),
}

impl Default for Dip {
    fn default() -> Self {
        Self::Absolute(0.0)
    }
}

impl CounterRule {
    /// A counter that wraps at `wrap`, if it does, and falls by `dip` without a reset.
    ///
    /// # Errors
    /// [`OutOfRange`] when `wrap` is not above 0, `dip` is below 0 or above 100 %, or one is not finite.
    pub fn new(wrap: Option<f64>, dip: Dip) -> Result<Self, OutOfRange> {
        if wrap.is_some_and(|wrap| !(wrap > 0.0 && wrap.is_finite())) {
            return Err(OutOfRange::new(
                "wrap",
                "must be above 0: the value at which the counter begins anew",
            ));
        }
        let most = match dip {
            Dip::Absolute(_) => f64::MAX,
            Dip::Percent(_) => 100.0,
        };
        let (Dip::Absolute(size) | Dip::Percent(size)) = dip;
        if (0.0..=most).contains(&size) {
            Ok(Self { wrap: wrap.unwrap_or(0.0), dip })
        } else {
            Err(OutOfRange::new("dip", "must be at least 0, and at most 100 %"))
        }
    }

    /// The increase from a value to the next one.
    #[inline]
    fn rise(&self, from: f64, to: f64) -> f64 {
        if to >= from { to - from } else { self.fall(from, to) }
    }

    fn fall(&self, from: f64, to: f64) -> f64 {
        let dip = match self.dip {
            Dip::Absolute(size) => size,
            Dip::Percent(size) => from.abs() * size / 100.0,
        };
        let wrapped = self.wrap - from + to;
        if from - to <= dip {
            to - from
        } else if from <= self.wrap && (0.0..=self.wrap / 2.0).contains(&wrapped) {
            wrapped
        } else {
            to.max(0.0)
        }
    }
}

/// The increase of a counter from the first reading to the last one, and its rate.
///
/// A fall by at most the rule's dip counts as it is, so that the increase is what the meter shows. A larger fall is a
/// wrap if the counter has gone at most half way round, else a reset to 0: the counter increased by its new value. For
/// values that may fall, use [`super::Ends`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterRate {
    ends: Option<(Stamped, Stamped)>,
    increase: f64,
    rule: CounterRule,
}

impl Path for CounterRate {
    #[inline]
    fn step(&mut self, time: Time, value: f64) {
        let here = (time, value);
        if let Some((_, last)) = self.ends {
            self.increase += self.rule.rise(last.1, value);
        }
        self.ends = Some((self.ends.map_or(here, |(first, _)| first), here));
    }

    fn join(&mut self, later: &Self) {
        self.ends = match (self.ends, later.ends) {
            (Some((first, last)), Some((their_first, their_last))) => {
                self.increase += self.rule.rise(last.1, their_first.1);
                Some((first, their_last))
            }
            (one, other) => one.or(other),
        };
        self.increase += later.increase;
    }

    fn afresh(&self) -> Self {
        Self { rule: self.rule, ..Self::default() }
    }
}

impl CounterRate {
    /// Sets the rule, which is not stored with the state.
    pub fn set_rule(&mut self, rule: CounterRule) {
        self.rule = rule;
    }

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
        Ok(Self { ends: State::load(from)?, increase: State::load(from)?, rule: CounterRule::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::{CounterRate, CounterRule, Dip, Path};
    use crate::time::Time;

    #[test]
    fn a_reset_is_no_fall() {
        let mut rate = CounterRate::default();
        assert_eq!((rate.increase(), rate.per_second()), (None, None));
        for (second, value) in [(0, 100.0), (10, 150.0), (20, 20.0), (25, 20.0), (40, 60.0)] {
            rate.step(Time(second * 1_000), value);
        }
        assert_eq!((rate.increase(), rate.per_second()), (Some(110.0), Some(2.75)));
        let increase = |rule: CounterRule, values: &[f64]| {
            let mut rate = CounterRate::default();
            rate.set_rule(rule);
            values.iter().zip(0..).for_each(|(value, time)| rate.step(Time(time), *value));
            (rate.increase().unwrap() * 1e6).round() / 1e6
        };
        let rule = |wrap, dip| CounterRule::new(wrap, dip).unwrap();
        let dial = rule(Some(838_860.8), Dip::Absolute(0.0));
        assert_eq!(increase(dial, &[838_831.0, 838_857.6, 10.2, 20.4]), 50.2);
        let wide = rule(Some(4_294_967_296.0), Dip::Percent(1.0));
        assert_eq!(increase(wide, &[4_294_967_290.0, 5.0]), 11.0);
        assert_eq!(increase(wide, &[1_000.0, 5.0]), 5.0, "more than half way round: a reset");
        assert_eq!(increase(wide, &[1_000.0, 999.9, 1_000.2]), 0.2);
        assert_eq!(increase(rule(None, Dip::Percent(1.0)), &[1_000.0, 989.0, 990.0]), 990.0);
        assert_eq!(increase(rule(None, Dip::Absolute(11.0)), &[1_000.0, 989.0, 1_002.0]), 2.0);
        let wrong = |wrap, dip| CounterRule::new(wrap, dip).unwrap_err().parameter;
        assert_eq!(wrong(Some(0.0), Dip::default()), "wrap");
        assert_eq!(wrong(Some(f64::INFINITY), Dip::default()), "wrap");
        assert_eq!(wrong(None, Dip::Percent(101.0)), "dip");
        assert_eq!(wrong(None, Dip::Absolute(-1.0)), "dip");
        let mut once = CounterRate::default();
        once.step(Time(0), 5.0);
        assert_eq!((once.increase(), once.per_second()), (Some(0.0), None));
    }
}
