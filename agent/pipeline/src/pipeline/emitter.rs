//! Where events are made, and what all of them need: the agent's id, its clock, and which revisions may be told.

use super::own_clock::OwnClock;
use super::revisions::Revisions;
use crate::config::StreamConfig;
use crate::event::{Event, Labels, Subject, Timestamp};
use headwater_kernel::time::{Now, Time};
use std::sync::Arc;

/// Gathers events until they are drained.
pub(super) struct Emitter {
    pub(super) agent: Arc<str>,
    /// What was made since the last drain, and when.
    pub(super) events: Vec<(Time, Event)>,
    /// Alerts that were not raised, because they were just over or had been raised too often.
    pub(super) suppressed: i64,
    pub(super) revisions: Revisions,
    pub(super) own_clock: OwnClock,
    /// Whether summaries carry what they can be merged with.
    pub(super) is_mergeable: bool,
}

impl Emitter {
    /// Of an agent that has told nothing.
    pub(super) fn new(agent: &str) -> Self {
        Self {
            agent: agent.into(),
            events: Vec::new(),
            suppressed: 0,
            revisions: Revisions::new(),
            own_clock: OwnClock::default(),
            is_mergeable: false,
        }
    }

    /// What an event is about.
    pub(super) fn about(&self, stream: &StreamConfig, series: Arc<str>, labels: Labels) -> Subject {
        Subject { agent: self.agent.clone(), stream: stream.name.clone(), series, labels }
    }

    /// A time of readings; `is_own`: they are stamped with the agent's own clock.
    pub(super) fn at(&self, time: Time, is_own: bool) -> Timestamp {
        if is_own { self.own_clock.at(time) } else { Timestamp { ms: time.0, ..Timestamp::default() } }
    }
}

/// The emitter for one series in one stream.
pub(super) struct SeriesEmitter<'a> {
    pub(super) emitter: &'a mut Emitter,
    pub(super) stream: &'a StreamConfig,
    /// Its name and labels.
    pub(super) series: (&'a Arc<str>, &'a Labels),
    pub(super) now: Now,
    /// Whether its readings are stamped with the agent's own clock.
    pub(super) is_own: bool,
}

impl SeriesEmitter<'_> {
    /// What its events are about.
    pub(super) fn about(&self) -> Subject {
        let (name, labels) = self.series;
        self.emitter.about(self.stream, name.clone(), labels.clone())
    }

    /// A time of its readings.
    pub(super) fn at(&self, time: Time) -> Timestamp {
        self.emitter.at(time, self.is_own)
    }

    /// What to add to the revision of something that begins at `start`.
    pub(super) fn rev_base(&self, start: Time) -> u32 {
        self.emitter.revisions.rev_base.of(start)
    }

    /// Takes an event.
    pub(super) fn push(&mut self, event: Event) {
        self.emitter.events.push((self.now.time, event));
    }
}
