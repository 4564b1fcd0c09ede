//! Seasonal: flags a value unlike earlier ones at this time of the season.
//!
//! Source: additive Holt-Winters without a trend (C. C. Holt, 1957; P. R. Winters, Management Science 6(3):324-342,
//! 1960). Deviation: the season is 96 bins of clock time instead of a fixed number of readings, so that gaps and
//! uneven cadences do no harm.
//!
//! Without `period` it runs three models at once, without a season, with a day and with a week, and judges by the one
//! with the smallest recent errors. State: 1.7 KB. Score: standard deviations of the errors (their mean size, times
//! 1.25 as in a normal law).

use super::describe::Figure;
use super::learned::{learned, learned_struct};
use super::moments::{clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
};
use crate::time::{Moment, Time};
use core::fmt;

learned_struct!(Model<const N: usize> { period_ms, level, error, offsets });

/// Parameters of [`Seasonal`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeasonalConfig {
    /// Alarm above this many standard deviations; positive. Usual: 4 to 8.
    pub above: f64,
    /// Length of the season in milliseconds; `None`: found among none, a day and a week.
    pub period_ms: Option<i64>,
    /// Smallest believable standard deviation [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// Level, season and size of errors, for up to three seasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seasonal {
    config: SeasonalConfig,
    plain: Model<0>,
    first: Model<BINS>,
    second: Model<BINS>,
    readings: u32,
}

/// A level and `N` offsets from it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Model<const N: usize> {
    period_ms: i64,
    level: f64,
    /// Mean size of recent errors [channel unit].
    error: f64,
    offsets: [f64; N],
}

const BINS: usize = 96;
const DAY_MS: i64 = 86_400_000;
/// The shares by which a reading moves the level, and the offset of its bin.
const LEVEL_SHARE: f64 = 0.02;
const OFFSET_SHARE: f64 = 0.2;
/// Errors reach back this many readings.
const ERROR_READINGS: u32 = 500;
const READINGS_LEARNING: u32 = 60;
/// Mean size to standard deviation of a normal law: sqrt(pi / 2).
const DEVIATION_PER_ERROR: f64 = 1.253_314_137_315_500_3;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "seasonal",
    version: 1,
    doc: "the value is unlike what this time of the season has been",
    parameters: &[
        Parameter::number("above", "standard deviations beyond which a value is anomalous")
            .measured_in("standard deviations")
            .or(6.0),
        Parameter::duration("period", "length of the season; left out: none, a day or a week, as fits")
            .optional(),
        Parameter::number("noise", "smallest believable standard deviation").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = SeasonalConfig {
            above: parameters.number("above"),
            period_ms: parameters.optional("period").map(|ms| ms as i64),
            noise: parameters.number("noise"),
        };
        Seasonal::new(config).map(AnyDetector::Seasonal)
    },
};

impl Seasonal {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is too small.
    pub fn new(config: SeasonalConfig) -> Result<Self, OutOfRange> {
        match config {
            SeasonalConfig { above, .. } if !(above.is_finite() && above > 0.0) => {
                Err(OutOfRange::new("above", "must be a positive number"))
            }
            SeasonalConfig { period_ms: Some(..=0), .. } => {
                Err(OutOfRange::new("period", "must be longer than 0"))
            }
            SeasonalConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => Ok(Self {
                config,
                plain: Model::new(DAY_MS),
                first: Model::new(config.period_ms.unwrap_or(DAY_MS)),
                second: Model::new(config.period_ms.unwrap_or(7 * DAY_MS)),
                readings: 0,
            }),
        }
    }

    /// The expectation and the error of the best model.
    fn best(&self, time: Time) -> (f64, f64) {
        let first = (self.first.expected(time), self.first.error);
        if self.config.period_ms.is_some() {
            return first;
        }
        let others =
            [(self.plain.expected(time), self.plain.error), (self.second.expected(time), self.second.error)];
        others.into_iter().fold(first, |best, other| if other.1 < best.1 { other } else { best })
    }
}

impl<const N: usize> Model<N> {
    const fn new(period_ms: i64) -> Self {
        Self { period_ms, level: 0.0, error: 0.0, offsets: [0.0; N] }
    }

    fn bin(&self, time: Time) -> usize {
        // A checkpoint may hold any period.
        let period_ms = self.period_ms.max(1);
        (i128::from(time.0.rem_euclid(period_ms)) * N as i128 / i128::from(period_ms)) as usize
    }

    fn expected(&self, time: Time) -> f64 {
        self.level + self.offsets.get(self.bin(time)).copied().unwrap_or(0.0)
    }

    /// Learns a value, clamped to `widest` errors from the expectation.
    fn learn(&mut self, time: Time, value: f64, readings: u32, widest: f64) {
        if readings == 0 {
            self.level = value;
        }
        let error = value - self.expected(time);
        let limit = if readings < READINGS_LEARNING || self.error == 0.0 {
            f64::MAX
        } else {
            widest * self.error.abs()
        };
        let error = error.clamp(-limit, limit);
        self.error += (error.abs() - self.error) / f64::from((readings + 1).min(ERROR_READINGS));
        self.level += LEVEL_SHARE.max(1.0 / f64::from(readings + 1)) * error;
        let bin = self.bin(time);
        if let Some(offset) = self.offsets.get_mut(bin) {
            *offset += OFFSET_SHARE * error;
        }
    }
}

