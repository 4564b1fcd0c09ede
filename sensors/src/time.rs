//! Parses event times of payloads, to milliseconds since the Unix epoch.
//!
//! A time is RFC 3339, or a count of seconds, milliseconds, microseconds or nanoseconds, as a number or as text.
//! Fractions of a millisecond are cut off, so that a time never moves into the next window. Deviations from RFC 3339:
//! a space or the time of day may be missing (read as midnight), and a missing zone is read as UTC.

use std::fmt;

/// The furthest accepted time (ms): about the year 275,000, as in ECMAScript. Windows around it do not overflow.
const TIME_MS_MAX: i64 = 8_640_000_000_000_000;

/// The format of event times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Not configured: RFC 3339 if it is text with `-`, else milliseconds.
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
        let word = WORDS.iter().find(|(_, format)| format == self);
        f.write_str(word.map_or("unix_ms or rfc3339", |(word, _)| word))
    }
}

impl TimeFormat {
    /// A whole count; `None`: it is not in this format, or out of range.
    #[must_use]
    pub fn of_integer(self, count: i64) -> Option<i64> {
        let ms = match self {
            Self::Unix => count.checked_mul(1_000)?,
            Self::UnixMs | Self::Guess => count,
            Self::UnixUs => count.div_euclid(1_000),
            Self::UnixNs => count.div_euclid(1_000_000),
            Self::Rfc3339 => return None,
        };
        (-TIME_MS_MAX..=TIME_MS_MAX).contains(&ms).then_some(ms)
    }

    /// A count with a fraction.
    #[must_use]
    pub fn of_number(self, count: f64) -> Option<i64> {
        let ms = match self {
            // A binary fraction such as .123 s falls just short of its milliseconds: up to 2^-22 s at today's date.
            Self::Unix => count * 1e3 + 1e-3,
            Self::UnixMs | Self::Guess => count,
            Self::UnixUs => count / 1e3,
            Self::UnixNs => count / 1e6,
            Self::Rfc3339 => return None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "within bounds that an f64 holds exactly"
        )]
        (ms.abs() <= TIME_MS_MAX as f64).then(|| ms.floor() as i64)
    }

    /// A text.
    #[must_use]
    pub fn of_text(self, text: &str) -> Option<i64> {
        let text = text.trim();
        match self {
            Self::Rfc3339 => of_rfc3339(text),
            Self::Guess if text.get(1..).is_some_and(|rest| rest.contains('-')) => of_rfc3339(text),
            _ => match text.parse() {
                Ok(count) => self.of_integer(count),
                Err(_) => self.of_number(text.parse().ok()?),
            },
        }
    }
}

fn of_rfc3339(text: &str) -> Option<i64> {
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|error| {
        let local: jiff::civil::DateTime = if has_zone(text) { return Err(error) } else { text.parse()? };
        local.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    timestamp.ok().map(jiff::Timestamp::as_millisecond)
}

/// Whether a zone seems to follow the date, so that a bad zone does not count as a missing one.
fn has_zone(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-', '[']))
}

#[cfg(test)]
mod tests {
    use super::TimeFormat::*;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_000_123; // 2023-11-14T22:13:20.123Z

    #[test]
    fn every_unit_reads_as_number_and_as_text() {
        for (format, integer) in
            [(UnixMs, T), (Guess, T), (UnixUs, T * 1_000 + 999), (UnixNs, T * 1_000_000 + 999_999)]
        {
            assert_eq!(format.of_integer(integer), Some(T), "{format}");
            assert_eq!(format.of_text(&format!(" {integer} ")), Some(T), "{format}");
        }
        assert_eq!(Unix.of_integer(1_700_000_000), Some(1_700_000_000_000));
        assert_eq!(Unix.of_text("1700000000.123"), Some(T));
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
        ] {
            assert_eq!(Rfc3339.of_text(text), Some(T), "{text}");
            assert_eq!(Guess.of_text(text), Some(T), "{text}");
        }
        assert_eq!(Rfc3339.of_text("2014-07-01 00:00:00"), Some(1_404_172_800_000));
        assert_eq!(Guess.of_text("2014-07-01"), Some(1_404_172_800_000));
        for bad in
            ["", "yesterday", "2023-13-01T00:00:00Z", "22:13:20", "2023-11-14T22:13:20+99:00", "1700000000"]
        {
            assert_eq!(Rfc3339.of_text(bad), None, "{bad}");
        }
        assert_eq!(Rfc3339.of_integer(5), None);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for number in [f64::NAN, f64::INFINITY, 1e300, -1e17] {
            assert_eq!(UnixMs.of_number(number), None);
        }
        assert_eq!(UnixMs.of_integer(T * 1_000_000), None, "nanoseconds taken for milliseconds");
        assert_eq!(Unix.of_integer(i64::MAX), None);
        assert_eq!(Guess.of_text("-5"), Some(-5));
        assert_eq!(UnixMs.of_text("12:00"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}", integer: i64, number: f64) {
            for format in [Guess, Unix, UnixMs, UnixUs, UnixNs, Rfc3339] {
                let _ = (format.of_text(&text), format.of_integer(integer), format.of_number(number));
            }
        }

        #[test]
        fn dates_read_back(ms in -62_135_596_800_000_i64..=253_402_300_799_999) {
            let written = jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
            prop_assert_eq!(Rfc3339.of_text(&written), Some(ms));
        }
    }
}
