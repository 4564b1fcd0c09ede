//! Hampel identifier: flags a value far from the median of its recent past.
//!
//! Source: F. R. Hampel, JASA 69(346):383-393, 1974; moving window after R. K. Pearson, IEEE Trans. Control
//! Syst. Technol. 10(1):55-63, 2002. Deviation: Pearson's window is centred; ours holds the past only,
//! because a device must answer now.
//!
//! State: the window twice, in order of arrival and sorted: 1 KB. Score: robust standard deviations. Cost: a
//! binary search, a move of at most 61 values, and a walk from the median outwards.

use super::describe::Figure;
use super::learned::learned;
use super::moments::{clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
};
use crate::invariant::present;
use crate::time::Moment;
use core::fmt;

/// Longest window, in readings.
const LENGTH_MAX: usize = 61;
/// 1 / quantile(3/4) of the normal law.
const SIGMA_PER_MAD: f64 = 1.4826;

/// Parameters of [`Hampel`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HampelConfig {
    /// Alarm above this many robust standard deviations; positive. Usual: 3 to 6.
    pub above: f64,
    /// Readings in the window: odd, so that the median is one of them; 3 to 61.
    pub readings: u32,
    /// Smallest believable standard deviation [channel unit]. Usual: the sensor's resolution.
    pub noise: f64,
}

/// The Hampel identifier over the last readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hampel {
    config: HampelConfig,
    /// A ring in order of arrival; `next` is the oldest once it is full.
    ring: [f64; LENGTH_MAX],
    sorted: [f64; LENGTH_MAX],
    next: u8,
    held: u8,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "hampel",
    version: 1,
    doc: "the value is far from the median of its recent past",
    parameters: &[
        Parameter::number("above", "robust standard deviations beyond which a value is anomalous")
            .measured_in("robust standard deviations")
            .or(6.0),
        Parameter::integer("readings", "readings in the window: odd, 3 to 61").or(31.0),
        Parameter::number("noise", "smallest believable standard deviation").or(0.0),
    ],
    judges: Judges::Values,
    build: |parameters: &CompleteParameters| {
        let config = HampelConfig {
            above: parameters.number("above"),
            readings: parameters.whole("readings"),
            noise: parameters.number("noise"),
        };
        Hampel::new(config).map(AnyDetector::Hampel)
    },
};

impl Hampel {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is outside its range.
    pub fn new(config: HampelConfig) -> Result<Self, OutOfRange> {
        match config {
            HampelConfig { above, .. } if !(above.is_finite() && above > 0.0) => {
                Err(OutOfRange::new("above", "must be a positive number"))
            }
            HampelConfig { readings, .. }
                if readings % 2 == 0 || !(3..=LENGTH_MAX as u32).contains(&readings) =>
            {
                Err(OutOfRange::new("readings", "must be an odd number from 3 to 61"))
            }
            HampelConfig { noise, .. } if !(noise.is_finite() && noise >= 0.0) => {
                Err(OutOfRange::new("noise", "must not be negative"))
            }
            config => {
                Ok(Self { config, ring: [0.0; LENGTH_MAX], sorted: [0.0; LENGTH_MAX], next: 0, held: 0 })
            }
        }
    }

    fn window(&self) -> &[f64] {
        self.sorted.get(..usize::from(self.held)).unwrap_or(&[])
    }

    fn score(&self, value: f64) -> (f64, f64) {
        let window = self.window();
        let median = window.get(window.len() / 2).copied().unwrap_or(0.0);
        let spread = (SIGMA_PER_MAD * median_distance(window, median)).max(self.config.noise);
        (ratio(value - median, spread).abs(), median)
    }

    /// Adds the value, and removes the oldest if the window is full.
    fn learn(&mut self, value: f64) {
        let length = self.config.readings as usize;
        let held = usize::from(self.held);
        let oldest = self.ring.get_mut(usize::from(self.next));
        let Some(oldest) = present(oldest, "the place of the oldest value") else { return };
        let oldest = core::mem::replace(oldest, value);
        self.next = ((usize::from(self.next) + 1) % length) as u8;
        let free = if held == length { self.window().partition_point(|held| *held < oldest) } else { held };
        self.held = (held + 1).min(length) as u8;
        // The place of the oldest is free; the values between it and the place of the new value move up by one.
        let place = self.sorted.iter().take(held).enumerate().filter(|(at, _)| *at != free);
        let place = place.take_while(|(_, held)| **held < value).count();
        if let Some(between) = self.sorted.get_mut(place.min(free)..=place.max(free)) {
            if place < free { between.rotate_right(1) } else { between.rotate_left(1) }
        }
        if let Some(slot) = self.sorted.get_mut(place) {
            *slot = value;
        }
    }
}

