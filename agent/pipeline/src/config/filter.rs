//! `filter` of a stream without windows: which readings are forwarded.

use super::fingerprint::Fingerprint;
use super::refuse::refuse_parameter;
use headwater_kernel::decimate::{Band, Deadband, SwingingDoor};
use headwater_kernel::window::SPAN_MAX_MS;
use headwater_settings::{At, Or, Table, format_duration};
use std::fmt;

/// A filter before its first reading, and its waiting times.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterConfig {
    /// The rule that passes readings.
    pub rule: Rule,
    /// How long readings wait to be sorted: in event time of their series, or in agent time when the series is silent
    /// (ms).
    pub lateness_ms: i64,
    /// How long a series is silent before a held reading is forwarded, in agent time (ms).
    pub idle_ms: i64,
    /// The filter in the words of the config.
    pub described: String,
    /// Identifies the state.
    pub fingerprint: String,
}

/// The kinds of filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Passes a reading that differs enough from the last one passed.
    Deadband(Deadband),
    /// Passes the corners of a line that stays near all readings.
    SwingingDoor(SwingingDoor),
}

impl fmt::Display for FilterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described)
    }
}

/// Reads `[streams.NAME.filter]`.
pub(super) fn read(mut table: Table<'_>, lateness_ms: i64, idle_ms: i64) -> Option<FilterConfig> {
    #[derive(Clone)]
    enum Kind {
        Deadband,
        SwingingDoor,
    }
    let kind = table.choice("type", &[("deadband", Kind::Deadband), ("swinging-door", Kind::SwingingDoor)]);
    if kind.is_none() {
        table.missing("type", "add `type = \"deadband\"`");
    }
    let read = match kind.map(|kind| kind.value) {
        Some(Kind::Deadband) => read_deadband(&mut table),
        Some(Kind::SwingingDoor) => read_door(&mut table),
        None => return None,
    };
    table.finish();
    let (rule, described, fingerprint) = read?;
    Some(FilterConfig { rule, lateness_ms, idle_ms, described, fingerprint: fingerprint.finish() })
}

fn read_deadband(table: &mut Table<'_>) -> Option<(Rule, String, Fingerprint)> {
    let size = |at: At<f64>| at.value;
    let (absolute, percent) = (table.number("absolute", 0.0..=f64::MAX), table.number("percent", 0.0..=1e6));
    table.note("absolute", "a smaller difference from the last reading forwarded is not [of the series]");
    table.note("percent", "the same, as a share of that reading [%]");
    table.note("heartbeat", "one reading at least in this time");
    let heartbeat_ms = table.duration("heartbeat", 1..=SPAN_MAX_MS).value_or(0);
    let print = Fingerprint::of("deadband");
    let (band, described, print) = match (absolute.map(size), percent.map(size)) {
        (Some(_), Some(_)) => {
            table.refuse(
                table.place_of("percent"),
                "`absolute` and `percent` exclude each other",
                "leave one out",
            );
            return None;
        }
        (Some(size), None) => {
            (Band::Absolute(size), format!("a deadband of {size}"), print.with("absolute", size))
        }
        (None, Some(size)) => {
            (Band::Percent(size), format!("a deadband of {size} %"), print.with("percent", size))
        }
        (None, None) => {
            if !table.has("absolute") && !table.has("percent") {
                table.missing("absolute", "add `absolute = 0.5` (in the series' unit), or `percent = 1`");
            }
            return None;
        }
    };
    let (beat, print) = match heartbeat_ms {
        0 => (String::new(), print),
        ms => (format!(" and every {}", format_duration(ms)), print.with("heartbeat", ms)),
    };
    let deadband = Deadband::new(band, heartbeat_ms);
    let refused = |error: headwater_kernel::OutOfRange| refuse_parameter(table, table.span(), &error);
    Some((Rule::Deadband(deadband.map_err(refused).ok()?), described + &beat, print))
}

fn read_door(table: &mut Table<'_>) -> Option<(Rule, String, Fingerprint)> {
    table.note("error", "how far readings may lie from the line [of the series]");
    table.note("max", "one reading at least in this time");
    let error = table.number("error", 0.0..=f64::MAX);
    let max_ms = table.duration("max", 1..=SPAN_MAX_MS).value_or(0);
    if error.is_none() {
        table
            .missing("error", "add `error = 0.5`: how far readings may lie from the line [the series' unit]");
    }
    let error = error?.value;
    let print = Fingerprint::of("swinging-door").with("error", error);
    let (most, print) = match max_ms {
        0 => (String::new(), print),
        ms => (format!(" and every {}", format_duration(ms)), print.with("max", ms)),
    };
    let refused = |wrong: headwater_kernel::OutOfRange| {
        refuse_parameter(table, table.place_of(wrong.parameter), &wrong)
    };
    let door = SwingingDoor::new(error, max_ms).map_err(refused).ok()?;
    Some((Rule::SwingingDoor(door), format!("a swinging door of {error}{most}"), print))
}
