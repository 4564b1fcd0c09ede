//! How much surprise is unusual for the very series: its own limit, learned from the surprise of all its readings.
//!
//! Ranks are made to be equally rare on every series, but views of one series hang together more or less, and so do
//! several series. A histogram of the surprise tells what one reading in [`ONE_IN`] exceeds: above the twentieth that
//! is largest, surprise falls off exponentially (peaks over threshold, as A. Siffer et al., "Anomaly Detection in
//! Streams with Extreme Value Theory", KDD 2017). A prior stands for what is usual until enough has been seen.
//!
//! The limit only rises. Of one series it rises by a part of what the series asks for: most of what is surprising in
//! a series is an event. Several series at one time ask for all of it: nobody knows beforehand how they hang together.
//!
//! State: 244 bytes. Cost: O(1), no allocation.

use crate::detect::learned::learned_struct;

learned_struct!(OwnLimit { counts, seen });

/// One reading in so many may exceed the limit.
const ONE_IN: f64 = 2_000.0;
/// The share of the rise of a single series.
const SHARE: f64 = 0.15;
const BINS_PER_DIGIT: f64 = 20.0;
const BINS: usize = 120;
/// The tail is this share of the readings.
const TAIL: f64 = 0.05;
/// The prior: this many surprises in the tail, where it starts, and their mean excess [digits].
const PRIOR_NUMBERS: f64 = 20.0;
const PRIOR_START: f64 = 1.2;
const PRIOR_EXCESS: f64 = 0.28;
/// Half is forgotten when so many were seen.
const SEEN_MAX: u32 = 16_384;

/// The surprise of all readings, as a histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OwnLimit {
    counts: [u16; BINS],
    seen: u32,
}

impl OwnLimit {
    pub(super) const fn new() -> Self {
        Self { counts: [0; BINS], seen: 0 }
    }

    /// The limit for the next surprise [digits], at least `least`, of several series or of one.
    pub(super) fn of(&self, least: f64, several: bool) -> f64 {
        let (mut numbers, mut sum, mut start) = (0.0, 0.0, BINS as f64);
        for (bin, count) in self.counts.iter().enumerate().rev() {
            let count = f64::from(*count);
            if numbers + count > TAIL * f64::from(self.seen) {
                break;
            }
            numbers += count;
            sum += count * (bin as f64 + 0.5);
            start = bin as f64;
        }
        let of_all = numbers + PRIOR_NUMBERS;
        let excess =
            (sum / BINS_PER_DIGIT - numbers * start / BINS_PER_DIGIT + PRIOR_NUMBERS * PRIOR_EXCESS) / of_all;
        let start = (numbers * start / BINS_PER_DIGIT + PRIOR_NUMBERS * PRIOR_START) / of_all;
        let own = start + excess * libm::log(TAIL * ONE_IN);
        let share = if several { 1.0 } else { SHARE };
        least + share * (own - least).max(0.0)
    }

    pub(super) fn learn(&mut self, surprise: f64) {
        let bin = (surprise * BINS_PER_DIGIT).clamp(0.0, BINS as f64 - 1.0) as usize;
        if let Some(count) = self.counts.get_mut(bin) {
            *count = count.saturating_add(1);
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen >= SEEN_MAX {
            self.seen /= 2;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OwnLimit;
    use crate::detect::testing::Noise;

    const LIMIT: f64 = 2.35;

    /// The limit after 10,000 surprises whose tail has that mean excess.
    fn after(excess: f64) -> [f64; 2] {
        let (mut limit, mut noise) = (OwnLimit::new(), Noise::new(1));
        for _ in 0..10_000 {
            limit.learn(0.5 - excess * libm::log(1.0 - noise.even()));
        }
        [false, true].map(|several| limit.of(LIMIT, several))
    }

    #[test]
    fn the_limit_is_what_one_reading_in_2_000_exceeds() {
        let of_all = 0.5 + 0.35 * libm::log(2_000.0);
        let [one, several] = after(0.35);
        assert!((several - of_all).abs() < 0.15, "{several}, not {of_all}");
        assert!((one - LIMIT - super::SHARE * (several - LIMIT)).abs() < 1e-9);
        assert_eq!(after(0.1), [LIMIT; 2], "a calm series is no reason for less");
        assert!((OwnLimit::new().of(LIMIT, true) - 2.49).abs() < 0.01, "the prior");
    }

    #[test]
    fn whatever_was_stored_gives_a_limit() {
        for seen in [0, 1, u32::MAX] {
            let mut limit = OwnLimit { counts: [u16::MAX; super::BINS], seen };
            limit.learn(f64::MAX);
            assert!(limit.of(LIMIT, true).is_finite() && limit.of(LIMIT, true) >= LIMIT);
        }
    }
}
