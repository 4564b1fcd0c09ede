//! Half-space trees: flags rare combinations of values, over several series of a stream.
//!
//! Source: S. C. Tan, K. M. Ting, T. F. Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011. Every tree
//! halves a random box around the data again and again. The number of recent readings in the same small box tells how
//! usual a reading is. Deviations from the paper: values are standard deviations from the recent level of their
//! series, so that drift does not leave the boxes; boxes are half as wide, because depth is expensive, and a point
//! outside has no mass; a node stores no split point, because halving determines it; the score is averaged over a few
//! readings, because faults last; an alarm is given once, and the next one after a rest.
//!
//! As a [`Detector`] of one series it looks at the last [`SHINGLE`] readings at once; [`HalfSpace::push_row`] takes
//! one value per series. State: 6.6 KB. Score: rarity in decimal digits (2 = a hundredth of the usual mass).

use super::learned::{learned, learned_struct};
use super::moments::{Moments, clamp_finite, ratio};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

learned_struct!(Tree { last, this, seed });

/// The most series of a group.
pub const SERIES_MAX: usize = 8;
/// The number of readings of one series that form a point.
pub const SHINGLE: usize = 4;
const TREES: usize = 25;
/// Halvings from the root to a leaf.
const DEPTH: u32 = 7;
const LEAVES: usize = 1 << DEPTH;
/// Readings after which the mass is renewed.
const WINDOW: u16 = 250;
/// Readings after an alarm without another.
const REST: u8 = 60;
/// The usual level reaches back this many readings: further than the masses, so that a shift is seen before it is
/// usual.
const LEVEL_READINGS: u32 = 1_000;
/// Boxes hold this many standard deviations of a series to either side, at least.
const DEVIATIONS: f64 = 1.8;

/// Parameters of [`HalfSpace`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfSpaceConfig {
    /// Alarm above this many decimal digits; positive. Usual: 1 to 2.
    pub above: f64,
    /// Scores are averaged over about this many readings; at least 1.
    pub span: f64,
}

/// Trees over up to [`SERIES_MAX`] series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HalfSpace {
    config: HalfSpaceConfig,
    trees: [Tree; TREES],
    /// The recent level of each series [channel unit].
    levels: [Moments; SERIES_MAX],
    /// The recent mean score.
    rarity: f64,
    shingle: [f64; SHINGLE],
    /// Readings in this window.
    count: u16,
    windows: u8,
    /// Readings until it may be anomalous again.
    rest: u8,
    expected_mass: f64,
}

/// Leaf masses of the last window and of the present one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tree {
    last: [u8; LEAVES],
    this: [u8; LEAVES],
    seed: u32,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "half-space",
    version: 1,
    doc: "the combination of values is rare",
    parameters: &[
        Parameter::number("above", "digits of rarity beyond which it is anomalous")
            .measured_in("powers of ten")
            .or(1.3),
        Parameter::number("span", "readings that the rarity is averaged over")
            .measured_in("readings")
            .or(10.0),
    ],
    judges: Judges::ValuesOrRows,
    build: |parameters: &CompleteParameters| {
        HalfSpace::new(HalfSpaceConfig::of(parameters)).map(AnyDetector::HalfSpace)
    },
};

impl HalfSpaceConfig {
    /// From the parameters of its kind.
    pub(super) fn of(parameters: &CompleteParameters) -> Self {
        Self { above: parameters.number("above"), span: parameters.number("span") }
    }
}

impl HalfSpace {
    /// # Errors
    /// [`OutOfRange`] names the parameter that is too small.
    pub fn new(config: HalfSpaceConfig) -> Result<Self, OutOfRange> {
        if !(config.above.is_finite() && config.above > 0.0) {
            return Err(OutOfRange::new("above", "must be a positive number"));
        }
        if !(config.span.is_finite() && config.span >= 1.0) {
            return Err(OutOfRange::new("span", "must be at least 1"));
        }
        let mut trees = [Tree { last: [0; LEAVES], this: [0; LEAVES], seed: 0 }; TREES];
        trees.iter_mut().zip(1..).for_each(|(tree, seed)| tree.seed = mixed(seed));
        Ok(Self {
            config,
            trees,
            levels: [Moments::default(); SERIES_MAX],
            rarity: 0.0,
            shingle: [0.0; SHINGLE],
            count: 0,
            windows: 0,
            rest: 0,
            expected_mass: 0.0,
        })
    }

