//! Emits events. Holds what all events need: the agent's id, its clock and the bounds on revisions.

use super::SourceNotice;
use super::cuts::LaterCuts;
use super::own_clock::OwnClock;
use super::revisions::Revisions;
use crate::config::StreamConfig;
use crate::event::{Event, Labels, Subject, Timestamp};
use crate::unit;
use headwater_kernel::time::{Now, Time};
use std::sync::Arc;

/// Collects events until they are drained.
pub(super) struct Emitter {
    pub(super) agent: Arc<str>,
    /// The events made since the last drain, each with its time.
    pub(super) events: Vec<(Time, Event)>,
    /// Windows of one channel that have closed, and that a model is to judge.
    pub(super) closed: ClosedWindows,
    /// What a person should know about a source, until it is taken.
    pub(super) notice: Option<SourceNotice>,
    /// Alerts that were held back by `cooldown` or `per_hour`.
    pub(super) suppressed: i64,
    pub(super) revisions: Revisions,
    pub(super) own_clock: OwnClock,
    /// What the ends of earlier runs have taken.
    pub(super) later_cuts: LaterCuts,
    /// Whether summaries carry their accumulators.
    pub(super) is_mergeable: bool,
    /// Whether the present readings are values that a broker had kept.
    pub(super) is_replayed: bool,
}

/// Closed windows: their ends, and all their numbers in the order of the stream. Its memory is used again.
#[derive(Default)]
pub(super) struct ClosedWindows {
    ends: Vec<Time>,
    numbers: Vec<f64>,
}

impl ClosedWindows {
    /// Adds a window; a number that does not exist is NaN.
    pub(super) fn push(&mut self, end: Time, numbers: impl Iterator<Item = f64>) {
        self.ends.push(end);
        self.numbers.extend(numbers);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Ends and numbers.
    pub(super) fn windows(&self) -> impl Iterator<Item = (Time, &[f64])> {
        let width = self.numbers.len() / self.ends.len().max(1);
        self.ends.iter().copied().zip(self.numbers.chunks_exact(width.max(1)))
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.numbers.clear();
    }
}

impl Emitter {
    /// The emitter of an agent that has emitted nothing.
    pub(super) fn new(agent: &str) -> Self {
        Self {
            agent: agent.into(),
            events: Vec::new(),
            closed: ClosedWindows::default(),
            notice: None,
            suppressed: 0,
            revisions: Revisions::new(),
            own_clock: OwnClock::default(),
            later_cuts: LaterCuts::default(),
            is_mergeable: false,
            is_replayed: false,
        }
    }

    /// The subject of an event. Readings on a common scale have no unit.
    pub(super) fn about(&self, stream: &StreamConfig, series: Arc<str>, labels: Labels) -> Subject {
        let labels = if stream.normalise.is_some() { unit::without(&labels) } else { labels };
        Subject { agent: self.agent.clone(), stream: stream.name.clone(), series, labels }
    }

    /// The timestamp of a reading; `is_own`: the agent's own clock stamped it.
    pub(super) fn at(&self, time: Time, is_own: bool) -> Timestamp {
        if is_own { self.own_clock.at(time) } else { Timestamp { ms: time.0, ..Timestamp::default() } }
    }
}

/// The emitter for one series in one stream.
pub(super) struct SeriesEmitter<'a> {
    pub(super) emitter: &'a mut Emitter,
    pub(super) stream: &'a StreamConfig,
    /// Name and labels of the series.
    pub(super) series: (&'a Arc<str>, &'a Labels),
    pub(super) now: Now,
    /// Whether the agent's own clock stamps its readings.
    pub(super) is_own: bool,
}

impl SeriesEmitter<'_> {
    /// The subject of its events.
    pub(super) fn about(&self) -> Subject {
        let (name, labels) = self.series;
        self.emitter.about(self.stream, name.clone(), labels.clone())
    }

    /// The timestamp of one of its readings.
    pub(super) fn at(&self, time: Time) -> Timestamp {
        self.emitter.at(time, self.is_own)
    }

    /// The number to add to the revision of a window or alert that begins at `start`.
    pub(super) fn rev_base(&self, start: Time) -> u32 {
        self.emitter.revisions.rev_base.of(start)
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: Event) {
        self.emitter.events.push((self.now.time, event));
    }
}
