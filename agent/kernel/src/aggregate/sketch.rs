//! Percentiles: exact ones of few values, else from logarithmic bins that merge exactly: DDSketch with the uniform
//! collapse of UDDSketch.
//!
//! Source: C. Masson, J. E. Rim and H. K. Lee, PVLDB 12(12):2195-2205, 2019 (the sketch); I. Epicoco et al.,
//! IEEE Access 8:147604-147617, 2020 (the collapse). Deviation: levels below 0, which are finer than the 1 % that the
//! bins would have from the start.
//!
//! Mapping: bin `i` at level `L` holds the magnitudes in `(g^(i-1), g^i]` with `g = (101/99)^(2^L)`. At
//! level 0 a bin's middle `2 g^i / (g + 1)` is within 1 % of all its values. Bins begin at level -7, 0.008 %. When a value
//! finds no free bin, neighbours merge pairwise (`i` becomes `ceil(i / 2)`) everywhere, the level rises by one, and the
//! relative error goes from `a` to `2a / (1 + a^2)`: 1 %, 2 %, 4 %, … [`SketchIn::relative_error`] states it.
//! Below level 0 bins have 512 bytes, and their keys lie within 65,536: so values of a narrow range are told finely, and
//! others cost no more room than with 1 %. Magnitudes below `g^-16384` at level 0 (about 4e-143) count as zero.
//!
//! The first 64 values, or as many as fit, are kept as they are. What is kept, and the level, depend on the values only,
//! not on their order or their split, hence exact merging.
//!
//! Shapes: in a [`Room`] of `6 * BINS` bytes from `BINS` bins, when some hold more than 65,535 values, to twice
//! as many, when none holds more than 255. 192 bins span a factor of 46 in magnitude at 1 % when every bin between is in
//! use, 384 one of 2,100; few values, or values on one side of a small range, span anything.
//! Cost: one logarithm and, unless the bin was the last one hit, a binary search.

mod bins;
mod packed;
mod values;

use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use bins::{Bins, load_count};
pub use bins::{Fixed, Room};
use core::cmp::Ordering;
use values::load_values;

/// Bins of a [`Sketch`] for many uses: 1,152 bytes.
pub const SKETCH_BINS: usize = 192;

const LN_GAMMA: f64 = 0.020_000_666_706_669_524; // ln(1.01 / 0.99)
const OFFSET: i32 = 1 << 14; // At level 0.
const LEVEL_MIN: i8 = -7;
const LEVEL_MAX: i8 = 16; // Where every magnitude has key 1.
const FINEST: u8 = LEVEL_MIN.unsigned_abs();
const FINEST_PER_LN: f64 = (1 << FINEST) as f64 / LN_GAMMA;
const FINEST_OFFSET: i32 = OFFSET << FINEST;
const FINEST_MAX: i32 = 6_639_610; // Key of the largest `f64` at the finest level.

/// The most bytes that bins take below level 0.
const FINE_BYTES: usize = 512;

/// A bin, for the wire and for charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// Sign and magnitude: 0 holds zeros, `k > 0` holds magnitudes in `(g^(i-1), g^i]` with
    /// `i = k - 16384 / 2^level`, and `-k` their negatives. Sorted as the values are.
    pub key: i32,
    /// The number of values; never 0.
    pub count: u32,
}

/// A sketch in at least `BINS` bins (4 or more), in place.
pub type Sketch<const BINS: usize> = SketchIn<Fixed<BINS>>;

/// A mergeable sketch of the distribution of values.
#[derive(Clone, Copy, Debug)]
pub struct SketchIn<R> {
    bins: Bins<R>,
    hint: u16,
    level: i8,
}

impl<R: Room> Default for SketchIn<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Room> PartialEq for SketchIn<R> {
    fn eq(&self, other: &Self) -> bool {
        let same_kind = self.level == other.level && self.is_exact() == other.is_exact();
        same_kind && self.bins.values().eq(other.bins.values()) && self.own_bins().eq(other.own_bins())
    }
}

impl<R: Room> SketchIn<R> {
    /// The sketch of no values.
    #[must_use]
    pub fn new() -> Self {
        Self { bins: Bins::new(), hint: 0, level: LEVEL_MIN }
    }

    /// Rebuilds a sketch from its level and bins, in any order; bins of one key add up.
    ///
    /// `None`: a level that is not from -7 to 16, or a key beyond the largest number, which no sketch has.
    #[must_use]
    pub fn from_bins(level: i8, bins: impl IntoIterator<Item = Bin>) -> Option<Self> {
        if !(LEVEL_MIN..=LEVEL_MAX).contains(&level) {
            return None;
        }
        let mut sketch = Self { level, ..Self::new() };
        sketch.bins.clear();
        for Bin { key, count } in bins.into_iter().filter(|bin| bin.count > 0) {
            if key.unsigned_abs() > coarser(FINEST_MAX, level.abs_diff(LEVEL_MIN)).unsigned_abs() {
                return None;
            }
            sketch.add(coarser(key, sketch.level.abs_diff(level)), count);
        }
        Some(sketch)
    }

