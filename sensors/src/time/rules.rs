//! How the event times of a source are read: `time_format`, `time_zone` and `time_else`.

use super::{LIKELY, TimeFormat, WORDS, pattern};
use crate::fields::Scalar;
use crate::topic::shortened;
use headwater_settings::{Or, Table};
use jiff::tz::TimeZone;
use std::io::Write;
use std::sync::Arc;

/// What a field says of the time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EventTime {
    /// Nothing: it is absent, null, empty, `now`, or the year 1, which stands for no time in some languages.
    Missing,
    /// A time [ms since the Unix epoch].
    At(i64),
    /// Something else, for people; shortened, because it may belong to many records.
    Bad(String),
}

/// The year 1, however far its zone is from UTC (ms).
const YEAR_1: std::ops::Range<i64> = -62_135_683_200_000..-62_104_060_800_000;

/// How the event times of a source are read.
#[derive(Clone, Debug)]
pub struct TimeRules {
    /// Tried in this order; at least one.
    formats: Arc<[TimeFormat]>,
    /// Of times without an offset; `None`: UTC, because the source names none.
    zone: Option<TimeZone>,
    is_arrival_else: bool,
    /// Whether nobody said a format, so that a count may well be in another unit.
    is_default: bool,
}

impl Default for TimeRules {
    fn default() -> Self {
        Self { formats: Arc::new([TimeFormat::Guess]), zone: None, is_arrival_else: false, is_default: true }
    }
}

impl TimeRules {
    /// Reads the keys; `has_time`: the source has event times; `own`: the default of `time_format`. `None`: there were
    /// mistakes, which the table has noted.
    pub(crate) fn read(table: &mut Table<'_>, has_time: bool, own: TimeFormat) -> Option<Self> {
        let mut rules = Self { formats: Arc::new([own]), ..Self::default() };
        let written = table.one_or_more("time_format");
        let zone = table.time_zone("time_zone");
        let arrival = table.choice("time_else", &[("arrival", true)]);
        for key in ["time_format", "time_zone", "time_else"] {
            if table.has(key) && !has_time {
                let fix = "name the field with the time: `time = \"ts\"`";
                table.refuse(table.place_of(key), format!("`{key}` without `time`"), fix);
            }
        }
        let mut is_sound =
            zone.is_some() == table.has("time_zone") && arrival.is_some() == table.has("time_else");
        if let Some(written) = written {
            let formats = written.value.iter().filter_map(|format| read_format(table, format));
            rules.formats = formats.collect();
            rules.is_default = false;
            is_sound &= rules.formats.len() == written.value.len() && !rules.formats.is_empty();
        } else {
            is_sound &= !table.has("time_format");
        }
        rules.zone = zone.given();
        rules.is_arrival_else = arrival.is_some();
        is_sound.then_some(rules)
    }

    /// Whether a record without a time is one of its arrival.
    pub(crate) fn is_arrival_else(&self) -> bool {
        self.is_arrival_else
    }

    /// What a value says of the time.
    pub(crate) fn time_of(&self, value: Scalar<'_>) -> EventTime {
        let (ms, shown) = match value {
            Scalar::Null => return EventTime::Missing,
            Scalar::Text(text) if is_no_time(text.trim()) => return EventTime::Missing,
            Scalar::Integer(count) => (self.first(|format| self.of_integer(format, count)), value),
            Scalar::Number(count) => (self.first(|format| format.of_number(count)), value),
            Scalar::Time(ms) => (Some(ms), value),
            Scalar::Text(text) => (self.of_text(text, self.zone()), value),
            Scalar::Boolean(_) | Scalar::Compound => (None, value),
        };
        match ms {
            Some(ms) if YEAR_1.contains(&ms) => EventTime::Missing,
            Some(ms) if self.is_default && is_in_other_unit(ms, value) => {
                EventTime::Bad(shortened(&shown_as(shown)))
            }
            Some(ms) => EventTime::At(ms),
            None => EventTime::Bad(shortened(&shown_as(shown))),
        }
    }

    /// Whether a time has no offset, and the source names no zone for it.
    pub(crate) fn lacks_zone(&self, text: &str) -> bool {
        let elsewhere = TimeZone::fixed(jiff::tz::offset(1));
        self.zone.is_none() && self.of_text(text, &TimeZone::UTC) != self.of_text(text, &elsewhere)
    }

    /// A whole number in one format; in a pattern it is its digits: 260101120000.
    #[inline]
    fn of_integer(&self, format: &TimeFormat, count: i64) -> Option<i64> {
        if !matches!(format, TimeFormat::Pattern(_)) {
            return format.of_integer(count);
        }
        let mut digits = [0; i64::MAX.ilog10() as usize + 2];
        let mut rest = digits.as_mut_slice();
        write!(rest, "{count}").ok()?;
        let unused = rest.len();
        let text = std::str::from_utf8(digits.get(..digits.len() - unused)?).ok()?;
        format.of_text(text, self.zone())
    }

    fn zone(&self) -> &TimeZone {
        static UTC: TimeZone = TimeZone::UTC;
        self.zone.as_ref().unwrap_or(&UTC)
    }

    fn of_text(&self, text: &str, zone: &TimeZone) -> Option<i64> {
        self.first(|format| format.of_text(text, zone))
    }

    #[inline]
    fn first(&self, read: impl Fn(&TimeFormat) -> Option<i64>) -> Option<i64> {
        self.formats.iter().find_map(read)
    }

    /// The formats, for people.
    pub(crate) fn shown(&self) -> String {
        self.formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }

