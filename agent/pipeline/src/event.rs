//! What an agent says: facts with typed times. They are encoded once, where they leave; until then nobody looks into bytes.
//!
//! Identities are shared. A time says which clock it was taken from ([`ClockMark`]), so that a correction of that clock
//! changes an offset and no text: the encoder adds it.

mod own;

use crate::plan::{Accumulators, AggregatePlan, Value};
use crate::sketch::GrowingSketch;
pub use own::{AgentPresence, ClockSet, DiskStatus, Report, ReportCause};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Labels of a series, in their own order.
pub type Labels = Arc<[(String, String)]>;

/// Times (ms) and values, oldest first.
pub type TimedValues = Vec<(i64, f64)>;

/// A boot of the machine, by the id that the kernel gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootId(Arc<str>);

impl From<&str> for BootId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl Deref for BootId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which clock a time was taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockMark {
    /// One that is right.
    #[default]
    True,
    /// One that was set back so many times, to before this time: there may be another event of it.
    Turn(u32),
    /// The agent's own in this boot, before it was known how far it is off.
    Boot(BootId),
}

impl ClockMark {
    /// Whether it is not known how far it is off.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        matches!(self, Self::Boot(_))
    }
}

/// A time on its clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// What that clock said (ms since the Unix epoch).
    pub ms: i64,
    /// The clock.
    pub clock: ClockMark,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent's id.
    pub agent: Arc<str>,
    /// The stream's name.
    pub stream: Arc<str>,
    /// The series' name; of a pair both, `A~B`; of a group its own.
    pub series: Arc<str>,
    /// What the series, or all of them, have as labels.
    pub labels: Labels,
}

/// One thing that an agent says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What one window says.
    Summary(Box<Summary>),
    /// A reading as it came in.
    Reading(Reading),
    /// A detector's alert, raised or cleared.
    Alert(Box<Alert>),
    /// The readings that followed an alert.
    Evidence(Box<Evidence>),
    /// The account of an interval.
    Report(Box<Report>),
    /// The times of a boot are known.
    Clock(ClockSet),
    /// What the agent is.
    Status(Box<AgentPresence>),
}

/// What one window of one series, or of a pair, says.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What it is about.
    pub about: Subject,
    /// Of a pair: the names of the two.
    pub pair: Option<[Arc<str>; 2]>,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it (ms), on the same clock.
    pub end_ms: i64,
    /// Counts up with every correction.
    pub rev: u32,
    /// Of a count window: how many there were before, since two may have the same interval.
    pub number: Option<u64>,
    /// Its numbers by name, in the order of the config; those that do not exist are left out.
    pub numbers: Vec<(Arc<str>, Value)>,
    /// Readings for a chart, times on the same clock (ms) and values; `None`: not asked for.
    pub points: Option<TimedValues>,
    /// The percentiles' sketch; `None`: not asked for.
    pub sketch: Option<GrowingSketch>,
    /// What it can be merged into a coarser one with; `None`: nobody will.
    pub pane: Option<Box<Accumulators>>,
}

impl Summary {
    /// What a window says by a plan, in its first revision; without what it could be merged with.
    #[must_use]
    pub fn new(
        about: Subject,
        (start, end_ms): (Timestamp, i64),
        plan: &AggregatePlan,
        pane: &Accumulators,
    ) -> Self {
        let points = plan.points(pane);
        Self {
            about,
            pair: None,
            start,
            end_ms,
            rev: 0,
            number: None,
            numbers: plan.numbers(pane).map(|(name, value)| (name.clone(), value)).collect(),
            points: points.map(|points| points.into_iter().map(|(time, value)| (time.0, value)).collect()),
            sketch: plan.sketch(pane).cloned(),
            pane: None,
        }
    }

    /// One of its numbers.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(known, _)| **known == *name).map(|(_, value)| f64::from(*value))
    }
}

/// A reading as it came in: window type `none`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is about.
    pub about: Subject,
    /// When it was taken.
    pub time: Timestamp,
    /// How many readings of the same time came before it.
    pub rev: u32,
    /// The reading [series unit].
    pub value: f64,
}

/// Whether something began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It began.
    Raised,
    /// It is over.
    Cleared,
}

/// What a detector says.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it is about.
    pub about: Subject,
    /// The detector's name.
    pub detector: String,
    /// Whether it was raised or cleared.
    pub state: AlertState,
    /// 0 of its raising and 1 of its clearing; more after a crash, or for one that is not the first of its time.
    pub rev: u32,
    /// When it was raised: a clearing keeps the id of its raising.
    pub raised: Timestamp,
    /// When this happened.
    pub time: Timestamp,
    /// As the config says.
    pub severity: String,
    /// The number of a window that the value is; `None`: it is a reading.
    pub on: Option<String>,
    /// The reading that decided [series unit].
    pub value: f64,
    /// Of several series: each with the value that was judged; else empty.
    pub values: Vec<(Arc<str>, f64)>,
    /// What would have been normal [series unit].
    pub expected: Option<f64>,
    /// How far from normal, in the detector's own measure.
    pub score: Option<f64>,
    /// For a person.
    pub reason: String,
    /// The last readings before it, on the clock of its time.
    pub evidence: Readings,
}

/// The readings that followed an alert's raising: what windows would have made a summary of.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What it is about.
    pub about: Subject,
    /// The detector's name.
    pub detector: String,
    /// 0, or more after a crash, or for an alert that is not the first of its time.
    pub rev: u32,
    /// When its alert was raised.
    pub raised: Timestamp,
    /// The clock of the readings.
    pub clock: ClockMark,
    /// The readings.
    pub readings: Readings,
}

/// Readings as times (ms since the Unix epoch) and values (series unit), oldest first.
#[derive(Clone, Debug, PartialEq)]
pub enum Readings {
    /// Of one series.
    Of(TimedValues),
    /// Of several, by name.
    OfEach(Vec<(Arc<str>, TimedValues)>),
}

impl Readings {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Readings::Of(readings) => readings.is_empty(),
            Readings::OfEach(series) => series.is_empty(),
        }
    }
}

impl Event {
    /// The word for its kind on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Summary(_) => "summary",
            Self::Reading(_) => "reading",
            Self::Alert(_) => "alert",
            Self::Evidence(_) => "evidence",
            Self::Report(_) => "report",
            Self::Clock(_) => "clock",
            Self::Status(_) => "status",
        }
    }

    /// What it is about; `None`: the agent itself.
    #[must_use]
    pub fn about(&self) -> Option<&Subject> {
        match self {
            Self::Summary(summary) => Some(&summary.about),
            Self::Reading(reading) => Some(&reading.about),
            Self::Alert(alert) => Some(&alert.about),
            Self::Evidence(evidence) => Some(&evidence.about),
            Self::Report(_) | Self::Clock(_) | Self::Status(_) => None,
        }
    }

    /// The clock of its own times; an alert may have been raised on another one.
    #[must_use]
    pub fn clock(&self) -> &ClockMark {
        match self {
            Self::Summary(summary) => &summary.start.clock,
            Self::Reading(reading) => &reading.time.clock,
            Self::Alert(alert) => &alert.time.clock,
            Self::Evidence(evidence) => &evidence.clock,
            Self::Report(report) => &report.to.clock,
            Self::Clock(set) => &set.time.clock,
            Self::Status(_) => &ClockMark::True,
        }
    }

    /// Whether it goes first and is lost last.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Alert(_) | Self::Evidence(_) => true,
            Self::Report(report) => report.cause.is_loss(),
            Self::Summary(_) | Self::Reading(_) | Self::Clock(_) | Self::Status(_) => false,
        }
    }
}
