//! The kinds of messages and their maps, as INTERFACE.md §4 lists them.

use super::sketch::WireSketch;
use super::{Route, WIRE_VERSION};
use crate::plan::{Pane, Plan};
use crate::thin;
use bytes::Bytes;
use headwater_forwarder::{Lane, Message};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// A number of a summary: counts stay integers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A measured number; always finite.
    Number(f64),
}

impl From<Value> for f64 {
    fn from(value: Value) -> Self {
        match value {
            Value::Count(count) => count as f64,
            Value::Number(number) => number,
        }
    }
}

/// What one window of one series says.
pub struct Summary<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// The series' name.
    pub series: &'a str,
    /// The series' labels.
    pub labels: &'a [(String, String)],
    /// First instant [ms since the Unix epoch].
    pub start_ms: i64,
    /// First instant after it [ms since the Unix epoch].
    pub end_ms: i64,
    /// Counts up with every correction.
    pub rev: u32,
    /// Of a count window: how many there were before, since two may have the same interval.
    pub number: Option<u64>,
    /// Which numbers it carries.
    pub plan: &'a Plan,
    /// What they are taken from.
    pub pane: &'a Pane,
}

/// A reading as it came in: window type `none`.
pub struct Reading<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// The series' name.
    pub series: &'a str,
    /// The series' labels.
    pub labels: &'a [(String, String)],
    /// When it was taken [ms since the Unix epoch].
    pub time_ms: i64,
    /// How many readings of the same time came before it.
    pub rev: u32,
    /// The reading [series unit].
    pub value: f64,
}

/// What the agent is, retained on its own topic.
pub struct Status<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// `online` or `offline`.
    pub state: &'a str,
    /// When this process started [ms since the Unix epoch].
    pub started_ms: i64,
    /// `synced` or `unsynced`.
    pub clock: &'a str,
    /// The boot whose time is not known.
    pub boot: Option<&'a str>,
    /// What is not as it should be, for a person; may be empty.
    pub trouble: &'a [String],
    /// What the disk has to bear, once that is known.
    pub disk: Option<DiskStatus>,
}

/// What the disk has to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStatus {
    /// What the buffer takes (bytes).
    pub used_bytes: u64,
    /// What the agent has had written today, in UTC (bytes).
    pub written_today_bytes: u64,
    /// What it may in a day (bytes).
    pub daily_writes: u64,
    /// What everybody has had written to the device today, while it ran (bytes), if it counts.
    pub device_written_today_bytes: Option<u64>,
}

/// The times of a boot's messages are known now: those that went out before are to be corrected.
pub struct ClockSet<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// When it became known (ms since the Unix epoch).
    pub time_ms: i64,
    /// The boot's id, as it stands in its messages.
    pub boot: &'a str,
    /// To be added to every time of its messages (ms).
    pub offset_ms: i64,
    /// Whether the boot ended before that: then it is the latest that it can have been.
    pub estimated: bool,
}

/// A message with its map and its place; [`Messages::message`] makes a forwarder's message of it.
pub trait Body: Serialize {
    /// Where it goes.
    fn route(&self) -> Route<'_>;
    /// Which queue it waits in.
    fn lane(&self) -> Lane;
    /// Appends what it carries beside its map, for the agent itself.
    fn save_parts(&self, _to: &mut Vec<u8>) {}
}

/// Encodes messages; keeps its buffer between them.
#[derive(Debug, Default)]
pub struct Messages {
    scratch: Vec<u8>,
}

impl Messages {
    /// Encodes a body into what the forwarder keeps, made at `made_ms`.
    pub fn message<B: Body>(&mut self, body: &B, made_ms: i64) -> Message {
        self.scratch.clear();
        let written = serde_cbor::to_writer(&mut self.scratch, body);
        debug_assert!(written.is_ok(), "a map of plain values into memory cannot fail");
        let content = Bytes::copy_from_slice(&self.scratch);
        self.scratch.clear();
        body.route().save(&mut self.scratch);
        body.save_parts(&mut self.scratch);
        Message { lane: body.lane(), made_ms, route: Bytes::copy_from_slice(&self.scratch), body: content }
    }
}

