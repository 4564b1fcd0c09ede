//! Scales, and ticks at round values.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// From numbers of a range to places of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// `low` is drawn at `from`, `high` at `to`.
    pub(crate) fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self { low, high, from, to }
    }

    pub(crate) fn place(&self, number: f64) -> f64 {
        // Halved, so that a range of all numbers stays finite.
        let span = self.high / 2.0 - self.low / 2.0;
        let share = if span > 0.0 { (number / 2.0 - self.low / 2.0) / span } else { 0.5 };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// A range that holds the numbers and a little more; of none, or of one number, one around it.
pub(crate) fn padded(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let range = numbers.fold(None, |range: Option<(f64, f64)>, number| {
        Some(range.map_or((number, number), |(low, high)| (low.min(number), high.max(number))))
    });
    let (low, high) = range.unwrap_or((0.0, 1.0));
    let pad = if low == high { low.abs().max(1.0) * 0.1 } else { high * 0.06 - low * 0.06 };
    ((low - pad).max(f64::MIN), (high + pad).min(f64::MAX))
}

/// About `count` round values within a range, and how each is written.
pub(crate) fn value_ticks((low, high): (f64, f64), count: usize) -> Vec<(f64, String)> {
    let rough = (high / count as f64 - low / count as f64).max(f64::MIN_POSITIVE);
    let magnitude = 10.0_f64.powi(rough.log10().floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0].map(|of| of * magnitude).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step).ceil();
    let ticks = (0..=count * 2).map(|at| (first + at as f64) * step).take_while(|value| *value <= high);
    let decimals = usize::try_from(-(step.log10() + 1e-9).floor() as i64).unwrap_or(0);
    ticks.filter(|value| value.is_finite()).map(|value| (value, written(value, decimals, step))).collect()
}

fn written(value: f64, decimals: usize, step: f64) -> String {
    // Nothing is "-0".
    let value = if value.abs() < step / 2.0 { 0.0 } else { value };
    let is_plain = (1e-4..1e6).contains(&step) && value.abs() < 1e7;
    if is_plain { format!("{value:.decimals$}") } else { short(value) }
}

/// A number in a few characters.
pub(crate) fn short(value: f64) -> String {
    let trimmed = |digits: &str| digits.trim_end_matches('0').trim_end_matches('.').to_owned();
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) {
        return trimmed(&format!("{value:.4}"));
    }
    let text = format!("{value:.3e}");
    text.split_once('e').map_or(text.clone(), |(digits, power)| format!("{}e{power}", trimmed(digits)))
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances between ticks (ms).
const STEPS: [i64; 35] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    56 * DAY,
    91 * DAY,
    182 * DAY,
    364 * DAY,
];

/// At most `count` round moments within a range (ms), and how each is written: the date where it is a new one, else the
/// time of day.
pub(crate) fn time_ticks((from, to): (i64, i64), count: i64) -> Vec<(i64, String)> {
    let rough = to.saturating_sub(from) / count.max(1);
    let step = STEPS.into_iter().find(|step| *step >= rough).unwrap_or(rough.max(1));
    let first =
        from.div_euclid(step).saturating_add(i64::from(from.rem_euclid(step) > 0)).saturating_mul(step);
    let mut day = None;
    let moments = (0..=count).map_while(|at| first.checked_add(at * step)).take_while(|ms| *ms <= to);
    let label = |ms: i64| {
        let is_new = day.replace(ms.div_euclid(DAY)) != Some(ms.div_euclid(DAY));
        (ms, moment(ms, step, is_new))
    };
    moments.map(label).collect()
}

fn moment(ms: i64, step: i64, is_new_day: bool) -> String {
    let Some(date) = civil(ms) else { return ms.to_string() };
    let mut text = String::new();
    if is_new_day {
        let _ = write!(text, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
        if step >= DAY || ms.rem_euclid(DAY) == 0 {
            return text;
        }
        text.push(' ');
    }
    let _ = write!(text, "{:02}:{:02}", date.hour(), date.minute());
    if step < MINUTE {
        let _ = write!(text, ":{:02}", date.second());
    }
    if step < SECOND {
        let _ = write!(text, ".{:03}", ms.rem_euclid(SECOND));
    }
    text
}

/// A moment as people write it, to the second.
pub(crate) fn full(ms: i64) -> String {
    civil(ms).map_or_else(|| ms.to_string(), |date| date.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn civil(ms: i64) -> Option<jiff::civil::DateTime> {
    Timestamp::from_millisecond(ms).ok().map(|moment| moment.to_zoned(TimeZone::UTC).datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels<T>(ticks: Vec<(T, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(value_ticks((-0.31, 0.94), 4)), ["0.0", "0.5"]);
        assert_eq!(labels(value_ticks((17.2, 24.1), 4)), ["18", "20", "22", "24"]);
        assert_eq!(labels(value_ticks((-1.2e-7, 1.2e-7), 3)), ["-1e-7", "0", "1e-7"]);
        let widest = value_ticks(padded([-1e308, 1e308].into_iter()), 4);
        assert!(widest.len() > 1 && widest.iter().all(|(value, _)| value.is_finite()), "{widest:?}");
        assert_eq!(labels(value_ticks(padded([5.0, 5.0].into_iter()), 2)), ["4.5", "5.0", "5.5"]);
        let day = 1_699_920_000_000;
        assert_eq!(
            labels(time_ticks((day - 7 * HOUR, day + 7 * HOUR), 6)),
            ["2023-11-13 18:00", "21:00", "2023-11-14", "03:00", "06:00"]
        );
        assert_eq!(
            labels(time_ticks((day, day + 3 * DAY), 4)),
            [14, 15, 16, 17].map(|d| format!("2023-11-{d}"))
        );
        assert_eq!(
            labels(time_ticks((day + 1, day + 30), 4)),
            ["2023-11-14 00:00:00.010", "00:00:00.020", "00:00:00.030"]
        );
        assert!(time_ticks((i64::MIN, i64::MAX), 8).len() <= 9);
    }

    #[test]
    fn a_scale_stays_within_its_line() {
        let scale = Scale::new((f64::MIN, f64::MAX), (0.0, 100.0));
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|number| scale.place(number)), [0.0, 50.0, 100.0]);
        assert_eq!(Scale::new((1.0, 1.0), (0.0, 100.0)).place(1.0), 50.0);
    }
}
