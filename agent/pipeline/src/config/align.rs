//! `align`: windows of days that begin with the local day, by the IANA time zone database of the system, or else the
//! one compiled into the program.

use headwater_kernel::time::Time;
use headwater_kernel::window::{Offset, Shape, Zone};
use headwater_settings::{At, Table, format_duration};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The end of the zones' tables, 2100-01-01T00:00:00Z; the last offset holds after it (ms).
const UNTIL_MS: i64 = 4_102_444_800_000;

/// Lets the windows begin at the offset; `None`: a mistake was reported.
pub(super) fn offset(stream: &Table<'_>, offset: Option<At<i64>>, shape: Shape) -> Option<Shape> {
    let Some(At { value, span }) = offset else { return Some(shape) };
    let Shape::Tumbling(window) = shape else {
        let fix = "leave it out, or set `window = { type = \"tumbling\", size = \"8h\" }`";
        stream.refuse(span, "`offset` is for tumbling windows", fix);
        return None;
    };
    let aligned = window.offset(value).map(Shape::Tumbling);
    let size = format_duration(window.size_ms());
    let fix = || {
        let same = value % window.size_ms();
        let less = format_duration(same);
        match same {
            0 => format!("leave it out: windows of {size} begin at multiples of {size} anyway"),
            _ => format!(
                "write \"{less}\": windows of {size} that begin at {} begin there too",
                format_duration(value)
            ),
        }
    };
    aligned.map_err(|wrong| stream.refuse(span, wrong.to_string(), fix())).ok()
}

/// Aligns the shape to the zone; `None`: a mistake was reported.
pub(super) fn apply(stream: &Table<'_>, align: Option<At<TimeZone>>, shape: Shape) -> Option<Shape> {
    let Some(align) = align else { return Some(shape) };
    let refuse = |what: String, fix: String| {
        stream.refuse(align.span.clone(), what, fix);
        None
    };
    let Some(zone) = zone(&align.value) else {
        return refuse("the zone's table cannot be used".to_owned(), "name another zone".to_owned());
    };
    let Shape::Tumbling(window) = shape else {
        return refuse(
            "`align` is for tumbling windows".to_owned(),
            "leave it out, or set `window = { type = \"tumbling\", size = \"1d\" }`".to_owned(),
        );
    };
    match Shape::local(window.size_ms(), zone) {
        Ok(shape) => Some(shape),
        Err(_) => refuse(
            "`align` is for windows of whole days, or of a whole part of a day".to_owned(),
            "leave it out, or set the window's `size` to \"1h\", \"8h\", \"1d\" or \"7d\"".to_owned(),
        ),
    }
}

/// The table of a zone. It is built once and never freed, because the windows of all series refer to it.
fn zone(zone: &TimeZone) -> Option<Zone> {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, Zone>>> = OnceLock::new();
    let name = zone.iana_name()?;
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zone) = known.get(name) {
        return Some(*zone);
    }
    let table = Zone::new(name.to_owned().leak(), offsets(zone).leak()).ok()?;
    known.insert(name.to_owned(), table);
    Some(table)
}

fn offsets(zone: &TimeZone) -> Vec<Offset> {
    let ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
    let epoch = Timestamp::UNIX_EPOCH;
    let mut offsets = vec![Offset { from: Time::MIN, ms: ms(zone.to_offset(epoch)) }];
    let changes = zone.following(epoch).take_while(|change| change.timestamp().as_millisecond() < UNTIL_MS);
    for change in changes {
        let offset = Offset { from: Time(change.timestamp().as_millisecond()), ms: ms(change.offset()) };
        if offsets.last().is_none_or(|last| last.ms != offset.ms) {
            offsets.push(offset);
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares every day of four years with jiff, in zones that change their clocks at midnight, at 1, 2 or 3
    /// o'clock, by half an hour, or skip a day.
    #[test]
    fn days_begin_where_the_database_says() {
        for name in [
            "Europe/Berlin",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "America/Havana",
            "Asia/Kathmandu",
        ] {
            let Ok(Shape::Tumbling(days)) =
                Shape::local(86_400_000, zone(&TimeZone::get(name).unwrap()).unwrap())
            else {
                panic!()
            };
            let zone = TimeZone::get(name).unwrap();
            for noon in 0..1_500_i64 {
                let time = Timestamp::from_second(1_262_347_200 + noon * 86_400).unwrap();
                let window = days.window_of(Time(time.as_millisecond())).unwrap();
                let here = time.to_zoned(zone.clone());
                let midnight = |day: &jiff::Zoned| day.start_of_day().unwrap().timestamp().as_millisecond();
                assert_eq!(window.start.0, midnight(&here), "{name} {here}");
                let next = here.tomorrow().unwrap();
                if name != "Pacific/Apia" {
                    assert_eq!(window.end.0, midnight(&next), "{name} {here}");
                }
            }
        }
    }

    #[test]
    fn days_on_which_clocks_change_have_23_and_25_hours() {
        let Ok(Shape::Tumbling(days)) =
            Shape::local(86_400_000, zone(&TimeZone::get("Europe/Berlin").unwrap()).unwrap())
        else {
            panic!()
        };
        let hours = |noon: &str| {
            let time: Timestamp = noon.parse().unwrap();
            days.window_of(Time(time.as_millisecond())).unwrap().length_ms() / 3_600_000
        };
        assert_eq!(hours("2026-03-28T12:00:00Z"), 24);
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
        assert_eq!(hours("2099-10-25T12:00:00Z"), 25);
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let shown = |stream: &str| {
            let (_, mistakes) = crate::config::parsed(&format!("[streams.a]\n{stream}\n"));
            (mistakes.is_empty(), mistakes)
        };
        let day = "window = { type = \"tumbling\", size = \"1d\" }\n";
        assert!(shown(&format!("{day}align = \"Europe/Berlin\"")).0);
        let (_, text) = shown(&format!("{day}align = \"Europe/Berln\""));
        assert!(text.contains("did you mean `Europe/Berlin`") && text.contains("t.toml:3:9"), "{text}");
        for window in ["{ type = \"tumbling\", size = \"7h\" }", "{ type = \"count\", size = 5 }"] {
            let (good, text) = shown(&format!("window = {window}\nalign = \"Europe/Berlin\""));
            assert!(!good && text.contains("`align` is for"), "{text}");
        }
        let eight = "window = { type = \"tumbling\", size = \"8h\" }\nalign = \"Europe/Berlin\"\n";
        assert!(shown(&format!("{eight}offset = \"6h\"")).0);
        for (offset, fix) in [("8h", "leave it out: windows of 8h"), ("30h", "write \"6h\": windows of 8h")] {
            let (_, text) = shown(&format!("{eight}offset = \"{offset}\""));
            assert!(
                text.contains("`offset` must be shorter than the window") && text.contains(fix),
                "{text}"
            );
        }
        for window in ["{ type = \"none\" }", "{ type = \"session\", gap = \"1m\" }"] {
            let (good, text) = shown(&format!("window = {window}\noffset = \"5s\""));
            assert!(!good && text.contains("`offset` is for"), "{text}");
        }
        assert!(shown("window = { type = \"none\" }\nalign = \"Europe/Berlin\"").1.contains("`align`"));
    }
}