    /// Adds one value [channel unit]; a value that is not finite is left out.
    #[inline]
    pub fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.is_exact() {
            return self.push_exact(value + 0.0); // Of the zeros, the positive one.
        }
        let key = coarser(key_of(value), self.level.abs_diff(LEVEL_MIN));
        let hint = usize::from(self.hint);
        let hit = hint < self.bins.len() && self.bins.key(hint) == key;
        if !hit || !self.bins.raise(hint, 1, self.most_bytes()) {
            self.add(key, 1);
        }
    }

    #[inline(never)]
    fn push_exact(&mut self, value: f64) {
        if !self.bins.insert_value(value) {
            self.bin();
            self.push(value);
        }
    }

    /// Merges another sketch. The result equals that of pushing all values into one sketch.
    pub fn merge(&mut self, other: &Self) {
        other.bins.values().for_each(|value| self.push(value));
        if other.is_exact() {
            return;
        }
        self.bin();
        while self.level < other.level {
            self.collapse();
        }
        for bin in other.own_bins() {
            self.add(coarser(bin.key, self.level.abs_diff(other.level)), bin.count);
        }
    }

    /// Whether all values are kept as they are.
    #[must_use]
    #[inline]
    pub fn is_exact(&self) -> bool {
        self.bins.are_values()
    }

    /// The same sketch with its values in bins.
    #[must_use]
    pub fn binned(&self) -> Self {
        let mut binned = self.clone();
        binned.bin();
        binned
    }

    /// Puts values that are kept as they are into bins.
    fn bin(&mut self) {
        if self.is_exact() {
            self.bins.clear().into_iter().for_each(|value| self.push(value));
        }
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.is_exact() {
            return self.bins.len() as u64;
        }
        self.own_bins().map(|bin| u64::from(bin.count)).sum()
    }

    /// Memory of its room (bytes), in addition to the sketch itself where the room is on the heap.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.bins.room_bytes()
    }

    /// The number of values that are kept as they are, or of bins in use. When a further bin finds no room, neighbours
    /// merge.
    #[must_use]
    pub fn bins_used(&self) -> usize {
        self.bins.len()
    }

    /// How wide the bins are: from -7, the finest, to 16.
    #[must_use]
    pub fn level(&self) -> i8 {
        self.level
    }

    /// The bound of `|answer - true| / |true|` for every quantile, at present.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        if self.is_exact() { 0.0 } else { libm::tanh(0.5 * self.ln_gamma()) }
    }

    /// The bins in use, from the smallest value to the largest; none of values that are kept as they are.
    pub fn own_bins(&self) -> impl Iterator<Item = Bin> {
        let len = if self.is_exact() { 0 } else { self.bins.len() };
        (0..len).map(|at| Bin { key: self.bins.key(at), count: self.bins.count(at) })
    }

    /// The `i` of a bin's magnitudes, `(g^(i-1), g^i]` with [`SketchIn::gamma`] as `g`, up to level 14; not that of zero.
    #[must_use]
    pub fn index(&self, bin: Bin) -> i32 {
        bin.key.abs() - (FINEST_OFFSET >> self.level.abs_diff(LEVEL_MIN))
    }

    /// The ratio between a bin's ends, at present.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        match self.level {
            0.. => (0..self.level).fold(101.0 / 99.0, |gamma, _| gamma * gamma),
            _ => libm::exp(self.ln_gamma()),
        }
    }

    /// The value of rank `ceil(q * n)`, at least 1, among the `n` values in ascending order (nearest rank), to
    /// within [`SketchIn::relative_error`]. `None`: no values, or `q` outside 0 to 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        // A product that is whole but for rounding is whole: 7 % of 100.
        let rank = libm::ceil(q * count as f64 * (1.0 - 4.0 * f64::EPSILON)).max(1.0) as u64;
        if self.is_exact() {
            return self.bins.values().nth(rank as usize - 1);
        }
        let mut within = 0;
        for bin in self.own_bins() {
            within += u64::from(bin.count);
            if within >= rank {
                return Some(self.middle(bin.key));
            }
        }
        self.own_bins().last().map(|bin| self.middle(bin.key))
    }

    /// As [`SketchIn::quantile`], never outside the known smallest and largest value.
    #[must_use]
    pub fn quantile_within(&self, q: f64, min: f64, max: f64) -> Option<f64> {
        self.quantile(q).map(|value| value.min(max).max(min))
    }

    /// The value that stands for a bin: equally far, relatively, from both its ends.
    fn middle(&self, key: i32) -> f64 {
        if key == 0 {
            return 0.0;
        }
        let step = self.ln_gamma();
        let upper = f64::from(key.abs()) * step - f64::from(OFFSET) * LN_GAMMA;
        let magnitude = libm::exp(upper - step - libm::log1p(libm::exp(-step)) + core::f64::consts::LN_2);
        libm::copysign(magnitude.min(f64::MAX), f64::from(key))
    }

    fn ln_gamma(&self) -> f64 {
        libm::ldexp(LN_GAMMA, self.level.into())
    }

    fn most_bytes(&self) -> usize {
        if self.level < 0 { FINE_BYTES } else { usize::MAX }
    }

    /// Adds `count` values of a key of the present level; collapses until there is room.
    #[inline(never)]
    fn add(&mut self, mut key: i32, count: u32) {
        while !self.try_add(key, count) {
            let level = self.level;
            self.collapse();
            key = coarser(key, self.level.abs_diff(level));
        }
    }

    /// Adds them if there is room at this level. `false`: there is none, and nothing has changed.
    fn try_add(&mut self, key: i32, count: u32) -> bool {
        let place = self.bins.find(key);
        let at = place.unwrap_or_else(|at| at);
        self.hint = at as u16;
        match place {
            Ok(at) => self.bins.raise(at, count, self.most_bytes()),
            Err(at) => self.bins.insert(at, key, count, self.most_bytes()),
        }
    }

    /// Merges neighbours pairwise until the bins fit: a sum may need a wider count.
    fn collapse(&mut self) {
        let old = self.clone();
        let mut fits = false;
        while !fits {
            self.level += 1;
            self.bins.clear();
            let times = self.level.abs_diff(old.level);
            fits = old.own_bins().all(|bin| self.try_add(coarser(bin.key, times), bin.count));
        }
    }
}

