//! Percentiles from logarithmic bins that merge exactly: DDSketch with the uniform collapse of UDDSketch.
//!
//! Source: C. Masson, J. E. Rim and H. K. Lee, PVLDB 12(12):2195-2205, 2019 (the sketch); I. Epicoco et al.,
//! IEEE Access 8:147604-147617, 2020 (the collapse).
//!
//! Mapping: bin `i` at level `L` holds the magnitudes in `(g^(i-1), g^i]` with `g = (101/99)^(2^L)`. At
//! level 0 a bin's middle `2 g^i / (g + 1)` is within 1 % of all its values. When a value finds no free
//! bin, neighbours merge pairwise (`i` becomes `ceil(i / 2)`) everywhere, the level rises by one, and the
//! relative error goes from `a` to `2a / (1 + a^2)`: 1 %, 2 %, 4 %, … [`Sketch::relative_error`] states it.
//! The level depends on the values only, not on their order or their split, hence exact merging.
//! Magnitudes below `g^-16384` (about 4e-143) count as zero.
//!
//! Shapes: `BINS` bins of 6 bytes, sorted by value; 128 bins span a factor of 12 in magnitude at 1 % when
//! every bin is used, and any range when the values are few. Cost: one logarithm and, unless the bin was
//! the last one hit, a binary search.

use crate::state::{Corrupt, Sink, State, Stored};
use core::cmp::Ordering;

/// Bins of a [`Sketch`] as the agent uses it: 1,152 bytes of bins.
pub const SKETCH_BINS: usize = 192;

const LN_GAMMA: f64 = 0.020_000_666_706_669_524; // ln(1.01 / 0.99)
const PER_LN_GAMMA: f64 = 1.0 / LN_GAMMA;
const OFFSET: i32 = 1 << 14;
const FINEST_MAX: i32 = 51_872; // Key of the largest `f64` at level 0.
const LEVEL_MAX: u8 = 16; // Where every magnitude has key 1.

/// One bin, for the wire and for charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Sign and magnitude: 0 holds zeros, `k > 0` holds magnitudes in `(g^(i-1), g^i]` with
    /// `i = k - 16384 / 2^level`, and `-k` their negatives. Sorted as the values are.
    pub key: i16,
    /// How many values; never 0.
    pub count: u32,
}

/// A mergeable sketch of the distribution of the values pushed, in at most `BINS` bins (at least 4).
#[derive(Clone, Copy, Debug)]
pub struct Sketch<const BINS: usize> {
    keys: [i16; BINS],
    counts: [u32; BINS],
    len: u16,
    hint: u16,
    level: u8,
}

impl<const BINS: usize> Default for Sketch<BINS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BINS: usize> PartialEq for Sketch<BINS> {
    fn eq(&self, other: &Self) -> bool {
        self.level == other.level && self.bins().eq(other.bins())
    }
}

