//! The surprise of a number, learned from all earlier numbers: a histogram with an extrapolated tail.
//!
//! Bins are a quarter of an octave wide and cover 2^-12 to 2^12 times a scale that the owner chooses. Within the
//! range seen, the surprise is the share of numbers at least as large. Beyond the largest number it grows with the
//! logarithm of the number at the pace of the tail (B. M. Hill, Ann. Stat. 3(5):1163-1174, 1975), so that a heavy
//! tail surprises less than a light one. [`Surprise`] has a histogram for
//! each sign, [`Magnitudes`] has one.
//!
//! Shapes: in one `f64`, out its rarity (1,000 = one number in 1,000). State: 384 and 192 bytes.

use crate::detect::learned::{Learned, learned_struct};
use crate::state::{Corrupt, StateReader, StateWriter};

learned_struct!(Surprise { above, below });
learned_struct!(Magnitudes { all });

/// Octaves of the scale to either side.
const OCTAVES: i32 = 12;
const BINS_PER_OCTAVE: i32 = 4;
const BINS: usize = (2 * OCTAVES * BINS_PER_OCTAVE) as usize;
/// The tail is the largest twentieth, the usual share for Hill's estimator.
const TAIL: f64 = 0.05;
/// The prior of a tail: this many numbers with a mean excess of half an octave.
const PRIOR_NUMBERS: f64 = 5.0;
const PRIOR_EXCESS: f64 = 0.5 * BINS_PER_OCTAVE as f64;
/// The greatest rarity that is claimed: extrapolation beyond it is not credible.
const ONE_IN_MAX: f64 = 1e6;
/// The share of magnitudes that are far.
const FAR: f64 = 0.01;
/// More octaves than the histogram has.
const FAR_AWAY: f64 = 2.0 * OCTAVES as f64;

/// Counts by magnitude of one sign.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Side([u16; BINS]);

/// Histograms of positive and negative numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surprise {
    above: Side,
    below: Side,
}

/// A histogram of magnitudes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Magnitudes {
    all: Side,
}

/// Where a magnitude stands among all earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// One magnitude in so many is as large; at least 1.
    pub(super) one_in: f64,
    /// Octaves beyond what one magnitude in 100 exceeds; negative within.
    pub(super) beyond_usual: f64,
    /// Octaves beyond the largest; negative within.
    pub(super) beyond_record: f64,
}

/// The position of a magnitude in fractional bins from the lower end: its logarithm, but linear within an octave.
/// That is the bit pattern of a float, and costs a subtraction.
fn place(ratio: f64) -> f64 {
    const LOWEST: f32 = 1.0 / (1 << OCTAVES) as f32;
    const BITS_PER_BIN: f64 = (1 << 23) as f64 / BINS_PER_OCTAVE as f64;
    let bits = (ratio.clamp(1e-9, 1e9) as f32).to_bits() as i32 - LOWEST.to_bits() as i32;
    (f64::from(bits) / BITS_PER_BIN).clamp(0.0, BINS as f64 - 1e-6)
}

/// The decimal logarithm of a number that is at least 1, to 0.003: a parabola between powers of two. It costs a
/// quarter of the exact one, and a reading needs fourteen.
pub(super) fn digits(one_in: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    const ONE: u64 = 1_023 << 52;
    let bits = one_in.to_bits();
    let exponent = (bits >> 52) as i64 - 1_023;
    let above = f64::from_bits((bits & MANTISSA) | ONE) - 1.0;
    let log2 = exponent as f64 + above + 0.344 * above * (1.0 - above);
    log2 * core::f64::consts::LOG10_2
}

impl Surprise {
    pub(super) const fn new() -> Self {
        Self { above: Side([0; BINS]), below: Side([0; BINS]) }
    }

    /// Returns how rare `ratio` (a number over the scale) is among `seen` earlier numbers, as one in so many; then
    /// learns it if it `teaches`. The surprise is the logarithm, which the owner takes.
    pub(super) fn push(&mut self, ratio: f64, seen: u32, teaches: bool) -> f64 {
        if ratio == 0.0 {
            return 1.0;
        }
        let side = if ratio > 0.0 { &mut self.above } else { &mut self.below };
        let place = place(ratio.abs());
        let one_in = side.one_in(place, f64::from(seen));
        if teaches {
            side.learn(place);
        }
        one_in
    }

