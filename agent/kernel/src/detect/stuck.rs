//! Stuck: flags a value that has not changed for too long.
//!
//! State: the constant value and its duration. Score: the time without a change, as a multiple of `after`. The wait
//! for one reading counts for a quarter of `after` at most: silence proves nothing about the value, and a clock that
//! steps back adds nothing.

use super::describe::{Duration, Figure};
use super::learned::learned;
use super::{AnyDetector, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// Parameters of [`Stuck`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StuckConfig {
    /// How long a value must stay constant to be anomalous, in milliseconds.
    pub after_ms: i64,
    /// Changes up to this are ignored [channel unit].
    pub noise: f64,
}

/// A detector of constant values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stuck {
    config: StuckConfig,
    anchor: Option<f64>,
    last: SteadyTime,
    held_ms: i64,
}

/// The fewest readings of a constant value.
const READINGS_MIN: i64 = 4;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "stuck",
    version: 1,
    doc: "the value does not change any more",
    parameters: &[
        Parameter::duration("after", "no change for this long is anomalous"),
        Parameter::number("noise", "changes up to this are none").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters| {
        let after_ms = parameters.ms("after");
        let noise = parameters.number("noise");
        Stuck::new(StuckConfig { after_ms, noise }).map(AnyDetector::Stuck)
    },
};

impl Stuck {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is negative, or the time that is too short.
    pub fn new(config: StuckConfig) -> Result<Self, OutOfRange> {
        if config.after_ms < READINGS_MIN {
            return Err(OutOfRange::new("after", "must be longer than 0"));
        }
        if !(config.noise.is_finite() && config.noise >= 0.0) {
            return Err(OutOfRange::new("noise", "must not be negative"));
        }
        Ok(Self { config, anchor: None, last: SteadyTime::MIN, held_ms: 0 })
    }
}

impl Detector for Stuck {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let passed = at.steady.since(self.last).clamp(0, self.config.after_ms / READINGS_MIN);
        self.last = at.steady;
        let moved = self.anchor.is_none_or(|anchor| (value - anchor).abs() > self.config.noise);
        if moved {
            self.anchor = Some(value);
            self.held_ms = 0;
        } else {
            self.held_ms = self.held_ms.saturating_add(passed);
        }
        let score = self.held_ms as f64 / self.config.after_ms as f64;
        // At `after` exactly it is due: the limit itself is anomalous here.
        Judgement::scored(score, 1.0 - f64::EPSILON, self.anchor)
    }

    learned!(anchor, last, held_ms);

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "stuck: no change for {}", Duration(self.held_ms.max(self.config.after_ms)))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{} is a change", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Stuck, StuckConfig};
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: StuckConfig = StuckConfig { after_ms: 60_000, noise: 0.1 };

    #[test]
    fn no_change_for_a_minute() {
        let mut stuck = Stuck::new(CONFIG).unwrap();
        let mut at = |second: i64, value| stuck.push(Time(second * 1_000).into(), value);
        for second in 0..6 {
            assert!(matches!(at(second * 10, 20.0 + 0.02 * (second % 2) as f64).verdict, Normal(_)));
        }
        assert_eq!(at(55, f64::NAN).verdict, Invalid);
        let judgement = at(60, 20.05);
        assert_eq!(
            (judgement.verdict, judgement.expected, judgement.clears),
            (Anomalous(1.0), Some(20.0), false)
        );
        assert_eq!((at(70, 20.2).verdict, at(80, 1e308).verdict), (Normal(0.0), Normal(0.0)));
    }

    /// Two readings a day that are the same say little; four do. A step back in time adds nothing.
    #[test]
    fn silence_and_clock_steps_are_not_stuck() {
        let mut stuck = Stuck::new(CONFIG).unwrap();
        let mut at = |hour: i64| stuck.push(Time(hour * 3_600_000).into(), 5.0).verdict;
        assert_eq!((at(0), at(12), at(24), at(36)), (Normal(0.0), Normal(0.25), Normal(0.5), Normal(0.75)));
        assert_eq!((at(-900), at(12)), (Normal(0.75), Anomalous(1.0)));
        assert_eq!(Stuck::new(StuckConfig { after_ms: 0, ..CONFIG }).unwrap_err().parameter, "after");
        assert_eq!(Stuck::new(StuckConfig { noise: f64::NAN, ..CONFIG }).unwrap_err().parameter, "noise");
    }
}