impl<R: Room> Tagged for SketchIn<R> {
    const TAG: u16 = 3;
    const VERSION: u16 = 2;
    const OLDEST: u16 = 1;

    /// Version 1 began with level 0, as u8, and bins whose keys have no base.
    fn load_version(version: u16, from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        match version {
            Self::VERSION => return Self::load(from),
            1 => {}
            _ => return Err(Corrupt),
        }
        let level = i8::try_from(u8::load(from)?).map_err(|_| Corrupt)?;
        let (width, len) = (u8::load(from)?, u16::load(from)?);
        Self::load_bins(level, (width, len), from, |from| i16::load(from).map(i32::from))
    }
}

impl<R: Room> SketchIn<R> {
    fn load_bins(
        level: i8,
        (width, len): (u8, u16),
        from: &mut StateReader<'_>,
        key: impl Fn(&mut StateReader<'_>) -> Result<i32, Corrupt>,
    ) -> Result<Self, Corrupt> {
        let mut cut_off = false;
        let mut bin = || Ok(Bin { key: key(from)?, count: load_count(width, from)? });
        let bins = core::iter::repeat_with(&mut bin)
            .take(usize::from(len))
            .map_while(|bin: Result<Bin, Corrupt>| bin.map_err(|_| cut_off = true).ok());
        let sketch = Self::from_bins(level, bins).ok_or(Corrupt)?;
        if cut_off { Err(Corrupt) } else { Ok(sketch) }
    }
}

impl<R: Room> State for SketchIn<R> {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.level.save(to);
        self.bins.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (level, width, len) = (i8::load(from)?, u8::load(from)?, u16::load(from)?);
        if width != 8 {
            let first = i32::load(from)?;
            let key = |from: &mut StateReader<'_>| first.checked_add(u16::load(from)?.into()).ok_or(Corrupt);
            return Self::load_bins(level, (width, len), from, key);
        }
        let mut sketch = Self::new();
        load_values(len, from, |value| sketch.bins.insert_value(value))?;
        if level == LEVEL_MIN { Ok(sketch) } else { Err(Corrupt) }
    }
}

