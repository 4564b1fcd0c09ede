//! Largest triangle, three buckets: the readings that a chart of few points needs to look the same.
//!
//! Source: S. Steinarsson, "Downsampling time series for visual representation", University of Iceland, 2013.
//! The first and the last reading stay; the others are cut into equal parts, and of each part the reading
//! stays that spans the largest triangle with the one kept before it and the mean of the part after it.
//!
//! Cost: O(n), no memory.

use super::{boundary, part};
use crate::aggregate::Stamped;
use crate::time::Time;

/// Gives at most `points` of `readings` (sorted by time) to `keep`, in their order; all of them where they
/// are as few. `points` below 2 count as 2.
pub fn lttb(readings: &[Stamped], points: usize, mut keep: impl FnMut(Stamped)) {
    let points = points.max(2);
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return };
    if readings.len() <= points {
        readings.iter().copied().for_each(keep);
        return;
    }
    let parts = points - 2;
    let inner = part(readings, 1, readings.len() - 1);
    let mut before = *first;
    keep(before);
    for number in 0..parts {
        let from = boundary(inner.len(), number, parts);
        let to = boundary(inner.len(), number + 1, parts);
        let after = if number + 1 < parts {
            part(inner, to, boundary(inner.len(), number + 2, parts))
        } else {
            &[*last]
        };
        let after = mean(after, before.0);
        let area = |(time, value): &Stamped| {
            let x = time.since(before.0) as f64;
            (x * (after.1 - before.1) - after.0 * (value - before.1)).abs()
        };
        let largest = part(inner, from, to).iter().max_by(|a, b| area(a).total_cmp(&area(b)));
        before = *largest.unwrap_or(&before);
        keep(before);
    }
    keep(*last);
}

/// The mean time (from `origin`, in milliseconds) and the mean value.
fn mean(readings: &[Stamped], origin: Time) -> (f64, f64) {
    let count = readings.len().max(1) as f64;
    let sum = |(x, y): (f64, f64), (time, value): &Stamped| {
        (x + time.since(origin) as f64 / count, y + value / count)
    };
    readings.iter().fold((0.0, 0.0), sum)
}

#[cfg(test)]
mod tests {
    use super::lttb;
    use crate::aggregate::Stamped;
    use crate::time::Time;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn kept(readings: &[Stamped], points: usize) -> Vec<Stamped> {
        let mut kept = Vec::new();
        lttb(readings, points, |reading| kept.push(reading));
        kept
    }

    #[test]
    fn peaks_stay() {
        let mut readings: Vec<Stamped> = (0..1_000).map(|i| (Time(i * 10), 0.0)).collect();
        readings[333].1 = 5.0;
        readings[700].1 = -5.0;
        let few = kept(&readings, 12);
        assert_eq!(few.len(), 12);
        assert!(few.contains(&readings[333]) && few.contains(&readings[700]));
        assert_eq!((few[0], few[11]), (readings[0], readings[999]));
        assert_eq!(kept(&readings, 0), [readings[0], readings[999]]);
        assert_eq!(kept(&readings[..3], 5), readings[..3]);
        assert_eq!(kept(&[], 5), []);
    }

    proptest! {
        #[test]
        fn as_many_as_asked_for_in_order(
            mut times in prop::collection::vec(any::<i64>(), 0..200), points in 0..50_usize, wild: bool,
        ) {
            times.sort_unstable();
            let value = |i: usize| if wild { [1e308, -1e308, 0.0][i % 3] } else { (i * 7 % 13) as f64 };
            let readings: Vec<Stamped> = times.iter().enumerate().map(|(i, time)| (Time(*time), value(i))).collect();
            let few = kept(&readings, points);
            prop_assert_eq!(few.len(), readings.len().min(points.max(2)));
            prop_assert!(few.is_sorted_by_key(|reading| reading.0));
            prop_assert!(few.iter().all(|reading| readings.contains(reading)));
        }
    }
}