/// The labels as a map, in their own order.
pub(super) struct Labels<'a>(pub(super) &'a [(String, String)]);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points =
            self.plan.points(self.pane).map(|points| points.into_iter().map(|(time, value)| (time.0, value)));
        let sketch = self.plan.sketch(self.pane);
        let optional = usize::from(points.is_some()) + usize::from(sketch.is_some());
        let entries = 10 + self.plan.numbers(self.pane).count() + optional;
        let mut map = serializer.serialize_map(Some(entries))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "summary")?;
        let (stream, series, start, length) =
            (self.stream, self.series, self.start_ms, self.end_ms - self.start_ms);
        match self.number {
            None => map.serialize_entry("id", &format_args!("{stream}/{series}@{start}+{length}"))?,
            Some(number) => {
                map.serialize_entry("id", &format_args!("{stream}/{series}@{start}+{length}#{number}"))?
            }
        }
        map.serialize_entry("rev", &self.rev)?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("stream", self.stream)?;
        map.serialize_entry("series", self.series)?;
        map.serialize_entry("labels", &Labels(self.labels))?;
        map.serialize_entry("start", &self.start_ms)?;
        map.serialize_entry("end", &self.end_ms)?;
        for (name, value) in self.plan.numbers(self.pane) {
            map.serialize_entry(name, &value)?;
        }
        if let Some(points) = points {
            map.serialize_entry("points", &points.collect::<Vec<_>>())?;
        }
        if let Some(sketch) = sketch {
            map.serialize_entry("sketch", &WireSketch(sketch))?;
        }
        map.end()
    }
}

impl Body for Summary<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("summary", self.stream, self.series)
    }

    fn save_parts(&self, to: &mut Vec<u8>) {
        thin::save_parts(self.start_ms, self.end_ms, self.rev, &self.plan.told(self.pane), to);
    }

    fn lane(&self) -> Lane {
        Lane::Data
    }
}

impl Serialize for Reading<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(10))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "reading")?;
        map.serialize_entry("id", &format_args!("{}/{}@{}", self.stream, self.series, self.time_ms))?;
        map.serialize_entry("rev", &self.rev)?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("stream", self.stream)?;
        map.serialize_entry("series", self.series)?;
        map.serialize_entry("labels", &Labels(self.labels))?;
        map.serialize_entry("time", &self.time_ms)?;
        map.serialize_entry("value", &self.value)?;
        map.end()
    }
}

impl Body for Reading<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("reading", self.stream, self.series)
    }

    fn lane(&self) -> Lane {
        Lane::Data
    }
}

impl Serialize for ClockSet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(8 + usize::from(self.estimated)))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "clock")?;
        map.serialize_entry("id", &format_args!("clock/{}@{}", self.boot, self.time_ms))?;
        map.serialize_entry("rev", &0)?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("time", &self.time_ms)?;
        map.serialize_entry("boot", self.boot)?;
        map.serialize_entry("offset", &self.offset_ms)?;
        if self.estimated {
            map.serialize_entry("clock", "estimated")?;
        }
        map.end()
    }
}

impl Body for ClockSet<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("clock", "", "")
    }

    fn lane(&self) -> Lane {
        Lane::Data
    }
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trouble = usize::from(!self.trouble.is_empty());
        let optional = trouble + usize::from(self.disk.is_some()) + usize::from(self.boot.is_some());
        let mut map = serializer.serialize_map(Some(7 + optional))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "status")?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("state", self.state)?;
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("started", &self.started_ms)?;
        map.serialize_entry("clock", self.clock)?;
        if let Some(boot) = self.boot {
            map.serialize_entry("boot", boot)?;
        }
        if trouble == 1 {
            map.serialize_entry("trouble", self.trouble)?;
        }
        if let Some(disk) = &self.disk {
            map.serialize_entry("disk", disk)?;
        }
        map.end()
    }
}

impl Serialize for DiskStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let device = self.device_written_today_bytes;
        let mut map = serializer.serialize_map(Some(3 + usize::from(device.is_some())))?;
        map.serialize_entry("used", &self.used_bytes)?;
        map.serialize_entry("written_today", &self.written_today_bytes)?;
        map.serialize_entry("daily_writes", &self.daily_writes)?;
        if let Some(device) = device {
            map.serialize_entry("device_written_today", &device)?;
        }
        map.end()
    }
}
