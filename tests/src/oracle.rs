//! An independent computation of what windows must say: straight from the definitions, on all values at once.

use crate::messages::Message;
use std::collections::BTreeMap;

/// The values of each tumbling window by its start, in order of arrival.
#[must_use]
pub fn tumbling(readings: &[(i64, f64)], size_ms: i64) -> BTreeMap<i64, Vec<f64>> {
    let mut windows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (time, value) in readings {
        windows.entry(time.div_euclid(size_ms) * size_ms).or_default().push(*value);
    }
    windows
}

/// When a threshold detector must raise and clear: `(true, time)` and `(false, time)` in turn.
#[must_use]
pub fn threshold_above(readings: &[(i64, f64)], above: f64, clear: f64, for_ms: i64) -> Vec<(bool, i64)> {
    let mut turns = Vec::new();
    let mut since = None;
    let mut raised = false;
    for &(time, value) in readings {
        if raised {
            raised = value >= clear;
            if !raised {
                turns.push((false, time));
            }
            continue;
        }
        since = if value > above { since.or(Some(time)) } else { None };
        if since.is_some_and(|since| time - since >= for_ms) {
            (raised, since) = (true, None);
            turns.push((true, time));
        }
    }
    turns
}

/// Sum with Neumaier's compensation: exact to a rounding for all that a test holds.
#[must_use]
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() { (total - next) + value } else { (value - next) + total };
        total = next;
    }
    total + lost
}

/// Checks a summary with all of the aggregates against the values of its window.
///
/// # Panics
/// When a number is off by more than 1e-9 of itself, a percentile by more than 1 %.
#[track_caller]
pub fn check_summary(summary: &Message, values: &[f64]) {
    let count = values.len() as f64;
    let mean = sum(values.iter().copied()) / count;
    let variance = sum(values.iter().map(|value| (value - mean).powi(2))) / count;
    let expected = [
        ("count", count),
        ("sum", sum(values.iter().copied())),
        ("min", values.iter().copied().fold(f64::INFINITY, f64::min)),
        ("max", values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        ("mean", mean),
        ("first", values.first().copied().unwrap_or(f64::NAN)),
        ("last", values.last().copied().unwrap_or(f64::NAN)),
    ];
    for (name, expected) in expected {
        let got = summary.number(name);
        assert!(close(got, expected, 1e-9), "{name}: {got} for {expected} in {}", summary.map);
    }
    // Values that differ in their last bits only have a spread of rounding; no formula in f64 does better.
    let scale = values.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
    let stddev = summary.number("stddev");
    let off = (stddev - variance.sqrt()).abs();
    assert!(
        off <= 1e-9 * variance.sqrt() + 1e-12 * scale,
        "stddev: {stddev} for {} in {}",
        variance.sqrt(),
        summary.map
    );
    check_percentile(summary, "p50", 0.50, values);
    check_percentile(summary, "p95", 0.95, values);
}

/// Checks a percentile: within 1 % of the value of nearest rank, and exact if there are at most 64.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn check_percentile(summary: &Message, name: &str, q: f64, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let expected = sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1];
    let off = if sorted.len() <= 64 { 0.0 } else { 0.01 * expected.abs() };
    let got = summary.number(name);
    assert!((got - expected).abs() <= off, "{name}: {got} for {expected} in {}", summary.map);
}

/// Whether two numbers differ by at most `relative` of the expected one.
#[must_use]
pub fn close(got: f64, expected: f64, relative: f64) -> bool {
    (got - expected).abs() <= relative * expected.abs().max(1e-300)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: above 10 from 2 on, for 2 ms at 4; back below 8 at 6; a short visit at 7 does not count.
    #[test]
    fn a_threshold_waits_and_has_hysteresis() {
        let readings = [(1, 5.0), (2, 11.0), (3, 12.0), (4, 13.0), (5, 9.0), (6, 7.0), (7, 20.0), (8, 1.0)];
        assert_eq!(threshold_above(&readings, 10.0, 8.0, 2), [(true, 4), (false, 6)]);
        assert_eq!(threshold_above(&readings, 10.0, 8.0, 0), [(true, 2), (false, 6), (true, 7), (false, 8)]);
    }

    #[test]
    fn windows_align_to_the_epoch_before_it_too() {
        let windows = tumbling(&[(-1, 1.0), (0, 2.0), (9, 3.0), (10, 4.0)], 10);
        assert_eq!(
            windows.into_iter().collect::<Vec<_>>(),
            [(-10, vec![1.0]), (0, vec![2.0, 3.0]), (10, vec![4.0])]
        );
    }

    #[test]
    fn the_sum_keeps_what_rounding_would_drop() {
        assert_eq!(sum([1e16, 1.0, -1e16, 1.0].into_iter()), 2.0);
    }
}
