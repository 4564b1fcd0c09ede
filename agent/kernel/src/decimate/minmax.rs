//! The smallest and the largest reading of every part: no peak is lost, whatever the chart.
//!
//! Cost: O(n), no memory.

use super::{boundary, part};
use crate::aggregate::Stamped;

/// Gives at most `points` of `readings` (sorted by time) to `keep`, in their order: of each of `points / 2`
/// equal parts the smallest and the largest, which are one reading where all are equal. All of them where
/// they are as few. `points` below 2 count as 2.
pub fn minmax(readings: &[Stamped], points: usize, mut keep: impl FnMut(Stamped)) {
    if readings.len() <= points.max(2) {
        readings.iter().copied().for_each(keep);
        return;
    }
    let parts = (points / 2).max(1);
    for number in 0..parts {
        let from = boundary(readings.len(), number, parts);
        let to = boundary(readings.len(), number + 1, parts);
        let here = || part(readings, from, to).iter().enumerate();
        let by_value = |a: &(usize, &Stamped), b: &(usize, &Stamped)| a.1.1.total_cmp(&b.1.1);
        let (Some(low), Some(high)) = (here().min_by(by_value), here().max_by(by_value)) else { continue };
        let (first, second) = if low.0 <= high.0 { (low, high) } else { (high, low) };
        keep(*first.1);
        if second.1.1.total_cmp(&first.1.1).is_ne() {
            keep(*second.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::minmax;
    use crate::aggregate::Stamped;
    use crate::time::Time;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn kept(readings: &[Stamped], points: usize) -> Vec<Stamped> {
        let mut kept = Vec::new();
        minmax(readings, points, |reading| kept.push(reading));
        kept
    }

    #[test]
    fn each_part_gives_its_extremes_in_order() {
        let values = [1.0, 9.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 7.0, 6.0, 5.0, 6.5];
        let readings: Vec<Stamped> =
            values.iter().zip(0..).map(|(value, time)| (Time(time), *value)).collect();
        let times = |points| kept(&readings, points).iter().map(|(time, _)| time.0).collect::<Vec<_>>();
        assert_eq!(times(6), [0, 1, 4, 8, 10]);
        assert_eq!(times(1), [0, 1]);
        assert_eq!(times(12).len(), 12);
    }

    proptest! {
        #[test]
        fn the_extremes_of_all_are_kept(values in prop::collection::vec(-9.0..9.0_f64, 1..200), points in 0..50_usize) {
            let readings: Vec<Stamped> = values.iter().zip(0..).map(|(value, time)| (Time(time), *value)).collect();
            let few = kept(&readings, points);
            prop_assert!(few.len() <= points.max(2));
            prop_assert!(few.is_sorted_by_key(|reading| reading.0));
            for extreme in [f64::min, f64::max] {
                let of = |readings: &[Stamped]| readings.iter().map(|reading| reading.1).reduce(extreme);
                prop_assert_eq!(of(&few), of(&readings));
            }
        }
    }
}