/// The key of a finite value at the finest level.
#[inline]
fn key_of(value: f64) -> i32 {
    let exact = libm::log(value.abs()) * FINEST_PER_LN;
    let down = exact as i32; // Towards zero; of -inf, the log of 0: the smallest i32.
    let index = if exact > f64::from(down) { down + 1 } else { down };
    let key = index.saturating_add(FINEST_OFFSET).max(0);
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
    use super::{Bin, FINEST_MAX, LN_GAMMA, SKETCH_BINS, Sketch, State, StateReader, Tagged, key_of};
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
        sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1]
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
        let level = |level| Sketch::<8>::from_bins(level, []).unwrap();
        assert!((level(0).relative_error() - 0.01).abs() < 1e-15);
        assert!((level(-7).relative_error() - 0.000_078).abs() < 1e-6);
        assert!((level(-1).gamma().powi(2) - 101.0 / 99.0).abs() < 1e-15);
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
        assert!(Sketch::<8>::from_bins(17, []).is_none() && Sketch::<8>::from_bins(-8, []).is_none());
        assert!(Sketch::<8>::from_bins(16, [Bin { key: 2, count: 1 }]).is_none());
    }

    /// Ten thousand values: even, exponential, log-normal, normal far from zero and about zero.
    #[test]
    fn ten_thousand_values_stay_within_two_percent() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut uniform = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        };
        let mut normal =
            move || libm::sqrt(-2.0 * uniform().ln()) * libm::cos(core::f64::consts::TAU * uniform());
        let mut levels = [0; 5];
        let mut sketches = [Sketch::<SKETCH_BINS>::new(); 5];
        for i in 0..10_000 {
            let (z, even) = (normal(), f64::from(i) / 100.0);
            let values = [even, -(even / 100.0).ln() * 7.0, z.exp(), 20.0 + 2.0 * z, z];
            sketches.iter_mut().zip(values).for_each(|(sketch, value)| sketch.push(value));
        }
        levels.iter_mut().zip(&sketches).for_each(|(level, sketch)| *level = sketch.level());
        assert_eq!(levels, [0, 1, 0, -2, 1], "{:?}", sketches.map(|sketch| sketch.bins_used()));
    }

    #[test]
    fn the_error_at_level_0_is_one_percent_over_the_whole_range() {
        for i in 0..100_000 {
            let value = libm::pow(10.0, f64::from(i) / 400.0 - 125.0);
            let answer =
                Sketch::<4>::from_bins(0, [Bin { key: super::coarser(key_of(value), 7), count: 1 }]).unwrap();
            let answer = answer.quantile(0.5).unwrap();
            assert!((answer - value).abs() <= 0.010_000_001 * value, "{value} {answer}");
        }
    }

    #[test]
    fn few_values_are_exact_and_have_nearest_rank() {
        let latencies = of::<SKETCH_BINS>(&[6.1, 5.2, 12.1, 5.6, 6.0, 6.4]);
        let answers = [0.0, 0.5, 0.85, 0.95, 1.0].map(|q| latencies.quantile(q).unwrap());
        assert_eq!(answers, [5.2, 6.0, 12.1, 12.1, 12.1]);
        let hundred =
            Sketch::<SKETCH_BINS>::from_bins(0, (1..=100).map(|key| Bin { key, count: 1 })).unwrap();
        for percent in 1..=100 {
            let answer = hundred.quantile(f64::from(percent) / 100.0);
            assert_eq!(answer, Some(hundred.middle(percent)), "{percent} of 100");
        }
    }

    /// A room at 24 °C, whose sensor has a resolution of 0.01: what is asked for are hundredths.
    #[test]
    fn values_of_a_narrow_range_are_told_finely() {
        let mut noise = 88_172_645_463_325_252_u64;
        let mut uniform = move || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            (noise >> 11) as f64 / (1_u64 << 53) as f64
        };
        for (offset, range) in [(24.0, 0.6), (1_013.0, 2.0), (230.0, 6.0), (-19.0, 1.0)] {
            let values: Vec<f64> =
                (0..3_600).map(|_| ((offset + range * uniform()) * 100.0).round() / 100.0).collect();
            let sketch = of::<SKETCH_BINS>(&values);
            assert!(sketch.level() <= -4, "{offset}: {}", sketch.level());
            for q in [0.05, 0.5, 0.95] {
                let (answer, truth) = (sketch.quantile(q).unwrap(), exact(&values, q));
                assert!((answer - truth).abs() <= 0.001 * truth.abs(), "{answer} {truth}");
            }
        }
    }

    #[test]
    fn version_1_is_read() {
        let mut bytes = Vec::new();
        let mut put = |more: &[u8]| bytes.extend_from_slice(more);
        (1_u8, 2_u8).save(&mut put);
        3_u16.save(&mut put);
        for (key, count) in [(-9_000_i16, 7_u16), (0, 1), (8_000, 300)] {
            (key, count).save(&mut put);
        }
        let read = Sketch::<8>::load_version(1, &mut StateReader::new(&bytes)).unwrap();
        assert_eq!((read.level(), read.count(), read.is_exact()), (1, 308, false));
        let keys: Vec<_> = read.own_bins().map(|bin| (bin.key, bin.count)).collect();
        assert_eq!(keys, [(-9_000, 7), (0, 1), (8_000, 300)]);
        assert!(Sketch::<8>::load_version(3, &mut StateReader::new(&bytes)).is_err());
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
            let binned = sketch.binned();
            prop_assert_eq!(Sketch::from_bins(binned.level(), binned.own_bins()), Some(binned));
        }
    }
}