    /// Judges a row, one value per series; values beyond [`SERIES_MAX`] are ignored.
    pub fn push_row(&mut self, row: &[f64]) -> Judgement {
        if row.is_empty() || !row.iter().all(|value| value.is_finite()) {
            return Judgement::INVALID;
        }
        let mut point = [0.5; SERIES_MAX];
        for ((place, value), level) in point.iter_mut().zip(row).zip(&mut self.levels) {
            let value = clamp_finite(*value);
            let (mean, deviation) = (level.mean, level.deviation());
            // The box of a tree holds about the usual deviations to either side.
            *place = 0.5 + 0.5 * ratio(value - mean, DEVIATIONS * deviation);
            let known = self.windows > 0 && deviation > 0.0;
            let widest = if known { DEVIATIONS * deviation } else { f64::MAX };
            level.learn(mean + (value - mean).clamp(-widest, widest), LEVEL_READINGS);
        }
        self.judge(&point, row.len().min(SERIES_MAX))
    }

    /// The index of the value that is furthest from the recent level of its series.
    #[must_use]
    pub fn furthest(&self, row: &[f64]) -> usize {
        let far = |(value, level): (&f64, &Moments)| {
            ratio((clamp_finite(*value) - level.mean).abs(), level.deviation())
        };
        let far = row.iter().zip(&self.levels).map(far).enumerate();
        far.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
    }

    fn judge(&mut self, point: &[f64; SERIES_MAX], series: usize) -> Judgement {
        let mut mass = 0.0;
        for tree in &mut self.trees {
            let Some(leaf) = tree.leaf(point, series) else { continue };
            mass += f64::from(tree.last.get(leaf).copied().unwrap_or(0));
            // The first window only learns.
            if let Some(count) = tree.this.get_mut(leaf).filter(|_| self.windows > 0) {
                *count = count.saturating_add(1);
            }
        }
        let judged = self.windows > 1;
        // One is added, so that an empty box has a logarithm.
        let score = libm::log10((self.expected_mass + 1.0) / (mass + 1.0)).max(0.0);
        self.rarity += (score - self.rarity) / self.config.span;
        self.count = self.count.saturating_add(1);
        if self.count >= WINDOW {
            self.renew();
        }
        if judged { self.verdict() } else { Judgement::LEARNING }
    }

    /// Anomalous once, then not for a while; it clears when the score is no longer rare.
    fn verdict(&mut self) -> Judgement {
        let judgement = Judgement::scored(self.rarity, self.config.above, None);
        let rested = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        if !matches!(judgement.verdict, Verdict::Anomalous(_)) {
            return judgement;
        }
        if !rested {
            return Judgement { verdict: Verdict::Normal(self.config.above), ..judgement };
        }
        self.rest = REST;
        judgement
    }

    /// Starts a new window. The mass that a usual reading meets is the mean of the squared masses.
    fn renew(&mut self) {
        let mut squares = 0.0;
        for tree in &mut self.trees {
            squares += tree.this.iter().map(|mass| f64::from(*mass) * f64::from(*mass)).sum::<f64>();
            tree.last = core::mem::replace(&mut tree.this, [0; LEAVES]);
        }
        self.expected_mass = squares / f64::from(WINDOW);
        (self.count, self.windows) = (0, self.windows.saturating_add(1));
    }
}

impl Tree {
    /// The leaf of a point, if the box holds it. Seed and path determine the box and its axes.
    fn leaf(&self, point: &[f64; SERIES_MAX], series: usize) -> Option<usize> {
        let mut low = [0.0; SERIES_MAX];
        let mut high = [0.0; SERIES_MAX];
        for (axis, (low, high)) in low.iter_mut().zip(&mut high).enumerate().take(series) {
            // Around a random middle, just wide enough to hold the data.
            let middle = even(mixed(self.seed ^ (axis as u32 + 1)));
            let half = middle.max(1.0 - middle);
            (*low, *high) = (middle - half, middle + half);
            if point.get(axis).is_some_and(|at| !(*low..=*high).contains(at)) {
                return None;
            }
        }
        let mut node = 1_usize;
        for _ in 0..DEPTH {
            let axis = mixed(self.seed.wrapping_add(node as u32 * 0x9e37)) as usize % series.max(1);
            let (Some(low), Some(high), Some(at)) = (low.get_mut(axis), high.get_mut(axis), point.get(axis))
            else {
                break;
            };
            let middle = f64::midpoint(*low, *high);
            let right = *at >= middle;
            if right {
                *low = middle
            } else {
                *high = middle
            }
            node = 2 * node + usize::from(right);
        }
        Some(node % LEAVES)
    }
}

