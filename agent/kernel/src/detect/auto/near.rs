//! Five views of a reading beside the readings just before it.
//!
//! A needle, a step, a slope and unrest stand out here even where the value itself is usual. Each view ranks its
//! magnitude among its own past ([`Magnitudes`]). What is far beyond the record does not become usual at once: a few
//! such readings are judged and not learned, so that a fault that comes twice is found twice.
//!
//! State: 1.1 KB. Cost: O(1), no allocation.

use super::surprise::{Magnitudes, Standing};
use crate::detect::learned::learned_struct;

learned_struct!(Near { quick, slow, short, long, last, step, usual_step, views, quantum, pardons, behind });

/// How many views there are.
pub(super) const VIEWS: usize = 5;
/// The number of readings whose median is the third view's reference.
const MEDIAN_OF: usize = 5;
/// Readings that the means reach back: two references, a short mean and its own reference, steps, usual steps.
const QUICK: f64 = 3.0;
const SLOW: f64 = 30.0;
const SHORT: f64 = 10.0;
const LONG: f64 = 100.0;
const STEP: f64 = 10.0;
const USUAL_STEP: f64 = 300.0;
/// Octaves beyond the record, and a rarity, from which a reading and the one behind it are not learned.
const WILD: f64 = 2.0;
const WILD_ONE_IN: f64 = 2_000.0;
/// So many of them, and one more for so many readings.
const PARDONS: f64 = 3.0;
const PARDON_READINGS: f64 = 2_000.0;
/// Steps of so many quanta are those of a coarse sensor; the margin is for what rounding leaves.
const COARSE: f64 = 3.003;

/// The recent past of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    /// Means over [`QUICK`] and [`SLOW`] readings [channel unit].
    quick: f64,
    slow: f64,
    /// Means over [`SHORT`] and [`LONG`] readings.
    short: f64,
    long: f64,
    /// The last readings, the newest at the end.
    last: [f64; MEDIAN_OF],
    /// Mean steps between neighbours over [`STEP`] and [`USUAL_STEP`] readings.
    step: f64,
    usual_step: f64,
    views: [Magnitudes; VIEWS],
    /// The smallest step so far [channel unit]; 0: none.
    quantum: f64,
    /// Wild readings that need not be learned, and whether the last one was.
    pardons: f64,
    behind: bool,
}

/// A reading beside those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beside {
    pub(super) standings: Standings,
    /// The mean of the last readings [channel unit].
    pub(super) neighbour: f64,
    /// Whether it is no further away than a coarse sensor steps.
    pub(super) coarse: bool,
    /// Whether it is not to be learned as usual.
    pub(super) pardoned: bool,
}

/// The standing of a reading in each view: beside the mean of 3, beside the mean of 30, beside the median of 5, the
/// mean of 10 beside that of 100, and how much larger steps are than they were.
pub(super) type Standings = [Standing; VIEWS];

impl Standing {
    fn is_wild(&self) -> bool {
        self.beyond_record >= WILD && self.one_in >= WILD_ONE_IN
    }
}

impl Near {
    pub(super) const fn starting(value: f64) -> Self {
        Self {
            quick: value,
            slow: value,
            short: value,
            long: value,
            last: [value; MEDIAN_OF],
            step: 0.0,
            usual_step: 0.0,
            views: [Magnitudes::new(); VIEWS],
            quantum: 0.0,
            pardons: PARDONS,
            behind: false,
        }
    }

    /// Judges `value` after `seen` readings, in units of `1 / per_unit`; a value that `teaches` nothing is only judged.
    pub(super) fn push(&mut self, value: f64, per_unit: f64, seen: u32, teaches: bool) -> Beside {
        let mut next = *self;
        let readings = f64::from(seen) + 1.0;
        let follow = |mean: &mut f64, to: f64, reach: f64| *mean += (to - *mean) / reach.min(readings);
        follow(&mut next.short, value, SHORT);
        let step = (value - self.newest()).abs();
        follow(&mut next.step, step, STEP);
        follow(&mut next.usual_step, step, USUAL_STEP);
        let restless =
            if next.usual_step > 0.0 { libm::log((next.step / next.usual_step).max(1.0)) } else { 0.0 };
        let magnitudes = [
            (value - self.quick).abs() * per_unit,
            (value - self.slow).abs() * per_unit,
            (value - self.median()).abs() * per_unit,
            (next.short - self.long).abs() * per_unit,
            restless,
        ];
        let mut standings = Standings::default();
        for ((standing, view), magnitude) in standings.iter_mut().zip(&self.views).zip(magnitudes) {
            *standing = view.standing(magnitude, seen);
        }
        let wild = standings.iter().step_by(VIEWS - 1).any(Standing::is_wild);
        let pardoned = next.pardon(wild);
        let beside = Beside {
            standings,
            neighbour: self.quick,
            coarse: self.is_coarse(step) && self.is_coarse((value - self.quick).abs()),
            pardoned,
        };
        if !teaches {
            return beside;
        }
        if !pardoned {
            next.views.iter_mut().zip(magnitudes).for_each(|(view, magnitude)| view.learn(magnitude));
        }
        if step > 0.0 && (next.quantum == 0.0 || step < next.quantum) {
            next.quantum = step;
        }
        follow(&mut next.quick, value, QUICK);
        follow(&mut next.slow, value, SLOW);
        follow(&mut next.long, value, LONG);
        next.last.rotate_left(1);
        if let Some(newest) = next.last.last_mut() {
            *newest = value;
        }
        *self = next;
        beside
    }

