//! Rate: flags a value that rises or falls too fast.
//!
//! The slope between a reading and the one before it, per `per`. State: the last reading. Score: how far the
//! slope is beyond its limit [channel unit per `per`]. A reading that is not later than the last one is not
//! judged and becomes the last one, so that a step of the device's clock costs one judgement.

use super::describe::{Duration, Figure};
use super::learned::learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// Parameters of [`RateOfChange`]; at least one limit, both positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConfig {
    /// Fastest rise [channel unit per `per`].
    pub rise: Option<f64>,
    /// Fastest fall, a positive number [channel unit per `per`].
    pub fall: Option<f64>,
    /// The time unit of the limits, in milliseconds.
    pub per_ms: i64,
}

/// Limits on the change per time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOfChange {
    config: RateConfig,
    last: Option<(SteadyTime, f64)>,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "rate",
    version: 1,
    doc: "the value rises or falls too fast",
    parameters: &[
        Parameter::number("rise", "rising by more than this per `per` is anomalous").optional(),
        Parameter::number("fall", "falling by more than this per `per` is anomalous").optional(),
        Parameter::duration("per", "the time that the limits are about").or(60_000.0),
    ],
    judges: Judges::Values,
    build,
};

fn build(parameters: &CompleteParameters) -> Result<AnyDetector, OutOfRange> {
    let per_ms = parameters.ms("per");
    let config = RateConfig { rise: parameters.optional("rise"), fall: parameters.optional("fall"), per_ms };
    RateOfChange::new(config).map(AnyDetector::RateOfChange)
}

impl RateOfChange {
    /// # Errors
    /// [`OutOfRange`] names the limit that is missing or not positive.
    pub fn new(config: RateConfig) -> Result<Self, OutOfRange> {
        let positive = |limit: Option<f64>| limit.is_none_or(|limit| limit.is_finite() && limit > 0.0);
        match config {
            RateConfig { rise: None, fall: None, .. } => {
                Err(OutOfRange::new("rise", "is missing: give `rise`, `fall` or both"))
            }
            RateConfig { rise, .. } if !positive(rise) => {
                Err(OutOfRange::new("rise", "must be a positive number"))
            }
            RateConfig { fall, .. } if !positive(fall) => {
                Err(OutOfRange::new("fall", "must be a positive number"))
            }
            RateConfig { per_ms, .. } if per_ms <= 0 => Err(OutOfRange::new("per", "must be longer than 0")),
            config => Ok(Self { config, last: None }),
        }
    }
}

impl Detector for RateOfChange {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let Some((before, from)) = self.last.replace((at.steady, value)) else { return Judgement::LEARNING };
        let passed = at.steady.since(before);
        if passed <= 0 {
            return Judgement::LEARNING;
        }
        let slope = (value - from) / passed as f64 * self.config.per_ms as f64;
        let over = |limit: Option<f64>, slope: f64| limit.map_or(f64::NEG_INFINITY, |limit| slope - limit);
        let score = over(self.config.rise, slope).max(over(self.config.fall, -slope));
        Judgement::scored(score.clamp(f64::MIN, f64::MAX), 0.0, Some(from))
    }

    learned!(last);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let Verdict::Anomalous(score) = judgement.verdict else { return Ok(()) };
        let RateConfig { rise, fall, per_ms } = self.config;
        let from = judgement.expected.unwrap_or(f64::NAN);
        let rising = self.last.is_some_and(|(_, value)| value > from);
        let limit = if rising { rise.or(fall) } else { fall.or(rise) }.unwrap_or(0.0);
        let slope = Figure((score + limit).min(f64::MAX));
        let verb = if rising { "rising" } else { "falling" };
        write!(to, "{verb} by {slope} per {}, faster than {}", Duration(per_ms), Figure(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{RateConfig, RateOfChange};
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    extern crate std;
    use std::string::String;

    #[test]
    fn slopes_are_judged_per_time() {
        let config = RateConfig { rise: Some(6.0), fall: Some(60.0), per_ms: 60_000 };
        let mut rate = RateOfChange::new(config).unwrap();
        let mut at = |second: i64, value| rate.push(Time(second * 1_000).into(), value).verdict;
        assert_eq!(at(0, 20.0), Learning);
        assert_eq!(at(10, 21.0), Normal(0.0));
        assert_eq!(at(20, 23.0), Anomalous(6.0));
        assert_eq!(at(30, f64::NAN), Invalid);
        assert_eq!(at(40, 8.0), Normal(-15.0));
        assert_eq!(at(41, 5.0), Anomalous(120.0));
        // A clock step is no change; neither is a week of silence.
        assert_eq!(at(10, 90.0), Learning);
        assert_eq!(at(10, 95.0), Learning);
        assert!(matches!(at(700_000, 5.0), Normal(_)));
        assert!(matches!(at(700_001, 1e308), Anomalous(_)));
        assert!(matches!(at(700_002, -1e308), Anomalous(_)));
    }

    #[test]
    fn says_how_fast() {
        let config = RateConfig { rise: Some(6.0), fall: None, per_ms: 60_000 };
        let mut rate = RateOfChange::new(config).unwrap();
        rate.push(Time(0).into(), 20.0);
        let judgement = rate.push(Time(10_000).into(), 22.0);
        let mut said = String::new();
        rate.describe(&judgement, &mut said).unwrap();
        assert_eq!(said, "rising by 12 per 1m, faster than 6");
        let refused = |config| RateOfChange::new(config).unwrap_err().parameter;
        assert_eq!(refused(RateConfig { rise: None, ..config }), "rise");
        assert_eq!(refused(RateConfig { fall: Some(-1.0), ..config }), "fall");
        assert_eq!(refused(RateConfig { per_ms: 0, ..config }), "per");
    }
}