    /// Halves all counts, so that later numbers weigh more; one that `keeps` goes on knowing each bin that it knows.
    pub(super) fn halve(&mut self, keeps: bool) {
        self.above.halve(keeps);
        self.below.halve(keeps);
    }

    /// Shifts all counts by `octaves`: the scale has grown by 2^`octaves`.
    pub(super) fn rescale(&mut self, octaves: i32) {
        self.above.shift(octaves.saturating_mul(BINS_PER_OCTAVE));
        self.below.shift(octaves.saturating_mul(BINS_PER_OCTAVE));
    }
}

impl Magnitudes {
    pub(super) const fn new() -> Self {
        Self { all: Side([0; BINS]) }
    }

    /// Returns where `ratio` (a magnitude over the scale) stands among `seen` earlier ones.
    pub(super) fn standing(&self, ratio: f64, seen: u32) -> Standing {
        if ratio <= 0.0 {
            return Standing { one_in: 1.0, beyond_usual: -FAR_AWAY, beyond_record: -FAR_AWAY };
        }
        let (place, seen) = (place(ratio), f64::from(seen));
        let octaves = |from: f64| (place - from) / f64::from(BINS_PER_OCTAVE);
        Standing {
            one_in: self.all.one_in(place, seen),
            beyond_usual: octaves(self.all.exceeded_by(FAR, seen)),
            beyond_record: octaves(self.all.largest()),
        }
    }

    /// Learns a magnitude over the scale.
    pub(super) fn learn(&mut self, ratio: f64) {
        if ratio > 0.0 {
            self.all.learn(place(ratio));
        }
    }

    /// As [`Surprise::halve`].
    pub(super) fn halve(&mut self, keeps: bool) {
        self.all.halve(keeps);
    }

    /// As [`Surprise::rescale`].
    pub(super) fn rescale(&mut self, octaves: i32) {
        self.all.shift(octaves.saturating_mul(BINS_PER_OCTAVE));
    }
}

impl Learned for Side {
    fn put(&self, to: &mut dyn StateWriter) {
        self.0.put(to);
    }

    fn take(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Learned::take(from).map(Self)
    }
}

impl Side {
    fn one_in(&self, place: f64, seen: f64) -> f64 {
        if seen < 1.0 {
            return 1.0;
        }
        let bin = place as usize;
        let own = f64::from(self.0.get(bin).copied().unwrap_or(0)) * (bin as f64 + 1.0 - place);
        let larger: u32 = self.0.get(bin + 1..).unwrap_or(&[]).iter().map(|count| u32::from(*count)).sum();
        let reached = f64::from(larger) + own;
        if reached >= 1.0 {
            return (seen / reached).max(1.0);
        }
        let (largest, excess) = self.tail(seen);
        let beyond = (place - largest).max(0.0) / excess;
        (seen * libm::exp(beyond.min(100.0))).min(ONE_IN_MAX)
    }

    /// The upper edge of the largest number, and the mean excess of the tail; both in bins.
    fn tail(&self, seen: f64) -> (f64, f64) {
        let (mut numbers, mut sum, mut largest, mut start) = (0.0, 0.0, 0.0, BINS as f64);
        for (bin, count) in self.0.iter().enumerate().rev() {
            let count = f64::from(*count);
            if numbers + count > TAIL * seen {
                break;
            }
            if count > 0.0 && numbers == 0.0 {
                largest = bin as f64 + 1.0;
            }
            numbers += count;
            sum += count * (bin as f64 + 0.5);
            start = bin as f64;
        }
        if numbers == 0.0 {
            largest = start;
        }
        let excess = (sum - numbers * start + PRIOR_NUMBERS * PRIOR_EXCESS) / (numbers + PRIOR_NUMBERS);
        (largest, excess)
    }

    fn learn(&mut self, place: f64) {
        if let Some(count) = self.0.get_mut(place as usize) {
            *count = count.saturating_add(1);
        }
    }