    /// Whether a reading is pardoned: a wild one while there are pardons, and the one behind it.
    fn pardon(&mut self, wild: bool) -> bool {
        self.pardons = (self.pardons + 1.0 / PARDON_READINGS).min(PARDONS);
        if self.behind {
            self.behind = false;
            return true;
        }
        self.behind = wild && self.pardons >= 1.0;
        if self.behind {
            self.pardons -= 1.0;
        }
        self.behind
    }

    fn is_coarse(&self, distance: f64) -> bool {
        distance <= COARSE * self.quantum
    }

    /// Starts from `value` after a gap: what lies before it is no neighbour.
    pub(super) const fn resume(&mut self, value: f64) {
        (self.quick, self.slow, self.short, self.long) = (value, value, value, value);
        self.last = [value; MEDIAN_OF];
    }

    /// As [`super::surprise::Surprise::halve`].
    pub(super) fn halve(&mut self, keeps: bool) {
        self.views.iter_mut().for_each(|view| view.halve(keeps));
    }

    /// The scale has grown by 2^`octaves`. The last view has no unit.
    pub(super) fn rescale(&mut self, octaves: i32) {
        self.views.iter_mut().take(VIEWS - 1).for_each(|view| view.rescale(octaves));
    }

    /// The mean of the last 100 readings [channel unit].
    pub(super) const fn long(&self) -> f64 {
        self.long
    }

    fn newest(&self) -> f64 {
        self.last.last().copied().unwrap_or(0.0)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.last;
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(MEDIAN_OF / 2).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Near, Standings};
    use crate::detect::testing::Noise;

    fn after(readings: u32) -> (Near, Noise) {
        let (mut near, mut noise) = (Near::starting(20.0), Noise::new(5));
        for seen in 0..readings {
            near.push(20.0 + noise.normal(), 1.0, seen, true);
        }
        (near, noise)
    }

    fn rarest(standings: &Standings) -> usize {
        let by = |(_, a): &(usize, f64), (_, b): &(usize, f64)| a.total_cmp(b);
        standings.iter().map(|standing| standing.one_in).enumerate().max_by(by).map_or(0, |(at, _)| at)
    }

    #[test]
    fn each_view_finds_its_own() {
        let (near, mut noise) = after(3_000);
        let needle = near.clone().push(30.0, 1.0, 3_000, true).standings;
        assert!(needle[..3].iter().all(|s| s.one_in > 3_000.0 && s.beyond_record > 0.5), "{needle:?}");
        let mut shifted = near;
        let shift = (0..12).map(|at| shifted.push(21.6 + noise.normal(), 1.0, 3_000 + at, true)).last();
        assert_eq!(rarest(&shift.unwrap().standings), 3, "a shift of the mean");
        let mut restless = near;
        let unrest = (0..12)
            .map(|at| restless.push(20.0 + 2.4 * noise.normal(), 1.0, 3_000 + at, true))
            .fold(0.0_f64, |most, beside| most.max(beside.standings[4].one_in));
        assert!(unrest > 3_000.0, "{unrest}");
    }

    #[test]
    fn what_teaches_nothing_changes_nothing() {
        let (mut near, _) = after(200);
        let before = near;
        near.push(1e300, 1.0, 200, false);
        assert_eq!(near, before);
    }

    #[test]
    fn a_needle_is_as_wild_the_second_time_but_not_for_ever() {
        let (mut near, mut noise) = after(3_000);
        let beyond: [f64; 6] = core::array::from_fn(|needle| {
            let seen = 3_000 + 50 * needle as u32;
            let wild = near.push(300.0, 1.0, seen, true).standings[0].beyond_record;
            (1..50).for_each(|at| _ = near.push(20.0 + noise.normal(), 1.0, seen + at, true));
            wild
        });
        assert!(beyond[1] >= 2.0 && beyond[5] < 0.1, "{beyond:?}");
    }

    #[test]
    fn a_coarse_sensor_is_known_by_its_smallest_step() {
        let mut near = Near::starting(3.7);
        for at in 0..1_000 {
            near.push(if at % 100 == 99 { 3.65 } else { 3.7 }, 1.0, at, true);
        }
        let coarse = |value: f64| near.clone().push(value, 1.0, 1_000, true).coarse;
        assert!(coarse(3.65) && coarse(3.6) && !coarse(3.4));
    }
}