    /// What would make a time of this text.
    pub(crate) fn way_out(text: &str) -> String {
        match TimeFormat::likely(text) {
            Some(format) => format!("write time_format = \"{format}\""),
            None => "check `time_format`".to_owned(),
        }
    }
}

/// Weather stations say `now` where they have no clock.
fn is_no_time(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("now")
}

/// Whether a count gives no likely time in the format that it was read in, and gives one in another, or is the digits of
/// a date.
pub(crate) fn is_in_other_unit(ms: i64, value: Scalar<'_>) -> bool {
    !LIKELY.contains(&ms)
        && !matches!(value, Scalar::Time(_))
        && match TimeFormat::likely(&shown_as(value)) {
            Some(TimeFormat::Rfc3339) | None => false,
            Some(TimeFormat::Pattern(_)) => ms >= LIKELY.end,
            Some(_) => true,
        }
}

fn shown_as(value: Scalar<'_>) -> String {
    match value {
        Scalar::Integer(count) => count.to_string(),
        Scalar::Number(count) => count.to_string(),
        Scalar::Time(ms) => ms.to_string(),
        Scalar::Text(text) => text.to_owned(),
        Scalar::Boolean(answer) => answer.to_string(),
        Scalar::Null => "null".to_owned(),
        Scalar::Compound => "an object or a list".to_owned(),
    }
}

fn read_format(table: &Table<'_>, written: &headwater_settings::At<String>) -> Option<TimeFormat> {
    if let Some((_, format)) = WORDS.iter().find(|(word, _)| *word == written.value) {
        return Some(format.clone());
    }
    let refuse = |what: String, fix: String| table.refuse(written.span.clone(), what, fix);
    if !written.value.contains('%') {
        let words = || WORDS.iter().map(|(word, _)| *word);
        let known = words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let likely = headwater_settings::nearest(&written.value, words());
        let likely = likely.map_or_else(String::new, |word| format!("did you mean `{word}`? "));
        let fix = format!("{likely}One of {known}, or a pattern such as `%d.%m.%Y %H:%M:%S`");
        refuse(format!("`time_format` cannot be `{}`", written.value), fix);
        return None;
    }
    match pattern::check(&written.value) {
        Ok(()) => Some(TimeFormat::Pattern(written.value.as_str().into())),
        Err(why) => {
            let fix = "write a date of year, month and day, as in `%d.%m.%Y %H:%M:%S`".to_owned();
            refuse(format!("`{}` is no pattern of a time: {why}", written.value), fix);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_in_another_unit_is_no_time_unless_a_format_says_so() {
        let said =
            |format| TimeRules { formats: Arc::new([format]), is_default: false, ..TimeRules::default() };
        let guess = TimeRules::default();
        for (value, ms) in [
            (Scalar::Integer(1_700_000_000_123), Some(1_700_000_000_123)),
            (Scalar::Integer(1_700_000_000), None),
            (Scalar::Number(1_700_000_000.5), None),
            (Scalar::Text("1700000000000000"), None),
            (Scalar::Integer(20_240_131_120_000), None),
            // Counts of a unit of their own, and what says what it is.
            (Scalar::Integer(5_000), Some(5_000)),
            (Scalar::Time(5_000), Some(5_000)),
            (Scalar::Text("1969-12-31T23:59:59Z"), Some(-1_000)),
        ] {
            let expected = ms.map_or_else(|| EventTime::Bad(shown_as(value)), EventTime::At);
            assert_eq!(guess.time_of(value), expected, "{value:?}");
        }
        for none in ["", " ", "now", "NOW"] {
            assert_eq!(guess.time_of(Scalar::Text(none)), EventTime::Missing, "{none}");
        }
        let seconds = Scalar::Integer(1_700_000_000);
        assert_eq!(said(TimeFormat::UnixMs).time_of(seconds), EventTime::At(1_700_000_000));
        assert!(TimeRules::way_out("1700000000").contains("\"unix\""));
    }

    #[test]
    fn a_pattern_reads_the_digits_of_a_whole_number() {
        let pattern = TimeFormat::Pattern("%y%m%d%H%M%S".into());
        let rules = TimeRules { formats: Arc::new([pattern]), is_default: false, ..TimeRules::default() };
        assert_eq!(rules.time_of(Scalar::Integer(260_101_120_000)), EventTime::At(1_767_268_800_000));
        for none in [0, -1, i64::MAX, i64::MIN] {
            assert_eq!(rules.time_of(Scalar::Integer(none)), EventTime::Bad(none.to_string()));
        }
    }

    #[test]
    fn a_time_without_an_offset_lacks_a_zone_unless_the_source_names_one() {
        let read = |config: &str| {
            let document =
                headwater_settings::Document::parse(std::path::Path::new("t.toml"), config, |_| None);
            TimeRules::read(&mut document.root(), true, TimeFormat::Guess).unwrap()
        };
        let rules = read("time_format = [\"rfc3339\", \"%d.%m.%Y %H:%M\", \"unix\"]");
        for (text, lacks) in [
            ("2024-05-05T13:20:00", true),
            ("05.05.2024 13:20", true),
            ("2024-05-05T13:20:00Z", false),
            ("2024-05-05 13:20:00 +0200", false),
            ("1714915200", false),
            ("noon", false),
        ] {
            assert_eq!(rules.lacks_zone(text), lacks, "{text}");
        }
        for zone in ["UTC", "Europe/Berlin"] {
            assert!(!read(&format!("time_zone = \"{zone}\"")).lacks_zone("2024-05-05T13:20:00"));
        }
    }
}
