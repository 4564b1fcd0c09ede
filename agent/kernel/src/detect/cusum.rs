//! CUSUM: flags a small shift of the mean that lasts.
//!
//! Source: E. S. Page, Biometrika 41(1/2):100-115, 1954; the two-sided tabular form of D. C. Montgomery,
//! "Introduction to Statistical Quality Control". Deviation: a value counts for four deviations at most, so that no
//! single spike is a shift.
//!
//! The reference is learned from the first `readings`. After an alarm a new reference is learned, and the alert
//! clears when it is known. State: 72 bytes. Score: the larger sum, in standard deviations.

use super::describe::Figure;
use super::learned::learned;
use super::moments::{Moments, clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

/// Parameters of [`Cusum`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CusumConfig {
    /// Alarm when a sum is above this many standard deviations; positive. Usual: 5 to 10.
    pub above: f64,
    /// Shifts up to twice this many standard deviations are ignored; not negative. Usual: 0.5 to 1, more where
    /// readings depend on those before them.
    pub slack: f64,
    /// The number of readings that the reference is learned from; at least 10.
    pub readings: u32,
    /// Smallest believable standard deviation [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// Two-sided tabular CUSUM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    config: CusumConfig,
    reference: Moments,
    up: f64,
    down: f64,
}

/// One value counts for this many deviations at most.
const STEP_MAX: f64 = 4.0;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "cusum",
    version: 1,
    doc: "the mean has shifted a little, for good",
    parameters: &[
        Parameter::number("above", "sum of deviations beyond which a shift is anomalous")
            .measured_in("standard deviations")
            .or(10.0),
        Parameter::number("slack", "half of the smallest shift that matters, in deviations")
            .measured_in("standard deviations")
            .or(1.0),
        Parameter::integer("readings", "readings that the reference is learned from").or(200.0),
        Parameter::number("noise", "smallest believable standard deviation").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = CusumConfig {
            above: parameters.number("above"),
            slack: parameters.number("slack"),
            readings: parameters.whole("readings"),
            noise: parameters.number("noise"),
        };
        Cusum::new(config).map(AnyDetector::Cusum)
    },
};

impl Cusum {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is too small.
    pub fn new(config: CusumConfig) -> Result<Self, OutOfRange> {
        match config {
            CusumConfig { above, .. } if !(above.is_finite() && above > 0.0) => {
                Err(OutOfRange::new("above", "must be a positive number"))
            }
            CusumConfig { slack, .. } if !(slack.is_finite() && slack >= 0.0) => {
                Err(OutOfRange::new("slack", "must not be negative"))
            }
            CusumConfig { readings: 0..10, .. } => Err(OutOfRange::new("readings", "must be at least 10")),
            CusumConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => Ok(Self { config, reference: Moments::default(), up: 0.0, down: 0.0 }),
        }
    }
}

impl Detector for Cusum {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        if self.reference.count < self.config.readings {
            self.reference.learn(clamp_finite(value), u32::MAX);
            return Judgement::LEARNING;
        }
        let mean = self.reference.mean;
        let deviation = self.reference.deviation().max(self.config.noise);
        let step = ratio(clamp_finite(value) - mean, deviation).clamp(-STEP_MAX, STEP_MAX);
        self.up = (self.up + step - self.config.slack).max(0.0);
        self.down = (self.down - step - self.config.slack).max(0.0);
        let judgement = Judgement::scored(self.up.max(self.down), self.config.above, Some(mean));
        if matches!(judgement.verdict, Verdict::Anomalous(_)) {
            *self = Self { reference: Moments::default(), up: 0.0, down: 0.0, ..*self };
        }
        judgement
    }

    learned!(reference, up, down);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "part of a lasting shift away from {}", Figure(judgement.expected.unwrap_or(f64::NAN)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Cusum, CusumConfig};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: CusumConfig = CusumConfig { above: 10.0, slack: 0.5, readings: 500, noise: 0.0 };

    #[test]
    fn one_deviation_that_lasts_is_found_and_a_spike_is_not() {
        let (mut cusum, mut noise) = (Cusum::new(CONFIG).unwrap(), Noise::new(1));
        let mut at = |shift: f64| cusum.push(Time(0).into(), 20.0 + shift + noise.normal()).verdict;
        assert!((0..500).all(|_| at(0.0) == Learning));
        let alarms = (0..2_000).filter(|_| matches!(at(0.0), Anomalous(_))).count();
        assert_eq!(alarms, 0);
        assert!(matches!(at(1e308), Normal(_)));
        let delay = (0..100).take_while(|_| !matches!(at(1.0), Anomalous(_))).count();
        assert!(delay < 60, "{delay}");
        assert!((0..500).all(|_| at(1.0) == Learning), "the new reference");
        assert!((0..500).all(|_| matches!(at(1.0), Normal(_))), "is the usual now");
    }

    #[test]
    fn a_constant_series_needs_three_changed_readings() {
        let mut cusum = Cusum::new(CusumConfig { readings: 10, ..CONFIG }).unwrap();
        (0..50).for_each(|_| assert!(!matches!(cusum.push(Time(0).into(), 5.0).verdict, Anomalous(_))));
        let verdicts = [f64::NAN, 6.0, 6.0, 6.0].map(|value| cusum.push(Time(0).into(), value).verdict);
        assert_eq!(verdicts, [Invalid, Normal(3.5), Normal(7.0), Anomalous(10.5)]);
        assert_eq!(Cusum::new(CusumConfig { slack: -1.0, ..CONFIG }).unwrap_err().parameter, "slack");
    }
}
