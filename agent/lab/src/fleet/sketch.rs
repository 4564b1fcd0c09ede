//! A sketch as it stands in a summary: a DDSketch (Masson, Rim and Lee, VLDB 2019) with bins of one level.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// More readings than that are in no window, so that sums of counts stay below 2^63.
pub(super) const COUNT_MAX: u64 = 1 << 40;
const LEVELS: std::ops::RangeInclusive<i32> = -7..=16;
const INDEX_MAX: u32 = 1 << 24;

/// Bin `i` holds magnitudes above `gamma^(i-1)` and at most `gamma^i`; `gamma` is 101/99 to the power `2^level`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sketch {
    level: i32,
    zero: u64,
    negative: BTreeMap<i32, u64>,
    positive: BTreeMap<i32, u64>,
}

/// The sketch on the wire.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct WireSketch {
    /// Of a level above 15 it is beyond all numbers.
    gamma: Option<f64>,
    level: i32,
    zero: u64,
    negative: Vec<(i32, u64)>,
    positive: Vec<(i32, u64)>,
}

impl Sketch {
    /// A sketch without values, of the finest level.
    pub(super) fn new() -> Self {
        Self { level: *LEVELS.start(), zero: 0, negative: BTreeMap::new(), positive: BTreeMap::new() }
    }

    /// The sketch of a summary.
    pub(super) fn read(wire: &WireSketch) -> Result<Self, String> {
        if !LEVELS.contains(&wire.level) {
            return Err(format!("level {} of the sketch is unknown", wire.level));
        }
        if wire.zero > COUNT_MAX {
            return Err(format!("`zero` of the sketch is {}", wire.zero));
        }
        let [negative, positive] = [bins(&wire.negative)?, bins(&wire.positive)?];
        Ok(Self { level: wire.level, zero: wire.zero, negative, positive })
    }

    /// How many values it holds.
    pub(super) fn count(&self) -> u64 {
        let bins = self.negative.values().chain(self.positive.values());
        bins.fold(self.zero, |sum, count| sum.saturating_add(*count))
    }

    /// Adds the values of another.
    pub(super) fn add(&mut self, other: &Self) {
        let level = self.level.max(other.level);
        for (mine, theirs) in [(&mut self.negative, &other.negative), (&mut self.positive, &other.positive)] {
            let steps = level - self.level;
            if steps > 0 {
                *mine = coarse(std::mem::take(mine), steps);
            }
            for (index, count) in theirs {
                *mine.entry(half(*index, level - other.level)).or_default() += count;
            }
        }
        self.level = level;
        self.zero += other.zero;
    }

    /// The value of rank `ceil(percent / 100 * count)`; `None`: there is no value, or it is beyond all numbers.
    pub(super) fn percentile(&self, percent: f64) -> Option<f64> {
        let mut rank = ((percent * self.count() as f64 / 100.0).ceil() as u64).max(1);
        let gamma = self.gamma();
        let middle = |index: i32| 2.0 * gamma.powi(index) / (gamma + 1.0);
        let negative = self.negative.iter().rev().map(|(index, count)| (-middle(*index), *count));
        let positive = self.positive.iter().map(|(index, count)| (middle(*index), *count));
        for (value, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            if rank <= count {
                return Some(value).filter(|value| !value.is_nan());
            }
            rank -= count;
        }
        None
    }

    /// The sketch as others read it.
    pub(super) fn wire(&self) -> WireSketch {
        let list = |bins: &BTreeMap<i32, u64>| bins.iter().map(|(index, count)| (*index, *count)).collect();
        let [negative, positive] = [list(&self.negative), list(&self.positive)];
        let gamma = Some(self.gamma()).filter(|gamma| gamma.is_finite());
        WireSketch { gamma, level: self.level, zero: self.zero, negative, positive }
    }

    fn gamma(&self) -> f64 {
        (101.0_f64 / 99.0).powf(2.0_f64.powi(self.level))
    }
}

fn bins(list: &[(i32, u64)]) -> Result<BTreeMap<i32, u64>, String> {
    let mut bins = BTreeMap::new();
    for (index, count) in list {
        let is_usable = index.unsigned_abs() <= INDEX_MAX && (1..=COUNT_MAX).contains(count);
        if !is_usable || bins.insert(*index, *count).is_some() {
            return Err(format!("bin [{index}, {count}] of the sketch is not usable"));
        }
    }
    Ok(bins)
}

fn coarse(bins: BTreeMap<i32, u64>, steps: i32) -> BTreeMap<i32, u64> {
    let mut coarser = BTreeMap::new();
    for (index, count) in bins {
        *coarser.entry(half(index, steps)).or_default() += count;
    }
    coarser
}

/// The index after `steps` levels: each replaces `i` by `ceil(i / 2)`.
fn half(index: i32, steps: i32) -> i32 {
    (0..steps).fold(index, |index, _| index.div_euclid(2) + index.rem_euclid(2))
}