impl Detector for Seasonal {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let value = clamp_finite(value);
        let (expected, error) = self.best(at.time);
        let spread = (DEVIATION_PER_ERROR * error).max(self.config.noise);
        let score = ratio(value - expected, spread).abs();
        let judgement = if self.readings < READINGS_LEARNING {
            Judgement::LEARNING
        } else {
            Judgement::scored(score, self.config.above, Some(expected))
        };
        let widest = self.config.above;
        self.plain.learn(at.time, value, self.readings, widest);
        self.first.learn(at.time, value, self.readings, widest);
        self.second.learn(at.time, value, self.readings, widest);
        self.readings = self.readings.saturating_add(1).min(ERROR_READINGS);
        judgement
    }

    learned!(plain, first, second, readings);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let (score, expected) = (judgement.score().unwrap_or(0.0), judgement.expected.unwrap_or(f64::NAN));
        let rounded = Figure(libm::round(score * 10.0) / 10.0);
        write!(to, "{rounded} deviations from {}, the usual at this time", Figure(expected))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        let limit = Figure(self.config.above);
        write!(to, "{} is within {limit} deviations of the usual at this time again", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Seasonal, SeasonalConfig};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict, Verdict::*};
    use crate::time::Time;

    const CONFIG: SeasonalConfig = SeasonalConfig { above: 6.0, period_ms: None, noise: 0.0 };

    fn push(seasonal: &mut Seasonal, noise: &mut Noise, reading: i64, more: f64) -> Verdict {
        let usual = 20.0 * libm::sin(reading as f64 * core::f64::consts::TAU / 144.0);
        seasonal.push(Time(reading * 600_000).into(), usual + noise.normal() + more).verdict
    }

    #[test]
    fn a_day_is_found_and_what_breaks_it_flagged() {
        for period_ms in [None, Some(86_400_000)] {
            let mut seasonal = Seasonal::new(SeasonalConfig { period_ms, ..CONFIG }).unwrap();
            let mut noise = Noise::new(1);
            (0..2_016).for_each(|reading| _ = push(&mut seasonal, &mut noise, reading, 0.0));
            let false_alarms = (2_016..4_032)
                .filter(|reading| matches!(push(&mut seasonal, &mut noise, *reading, 0.0), Anomalous(_)));
            assert_eq!(false_alarms.count(), 0);
            // 15 below the usual is within the range of the day, and 1e308 teaches nothing.
            assert!(matches!(push(&mut seasonal, &mut noise, 4_032 + 36, -15.0), Anomalous(_)));
            assert!(matches!(push(&mut seasonal, &mut noise, 4_032 + 37, 1e308), Anomalous(_)));
            assert!(matches!(push(&mut seasonal, &mut noise, 4_032 + 38, 0.0), Normal(_)));
            // A gap of nine days, and a step to another level, which is learned in a day or so.
            let from = 4_032 + 9 * 144;
            assert!(matches!(push(&mut seasonal, &mut noise, from, 0.0), Normal(_)));
            assert!(matches!(push(&mut seasonal, &mut noise, from + 1, 60.0), Anomalous(_)));
            (2..300).for_each(|reading| _ = push(&mut seasonal, &mut noise, from + reading, 60.0));
            assert!(matches!(push(&mut seasonal, &mut noise, from + 300, 60.0), Normal(_)));
        }
    }

    #[test]
    fn constant_series_and_odd_times() {
        let mut seasonal = Seasonal::new(CONFIG).unwrap();
        (0..200).for_each(|reading| {
            assert!(!matches!(seasonal.push(Time(reading).into(), 5.0).verdict, Anomalous(_)))
        });
        assert!(matches!(seasonal.push(Time(200).into(), 6.0).verdict, Anomalous(_)));
        for time in [Time::MIN, Time::MAX] {
            assert_eq!(seasonal.push(time.into(), f64::NAN).verdict, Invalid);
            seasonal.push(time.into(), 5.0);
        }
        let refused = |config| Seasonal::new(config).unwrap_err().parameter;
        assert_eq!(refused(SeasonalConfig { period_ms: Some(0), ..CONFIG }), "period");
        assert_eq!(refused(SeasonalConfig { above: -1.0, ..CONFIG }), "above");
    }

    #[test]
    fn a_damaged_period_costs_the_season_alone() {
        for period_ms in [0, -1, i64::MIN, i64::MAX] {
            let mut seasonal = Seasonal::new(CONFIG).unwrap();
            (seasonal.first.period_ms, seasonal.second.period_ms) = (period_ms, period_ms);
            (0..200).for_each(|reading| _ = seasonal.push(Time(reading * 1_000).into(), 5.0));
        }
    }
}
