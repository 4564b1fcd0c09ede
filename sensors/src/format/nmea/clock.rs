//! The times of sentences, in UTC.

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

const DAY_MS: i64 = 86_400_000;

/// The last time with a date; a time of day alone is the one nearest to it.
#[derive(Clone, Debug, Default)]
pub(super) struct SentenceClock {
    /// [ms since the Unix epoch].
    last: Option<i64>,
}

impl SentenceClock {
    /// The time of a sentence [ms since the Unix epoch]; `None`: it says none, or no date came before.
    pub(super) fn time_of<'a>(&mut self, code: &str, column: impl Fn(usize) -> &'a str) -> Option<i64> {
        let ms = match code {
            "RMC" => {
                let digits = column(8);
                let [day, month, year] = [0, 2, 4].map(|at| pair(digits, at));
                let year = i16::from(year?);
                let century = if year < 80 { 2_000 } else { 1_900 };
                midnight(century + year, month?, day?)? + time_of_day(column(0))?
            }
            "ZDA" => {
                let [day, month] = [1, 2].map(|at| column(at).parse().ok());
                midnight(column(3).parse().ok()?, month?, day?)? + time_of_day(column(0))?
            }
            "GGA" | "GNS" | "GLL" => {
                let of_day = time_of_day(column(if code == "GLL" { 4 } else { 0 }))?;
                let last = self.last?;
                let ms = last - last.rem_euclid(DAY_MS) + of_day;
                ms + [-DAY_MS, 0, DAY_MS].into_iter().min_by_key(|days| (ms + days - last).abs())?
            }
            _ => return None,
        };
        self.last = Some(ms);
        Some(ms)
    }
}

/// Two digits at a place.
fn pair(digits: &str, at: usize) -> Option<i8> {
    digits.get(at..at + 2)?.parse().ok()
}

fn midnight(year: i16, month: i8, day: i8) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=date(2000, month, 1).days_in_month()).contains(&day) {
        return None;
    }
    let day = DateTime::new(year, month, day, 0, 0, 0, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(day).ok()?.as_millisecond())
}

/// `123519.25` (ms).
fn time_of_day(digits: &str) -> Option<i64> {
    let [hours, minutes] = [0, 2].map(|at| pair(digits, at));
    let seconds = crate::TimeFormat::Unix.of_number(digits.get(4..)?.parse().ok()?)?;
    let ms = (i64::from(hours?) * 60 + i64::from(minutes?)) * 60_000 + seconds;
    (0..DAY_MS + 1_000).contains(&ms).then_some(ms)
}
