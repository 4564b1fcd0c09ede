//! Page-Hinkley: flags a drift of the mean, however slow.
//!
//! Source: E. S. Page, Biometrika 41, 1954; D. V. Hinkley, Biometrika 58(3):509-523, 1971; the streaming form of J.
//! Gama, "Knowledge Discovery from Data Streams", 2010. [`Cusum`](super::Cusum) compares with the reference that it
//! learned at the start; this detector compares with the mean of all readings since the last alarm. Deviation: values
//! are in standard deviations, so that one limit fits every channel; a value counts for four at most.
//!
//! State: 88 bytes. Score: the distance of the sum from its extreme, in standard deviations.

use super::describe::Figure;
use super::learned::learned;
use super::moments::{Moments, clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

/// Parameters of [`PageHinkley`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkleyConfig {
    /// Alarm above this many standard deviations; positive. Usual: 10 to 50.
    pub above: f64,
    /// Drifts up to this many standard deviations are ignored; not negative. Usual: 0.1 to 0.5, more where readings
    /// depend on those before them.
    pub slack: f64,
    /// Readings before the first judgement; at least 10.
    pub readings: u32,
    /// Smallest believable standard deviation [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// A two-sided Page-Hinkley test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkley {
    config: PageHinkleyConfig,
    past: Moments,
    /// Sums upwards and downwards, each relative to its minimum so far.
    up: f64,
    down: f64,
}

/// One value counts for this many deviations at most.
const STEP_MAX: f64 = 4.0;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "page-hinkley",
    version: 1,
    doc: "the mean drifts away",
    parameters: &[
        Parameter::number("above", "sum of deviations beyond which a drift is anomalous")
            .measured_in("standard deviations")
            .or(15.0),
        Parameter::number("slack", "drifts up to this many deviations are none")
            .measured_in("standard deviations")
            .or(1.0),
        Parameter::integer("readings", "readings before the first judgement").or(200.0),
        Parameter::number("noise", "smallest believable standard deviation").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = PageHinkleyConfig {
            above: parameters.number("above"),
            slack: parameters.number("slack"),
            readings: parameters.whole("readings"),
            noise: parameters.number("noise"),
        };
        PageHinkley::new(config).map(AnyDetector::PageHinkley)
    },
};

impl PageHinkley {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is too small.
    pub fn new(config: PageHinkleyConfig) -> Result<Self, OutOfRange> {
        match config {
            PageHinkleyConfig { above, .. } if !(above.is_finite() && above > 0.0) => {
                Err(OutOfRange::new("above", "must be a positive number"))
            }
            PageHinkleyConfig { slack, .. } if !(slack.is_finite() && slack >= 0.0) => {
                Err(OutOfRange::new("slack", "must not be negative"))
            }
            PageHinkleyConfig { readings: 0..10, .. } => {
                Err(OutOfRange::new("readings", "must be at least 10"))
            }
            PageHinkleyConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => Ok(Self { config, past: Moments::default(), up: 0.0, down: 0.0 }),
        }
    }
}

impl Detector for PageHinkley {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let (mean, deviation) = (self.past.mean, self.past.deviation().max(self.config.noise));
        let learning = self.past.count < self.config.readings;
        let step = ratio(clamp_finite(value) - mean, deviation).clamp(-STEP_MAX, STEP_MAX);
        // A wild value is learned as the value that it counts for.
        let learned =
            if learning || deviation == 0.0 { clamp_finite(value) } else { mean + step * deviation };
        self.past.learn(learned, u32::MAX);
        if learning {
            return Judgement::LEARNING;
        }
        self.up = (self.up + step - self.config.slack).max(0.0);
        self.down = (self.down - step - self.config.slack).max(0.0);
        let judgement = Judgement::scored(self.up.max(self.down), self.config.above, Some(mean));
        if matches!(judgement.verdict, Verdict::Anomalous(_)) {
            *self = Self { past: Moments::default(), up: 0.0, down: 0.0, ..*self };
        }
        judgement
    }

    learned!(past, up, down);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "part of a drift away from {}", Figure(judgement.expected.unwrap_or(f64::NAN)))
    }
}

#[cfg(test)]
mod tests {
    use super::{PageHinkley, PageHinkleyConfig};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: PageHinkleyConfig =
        PageHinkleyConfig { above: 30.0, slack: 0.3, readings: 100, noise: 0.0 };

    #[test]
    fn a_slow_drift_is_found_and_noise_is_not() {
        let (mut test, mut noise) = (PageHinkley::new(CONFIG).unwrap(), Noise::new(1));
        let mut at = |drift: f64| test.push(Time(0).into(), 20.0 + drift + noise.normal()).verdict;
        let quiet = (0..5_000).filter(|_| matches!(at(0.0), Anomalous(_))).count();
        assert_eq!(quiet, 0);
        assert!(matches!((at(1e308), at(-1e308)), (Normal(_), Normal(_))));
        let drift = (0..300).take_while(|step| !matches!(at(0.01 * f64::from(*step)), Anomalous(_))).count();
        assert!((40..250).contains(&drift), "{drift}");
        assert_eq!(at(3.0), Learning);
    }

    #[test]
    fn a_constant_series_is_quiet() {
        let mut test = PageHinkley::new(CONFIG).unwrap();
        (0..500).for_each(|_| assert!(!matches!(test.push(Time(0).into(), 5.0).verdict, Anomalous(_))));
        assert_eq!(test.push(Time(0).into(), f64::NAN).verdict, Invalid);
        let config = PageHinkleyConfig { above: f64::INFINITY, ..CONFIG };
        assert_eq!(PageHinkley::new(config).unwrap_err().parameter, "above");
    }
}
