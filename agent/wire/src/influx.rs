//! InfluxDB line protocol, version 1: one line for each summary, reading, alert or prediction. Other kinds of messages have none.
//!
//! ```text
//! STREAM,agent=g7,series=bed1/temp,zone=bed1 count=60i,mean=21.5 1700000040000
//! ```
//!
//! The measurement is the stream; those of alerts and predictions are [`ALERTS`] and [`PREDICTIONS`], with the stream as a tag. Tags are the agent, the labels and
//! the series, and `clock` where the time is not sure; fields are the numbers. The time of a summary is the start of its
//! window, that of others their own. A later revision of a summary has the same tags and time, and replaces the earlier one;
//! it says `rev`, `partial` and `retracted`. Databases join fields, so numbers of before stay beside `retracted=true`. Lists and sketches have no place in a line.
//!
//! Empty tags, numbers that are not finite, and line breaks have no place in the protocol, nor has a backslash at the end
//! of a tag, which would join it to what follows.

use super::place::{Placed, Placer};
use headwater_pipeline::event::{Alert, AlertState, Event, Prediction, Reading, Subject, Summary};
use headwater_pipeline::plan::Value;
use headwater_pipeline::unit;
use std::io::Write as _;

/// The measurement of alerts.
const ALERTS: &str = "alerts";
/// The measurement of predictions.
const PREDICTIONS: &str = "predictions";

/// The kinds that have lines.
const KINDS: [&str; 4] = ["summary", "reading", "alert", "prediction"];

/// Names of tags that are ours, and others that databases take for something else.
const TAKEN: [&str; 9] =
    ["agent", "clock", "detector", "series", "state", "stream", "time", "severity", "unit"];

/// The unit of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Nanoseconds, which receivers assume that are told nothing.
    Nanoseconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Seconds, rounded down.
    Seconds,
}

