//! Ids of messages: an event always has the same id, and no two events share one.

use super::place::{Placed, Placer};
use headwater_pipeline::event::{Event, Evidence, Subject, Timestamp};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// The parts of an id; its text is made where it is written.
#[derive(Clone, Copy)]
pub(super) struct Id<'a> {
    /// The part before the time.
    scope: Scope<'a>,
    /// The time and its clock.
    time: (i64, Placed<'a>),
    /// The length of a window (ms).
    length_ms: Option<i64>,
    /// The number of a count window, or that of a reading among those of its time; the first one has none.
    number: Option<u64>,
    /// The part at the end.
    suffix: &'static str,
}

#[derive(Clone, Copy)]
enum Scope<'a> {
    Series { about: &'a Subject, detector: Option<&'a str> },
    Agent { kind: &'static str, name: &'a str },
}

impl<'a> Id<'a> {
    /// The id of an event; `None`: a status has none.
    pub(super) fn of(event: &'a Event, placer: &dyn Placer) -> Option<Self> {
        let own = |kind, name, time| Some(Self::new(Scope::Agent { kind, name }, time, placer));
        match event {
            Event::Summary(summary) => {
                let length_ms = Some(summary.named_end_ms.saturating_sub(summary.start.ms));
                let start = Self::new(Scope::series(&summary.about), &summary.start, placer);
                Some(Self { length_ms, number: summary.number, ..start })
            }
            // A higher revision of the same id replaces a lower one, and readings of one time do not replace each other.
            // A revision that comes from the value is no number: the id stays that of the time.
            Event::Reading(reading) => {
                let number = reading.number().map(u64::from);
                Some(Self { number, ..Self::new(Scope::series(&reading.about), &reading.time, placer) })
            }
            // A raised alert and its clearing share the id, so that they can be paired; the revision tells them
            // apart.
            Event::Alert(alert) => {
                let scope = Scope::Series { about: &alert.about, detector: Some(&alert.detector) };
                Some(Self::new(scope, &alert.raised, placer))
            }
            Event::Evidence(evidence) => {
                Some(Self { suffix: "/evidence", ..Self::of_alert_before(evidence, placer) })
            }
            Event::Prediction(prediction) => {
                let scope = Scope::Series { about: &prediction.about, detector: Some(&prediction.detector) };
                Some(Self { suffix: "/prediction", ..Self::new(scope, &prediction.time, placer) })
            }
            Event::Report(report) => own("report", report.cause.word(), &report.to),
            Event::Clock(set) => own("clock", &set.boot, &set.time),
            Event::Status(_) => None,
        }
    }

    /// The id of the alert that the evidence belongs to.
    pub(super) fn of_alert_before(evidence: &'a Evidence, placer: &dyn Placer) -> Self {
        let scope = Scope::Series { about: &evidence.about, detector: Some(&evidence.detector) };
        Self::new(scope, &evidence.raised, placer)
    }

    fn new(scope: Scope<'a>, time: &'a Timestamp, placer: &dyn Placer) -> Self {
        let time = (time.ms, Placed::new(&time.clock, placer));
        Self { scope, time, length_ms: None, number: None, suffix: "" }
    }
}

impl<'a> Scope<'a> {
    fn series(about: &'a Subject) -> Self {
        Self::Series { about, detector: None }
    }
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Series { about, detector: None } => write!(f, "{}/{}", about.stream, about.series)?,
            Scope::Series { about, detector: Some(name) } => {
                write!(f, "{}/{}/{name}", about.stream, about.series)?;
            }
            Scope::Agent { kind, name } => write!(f, "{kind}/{name}")?,
        }
        let (ms, clock) = self.time;
        write!(f, "@{}", clock.at(ms))?;
        self.length_ms.map_or(Ok(()), |length_ms| write!(f, "+{length_ms}"))?;
        self.number.map_or(Ok(()), |number| write!(f, "#{number}"))?;
        write!(f, "{}{}", clock.mark, self.suffix)
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
