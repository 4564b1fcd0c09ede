//! Parses event times of payloads, to milliseconds since the Unix epoch.
//!
//! A time is RFC 3339, a text in a pattern of its own, or a count of seconds, milliseconds, microseconds or nanoseconds,
//! as a number or as text. Fractions of a millisecond are cut off, so that a time never moves into the next window.
//! Deviations from RFC 3339: a space or the time of day may be missing (read as midnight), a missing offset is that of the
//! source's `time_zone` (UTC), a blank may stand before the offset, `UTC` and `GMT` are offsets, and a fraction may have
//! more than nine digits. Zones are those of the system's database, or else of the one compiled into the program.

mod pattern;
mod rules;

pub use rules::TimeRules;
pub(crate) use rules::{EventTime, is_in_other_unit};

use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The furthest accepted time (ms): about the year 275,000, as in ECMAScript. Windows around it do not overflow.
const TIME_MS_MAX: i64 = 8_640_000_000_000_000;

/// What event times are likely to be: 2000-01-01 to 2100-01-01 (ms).
const LIKELY: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// The format of event times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Not configured: RFC 3339 if it is text with `-` or `T` in it, else milliseconds.
    Guess,
    /// Seconds since the epoch, with fractions if need be.
    Unix,
    /// Milliseconds.
    UnixMs,
    /// Microseconds.
    UnixUs,
    /// Nanoseconds.
    UnixNs,
    /// `2024-05-01T12:00:00.5Z`.
    Rfc3339,
    /// A pattern of `strptime(3)`.
    Pattern(Arc<str>),
}

/// The words of `time_format`.
pub(crate) const WORDS: &[(&str, TimeFormat)] = &[
    ("unix", TimeFormat::Unix),
    ("unix_ms", TimeFormat::UnixMs),
    ("unix_us", TimeFormat::UnixUs),
    ("unix_ns", TimeFormat::UnixNs),
    ("rfc3339", TimeFormat::Rfc3339),
];

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Pattern(pattern) = self {
            return f.write_str(pattern);
        }
        let word = WORDS.iter().find(|(_, format)| format == self);
        f.write_str(word.map_or("unix_ms or rfc3339", |(word, _)| word))
    }
}

impl TimeFormat {
    /// A whole count; `None`: it is not in this format, or out of range.
    #[must_use]
    pub fn of_integer(&self, count: i64) -> Option<i64> {
        let ms = match self {
            Self::Unix => count.checked_mul(1_000)?,
            Self::UnixMs | Self::Guess => count,
            Self::UnixUs => count.div_euclid(1_000),
            Self::UnixNs => count.div_euclid(1_000_000),
            Self::Rfc3339 | Self::Pattern(_) => return None,
        };
        (-TIME_MS_MAX..=TIME_MS_MAX).contains(&ms).then_some(ms)
    }

    /// A count with a fraction.
    #[must_use]
    pub fn of_number(&self, count: f64) -> Option<i64> {
        let ms = match self {
            // A binary fraction such as .123 s falls just short of its milliseconds: up to 2^-22 s at today's date.
            Self::Unix => count * 1e3 + 1e-3,
            Self::UnixMs | Self::Guess => count,
            Self::UnixUs => count / 1e3,
            Self::UnixNs => count / 1e6,
            Self::Rfc3339 | Self::Pattern(_) => return None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "within bounds that an f64 holds exactly"
        )]
        (ms.abs() <= TIME_MS_MAX as f64).then(|| ms.floor() as i64)
    }

    /// A text; `zone` is that of times without an offset.
    #[must_use]
    pub fn of_text(&self, text: &str, zone: &TimeZone) -> Option<i64> {
        let text = text.trim();
        match self {
            Self::Rfc3339 => of_rfc3339(text, zone),
            // `-5` is a count, and `20240501T120000Z` is none.
            Self::Guess if text.get(1..).is_some_and(|rest| rest.contains(['-', 'T'])) => {
                of_rfc3339(text, zone)
            }
            Self::Pattern(pattern) => pattern::of_text(pattern, text, zone),
            _ => match text.parse() {
                Ok(count) => self.of_integer(count),
                Err(_) => self.of_number(text.parse().ok()?),
            },
        }
    }
}

