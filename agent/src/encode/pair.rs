//! What one window of two series says: a summary whose series is named `A~B`.

use super::message::{Body, Labels};
use super::{Route, WIRE_VERSION};
use headwater_forwarder::Lane;
use headwater_kernel::aggregate::Comoments;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// What one window of two series says.
pub struct PairSummary<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// Both names, `A~B`.
    pub series: &'a str,
    /// The names of the two.
    pub names: [&'a str; 2],
    /// What both series have among their labels.
    pub labels: &'a [(String, String)],
    /// First instant [ms since the Unix epoch].
    pub start_ms: i64,
    /// First instant after it [ms since the Unix epoch].
    pub end_ms: i64,
    /// Counts up with every correction.
    pub rev: u32,
    /// Of a count window: how many there were before.
    pub number: Option<u64>,
    /// Their readings, two by two.
    pub pairs: &'a Comoments,
}

impl Serialize for PairSummary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = [("covariance", self.pairs.covariance()), ("correlation", self.pairs.correlation())];
        let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, number?)));
        let mut map = serializer.serialize_map(Some(13 + numbers.clone().count()))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "summary")?;
        let number = self.number.map(|number| format!("#{number}")).unwrap_or_default();
        let (stream, series, start, length) =
            (self.stream, self.series, self.start_ms, self.end_ms - self.start_ms);
        map.serialize_entry("id", &format_args!("{stream}/{series}@{start}+{length}{number}"))?;
        map.serialize_entry("rev", &self.rev)?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("stream", stream)?;
        map.serialize_entry("series", series)?;
        map.serialize_entry("a", self.names[0])?;
        map.serialize_entry("b", self.names[1])?;
        map.serialize_entry("labels", &Labels(self.labels))?;
        map.serialize_entry("start", &self.start_ms)?;
        map.serialize_entry("end", &self.end_ms)?;
        map.serialize_entry("count", &self.pairs.count())?;
        for (name, number) in numbers {
            map.serialize_entry(name, &number)?;
        }
        map.end()
    }
}

impl Body for PairSummary<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("summary", self.stream, self.series)
    }

    fn lane(&self) -> Lane {
        Lane::Data
    }
}