impl<const BINS: usize> Sketch<BINS> {
    /// Of no values.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(BINS >= 4 && BINS <= u16::MAX as usize) };
        Self { keys: [0; BINS], counts: [0; BINS], len: 0, hint: 0, level: 0 }
    }

    /// Rebuilds a sketch from its level and bins, in any order; bins of one key add up.
    ///
    /// `None`: a level beyond 16 or a key beyond the largest number, which no sketch has.
    #[must_use]
    pub fn from_bins(level: u8, bins: impl IntoIterator<Item = Bin>) -> Option<Self> {
        if level > LEVEL_MAX {
            return None;
        }
        let mut sketch = Self { level, ..Self::new() };
        for bin in bins.into_iter().filter(|bin| bin.count > 0) {
            let key = i32::from(bin.key);
            if key.abs() > coarser(FINEST_MAX, level) {
                return None;
            }
            sketch.add(coarser(key, sketch.level - level), bin.count);
        }
        Some(sketch)
    }

    /// Takes one value [channel unit]; what is not finite is left out.
    #[inline]
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let finest = key_of(value);
        let key = coarser(finest, self.level);
        let hint = usize::from(self.hint);
        match (self.keys.get(hint), self.counts.get_mut(hint)) {
            (Some(last), Some(count)) if self.hint < self.len && i32::from(*last) == key => {
                *count = count.saturating_add(1);
            }
            _ => self.add(key, 1),
        }
    }

    /// Takes all that `other` has taken; the result is what pushing everything into one would have given.
    pub fn merge(&mut self, other: &Self) {
        while self.level < other.level {
            self.collapse();
        }
        for bin in other.bins() {
            self.add(coarser(i32::from(bin.key), self.level - other.level), bin.count);
        }
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins().map(|bin| u64::from(bin.count)).sum()
    }

    /// How many bins are in use, at most `BINS`; a value that wants one more makes neighbours merge.
    #[must_use]
    pub const fn bins_used(&self) -> usize {
        self.len as usize
    }

    /// How often neighbours have merged.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The bound of `|answer - true| / |true|` for every quantile, at present.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        libm::tanh(0.5 * self.ln_gamma())
    }

    /// The bins in use, from the smallest value to the largest.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let used = self.keys.iter().zip(&self.counts).take(usize::from(self.len));
        used.map(|(key, count)| Bin { key: *key, count: *count })
    }

    /// The value of rank `floor(q * (n - 1))`, counted from 0 among the `n` values in ascending order, to
    /// within [`Sketch::relative_error`]. `None`: no values, or `q` outside 0 to 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = libm::floor(q * (count - 1) as f64) as u64;
        let mut below = 0;
        for bin in self.bins() {
            below += u64::from(bin.count);
            if below > rank {
                return Some(self.middle(bin.key));
            }
        }
        self.bins().last().map(|bin| self.middle(bin.key))
    }

    /// As [`Sketch::quantile`], never outside the known smallest and largest value.
    #[must_use]
    pub fn quantile_within(&self, q: f64, min: f64, max: f64) -> Option<f64> {
        self.quantile(q).map(|value| value.min(max).max(min))
    }

    /// The value that stands for a bin: equally far, relatively, from both its ends.
    fn middle(&self, key: i16) -> f64 {
        if key == 0 {
            return 0.0;
        }
        let step = self.ln_gamma();
        let upper = f64::from(i32::from(key).abs()) * step - f64::from(OFFSET) * LN_GAMMA;
        let magnitude = libm::exp(upper - step - libm::log1p(libm::exp(-step)) + core::f64::consts::LN_2);
        libm::copysign(magnitude.min(f64::MAX), f64::from(key))
    }

    fn ln_gamma(&self) -> f64 {
        LN_GAMMA * f64::from(1_u32 << self.level)
    }

    /// Counts `count` values of a key of the present level, collapsing until there is room.
    #[inline(never)]
    fn add(&mut self, mut key: i32, count: u32) {
        loop {
            if let Ok(short) = i16::try_from(key) {
                let used = self.keys.get(..usize::from(self.len)).unwrap_or_default();
                match used.binary_search(&short) {
                    Ok(at) => return self.bump(at, count),
                    Err(at) if used.len() < BINS => return self.insert(at, short, count),
                    Err(_) => {}
                }
            }
            self.collapse();
            key = coarser(key, 1);
        }
    }

    fn bump(&mut self, at: usize, count: u32) {
        if let Some(present) = self.counts.get_mut(at) {
            *present = present.saturating_add(count);
            self.hint = at as u16;
        }
    }

    fn insert(&mut self, at: usize, key: i16, count: u32) {
        let len = usize::from(self.len);
        self.keys.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        if let (Some(new_key), Some(new_count)) = (self.keys.get_mut(at), self.counts.get_mut(at)) {
            (*new_key, *new_count) = (key, count);
            self.hint = at as u16;
            self.len += 1;
        }
    }

    /// Merges neighbours pairwise.
    fn collapse(&mut self) {
        let old = *self;
        self.len = 0;
        self.level += 1;
        for bin in old.bins() {
            let key = coarser(i32::from(bin.key), 1) as i16;
            let last = usize::from(self.len).checked_sub(1);
            match last.filter(|at| self.keys.get(*at) == Some(&key)) {
                Some(at) => self.bump(at, bin.count),
                None => self.insert(usize::from(self.len), key, bin.count),
            }
        }
        self.hint = 0;
    }
}

impl<const BINS: usize> State for Sketch<BINS> {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.level.save(to);
        self.len.save(to);
        for bin in self.bins() {
            bin.key.save(to);
            bin.count.save(to);
        }
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        let (level, len) = (u8::load(from)?, u16::load(from)?);
        let mut cut_off = false;
        let bins = core::iter::repeat_with(|| Ok(Bin { key: State::load(from)?, count: State::load(from)? }))
            .take(usize::from(len))
            .map_while(|bin: Result<Bin, Corrupt>| bin.map_err(|_| cut_off = true).ok());
        let sketch = Self::from_bins(level, bins).ok_or(Corrupt)?;
        if cut_off { Err(Corrupt) } else { Ok(sketch) }
    }
}

/// The key of a finite value at level 0, before it is known to fit.
#[inline]
fn key_of(value: f64) -> i32 {
    let exact = libm::log(value.abs()) * PER_LN_GAMMA;
    let down = exact as i32; // Towards zero; of -inf, the log of 0: the smallest i32.
    let index = if exact > f64::from(down) { down + 1 } else { down };
    let key = index.saturating_add(OFFSET).max(0);
    if value < 0.0 { -key } else { key }
}