impl TimeFormat {
    /// The format that a text most likely has, for a hint.
    fn likely(text: &str) -> Option<Self> {
        let text = text.trim();
        let counts = [Self::Unix, Self::UnixMs, Self::UnixUs, Self::UnixNs];
        let is_likely =
            |format: &Self| format.of_text(text, &TimeZone::UTC).is_some_and(|ms| LIKELY.contains(&ms));
        if let Some(count) = counts.into_iter().find(is_likely) {
            return Some(count);
        }
        if of_rfc3339(text, &TimeZone::UTC).is_some() {
            return Some(Self::Rfc3339);
        }
        pattern::likely(text).map(|pattern| Self::Pattern(pattern.into()))
    }
}

fn of_rfc3339(text: &str, zone: &TimeZone) -> Option<i64> {
    let read = |text: &str| {
        text.parse::<jiff::Timestamp>().or_else(|error| {
            if has_zone(text) {
                Err(error)
            } else {
                local(text.trim_end_matches(SEASONS).parse()?, zone, text)
            }
        })
    };
    let timestamp = read(text).ok().or_else(|| match tidied(text) {
        Cow::Owned(tidy) => read(&tidy).ok(),
        Cow::Borrowed(_) => None,
    });
    timestamp.map(jiff::Timestamp::as_millisecond)
}

/// What smart meters write behind a local time: winter or summer.
const SEASONS: [char; 2] = [WINTER, 'S'];
const WINTER: char = 'W';

/// A local time that occurs twice is the first one, unless `text` says that it is that of winter; one that is skipped is as
/// much later.
fn local(time: jiff::civil::DateTime, zone: &TimeZone, text: &str) -> Result<jiff::Timestamp, jiff::Error> {
    let time = zone.to_ambiguous_timestamp(time);
    if time.is_ambiguous() && text.ends_with(WINTER) { time.later() } else { time.compatible() }
}

/// The text as RFC 3339 wants it: its offset after no blank and in digits or as `Z`, its fraction of nine digits.
fn tidied(text: &str) -> Cow<'_, str> {
    const FRACTION_DIGITS_MAX: usize = 9;
    let text = without_zone_name(text);
    let mut tidy = Cow::Borrowed(text);
    for (ending, offset) in [("UTC", "Z"), ("GMT", "Z"), (" Z", "Z")] {
        if let Some(time) = text.strip_suffix(ending) {
            tidy = Cow::Owned(format!("{}{offset}", time.trim_end()));
        }
    }
    if let Some((time, offset)) = tidy.rsplit_once(' ').filter(|(_, offset)| offset.starts_with(['+', '-'])) {
        tidy = Cow::Owned(format!("{}{offset}", time.trim_end()));
    }
    // mosquitto_sub 2.0.11 writes a `Z` before every offset.
    if let Some((time, offset)) = tidy.rsplit_once('Z').filter(|(_, offset)| offset.starts_with(['+', '-'])) {
        tidy = Cow::Owned(format!("{time}{offset}"));
    }
    if let Some((time, rest)) = tidy.split_once(['.', ',']) {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > FRACTION_DIGITS_MAX
            && let (Some(kept), Some(offset)) = (rest.get(..FRACTION_DIGITS_MAX), rest.get(digits..))
        {
            tidy = Cow::Owned(format!("{time}.{kept}{offset}"));
        }
    }
    tidy
}

/// Go writes the zone's name behind its offset, and perhaps a reading of another clock: `… +0100 CET m=+0.5`.
fn without_zone_name(text: &str) -> &str {
    let text = text.split_once(" m=").map_or(text, |(time, _)| time);
    let is_offset = |word: &str| {
        word.strip_prefix(['+', '-']).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match text.rsplit_once(' ') {
        Some((time, name))
            if name.bytes().all(|byte| byte.is_ascii_alphabetic())
                && time.rsplit(' ').next().is_some_and(is_offset) =>
        {
            time
        }
        _ => text,
    }
}

/// Whether a zone seems to follow the date, so that a bad zone does not count as a missing one.
fn has_zone(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '[']))
}