    fn halve(&mut self, keeps: bool) {
        self.0.iter_mut().for_each(|count| *count = if keeps { count.div_ceil(2) } else { *count / 2 });
    }

    /// The place that `share` of `seen` magnitudes exceed.
    fn exceeded_by(&self, share: f64, seen: f64) -> f64 {
        let mut left = share * seen;
        for (bin, count) in self.0.iter().enumerate().rev() {
            let count = f64::from(*count);
            if count > left {
                return bin as f64 + 1.0 - left / count;
            }
            left -= count;
        }
        0.0
    }

    /// The middle of the bin of the largest magnitude; 0 where there is none.
    fn largest(&self) -> f64 {
        self.0.iter().rposition(|count| *count > 0).map_or(0.0, |bin| bin as f64 + 0.5)
    }

    fn shift(&mut self, bins: i32) {
        let old = core::mem::replace(&mut self.0, [0; BINS]);
        for (bin, count) in old.into_iter().enumerate() {
            let moved = (bin as i32).saturating_sub(bins).clamp(0, BINS as i32 - 1);
            if let Some(place) = self.0.get_mut(moved as usize) {
                *place = place.saturating_add(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Magnitudes, Surprise, digits};

    /// After one to 1,000, the 100 largest are one in ten, the largest one in 1,000.
    #[test]
    fn rarities_are_shares_and_go_on_beyond() {
        let mut surprise = Surprise::new();
        for seen in 0..1_000 {
            surprise.push(f64::from(seen + 1) / 100.0, seen, true);
        }
        let of = |ratio: f64| libm::log10(surprise.clone().push(ratio, 1_000, true));
        assert!((of(5.0) - 0.3).abs() < 0.02, "{}", of(5.0));
        // Within a bin the numbers count as spread evenly: 904 lie below its lower edge, 11 are above 9.9.
        assert!((0.9..2.1).contains(&of(9.0)) && of(9.0) < of(9.9) && of(9.9) < 3.0);
        assert!(of(20.0) > 3.5 && of(20.0) < of(30.0));
        assert!((of(1e300) - 6.0).abs() < 1e-9);
        assert_eq!(of(0.0), 0.0);
        // The other sign was never seen.
        assert!(of(-0.01) >= 3.0);
    }

    #[test]
    fn digits_are_a_logarithm() {
        for tenth in 0..600 {
            let exact = f64::from(tenth) / 100.0;
            let digits = digits(libm::pow(10.0, exact));
            assert!((digits - exact).abs() < 0.003, "{digits} for {exact}");
        }
    }

    #[test]
    fn a_magnitude_stands_beside_all_earlier_ones() {
        let mut all = Magnitudes::new();
        for seen in 0..1_000 {
            all.learn(f64::from(seen + 1) / 1_000.0);
        }
        let of = |magnitude: f64| all.standing(magnitude, 1_000);
        assert!(of(0.5).beyond_usual < -0.9 && of(0.5).beyond_record < -0.9);
        let twice = of(2.0);
        assert!(
            (twice.beyond_usual - 1.0).abs() < 0.1 && (twice.beyond_record - 1.0).abs() < 0.2,
            "{twice:?}"
        );
        assert!(twice.one_in > 1_000.0);
        assert_eq!(of(0.0).one_in, 1.0);
    }

    #[test]
    fn a_new_scale_keeps_what_was_learned() {
        let mut surprise = Surprise::new();
        for seen in 0..1_000 {
            surprise.push(f64::from(seen + 1) / 100.0, seen, true);
        }
        let before = surprise.clone().push(8.0, 1_000, true);
        surprise.rescale(2);
        assert!((surprise.clone().push(2.0, 1_000, true) - before).abs() < 1e-9);
        surprise.rescale(i32::MIN);
        surprise.rescale(i32::MAX);
        surprise.halve(true);
        let half = surprise;
        (0..9).for_each(|_| surprise.halve(true));
        assert!(surprise.above.largest() == half.above.largest(), "the record is kept");
        surprise.halve(false);
        assert_eq!(surprise, Surprise::new());
    }
}
