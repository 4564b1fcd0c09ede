//! Times in a layout of their own, as `strptime(3)` reads them.

use jiff::fmt::strtime::{BrokenDownTime, format};
use jiff::tz::{Offset, TimeZone};

/// What people often write, tried for a hint.
const USUAL: [&str; 14] = [
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y.%m.%d %H:%M:%S%.f",
    "%d/%m/%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a %b %d %H:%M:%S %Y",
    "%b %d %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%Y-%m-%d_%H:%M:%S",
    "%Y%m%d%H%M%S",
    "%y%m%d%H%M%S",
];

/// Whether a pattern can be written and says the whole date.
///
/// # Errors
/// Why not.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let sample = jiff::civil::date(2024, 10, 23).at(16, 35, 46, 0);
    let sample = sample.to_zoned(TimeZone::fixed(Offset::UTC)).map_err(|error| error.to_string())?;
    let written = format(pattern, &sample).map_err(|error| error.to_string())?;
    let read = BrokenDownTime::parse(pattern, &written).map_err(|error| error.to_string())?;
    moment(&read, &TimeZone::UTC, &written).map(drop).map_err(|error| error.to_string())
}

/// The time [ms since the Unix epoch] of a text in a pattern; `zone` is that of times without an offset.
pub(super) fn of_text(pattern: &str, text: &str, zone: &TimeZone) -> Option<i64> {
    let read = BrokenDownTime::parse(pattern, text).ok().or_else(|| {
        if let Some(time) = text.strip_suffix(super::SEASONS) {
            return BrokenDownTime::parse(pattern, time).ok();
        }
        // RFC 2822 has names for the offset of UTC, too.
        let time = ["GMT", "UTC", "UT", "Z"].into_iter().find_map(|name| text.strip_suffix(name));
        let time = time.filter(|_| pattern.contains("%z"))?;
        BrokenDownTime::parse(pattern, format!("{time}+0000")).ok()
    })?;
    moment(&read, zone, text).ok().map(jiff::Timestamp::as_millisecond)
}

/// The usual pattern that a text has.
pub(super) fn likely(text: &str) -> Option<&'static str> {
    let fits = |pattern: &&&str| of_text(pattern, text, &TimeZone::UTC).is_some();
    USUAL.iter().find(fits).map(|pattern| {
        if text.contains(':') && !has_fraction(text) { pattern.trim_end_matches("%.f") } else { pattern }
    })
}

fn has_fraction(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, seconds)| seconds.contains('.'))
}

/// The time that a text says, as [`super::local`] has it where there is no offset.
fn moment(read: &BrokenDownTime, zone: &TimeZone, text: &str) -> Result<jiff::Timestamp, jiff::Error> {
    if read.offset().is_some() || read.timestamp().is_some() {
        return read.to_timestamp();
    }
    super::local(read.to_datetime()?, zone, text)
}