#[cfg(test)]
mod tests {
    use super::TimeFormat::*;
    use super::TimeZone;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_000_123; // 2023-11-14T22:13:20.123Z

    #[test]
    fn every_unit_reads_as_number_and_as_text() {
        for (format, integer) in
            [(UnixMs, T), (Guess, T), (UnixUs, T * 1_000 + 999), (UnixNs, T * 1_000_000 + 999_999)]
        {
            assert_eq!(format.of_integer(integer), Some(T), "{format}");
            assert_eq!(format.of_text(&format!(" {integer} "), &TimeZone::UTC), Some(T), "{format}");
        }
        assert_eq!(Unix.of_integer(1_700_000_000), Some(1_700_000_000_000));
        assert_eq!(Unix.of_text("1700000000.123", &TimeZone::UTC), Some(T));
        assert_eq!(UnixMs.of_number(T as f64 + 0.9), Some(T));
        for ms in 0..1_000 {
            let text = format!("1700000000.{ms:03}");
            assert_eq!(Unix.of_number(text.parse().unwrap()), Some(1_700_000_000_000 + ms), "{text}");
        }
        assert_eq!(Unix.of_number(-0.5), Some(-500));
    }

    #[test]
    fn rfc3339_and_what_people_write_for_it() {
        for text in [
            "2023-11-14T22:13:20.123Z",
            "2023-11-14t22:13:20.123z",
            "2023-11-14 22:13:20.123",
            "2023-11-14T22:13:20.123456789",
            "2023-11-15T00:13:20.123+02:00",
            "2023-11-15 00:13:20,123 +0200",
            "2023-11-14 22:13:20.123 UTC",
            "2023-11-14T22:13:20.123 GMT",
            "2023-11-14 22:13:20.123 Z",
            "20231114T221320.123Z",
            "2023-11-14T22:13:20.123456Z+0000",
            "2023-11-14T17:13:20.123456Z-0500",
            "2023-11-14T22:13:20.123456789012Z",
            "2023-11-14 22:13:20.123456789 +0000 UTC",
            "2023-11-14 23:13:20.123 +0100 CET m=+12.345",
        ] {
            assert_eq!(Rfc3339.of_text(text, &TimeZone::UTC), Some(T), "{text}");
            assert_eq!(Guess.of_text(text, &TimeZone::UTC), Some(T), "{text}");
        }
        assert_eq!(Rfc3339.of_text("2014-07-01 00:00:00", &TimeZone::UTC), Some(1_404_172_800_000));
        assert_eq!(Guess.of_text("2014-07-01", &TimeZone::UTC), Some(1_404_172_800_000));
        for bad in
            ["", "yesterday", "2023-13-01T00:00:00Z", "22:13:20", "2023-11-14T22:13:20+99:00", "1700000000"]
        {
            assert_eq!(Rfc3339.of_text(bad, &TimeZone::UTC), None, "{bad}");
        }
        assert_eq!(Rfc3339.of_integer(5), None);
    }

    #[test]
    fn local_times_are_those_of_their_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let text = |ms: Option<i64>| jiff::Timestamp::from_millisecond(ms.unwrap()).unwrap().to_string();
        for (local, utc) in [
            ("2024-01-31 12:00:00", "2024-01-31T11:00:00Z"),
            ("2024-07-31T12:00:00", "2024-07-31T10:00:00Z"),
            ("2024-07-31", "2024-07-30T22:00:00Z"),
            ("2024-07-31T12:00:00Z", "2024-07-31T12:00:00Z"),
            // Skipped, and twice.
            ("2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),
            ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
        ] {
            assert_eq!(text(Rfc3339.of_text(local, &berlin)), utc, "{local}");
        }
        let pattern = Pattern("%d.%m.%Y %H:%M".into());
        assert_eq!(text(pattern.of_text("31.07.2024 12:00", &berlin)), "2024-07-31T10:00:00Z");
        let with_offset = Pattern("%a, %d %b %Y %H:%M:%S %z".into());
        assert_eq!(
            text(with_offset.of_text("Wed, 31 Jul 2024 12:00:00 -0700", &berlin)),
            "2024-07-31T19:00:00Z"
        );
        assert_eq!(pattern.of_text("31-07-2024 12:00", &berlin), None);
        // As smart meters write it.
        let meter = Pattern("%y%m%d%H%M%S".into());
        for (local, utc) in [
            ("241027023000S", "2024-10-27T00:30:00Z"),
            ("241027023000W", "2024-10-27T01:30:00Z"),
            ("240731120000", "2024-07-31T10:00:00Z"),
        ] {
            assert_eq!(text(meter.of_text(local, &berlin)), utc, "{local}");
        }
    }

