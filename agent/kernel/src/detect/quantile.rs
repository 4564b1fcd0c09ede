//! Quantile: flags values rarer than a chosen risk, by extreme-value theory.
//!
//! Source: DSPOT of A. Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017: the tail of
//! the distances from a moving mean, above and below, follows a generalised Pareto law. Deviations: its two
//! parameters come from the moments of the excesses (J. R. M. Hosking, J. R. Wallis, Technometrics 29(3):339-349,
//! 1987) instead of the likelihood, so that no excess is stored; and 50 anomalies in a row are the new normal, where
//! the original would alarm for ever.
//!
//! State: 1.2 KB, the distances of the calibration. Score: the rarity in decimal digits (4 = one in 10,000).

use super::describe::Figure;
use super::learned::{learned, learned_struct};
use super::moments::{Moments, clamp_finite};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

learned_struct!(Tail { start, excesses, peaks });

/// Parameters of [`Quantile`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileConfig {
    /// Values rarer than this are anomalous; above 0, at most 0.01. Usual: 0.0001.
    pub risk: f64,
    /// The mean reaches back about this many readings; at least 1.
    pub readings: u32,
    /// Smallest distance from the mean that matters [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// Streaming peaks over threshold, on both sides of a moving mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    config: QuantileConfig,
    mean: Moments,
    calibration: [f64; CALIBRATION],
    /// Distances judged or calibrated with.
    seen: u32,
    above: Tail,
    below: Tail,
    /// Anomalies in a row.
    run: u32,
}

/// The largest distances on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tail {
    /// Larger distances are the tail [channel unit].
    start: f64,
    excesses: Moments,
    /// The number of distances in the tail.
    peaks: u32,
}

/// The number of distances that calibrate the tails.
const CALIBRATION: usize = 128;
/// The tail is one distance in 16.
const TAIL_ONE_IN: usize = 16;
/// The memory of excesses reaches back about this many.
const EXCESSES: u32 = 500;
const READINGS_NEW: u32 = 50;
const DIGITS_MAX: f64 = 12.0;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "quantile",
    version: 1,
    doc: "the value is rarer than a chosen risk",
    parameters: &[
        Parameter::number("risk", "values rarer than this are anomalous").measured_in("probability").or(1e-4),
        Parameter::integer("readings", "how many readings the mean reaches back").or(20.0),
        Parameter::number("noise", "smallest distance from the mean that matters").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = QuantileConfig {
            risk: parameters.number("risk"),
            readings: parameters.whole("readings"),
            noise: parameters.number("noise"),
        };
        Quantile::new(config).map(AnyDetector::Quantile)
    },
};

impl Quantile {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is outside its range.
    pub fn new(config: QuantileConfig) -> Result<Self, OutOfRange> {
        match config {
            QuantileConfig { risk, .. } if !(risk > 0.0 && risk <= 0.01) => {
                Err(OutOfRange::new("risk", "must be above 0 and at most 0.01"))
            }
            QuantileConfig { readings: 0, .. } => Err(OutOfRange::new("readings", "must be at least 1")),
            QuantileConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => Ok(Self {
                config,
                mean: Moments::default(),
                calibration: [0.0; CALIBRATION],
                seen: 0,
                above: Tail::default(),
                below: Tail::default(),
                run: 0,
            }),
        }
    }

    /// Takes a distance while calibrating; the last one starts the tails.
    fn calibrate(&mut self, distance: f64) {
        if let Some(slot) = self.calibration.get_mut(self.seen as usize) {
            *slot = distance;
        }
        self.seen += 1;
        if self.seen as usize == CALIBRATION {
            self.calibration.sort_unstable_by(f64::total_cmp);
            let last = CALIBRATION - CALIBRATION / TAIL_ONE_IN - 1;
            let start = |index: usize, sign: f64| {
                (sign * self.calibration.get(index).copied().unwrap_or(0.0)).max(self.config.noise)
            };
            self.above.start = start(last, 1.0);
            self.below.start = start(CALIBRATION - 1 - last, -1.0);
            for distance in self.calibration {
                self.above.learn(distance);
                self.below.learn(-distance);
            }
        }
    }
}

impl Tail {
    fn learn(&mut self, distance: f64) {
        let excess = distance - self.start;
        if excess > 0.0 {
            self.excesses.learn(excess, EXCESSES);
            self.peaks = self.peaks.saturating_add(1);
        }
    }

