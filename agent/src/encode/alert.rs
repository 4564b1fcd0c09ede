//! What detectors say: an alert's two messages, and the readings that followed it.

use super::message::{Body, Labels};
use super::{Route, WIRE_VERSION};
use headwater_forwarder::Lane;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Whether something began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It began.
    Raised,
    /// It is over.
    Cleared,
}

/// What a detector says.
pub struct Alert<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// The series' name.
    pub series: &'a str,
    /// The series' labels.
    pub labels: &'a [(String, String)],
    /// The detector's name.
    pub detector: &'a str,
    /// Whether it was raised or cleared.
    pub state: AlertState,
    /// Where its revisions start: 0, or more after a crash, or for one that is not the first of its time.
    pub floor: u32,
    /// When it was raised; a clearing keeps the id of its raising [ms since the Unix epoch].
    pub raised_ms: i64,
    /// What the id carries behind that, where clocks were wrong; may be empty.
    pub mark: &'a str,
    /// When this happened [ms since the Unix epoch].
    pub time_ms: i64,
    /// As the config says.
    pub severity: &'a str,
    /// The reading that decided [series unit].
    pub value: f64,
    /// What would have been normal [series unit].
    pub expected: Option<f64>,
    /// How far from normal, in the detector's own measure.
    pub score: Option<f64>,
    /// For a person.
    pub reason: &'a str,
    /// The number of a window that the value is; `None`: it is a reading.
    pub on: Option<&'a str>,
    /// Of several series: each with the value that was judged; else empty.
    pub values: &'a [(&'a str, f64)],
    /// The last readings before it.
    pub evidence: Readings<'a>,
}

/// Readings as times (ms since the Unix epoch) and values (series unit), oldest first.
#[derive(Clone, Copy, Debug)]
pub enum Readings<'a> {
    /// Of one series.
    Of(&'a [(i64, f64)]),
    /// Of several, by name.
    OfEach(&'a [(&'a str, Vec<(i64, f64)>)]),
}

impl Readings<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Readings::Of(readings) => readings.is_empty(),
            Readings::OfEach(series) => series.is_empty(),
        }
    }
}

impl Serialize for Readings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Readings::Of(readings) => serializer.collect_seq(*readings),
            Readings::OfEach(series) => serializer.collect_map(series.iter().map(|(name, of)| (name, of))),
        }
    }
}

/// The readings that followed an alert's raising: what windows would have made a summary of.
pub struct Evidence<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// The series' name.
    pub series: &'a str,
    /// The series' labels.
    pub labels: &'a [(String, String)],
    /// The detector's name.
    pub detector: &'a str,
    /// 0, or more after a crash, or for an alert that is not the first of its time.
    pub rev: u32,
    /// When its alert was raised (ms since the Unix epoch).
    pub raised_ms: i64,
    /// What its alert's id carries behind that.
    pub mark: &'a str,
    /// The readings.
    pub readings: Readings<'a>,
}

impl Serialize for Alert<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let optional = [
            self.on.is_some(),
            self.expected.is_some(),
            self.score.is_some(),
            !self.evidence.is_empty(),
            !self.values.is_empty(),
        ];
        let optional = optional.iter().filter(|given| **given).count();
        let mut map = serializer.serialize_map(Some(14 + optional))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "alert")?;
        let Self { stream, series, detector, raised_ms, mark, .. } = self;
        map.serialize_entry("id", &format_args!("{stream}/{series}/{detector}@{raised_ms}{mark}"))?;
        // Raising and clearing share the id, so that they can be paired; the revision tells them apart.
        let rev = self.floor.saturating_add(u32::from(self.state == AlertState::Cleared));
        map.serialize_entry("rev", &rev)?;
        map.serialize_entry("state", if self.state == AlertState::Raised { "raised" } else { "cleared" })?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("stream", self.stream)?;
        map.serialize_entry("series", self.series)?;
        map.serialize_entry("labels", &Labels(self.labels))?;
        map.serialize_entry("detector", self.detector)?;
        map.serialize_entry("severity", self.severity)?;
        map.serialize_entry("time", &self.time_ms)?;
        if let Some(on) = self.on {
            map.serialize_entry("on", on)?;
        }
        map.serialize_entry("value", &self.value)?;
        if !self.values.is_empty() {
            map.serialize_entry("values", &Named(self.values))?;
        }
        if let Some(expected) = self.expected {
            map.serialize_entry("expected", &expected)?;
        }
        if let Some(score) = self.score {
            map.serialize_entry("score", &score)?;
        }
        map.serialize_entry("reason", self.reason)?;
        if !self.evidence.is_empty() {
            map.serialize_entry("evidence", &self.evidence)?;
        }
        map.end()
    }
}

/// Numbers by name.
struct Named<'a>(&'a [(&'a str, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Body for Alert<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("alert", self.stream, self.series)
    }

    fn lane(&self) -> Lane {
        Lane::Alert
    }
}

impl Serialize for Evidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(11))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "evidence")?;
        let Self { stream, series, detector, raised_ms, mark, .. } = self;
        let alert = format!("{stream}/{series}/{detector}@{raised_ms}{mark}");
        map.serialize_entry("id", &format_args!("{alert}/evidence"))?;
        map.serialize_entry("rev", &self.rev)?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("stream", self.stream)?;
        map.serialize_entry("series", self.series)?;
        map.serialize_entry("labels", &Labels(self.labels))?;
        map.serialize_entry("detector", self.detector)?;
        map.serialize_entry("alert", &alert)?;
        map.serialize_entry("evidence", &self.readings)?;
        map.end()
    }
}

impl Body for Evidence<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("evidence", self.stream, self.series)
    }

    fn lane(&self) -> Lane {
        Lane::Alert
    }
}
