//! Dates of the proleptic Gregorian calendar, RFC 3339 and fixed offsets from UTC.
//!
//! Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013 (days from and to civil dates); RFC 3339.
//! A leap second (`:60`) is refused, as Unix time has none.

/// Seconds of a day.
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// The years that CEL's timestamps cover [ms since the Unix epoch], 0001 to 9999.
const RANGE_MS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CelTime {
    /// Since the Unix epoch, rounded down [ms].
    pub(crate) ms: i64,
    /// The rest after `ms` [ns], below a million.
    pub(crate) ns: i64,
}

/// A date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) date: i64,
}

impl Civil {
    /// The date `day` days after 1970-01-01.
    pub(crate) fn of_day(day: i64) -> Self {
        const ERA_DAYS: i64 = 146_097; // 400 years
        // Years begin on March 1 here, so that the leap day is the last of a year.
        let shifted = day + 719_468;
        let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let date = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, date }
    }

    /// Days since 1970-01-01.
    pub(crate) fn day(&self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = (self.month + 9) % 12;
        let of_year = (153 * month_from_march + 2) / 5 + self.date - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }
}

impl CelTime {
    /// Converts whole seconds since the Unix epoch; `None` outside the years 0001 to 9999.
    pub(crate) fn of_seconds(seconds: i64) -> Option<Self> {
        let ms = seconds.checked_mul(1000)?;
        RANGE_MS.contains(&ms).then_some(Self { ms, ns: 0 })
    }

    /// An RFC 3339 date-time in capitals, such as `2009-02-13T23:31:30.5Z` or `…-05:00`; at most nine digits of a
    /// second.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text);
        let year = reader.number(4)?;
        let month = reader.after("-")?.number(2)?;
        let date = reader.after("-")?.number(2)?;
        let hour = reader.after("T")?.number(2)?;
        let minute = reader.after(":")?.number(2)?;
        let second = reader.after(":")?.number(2)?;
        let ns = reader.fraction()?;
        let offset = if reader.0 == "Z" { 0 } else { signed_offset(reader.0)? };
        let civil = Civil { year, month, date };
        let day = civil.day();
        // A date that does not exist converts to another one.
        if Civil::of_day(day) != civil || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = day * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
        let ms = seconds * 1000 + ns / 1_000_000;
        RANGE_MS.contains(&ms).then_some(Self { ms, ns: ns % 1_000_000 })
    }
}

/// Seconds ahead of UTC of `UTC`, `+01:00`, `-09:30` or `01:00`.
pub(crate) fn offset(zone: &str) -> Option<i64> {
    match zone {
        "UTC" => Some(0),
        _ if zone.starts_with(['+', '-']) => signed_offset(zone),
        _ => unsigned_offset(zone),
    }
}

fn signed_offset(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => unsigned_offset(rest).map(|seconds| -seconds),
        None => unsigned_offset(text.strip_prefix('+')?),
    }
}

fn unsigned_offset(text: &str) -> Option<i64> {
    let mut reader = Reader(text);
    let (hours, minutes) = (reader.number(2)?, reader.after(":")?.number(2)?);
    (hours <= 23 && minutes <= 59 && reader.0.is_empty()).then_some(hours * 3600 + minutes * 60)
}

/// The rest of the text.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    /// Exactly `digits` digits, few enough for 64 bits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, tail) = self.0.split_at_checked(digits)?;
        self.0 = tail;
        if head.bytes().all(|byte| byte.is_ascii_digit()) { head.parse().ok() } else { None }
    }

    fn after(&mut self, sign: &str) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(sign)?;
        Some(self)
    }

    /// One to nine digits after a point, or nothing [ns].
    fn fraction(&mut self) -> Option<i64> {
        let Some(rest) = self.0.strip_prefix('.') else { return Some(0) };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.0 = rest;
        let scale = 10_i64.pow(9_u32.checked_sub(u32::try_from(digits).ok()?)?);
        if digits == 0 { None } else { Some(self.number(digits)? * scale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_are_inverse_over_two_eras() {
        let mut last = Civil::of_day(-1);
        assert_eq!(last, Civil { year: 1969, month: 12, date: 31 });
        for day in 0..2 * 146_097 {
            let civil = Civil::of_day(day);
            assert_eq!(civil.day(), day);
            assert!((civil.year, civil.month, civil.date) > (last.year, last.month, last.date));
            last = civil;
        }
        assert_eq!(Civil::of_day(11_016), Civil { year: 2000, month: 2, date: 29 });
    }

    #[test]
    fn moments_are_read_strictly() {
        let ms = |text: &str| CelTime::parse(text).map(|moment| moment.ms);
        assert_eq!(ms("2009-02-13T23:31:30Z"), Some(1_234_567_890_000));
        assert_eq!(ms("1972-01-01T10:00:20.021-05:00"), Some(63_126_020_021));
        let late = CelTime::parse("9999-12-31T23:59:59.999999999Z");
        assert_eq!(late, Some(CelTime { ms: 253_402_300_799_999, ns: 999_999 }));
        let early = CelTime::parse("0001-01-01T00:00:00Z");
        assert_eq!(early.map(|moment| moment.ms), Some(-62_135_596_800_000));
        for wrong in [
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "2023-02-29T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T23:59:60Z",
            "2023-01-01 00:00:00Z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00.1234567890Z",
            "2023-01-01T00:00:00+1:00",
            "2023-01-01T00:00:00ZZ",
            "2023-01-0\u{e9}T00:00:00Z",
            "",
        ] {
            assert_eq!(CelTime::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn offsets_are_signed_as_a_whole() {
        let of = |zone| offset(zone);
        assert_eq!([of("UTC"), of("+11:00"), of("-02:30")], [Some(0), Some(39_600), Some(-9_000)]);
        assert_eq!([of("02:00"), of("-00:00"), of("Europe/Paris")], [Some(7_200), Some(0), None]);
        assert_eq!([of("+24:00"), of("+1:00"), of("+01:00x")], [None; 3]);
    }
}
