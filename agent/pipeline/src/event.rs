//! The events that an agent emits, with typed times. They are encoded once, where they leave the agent; no other code
//! looks into bytes.
//!
//! Names and labels are shared. A timestamp carries its clock ([`ClockMark`]), so that a correction of that clock
//! changes an offset and not a text: the encoder adds the offset.

mod own;

use crate::plan::{Accumulators, AggregatePlan, Value};
use crate::sketch::GrowingSketch;
pub use own::{
    AckCounts, AgentPresence, CheckpointBudget, CheckpointFigures, ClockSet, DiskStatus, Report, ReportCause,
    RunEnd, SyncFigures,
};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Labels of a series, in the order of the config.
pub type Labels = Arc<[(String, String)]>;

/// Times (ms) and values, oldest first.
pub type TimedValues = Vec<(i64, f64)>;

/// A boot of the machine, by the id that Linux gives it.
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

/// The clock that a time was taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockMark {
    /// A correct clock.
    #[default]
    True,
    /// A clock that was set back this many times, behind events that were already emitted: another event may have the
    /// same time.
    Turn(u32),
    /// The agent's clock in this boot, whose offset from the true time is unknown.
    Boot(BootId),
}

impl ClockMark {
    /// Whether the offset from the true time is unknown.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        matches!(self, Self::Boot(_))
    }
}

/// A time and its clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// The time on that clock (ms since the Unix epoch).
    pub ms: i64,
    /// The clock.
    pub clock: ClockMark,
}

/// The subject of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent's id.
    pub agent: Arc<str>,
    /// The stream's name.
    pub stream: Arc<str>,
    /// The series' name; for a pair `A~B`; for a group its own name.
    pub series: Arc<str>,
    /// The labels that all its series share.
    pub labels: Labels,
}

/// An event of the agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A summary of one window.
    Summary(Box<Summary>),
    /// A single reading.
    Reading(Reading),
    /// An alert that is raised or cleared.
    Alert(Box<Alert>),
    /// The readings that followed an alert.
    Evidence(Box<Evidence>),
    /// What a model says of the windows of a group.
    Prediction(Box<Prediction>),
    /// The account of an interval.
    Report(Box<Report>),
    /// The true time of a boot has become known.
    Clock(ClockSet),
    /// Whether the agent runs, and what is wrong.
    Status(Box<AgentPresence>),
}

/// The summary of one window of one series, or of a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The subject.
    pub about: Subject,
    /// The names of a pair.
    pub pair: Option<[Arc<str>; 2]>,
    /// The start of the window.
    pub start: Timestamp,
    /// The end of the window, exclusive (ms), on the same clock.
    pub end_ms: i64,
    /// The end that its id has (ms): that of the first revision. A session may have grown since.
    pub named_end_ms: i64,
    /// Counts up with every revision.
    pub rev: u32,
    /// Whether its readings are in another summary from now on: this one holds none.
    pub is_retracted: bool,
    /// Whether it may lack readings that the end of an earlier run took.
    pub is_partial: bool,
    /// The index of a count window, since two count windows may have the same interval.
    pub number: Option<u64>,
    /// The numbers by name, in the order of the config; numbers that do not exist are left out.
    pub numbers: Vec<(Arc<str>, Value)>,
    /// Readings for a chart: times on the same clock (ms) and values. `None`: not configured.
    pub points: Option<TimedValues>,
    /// The percentiles' sketch; `None`: not configured.
    pub sketch: Option<GrowingSketch>,
    /// The accumulators for a roll-up; `None`: no roll-up needs them.
    pub pane: Option<Box<Accumulators>>,
}

impl Summary {
    /// The first revision of a window's summary, without its accumulators.
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
            named_end_ms: end_ms,
            rev: 0,
            is_retracted: false,
            is_partial: false,
            number: None,
            numbers: plan.numbers(pane).map(|(name, value)| (name.clone(), value)).collect(),
            points: points.map(|points| points.into_iter().map(|(time, value)| (time.0, value)).collect()),
            sketch: plan.sketch(pane).cloned(),
            pane: None,
        }
    }

    /// The summary without anything that it says of readings, but for their count.
    #[must_use]
    pub fn retracted(self) -> Self {
        let numbers = vec![(Arc::from("count"), Value::Count(0))];
        // What is gone cannot lack readings.
        let (is_retracted, is_partial) = (true, false);
        Self { is_retracted, is_partial, numbers, points: None, sketch: None, pane: None, ..self }
    }

    /// A number of the summary, by name.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(known, _)| **known == *name).map(|(_, value)| f64::from(*value))
    }
}

/// A single reading, from a stream without windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The subject.
    pub about: Subject,
    /// The time of the reading.
    pub time: Timestamp,
    /// Tells readings of the same time apart.
    pub rev: u32,
    /// The value [series unit].
    pub value: f64,
}

/// Whether an alert begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It begins.
    Raised,
    /// It ends.
    Cleared,
}