/// A key after `times` collapses: magnitudes are halved upwards.
#[inline]
fn coarser(key: i32, times: u8) -> i32 {
    let up = (1 << times) - 1;
    match key.cmp(&0) {
        Ordering::Less => -((up - key) >> times),
        _ => (key + up) >> times,
    }
}

#[cfg(test)]
mod tests {
    use super::{Bin, FINEST_MAX, LN_GAMMA, SKETCH_BINS, Sketch, key_of};
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn of<const BINS: usize>(values: &[f64]) -> Sketch<BINS> {
        let mut sketch = Sketch::new();
        values.iter().for_each(|value| sketch.push(*value));
        sketch
    }

    fn exact(values: &[f64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[(q * (sorted.len() - 1) as f64).floor() as usize]
    }

    /// Numbers of every size, and runs of ordinary ones.
    fn values(most: usize) -> impl Strategy<Value = Vec<f64>> {
        let wide = (-300.0..300.0_f64, any::<bool>()).prop_map(|(exponent, negative)| {
            let magnitude = libm::pow(10.0, exponent / 3.0);
            if negative { -magnitude } else { magnitude }
        });
        let plain = (-40_000..85_000_i32).prop_map(|thousandths| f64::from(thousandths) / 1000.0);
        prop_oneof![prop::collection::vec(wide, 0..most), prop::collection::vec(plain, 0..most)]
    }

    #[test]
    fn constants_hold() {
        assert!((LN_GAMMA - 2.0 * 0.01_f64.atanh()).abs() < 1e-15);
        assert_eq!(key_of(f64::MAX), FINEST_MAX);
        assert!(size_of::<Sketch<SKETCH_BINS>>() < 1200);
        assert!((Sketch::<8>::new().relative_error() - 0.01).abs() < 1e-15);
    }

    #[test]
    fn the_ends_of_the_number_line_fit() {
        let mut sketch = of::<4>(&[f64::MAX, -f64::MAX, 0.0, -0.0, 5e-324, f64::NAN, f64::INFINITY]);
        assert_eq!(sketch.count(), 5);
        assert_eq!(sketch.quantile(0.5), Some(0.0));
        assert!(sketch.quantile(1.0).unwrap() > 0.9 * f64::MAX);
        (0..600).for_each(|i| sketch.push(libm::pow(10.0, f64::from(i) - 300.0)));
        assert!(sketch.quantile(0.0).unwrap().is_finite() && sketch.relative_error() <= 1.0);
        assert_eq!(sketch.quantile_within(0.0, 1.0, 2.0), Some(1.0));
    }

    #[test]
    fn nothing_is_answered_where_nothing_can_be() {
        assert_eq!(Sketch::<8>::new().quantile(0.5), None);
        let one = of::<8>(&[3.0]);
        assert_eq!((one.quantile(-0.1), one.quantile(1.1), one.quantile(f64::NAN)), (None, None, None));
        assert!(Sketch::<8>::from_bins(17, []).is_none());
        assert!(Sketch::<8>::from_bins(16, [Bin { key: 2, count: 1 }]).is_none());
    }

    #[test]
    fn the_error_at_level_0_is_one_percent_over_the_whole_range() {
        for i in 0..100_000 {
            let value = libm::pow(10.0, f64::from(i) / 400.0 - 125.0);
            let answer = of::<4>(&[value]).quantile(0.5).unwrap();
            assert!((answer - value).abs() <= 0.010_000_001 * value, "{value} {answer}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_stated_error(values in values(500), q in 0.0..=1.0_f64) {
            let sketch = of::<SKETCH_BINS>(&values);
            prop_assert_eq!(sketch.count(), values.len() as u64);
            if values.is_empty() {
                return Ok(());
            }
            let (answer, truth) = (sketch.quantile(q).unwrap(), exact(&values, q));
            let bound = sketch.relative_error() * 1.000_000_01;
            prop_assert!((answer - truth).abs() <= bound * truth.abs(), "{} {} {}", answer, truth, bound);
        }

        #[test]
        fn merging_equals_pushing_all_exactly(all in values(300), cut in 0..300_usize) {
            let (a, b) = all.split_at(cut.min(all.len()));
            let (mut ab, mut ba) = (of::<32>(a), of::<32>(b));
            ab.merge(&of(b));
            ba.merge(&of(a));
            prop_assert_eq!(ab, of(&all));
            prop_assert_eq!(ba, ab);
        }

        #[test]
        fn the_order_does_not_matter_and_bins_rebuild_it(mut all in values(300)) {
            let sketch = of::<16>(&all);
            all.reverse();
            prop_assert_eq!(of::<16>(&all), sketch);
            prop_assert_eq!(Sketch::from_bins(sketch.level(), sketch.bins()), Some(sketch));
        }
    }
}
