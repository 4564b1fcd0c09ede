//! A table that is tried on payloads that were heard.

use super::Heard;
use crate::format::FORMATS;
use crate::{ConnectionState, DecodeConfig, Decoder, SeriesRef, Sink, SourceContext, Stamp, read_source};
use headwater_settings::{Document, quoted};
use std::fmt::Display;
use std::path::Path;

/// Likely names of the field with the time.
const TIMES: [&str; 10] =
    ["time", "ts", "timestamp", "Time", "Timestamp", "datetime", "date", "last_seen", "t", "time_ms"];

/// The formats of times that a field is tried with; empty: that of a source that says none.
const TIME_FORMATS: [&str; 3] = ["", "unix", "unix_us"];

/// How far the time in a message may be from that of its arrival (ms): more is another time, or a zone.
const APART_MS_MAX: i64 = 10 * 60_000;

/// What came of payloads.
#[derive(Default)]
pub(super) struct Trial {
    /// Each series with its last value, in the order of their first reading.
    pub(super) series: Vec<(String, f64)>,
    invalid: usize,
    /// The times that readings have of their own, by their payload.
    stamps: Vec<(usize, i64)>,
    /// The payload that is decoded.
    at: usize,
    untimed: usize,
}

impl Trial {
    /// Decodes payloads as a source with this table does; `None`: that is no table of a source.
    pub(super) fn of(table: &str, members: &[(&str, &Heard)]) -> Option<Self> {
        let document = Document::parse(Path::new("found.toml"), table, |_| None);
        let mut root = document.root();
        let context = SourceContext {
            agent: "agent".to_owned(),
            source: "found".to_owned(),
            payload_bytes_max: super::PAYLOAD_BYTES_MAX,
            series_max: super::TOPICS_MAX,
        };
        let source = read_source(&mut root, &context)?.source;
        let config: &DecodeConfig = source.payloads().filter(|_| !document.has_errors())?;
        let (mut decoder, mut trial) = (Decoder::new(config, &context), Self::default());
        for (at, (topic, heard)) in members.iter().enumerate() {
            trial.at = at;
            decoder.on_payload(topic, &heard.payload, &mut trial);
        }
        Some(trial)
    }

    /// Whether every payload that is no kept one had a time of its own, near that of its arrival.
    fn is_timed(&self, members: &[(&str, &Heard)]) -> bool {
        let is_near = |(at, ms): &(usize, i64)| {
            let arrival = members.get(*at).and_then(|(_, heard)| heard.at_ms);
            arrival.is_none_or(|arrival| arrival.abs_diff(*ms) < APART_MS_MAX.unsigned_abs())
        };
        let has_live = members.iter().any(|(_, heard)| heard.at_ms.is_some());
        has_live
            && self.untimed == 0
            && self.invalid == 0
            && !self.stamps.is_empty()
            && self.stamps.iter().all(is_near)
    }
}

/// The format that reads a payload: the default one an object or a list of numbers, another one value. Empty: the default one.
pub(super) fn format_of(heard: &Heard) -> Option<&'static str> {
    let is_tree = heard.payload.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    let table = "type = \"mqtt\"\nurl = \"mqtt://localhost\"\ntopics = [\"#\"]\n";
    if is_tree {
        let trial = Trial::of(table, &[("topic", heard)])?;
        return (trial.invalid == 0 && !trial.series.is_empty()).then_some("");
    }
    let is_one_value = |format: &&str| {
        let table = format!("{table}format = {}\n", quoted(format));
        let trial = Trial::of(&table, &[("topic", heard)]);
        trial.is_some_and(|trial| trial.invalid == 0 && trial.series.iter().any(|(name, _)| name == "topic"))
    };
    FORMATS.iter().map(|kind| kind.name).find(is_one_value)
}

/// The table with the field that holds the time, if there is one.
pub(super) fn with_time(table: &str, members: &[(&str, &Heard)]) -> Option<String> {
    let candidates = TIMES.iter().flat_map(|field| TIME_FORMATS.map(|format| (field, format)));
    let mut tables = candidates.map(|(field, format)| {
        let format =
            if format.is_empty() { String::new() } else { format!("time_format = {}\n", quoted(format)) };
        format!("{table}time = {}\n{format}", quoted(field))
    });
    tables.find(|table| Trial::of(table, members).is_some_and(|trial| trial.is_timed(members)))
}

impl Sink for Trial {
    fn series(&mut self, name: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        let known = self.series.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            self.series.push((name.to_owned(), f64::NAN));
            self.series.len() - 1
        });
        Some(SeriesRef(at as u64))
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        let at = usize::try_from(series.0).ok();
        if let Some((_, last)) = at.and_then(|at| self.series.get_mut(at)) {
            *last = value;
        }
        match stamp {
            Stamp::Event(ms) => self.stamps.push((self.at, ms)),
            Stamp::Arrival | Stamp::FromArrival(_) => self.untimed += 1,
        }
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, _: &str, _: &dyn Display) {
        self.invalid += 1;
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}
