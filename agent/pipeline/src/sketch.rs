//! A percentile sketch on the heap that grows with its values.
//!
//! Most of the thousands of series have few readings in a window, which are kept as they are, or use few bins. A sketch
//! whose bins are 2 % wide gets more of them before a value would make bins merge. So the error is 1 % as long as the
//! values of a window fall into no more than 2,048 bins of 2 % each (1,365 if one bin holds more than 65,535 of them,
//! 2,730 if none holds more than 255), positive and negative values counted apart: a million normal values about zero
//! need some 1,100. Beyond that the error doubles, see [`headwater_kernel::aggregate::SketchIn`].

use headwater_kernel::aggregate::{Room, SketchIn};

/// A sketch that grows up to [`BYTES_MAX`].
pub type GrowingSketch = SketchIn<Heap>;

/// Memory of a fully grown sketch (bytes).
pub const BYTES_MAX: usize = 8_192;

/// The first piece: 8 values (bytes).
pub const BYTES_MIN: usize = 64;

/// Bytes on the heap; none at first.
#[derive(Clone, Debug)]
pub struct Heap(Box<[u8]>);

impl Room for Heap {
    const PACKS: bool = true;

    fn new() -> Self {
        Self(Box::default())
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    #[cold]
    fn grow(&mut self) -> bool {
        if self.0.len() >= BYTES_MAX {
            return false;
        }
        let mut grown = vec![0; (2 * self.0.len()).clamp(BYTES_MIN, BYTES_MAX)];
        grown.iter_mut().zip(&self.0).for_each(|(to, from)| *to = *from);
        self.0 = grown.into_boxed_slice();
        true
    }
}

/// Memory of a sketch of `values` values, at most (bytes).
pub fn bytes_max(values: u64) -> usize {
    // 64 values take 8 bytes each. Of more, each may need a bin of its own: a key of 2 bytes and a count of 1.
    let values = usize::try_from(values).unwrap_or(usize::MAX);
    let needed = values.saturating_mul(3).max(values.min(64) * 8).min(BYTES_MAX);
    std::iter::successors(Some(BYTES_MIN), |bytes| Some(2 * bytes))
        .find(|bytes| *bytes >= needed)
        .unwrap_or(BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::aggregate::Fixed;
    use headwater_kernel::state::{State, StateReader};
    use proptest::prelude::*;

    /// As large from the start.
    type Whole = SketchIn<Fixed<{ BYTES_MAX / 6 }>>;

    /// The same values in bins of level 0.
    fn at_level_0(sketch: &GrowingSketch) -> GrowingSketch {
        let mut coarse = GrowingSketch::from_bins(0, []).unwrap();
        coarse.merge(sketch);
        assert_eq!(coarse.level(), 0);
        coarse
    }

    /// Uniform in 0 to 1, from a seed.
    fn uniform(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn growing_changes_no_answer() {
        let mut random = uniform(12_345);
        let mut values =
            std::iter::repeat_with(|| (random() * 200.0 - 100.0).exp() * (random() - 0.3).signum());
        for count in [1, 16, 40, 60, 1_000, 30_000] {
            let (mut growing, mut whole) = (GrowingSketch::new(), Whole::new());
            for value in values.by_ref().take(count) {
                growing.push(value);
                whole.push(value);
            }
            assert_eq!(growing.level(), whole.level());
            let levels = if count <= 64 {
                -7..=-7
            } else if count < 30_000 {
                -1..=0
            } else {
                3..=3
            };
            assert!(levels.contains(&growing.level()), "{count}: {}", growing.level());
            assert!(growing.binned().own_bins().eq(whole.binned().own_bins()));
            let mut bytes = Vec::new();
            growing.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
            assert_eq!(GrowingSketch::load(&mut StateReader::new(&bytes)), Ok(growing));
        }
    }

    /// What an idle series takes, and what realistic values need: 1 % holds for all of these.
    #[test]
    fn one_percent_holds_for_realistic_values() {
        let mut uniform = uniform(88_172_645_463_325_252);
        let mut normal = move || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
        let mut sketches = vec![GrowingSketch::new(); 6];
        let mut truth = vec![Vec::new(); 6];
        for step in 0..60_000 {
            let (z, y) = (normal(), normal());
            // About zero, far from it, differences, heavy tails on both sides, log-normal, a ramp through zero.
            let values = [z, 20.0 + 2.0 * z, z - y, z / y, (3.0 * z).exp(), f64::from(step) - 30_000.0];
            for ((sketch, truth), value) in sketches.iter_mut().zip(&mut truth).zip(values) {
                sketch.push(value);
                truth.push(value);
            }
        }
        for (sketch, truth) in sketches.iter().zip(&mut truth) {
            assert!(sketch.level() <= 0, "{} bins", sketch.bins_used());
            truth.sort_by(f64::total_cmp);
            for q in [0.0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.999, 1.0] {
                let exact = truth[((q * truth.len() as f64).ceil() as usize).max(1) - 1];
                let answer = sketch.quantile(q).unwrap();
                assert!((answer - exact).abs() <= 0.010_000_001 * exact.abs(), "{q} {answer} {exact}");
            }
        }
        let mut idle = GrowingSketch::new();
        (0..60).for_each(|i| idle.push(20.0 + f64::from(i) / 20.0));
        assert_eq!((idle.is_exact(), idle.room_bytes()), (true, 128), "short decimals take 2 bytes each");
        (0..6_000).for_each(|i| idle.push(20.0 + f64::from(i) / 2_000.0));
        assert_eq!((idle.is_exact(), idle.room_bytes()), (false, 512), "fine bins take no more");
        assert_eq!(size_of::<GrowingSketch>() + BYTES_MIN, 96, "an idle series' sketch");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// The field's own implementation has the same bins, numbered from 0 where ours are from 1.
        #[test]
        fn answers_are_those_of_the_reference(values in prop::collection::vec(-1e6..1e6_f64, 1..400), q in 0.0..=1.0_f64) {
            let config = sketches_ddsketch::Config::new(0.01, 100_000, 1e-9);
            let mut reference = sketches_ddsketch::DDSketch::new(config);
            let mut sketch = GrowingSketch::new();
            for value in &values {
                let mut alone = GrowingSketch::new();
                alone.push(*value);
                let alone = at_level_0(&alone);
                let bin = alone.own_bins().next().unwrap();
                prop_assert!(*value == 0.0 || alone.index(bin) == config.key(value.abs()) + 1, "{}", value);
                sketch.push(*value);
                reference.add(*value);
            }
            let sketch = at_level_0(&sketch);
            prop_assert_eq!(sketch.gamma(), config.gamma);
            let (min, max) = (reference.min().unwrap(), reference.max().unwrap());
            // The reference's rank is that of floor(q (n - 1)), counted from 0.
            let rank = (q * (values.len() - 1) as f64).floor() + 1.0;
            let (answer, theirs) = (sketch.quantile(rank / values.len() as f64).unwrap(), reference.quantile(q).unwrap().unwrap());
            // At its ends the reference answers with the extremes.
            let close = (answer - theirs).abs() <= 1e-9 * theirs.abs();
            prop_assert!(close || theirs == min || theirs == max, "{} {}", answer, theirs);
        }

        /// Short decimals take less room, and are what they were to the bit; the room depends on the values only.
        #[test]
        fn packed_values_are_those_that_came(
            mut values in prop::collection::vec((-70_000..70_000_i64, 0..6_i32).prop_map(|(n, d)| n as f64 / 10_f64.powi(d)), 1..65),
            narrow in any::<bool>(),
        ) {
            if narrow {
                values.iter_mut().for_each(|value| *value = (*value * 10.0).rem_euclid(300.0).round() / 100.0);
            }
            let of = |values: &[f64]| {
                let mut sketch = GrowingSketch::new();
                values.iter().for_each(|value| sketch.push(*value));
                sketch
            };
            let came = of(&values);
            let mut bytes = Vec::new();
            came.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
            let loaded = GrowingSketch::load(&mut StateReader::new(&bytes)).unwrap();
            let (mut whole, mut plain) = (Whole::new(), Vec::new());
            values.iter().for_each(|value| whole.push(*value));
            whole.save(&mut |more: &[u8]| plain.extend_from_slice(more));
            prop_assert_eq!(plain, bytes, "as those that are not packed are stored");
            values.sort_by(f64::total_cmp);
            for sketch in [&came, &of(&values), &loaded] {
                prop_assert!(sketch.is_exact());
                prop_assert_eq!(sketch, &came);
                prop_assert_eq!(sketch.room_bytes(), came.room_bytes());
                for (at, value) in values.iter().enumerate() {
                    let rank = (at + 1) as f64 / values.len() as f64;
                    prop_assert_eq!(sketch.quantile(rank), Some(*value + 0.0));
                }
            }
            prop_assert!(!narrow || came.room_bytes() <= 128, "{} bytes", came.room_bytes());
        }

        #[test]
        fn merging_equals_pushing_all_exactly(
            exponents in prop::collection::vec((-1_500..1_500_i32, any::<bool>()), 0..9_000), cut in 0..9_000_usize,
        ) {
            let value = |(exponent, negative): &(i32, bool)| {
                let magnitude = 1.021_f64.powi(*exponent);
                if *negative { -magnitude } else { magnitude }
            };
            let of = |part: &[(i32, bool)]| {
                let mut sketch = GrowingSketch::new();
                part.iter().for_each(|exponent| sketch.push(value(exponent)));
                sketch
            };
            let (a, b) = exponents.split_at(cut.min(exponents.len()));
            let (mut ab, mut ba) = (of(a), of(b));
            ab.merge(&of(b));
            ba.merge(&of(a));
            let whole = of(&exponents);
            prop_assert_eq!(&ab, &whole);
            prop_assert_eq!(&ba, &ab);
            // Some 5,500 bins at most: they run out, and the error doubles once or twice.
            prop_assert!(whole.level() <= 2 && (whole.bins_used() < 2_000 || exponents.len() >= 2_000), "{}", whole.level());
        }
    }
}