impl Precision {
    /// The units by their words, which databases know as the parameter `precision`.
    pub const WORDS: [(&'static str, Self); 3] =
        [("ms", Self::Milliseconds), ("ns", Self::Nanoseconds), ("s", Self::Seconds)];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    fn of(self, ms: i64) -> i64 {
        match self {
            Self::Nanoseconds => ms.saturating_mul(1_000_000),
            Self::Milliseconds => ms,
            Self::Seconds => ms.div_euclid(1_000),
        }
    }
}

/// Whether messages of the kind have lines.
pub(super) fn has_lines(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Appends the line of an event.
pub(super) fn encode(event: &Event, precision: Precision, placer: &dyn Placer, to: &mut Vec<u8>) {
    let clock = Placed::new(event.clock(), placer);
    let mut line = InfluxLine { to, has_field: false };
    let time_ms = match event {
        Event::Summary(summary) => put_summary(summary, clock, &mut line),
        Event::Reading(reading) => put_reading(reading, clock, &mut line),
        Event::Alert(alert) => put_alert(alert, clock, &mut line),
        Event::Prediction(prediction) => put_prediction(prediction, clock, &mut line),
        Event::Evidence(_) | Event::Report(_) | Event::Clock(_) | Event::Status(_) => return,
    };
    let time = precision.of(clock.at(time_ms));
    // Writing into memory cannot fail.
    let _ = writeln!(line.to, " {time}");
}

fn put_summary(summary: &Summary, clock: Placed<'_>, line: &mut InfluxLine<'_>) -> i64 {
    line.begin(&summary.about.stream);
    line.tags(&summary.about, clock);
    for (name, value) in &summary.numbers {
        match *value {
            Value::Count(count) => line.integer(name, count),
            Value::Number(number) => line.number(name, number),
        }
    }
    if summary.rev > 0 || summary.is_partial || summary.is_retracted || !line.has_field {
        line.integer("rev", u64::from(summary.rev));
        line.boolean("partial", summary.is_partial);
        line.boolean("retracted", summary.is_retracted);
    }
    summary.start.ms
}

fn put_reading(reading: &Reading, clock: Placed<'_>, line: &mut InfluxLine<'_>) -> i64 {
    line.begin(&reading.about.stream);
    line.tags(&reading.about, clock);
    line.number("value", reading.value);
    if !line.has_field {
        line.integer("rev", u64::from(reading.rev));
    }
    reading.time.ms
}

fn put_alert(alert: &Alert, clock: Placed<'_>, line: &mut InfluxLine<'_>) -> i64 {
    line.begin(ALERTS);
    line.tags(&alert.about, clock);
    let state = if alert.state == AlertState::Raised { "raised" } else { "cleared" };
    let tags = [("detector", &*alert.detector), ("severity", &alert.severity), ("state", state)];
    tags.into_iter()
        .chain([("stream", &*alert.about.stream)])
        .for_each(|(name, value)| line.tag(name, value));
    line.integer("rev", u64::from(alert.rev));
    line.number("value", alert.value);
    alert.expected.into_iter().for_each(|expected| line.number("expected", expected));
    alert.score.into_iter().for_each(|score| line.number("score", score));
    alert.class.iter().for_each(|class| line.text("class", class));
    line.text("reason", &alert.reason);
    alert.time.ms
}

fn put_prediction(prediction: &Prediction, clock: Placed<'_>, line: &mut InfluxLine<'_>) -> i64 {
    line.begin(PREDICTIONS);
    line.tags(&prediction.about, clock);
    line.tag("detector", &prediction.detector);
    line.tag("stream", &prediction.about.stream);
    line.text("class", &prediction.class);
    line.number("score", prediction.score);
    prediction.probabilities.iter().for_each(|(class, share)| line.number(class, *share));
    prediction.time.ms
}

/// A line that is being written.
struct InfluxLine<'a> {
    to: &'a mut Vec<u8>,
    has_field: bool,
}

impl InfluxLine<'_> {
    fn begin(&mut self, measurement: &str) {
        // A line that begins with # is a comment, and one without a name is none.
        let start = measurement.starts_with('#') || measurement.is_empty();
        self.to.extend_from_slice(if start { b"_" } else { b"" });
        self.escaped(measurement, b", ");
    }

    /// The tags of a subject, with the unit as one of them.
    fn tags(&mut self, about: &Subject, clock: Placed<'_>) {
        self.tag("agent", &about.agent);
        if let Some((word, _)) = clock.said {
            self.tag("clock", word);
        }
        for (name, value) in unit::named(&about.labels).filter(|(_, value)| !value.is_empty()) {
            let is_taken = TAKEN.contains(&name.as_str()) || name.starts_with('_');
            self.to.push(b',');
            self.to.extend_from_slice(if is_taken { b"label_" } else { b"" });
            self.escaped(name, b",= ");
            self.to.push(b'=');
            self.tag_value(value);
        }
        self.tag("series", &about.series);
        if let Some(unit) = unit::of(&about.labels) {
            self.tag("unit", unit);
        }
    }

    /// A tag whose name is a plain word. An empty one is left out.
    fn tag(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.to.push(b',');
            self.to.extend_from_slice(name.as_bytes());
            self.to.push(b'=');
            self.tag_value(value);
        }
    }

    fn tag_value(&mut self, value: &str) {
        self.escaped(value, b",= ");
        if value.ends_with('\\') {
            self.to.push(b'_');
        }
    }

    fn field(&mut self, name: &str) {
        let joint = if std::mem::replace(&mut self.has_field, true) { b',' } else { b' ' };
        self.to.push(joint);
        self.escaped(name, b",= ");
        self.to.push(b'=');
    }

    fn integer(&mut self, name: &str, value: u64) {
        self.field(name);
        let _ = write!(self.to, "{}i", value.min(i64::MAX.unsigned_abs()));
    }

    fn number(&mut self, name: &str, value: f64) {
        /// From here on, and below its inverse, digits would be mostly zeros.
        const LARGE: f64 = 1e15;
        if !value.is_finite() {
            return;
        }
        self.field(name);
        let size = value.abs();
        let _ = match size >= LARGE || (size > 0.0 && size < 1.0 / LARGE) {
            true => write!(self.to, "{value:e}"),
            false => write!(self.to, "{value}"),
        };
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.field(name);
        self.to.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn text(&mut self, name: &str, value: &str) {
        self.field(name);
        self.to.push(b'"');
        self.escaped(value, b"\"\\");
        self.to.push(b'"');
    }

    /// Text with a backslash before each of some signs, and blanks for control characters.
    fn escaped(&mut self, text: &str, signs: &[u8]) {
        for byte in text.bytes() {
            let byte = if byte.is_ascii_control() { b' ' } else { byte };
            if signs.contains(&byte) {
                self.to.push(b'\\');
            }
            self.to.push(byte);
        }
    }
}

#[cfg(test)]
mod tests;