/// Median of the distances from `median`, itself the middle of the sorted `window` of odd length.
fn median_distance(window: &[f64], median: f64) -> f64 {
    let (below, above) = window.split_at(window.len() / 2);
    let mut below = below.iter().rev().map(|value| median - value).peekable();
    let mut above = above.iter().map(|value| value - median).peekable();
    let mut distance = 0.0;
    for _ in 0..=window.len() / 2 {
        let nearer_below = match (below.peek(), above.peek()) {
            (Some(below), Some(above)) => below < above,
            (below, _) => below.is_some(),
        };
        distance = if nearer_below { below.next() } else { above.next() }.unwrap_or(distance);
    }
    distance
}

impl Detector for Hampel {
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let value = clamp_finite(value);
        let is_full = u32::from(self.held) == self.config.readings;
        let judgement = is_full.then(|| self.score(value)).map_or(Judgement::LEARNING, |(score, median)| {
            Judgement::scored(score, self.config.above, Some(median))
        });
        // Outliers are learned too: a lasting shift is the new median after half a window.
        self.learn(value);
        judgement
    }

    learned!(ring, sorted, next, held);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let (score, median) = (judgement.score().unwrap_or(0.0), judgement.expected.unwrap_or(f64::NAN));
        let rounded = Figure(libm::round(score * 10.0) / 10.0);
        write!(to, "{rounded} robust deviations from the median {}", Figure(median))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        let limit = Figure(self.config.above);
        write!(to, "{} is within {limit} robust deviations of the median again", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Hampel, HampelConfig, LENGTH_MAX};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    extern crate std;
    use std::vec::Vec;

    const CONFIG: HampelConfig = HampelConfig { above: 3.0, readings: 5, noise: 0.5 };

    /// Hand-checked: 1..=5 has median 3 and MAD 1, so 9 scores 6 / 1.4826; a constant past has MAD 0, so the
    /// smallest spread rules and 2.5 scores exactly the limit.
    #[test]
    fn spike_is_flagged_until_it_proves_to_be_a_shift() {
        let judge = |values: [f64; 9]| {
            let mut hampel = Hampel::new(CONFIG).unwrap();
            values.map(|value| hampel.push(Time(0).into(), value).verdict)
        };
        let shift = judge([1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 9.0, 9.0, 9.0]);
        assert_eq!(shift[..5], [Learning; 5]);
        assert!(matches!(shift[5], Anomalous(score) if (score - 6.0 / 1.4826).abs() < 1e-12));
        assert!(matches!(shift[6..], [Anomalous(_), Normal(_), Normal(0.0)]));
        let still = judge([1.0, 1.0, f64::NAN, 1.0, 1.0, 1.0, 2.5, 2.6, f64::INFINITY]);
        assert!(matches!(still[2..], [Invalid, _, _, _, Normal(3.0), Anomalous(_), Invalid]));
        let wild = judge([1.0, 2.0, 3.0, 4.0, 5.0, 1e308, 3.0, -1e308, 3.0]);
        assert!(matches!(wild[5..], [Anomalous(_), Normal(_), Anomalous(_), Normal(_)]));
        for (config, parameter) in [
            (HampelConfig { noise: f64::NAN, ..CONFIG }, "noise"),
            (HampelConfig { readings: 4, ..CONFIG }, "readings"),
            (HampelConfig { readings: LENGTH_MAX as u32 + 2, ..CONFIG }, "readings"),
        ] {
            assert_eq!(Hampel::new(config).unwrap_err().parameter, parameter);
        }
    }

    /// Compares the sorted window and the walk with a full sort.
    #[test]
    fn agrees_with_the_definition() {
        let config = HampelConfig { readings: 31, noise: 0.0, ..CONFIG };
        let (mut hampel, mut noise) = (Hampel::new(config).unwrap(), Noise::new(7));
        let values: Vec<f64> = (0..2_000).map(|_| libm::round(noise.normal() * 4.0)).collect();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        for (at, value) in values.iter().enumerate() {
            let judgement = hampel.push(Time(0).into(), *value);
            let Some(window) = at.checked_sub(31).map(|from| values[from..at].to_vec()) else { continue };
            let center = median(window.clone());
            let mad = median(window.iter().map(|value| (value - center).abs()).collect());
            let score = super::ratio(value - center, 1.4826 * mad).abs();
            assert_eq!((judgement.expected, judgement.score()), (Some(center), Some(score)), "at {at}");
        }
    }
}