/// An alert of a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The subject.
    pub about: Subject,
    /// The detector's name.
    pub detector: String,
    /// Whether it was raised or cleared.
    pub state: AlertState,
    /// 0 when raised and 1 when cleared; higher after a crash, or if another alert was raised at the same time.
    pub rev: u32,
    /// When it was raised; a cleared alert keeps the id of the raised one.
    pub raised: Timestamp,
    /// When it was raised or cleared.
    pub time: Timestamp,
    /// The severity from the config.
    pub severity: String,
    /// The name of the window's number that was judged; `None`: a reading was judged.
    pub on: Option<String>,
    /// The value that decided [series unit]; NaN: an expected series has never sent one.
    pub value: f64,
    /// For a group: the judged value of each series; else empty.
    pub values: Vec<(Arc<str>, f64)>,
    /// The normal value [series unit].
    pub expected: Option<f64>,
    /// The distance from normal, in the detector's own measure.
    pub score: Option<f64>,
    /// What went wrong, as a model says.
    pub class: Option<Arc<str>>,
    /// An explanation for people.
    pub reason: String,
    /// The last readings before it, on the clock of `time`.
    pub evidence: Readings,
}

/// What a model says of the windows of a group with one end.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The subject.
    pub about: Subject,
    /// The detector's name.
    pub detector: String,
    /// 0; higher after a crash, which may have told of the same windows otherwise.
    pub rev: u32,
    /// The end of the windows.
    pub time: Timestamp,
    /// The most likely class.
    pub class: Arc<str>,
    /// The probability that something is wrong.
    pub score: f64,
    /// The probability of each class.
    pub probabilities: Vec<(Arc<str>, f64)>,
}

/// The readings that followed a raised alert, which summaries would have hidden.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The subject.
    pub about: Subject,
    /// The detector's name.
    pub detector: String,
    /// 0; higher after a crash, or if another alert was raised at the same time.
    pub rev: u32,
    /// When the alert was raised.
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
    /// Of several series, by name.
    OfEach(Vec<(Arc<str>, TimedValues)>),
}

impl Reading {
    /// Revisions from here on come from the value: whether its time had readings before is forgotten.
    pub const REV_BY_VALUE: u32 = 1 << 30;

    /// Its number among the readings of its time; `None` for the first one, and where the number is not known.
    pub fn number(&self) -> Option<u32> {
        Some(self.rev).filter(|rev| (1..Self::REV_BY_VALUE).contains(rev))
    }
}

impl Readings {
    /// Whether there are no readings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Readings::Of(readings) => readings.is_empty(),
            Readings::OfEach(series) => series.is_empty(),
        }
    }
}

/// The words for the kinds that an output can choose. The status goes wherever an output has a place for it.
pub const KINDS: [&str; 7] = ["summary", "reading", "alert", "evidence", "prediction", "report", "clock"];

impl Event {
    /// The word for its kind on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Summary(_) => "summary",
            Self::Reading(_) => "reading",
            Self::Alert(_) => "alert",
            Self::Evidence(_) => "evidence",
            Self::Prediction(_) => "prediction",
            Self::Report(_) => "report",
            Self::Clock(_) => "clock",
            Self::Status(_) => "status",
        }
    }

    /// The subject; `None`: the agent itself.
    #[must_use]
    pub fn about(&self) -> Option<&Subject> {
        match self {
            Self::Summary(summary) => Some(&summary.about),
            Self::Reading(reading) => Some(&reading.about),
            Self::Alert(alert) => Some(&alert.about),
            Self::Evidence(evidence) => Some(&evidence.about),
            Self::Prediction(prediction) => Some(&prediction.about),
            Self::Report(_) | Self::Clock(_) | Self::Status(_) => None,
        }
    }

    /// The clock of its own times; an alert may have been raised on another clock.
    #[must_use]
    pub fn clock(&self) -> &ClockMark {
        match self {
            Self::Summary(summary) => &summary.start.clock,
            Self::Reading(reading) => &reading.time.clock,
            Self::Alert(alert) => &alert.time.clock,
            Self::Evidence(evidence) => &evidence.clock,
            Self::Prediction(prediction) => &prediction.time.clock,
            Self::Report(report) => &report.to.clock,
            Self::Clock(set) => &set.time.clock,
            Self::Status(_) => &ClockMark::True,
        }
    }

    /// Its revision: how often its id was told before with another content.
    #[must_use]
    pub fn rev(&self) -> u32 {
        match self {
            Self::Summary(summary) => summary.rev,
            Self::Reading(reading) => reading.rev,
            Self::Alert(alert) => alert.rev,
            Self::Evidence(evidence) => evidence.rev,
            Self::Prediction(prediction) => prediction.rev,
            Self::Report(_) | Self::Clock(_) | Self::Status(_) => 0,
        }
    }

    /// Whether the event is sent first and lost last.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Alert(_) | Self::Evidence(_) => true,
            Self::Report(report) => report.cause.is_loss(),
            Self::Summary(_) | Self::Reading(_) | Self::Prediction(_) | Self::Clock(_) | Self::Status(_) => {
                false
            }
        }
    }
}