/// A number that looks random (the finaliser of `MurmurHash3`).
const fn mixed(number: u32) -> u32 {
    let number = (number ^ (number >> 16)).wrapping_mul(0x85eb_ca6b);
    let number = (number ^ (number >> 13)).wrapping_mul(0xc2b2_ae35);
    number ^ (number >> 16)
}

fn even(number: u32) -> f64 {
    f64::from(number) / f64::from(u32::MAX)
}

impl Detector for HalfSpace {
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        self.shingle.rotate_left(1);
        if let Some(last) = self.shingle.last_mut() {
            *last = value;
        }
        if self.windows == 0 && self.count == 0 {
            self.shingle = [value; SHINGLE];
        }
        let row = self.shingle;
        self.push_row(&row)
    }

    learned!(trees, levels, rarity, shingle, count, windows, rest, expected_mass);

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        to.write_str("part of a rare combination of values")
    }
}

#[cfg(test)]
mod tests {
    use super::{HalfSpace, HalfSpaceConfig, WINDOW};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    const CONFIG: HalfSpaceConfig = HalfSpaceConfig { above: 1.0, span: 1.0 };

    /// Flow follows pressure. Each value alone is usual; together they are not.
    #[test]
    fn a_rare_combination_of_usual_values() {
        let (mut trees, mut noise) = (HalfSpace::new(CONFIG).unwrap(), Noise::new(1));
        let mut row = |trees: &mut HalfSpace| {
            let pressure = 10.0 * noise.even();
            trees.push_row(&[pressure, 2.0 * pressure + 0.2 * noise.normal()]).verdict
        };
        assert!((0..2 * WINDOW).all(|_| row(&mut trees) == Learning));
        let false_alarms = (0..5_000).filter(|_| matches!(row(&mut trees), Anomalous(_))).count();
        assert!(false_alarms < 50, "{false_alarms}");
        for odd in [[1.0, 19.0], [9.5, 1.0], [5.0, 1e308], [-1e308, 10.0]] {
            let judgement = trees.clone().push_row(&odd);
            assert!(matches!(judgement.verdict, Anomalous(_)), "{odd:?}: {judgement:?}");
        }
        for refused in [&[f64::NAN, 1.0][..], &[]] {
            assert_eq!(trees.push_row(refused).verdict, Invalid);
        }
        trees.push_row(&[1.0; 12]);
    }

    #[test]
    fn one_series_is_looked_at_four_readings_at_a_time() {
        let (mut trees, mut noise) = (HalfSpace::new(CONFIG).unwrap(), Noise::new(2));
        for at in 0..3_000 {
            let judgement =
                trees.push(Time(0).into(), libm::sin(f64::from(at) / 5.0) * 10.0 + 0.1 * noise.normal());
            assert!(at > 1_000 || !matches!(judgement.verdict, Anomalous(_)), "{at}");
        }
        let spike = [25.0, f64::NAN, 25.0].map(|value| trees.push(Time(0).into(), value).verdict);
        assert!(matches!(spike, [Anomalous(_), Invalid, Normal(1.0)]), "{spike:?}");
        let mut constant = HalfSpace::new(CONFIG).unwrap();
        (0..2_000).for_each(|_| assert!(!matches!(constant.push(Time(0).into(), 5.0).verdict, Anomalous(_))));
        assert!(matches!(constant.push(Time(0).into(), 6.0).verdict, Anomalous(_)));
        assert!(size_of::<HalfSpace>() <= 8 * 1_024);
        assert_eq!(HalfSpace::new(HalfSpaceConfig { above: 0.0, ..CONFIG }).unwrap_err().parameter, "above");
    }
}
