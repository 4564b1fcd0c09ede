//! Jump: flags a value that differs too much from the one before, however long ago that was.
//!
//! State: the last value. Score: how much the difference is beyond the limit [channel unit].

use super::describe::Figure;
use super::learned::learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
};
use crate::time::Moment;
use core::fmt;

/// Parameters of [`Jump`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JumpConfig {
    /// Larger differences are anomalous; positive [channel unit].
    pub above: f64,
}

/// A limit on the difference between readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    config: JumpConfig,
    last: Option<f64>,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "jump",
    version: 1,
    doc: "the value differs too much from the one before",
    parameters: &[Parameter::number("above", "larger differences are anomalous")],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        Jump::new(JumpConfig { above: parameters.number("above") }).map(AnyDetector::Jump)
    },
};

impl Jump {
    /// # Errors
    /// [`OutOfRange`] when the limit is not positive.
    pub fn new(config: JumpConfig) -> Result<Self, OutOfRange> {
        if !(config.above.is_finite() && config.above > 0.0) {
            return Err(OutOfRange::new("above", "must be a positive number"));
        }
        Ok(Self { config, last: None })
    }
}

impl Detector for Jump {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let Some(last) = self.last.replace(value) else { return Judgement::LEARNING };
        let score = (value - last).abs().min(f64::MAX) - self.config.above;
        Judgement::scored(score, 0.0, Some(last))
    }

    learned!(last);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let last = Figure(judgement.expected.unwrap_or(f64::NAN));
        write!(to, "more than {} away from {last} just before", Figure(self.config.above))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{} is within {} of the reading before", Figure(value), Figure(self.config.above))
    }
}

#[cfg(test)]
mod tests {
    use super::{Jump, JumpConfig};
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    extern crate std;
    use std::string::String;

    #[test]
    fn differences_either_way() {
        let mut jump = Jump::new(JumpConfig { above: 5.0 }).unwrap();
        let verdicts =
            [20.0, 25.0, f64::NAN, 19.0, 1e308, -1e308].map(|value| jump.push(Time(0).into(), value).verdict);
        assert_eq!(verdicts[..4], [Learning, Normal(0.0), Invalid, Anomalous(1.0)]);
        assert!(verdicts[4..].iter().all(|verdict| matches!(verdict, Anomalous(score) if score.is_finite())));
        assert_eq!(Jump::new(JumpConfig { above: 0.0 }).unwrap_err().parameter, "above");
        let judgement = Jump { last: Some(20.0), ..jump }.push(Time(0).into(), 30.0);
        let mut said = String::new();
        jump.describe(&judgement, &mut said).unwrap();
        assert_eq!(said, "more than 5 away from 20 just before");
    }
}