    /// The rarity of a distance after `seen` others, in decimal digits; 0 outside the tail.
    fn digits(&self, distance: f64, seen: u32) -> f64 {
        let excess = distance - self.start;
        if excess <= 0.0 {
            return 0.0;
        }
        let share = f64::from(self.peaks.max(1)) / f64::from(seen.max(1));
        let (mean, deviation) = (self.excesses.mean, self.excesses.deviation());
        if mean <= 0.0 {
            return DIGITS_MAX;
        }
        let ratio = if deviation > 0.0 { (mean / deviation) * (mean / deviation) } else { 1.0 };
        // The shape lies between exponential and infinite variance; the scale then keeps the mean. A bounded tail is
        // not credible: few excesses often look like one, and would make the next value impossible.
        let shape = (0.5 * (1.0 - ratio)).clamp(0.0, 0.49);
        let scale = mean * (1.0 - shape);
        let survival = if shape.abs() < 1e-6 {
            excess / scale * core::f64::consts::LOG10_E
        } else {
            libm::log10(1.0 + shape * excess / scale) / shape
        };
        (survival - libm::log10(share)).clamp(0.0, DIGITS_MAX)
    }
}

impl Detector for Quantile {
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let (value, reach) = (clamp_finite(value), self.config.readings);
        let mean = if self.mean.count == 0 { value } else { self.mean.mean };
        let distance = value - mean;
        if (self.seen as usize) < CALIBRATION {
            self.calibrate(distance);
            self.mean.learn(value, reach);
            return Judgement::LEARNING;
        }
        let digits = self.above.digits(distance, self.seen).max(self.below.digits(-distance, self.seen));
        let judgement = Judgement::scored(digits, -libm::log10(self.config.risk), Some(mean));
        if matches!(judgement.verdict, Verdict::Anomalous(_)) {
            // Neither the mean nor the tail follows an anomaly, unless it lasts.
            self.run = self.run.saturating_add(1);
            if self.run >= READINGS_NEW {
                *self = Self {
                    mean: Moments::default(),
                    seen: 0,
                    run: 0,
                    above: Tail::default(),
                    below: Tail::default(),
                    ..*self
                };
            }
            return judgement;
        }
        self.run = 0;
        self.seen = self.seen.saturating_add(1);
        self.above.learn(distance);
        self.below.learn(-distance);
        self.mean.learn(value, reach);
        judgement
    }

    learned!(mean, calibration, seen, above, below, run);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let one_in = libm::round(libm::pow(10.0, judgement.score().unwrap_or(0.0).min(9.0)));
        let mean = Figure(judgement.expected.unwrap_or(f64::NAN));
        write!(to, "further from {mean} than one reading in {}", Figure(one_in))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{} is as near to the mean as usual again", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantile, QuantileConfig, Tail};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: QuantileConfig = QuantileConfig { risk: 1e-4, readings: 20, noise: 0.0 };

    /// The tail of an exponential law is known: one in e^x beyond x.
    #[test]
    fn the_tail_of_an_exponential_law() {
        let (mut tail, mut noise) = (Tail { start: 2.77, ..Tail::default() }, Noise::new(1));
        (0..20_000).for_each(|_| tail.learn(-libm::log(1.0 - noise.even())));
        for distance in [5.0, 8.0, 10.0] {
            let (digits, exact) = (tail.digits(distance, 20_000), distance * core::f64::consts::LOG10_E);
            assert!((digits - exact).abs() < 0.15 * exact, "{digits} for {exact}");
        }
    }

    #[test]
    fn false_alarms_are_as_rare_as_the_risk() {
        let (mut quantile, mut noise) = (Quantile::new(CONFIG).unwrap(), Noise::new(2));
        let alarms = (0..50_000)
            .filter(|_| matches!(quantile.push(Time(0).into(), 20.0 + noise.normal()).verdict, Anomalous(_)));
        assert!((0..20).contains(&alarms.count()));
        for wild in [30.0, 1e308, -1e308] {
            assert!(matches!(quantile.push(Time(0).into(), wild).verdict, Anomalous(_)));
        }
        assert!(matches!(quantile.push(Time(0).into(), 20.0).verdict, Normal(_)));
        // Another unit: alarms for a while, then it is learned.
        (0..400).for_each(|_| _ = quantile.push(Time(0).into(), 68.0 + 1.8 * noise.normal()));
        assert!(matches!(quantile.push(Time(0).into(), 68.0).verdict, Normal(_)));
    }

    #[test]
    fn a_constant_series_says_when_it_changes() {
        let mut quantile = Quantile::new(CONFIG).unwrap();
        (0..500).for_each(|_| assert!(!matches!(quantile.push(Time(0).into(), 5.0).verdict, Anomalous(_))));
        let verdicts = [f64::NAN, 5.1, 5.0].map(|value| quantile.push(Time(0).into(), value).verdict);
        assert_eq!(verdicts, [Invalid, Anomalous(12.0), Normal(0.0)]);
        let mut noisy = Quantile::new(QuantileConfig { noise: 0.5, ..CONFIG }).unwrap();
        (0..500).for_each(|_| _ = noisy.push(Time(0).into(), 5.0));
        assert_eq!(noisy.push(Time(0).into(), 5.1).verdict, Normal(0.0));
        assert_eq!(Quantile::new(QuantileConfig { risk: 0.5, ..CONFIG }).unwrap_err().parameter, "risk");
    }
}