    #[test]
    fn the_likely_format_is_named() {
        for (text, format) in [
            ("1700000000", "unix"),
            ("1700000000000000", "unix_us"),
            ("1700000000000000000", "unix_ns"),
            ("28.02.2023 16:00:49", "%d.%m.%Y %H:%M:%S"),
            ("28.02.2023 16:00:49.5", "%d.%m.%Y %H:%M:%S%.f"),
            ("28/02/2023 16:00", "%d/%m/%Y %H:%M"),
            ("2023/02/28 16:00:51", "%Y/%m/%d %H:%M:%S"),
            ("Tue, 28 Feb 2023 16:00:49 +0000", "%a, %d %b %Y %H:%M:%S %z"),
            ("Tue, 28 Feb 2023 16:00:49 GMT", "%a, %d %b %Y %H:%M:%S %z"),
            ("Tue Feb 28 16:00:49 2023", "%a %b %d %H:%M:%S %Y"),
            ("Tue Feb  7 16:00:49 2023", "%a %b %d %H:%M:%S %Y"),
            ("2023-02-28 16:00", "rfc3339"),
            ("28-Feb-2023 16:00:49", "%d-%b-%Y %H:%M:%S"),
            ("2023-02-28_16:00:49", "%Y-%m-%d_%H:%M:%S"),
            ("20230228160049", "%Y%m%d%H%M%S"),
            ("230228160049W", "%y%m%d%H%M%S"),
        ] {
            assert_eq!(super::TimeFormat::likely(text).unwrap().to_string(), format, "{text}");
        }
        assert_eq!(super::TimeFormat::likely("noon"), None);
    }

    #[test]
    fn a_pattern_says_the_whole_date() {
        for pattern in ["%d.%m.%Y %H:%M:%S", "%Y-%j", "%s", "%F %T", "%d %b %y"] {
            assert_eq!(super::pattern::check(pattern), Ok(()), "{pattern}");
        }
        for (pattern, why) in
            [("%d.%m. %H:%M", "year"), ("%H:%M:%S", "year"), ("%Y %H", ""), ("%d.%m.%Y %é", ""), ("%", "")]
        {
            let error = super::pattern::check(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for number in [f64::NAN, f64::INFINITY, 1e300, -1e17] {
            assert_eq!(UnixMs.of_number(number), None);
        }
        assert_eq!(UnixMs.of_integer(T * 1_000_000), None, "nanoseconds taken for milliseconds");
        assert_eq!(Unix.of_integer(i64::MAX), None);
        assert_eq!(Guess.of_text("-5", &TimeZone::UTC), Some(-5));
        assert_eq!(UnixMs.of_text("12:00", &TimeZone::UTC), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}", integer: i64, number: f64) {
            for format in [Guess, Unix, UnixMs, UnixUs, UnixNs, Rfc3339, Pattern("%d.%m.%Y %H:%M:%S%.f %z".into())] {
                let _ = super::TimeFormat::likely(&text);
                let _ = (format.of_text(&text, &TimeZone::UTC), format.of_integer(integer), format.of_number(number));
            }
        }

        #[test]
        fn dates_read_back(ms in -62_135_596_800_000_i64..=253_402_300_799_999) {
            let written = jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
            prop_assert_eq!(Rfc3339.of_text(&written, &TimeZone::UTC), Some(ms));
        }
    }
}
