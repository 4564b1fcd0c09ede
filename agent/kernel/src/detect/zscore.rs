//! Z-score: flags a value many standard deviations from the recent mean.
//!
//! Mean and variance are exponentially weighted (S. W. Roberts, Technometrics 1(3):239-250, 1959, for the chart;
//! [`moments`](super::moments) for the weights). A value beyond the limit is learned as if it were at the limit, so
//! that a spike does not widen the limits. After `READINGS_NEW` values in a row beyond the limit, the detector starts
//! again with them as the new normal. State: 56 bytes. Score: standard deviations.

use super::describe::Figure;
use super::learned::learned;
use super::moments::{Moments, clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

/// Parameters of [`ZScore`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZScoreConfig {
    /// Alarm above this many standard deviations; positive. Usual: 4.
    pub above: f64,
    /// The mean reaches back about this many readings; at least 10.
    pub readings: u32,
    /// Smallest believable standard deviation [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// An EWMA control chart of single values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZScore {
    config: ZScoreConfig,
    past: Moments,
    /// Readings beyond the limit in a row.
    beyond: u32,
}

/// Readings before the first judgement, unless the memory is shorter.
const READINGS_LEARNING: u32 = 30;
/// A lasting shift is the new normal after this many readings.
const READINGS_NEW: u32 = 50;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "zscore",
    version: 1,
    doc: "the value is many standard deviations from its recent mean",
    parameters: &[
        Parameter::number("above", "standard deviations beyond which a value is anomalous")
            .measured_in("standard deviations")
            .or(4.0),
        Parameter::integer("readings", "how many readings the mean reaches back").or(200.0),
        Parameter::number("noise", "smallest believable standard deviation").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = ZScoreConfig {
            above: parameters.number("above"),
            readings: parameters.whole("readings"),
            noise: parameters.number("noise"),
        };
        ZScore::new(config).map(AnyDetector::ZScore)
    },
};

impl ZScore {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is too small.
    pub fn new(config: ZScoreConfig) -> Result<Self, OutOfRange> {
        match config {
            ZScoreConfig { above, .. } if !(above.is_finite() && above > 0.0) => {
                Err(OutOfRange::new("above", "must be a positive number"))
            }
            ZScoreConfig { readings: 0..10, .. } => Err(OutOfRange::new("readings", "must be at least 10")),
            ZScoreConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => Ok(Self { config, past: Moments::default(), beyond: 0 }),
        }
    }
}

impl Detector for ZScore {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let (value, reach) = (clamp_finite(value), self.config.readings);
        if self.past.count < READINGS_LEARNING.min(reach) {
            self.past.learn(value, reach);
            return Judgement::LEARNING;
        }
        let (mean, deviation) = (self.past.mean, self.past.deviation().max(self.config.noise));
        let score = ratio(value - mean, deviation).abs();
        let judgement = Judgement::scored(score, self.config.above, Some(mean));
        self.beyond = if matches!(judgement.verdict, Verdict::Anomalous(_)) {
            self.beyond.saturating_add(1)
        } else {
            0
        };
        if self.beyond >= READINGS_NEW {
            (self.past, self.beyond) = (Moments::default(), 0);
        }
        let widest = self.config.above * deviation;
        let learned = if self.past.count == 0 { value } else { value.clamp(mean - widest, mean + widest) };
        self.past.learn(learned, reach);
        judgement
    }

    learned!(past, beyond);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let (score, mean) = (judgement.score().unwrap_or(0.0), judgement.expected.unwrap_or(f64::NAN));
        write!(to, "{} standard deviations from {}", Figure(libm::round(score * 10.0) / 10.0), Figure(mean))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        let limit = Figure(self.config.above);
        write!(to, "{} is within {limit} standard deviations of the mean again", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{ZScore, ZScoreConfig};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: ZScoreConfig = ZScoreConfig { above: 4.0, readings: 100, noise: 0.0 };

    #[test]
    fn a_spike_is_flagged_and_does_not_widen_the_limits() {
        let (mut zscore, mut noise) = (ZScore::new(CONFIG).unwrap(), Noise::new(1));
        let mut false_alarms = 0;
        for _ in 0..5_000 {
            let judgement = zscore.push(Time(0).into(), 20.0 + noise.normal());
            false_alarms += usize::from(matches!(judgement.verdict, Anomalous(_)));
        }
        assert!(false_alarms <= 5, "{false_alarms}");
        for spike in [26.0, 1e308, -1e308, 26.0] {
            assert!(matches!(zscore.push(Time(0).into(), spike).verdict, Anomalous(score) if score > 4.0));
        }
        assert!(matches!(zscore.push(Time(0).into(), 20.0).verdict, Normal(_)));
    }

    #[test]
    fn another_unit_is_learned_and_a_constant_series_says_when_it_changes() {
        let (mut zscore, mut noise) = (ZScore::new(CONFIG).unwrap(), Noise::new(2));
        (0..500).for_each(|_| _ = zscore.push(Time(0).into(), 20.0 + noise.normal()));
        let fahrenheit = |noise: &mut Noise| 68.0 + 1.8 * noise.normal();
        assert!(matches!(zscore.push(Time(0).into(), fahrenheit(&mut noise)).verdict, Anomalous(_)));
        (0..200).for_each(|_| _ = zscore.push(Time(0).into(), fahrenheit(&mut noise)));
        assert!(matches!(zscore.push(Time(0).into(), 68.0).verdict, Normal(_)));
        let mut constant = ZScore::new(CONFIG).unwrap();
        (0..100).for_each(|_| assert!(!matches!(constant.push(Time(0).into(), 5.0).verdict, Anomalous(_))));
        assert_eq!(constant.push(Time(0).into(), 5.1).verdict, Anomalous(1e6));
        assert_eq!(constant.push(Time(0).into(), 5.0).verdict, Normal(0.0));
        (0..100).for_each(|_| _ = constant.push(Time(0).into(), 6.0));
        assert_eq!(constant.push(Time(0).into(), 6.0).verdict, Normal(0.0));
        assert_eq!(ZScore::new(ZScoreConfig { readings: 9, ..CONFIG }).unwrap_err().parameter, "readings");
    }
}
