//! Turns readings into events: assigns series to streams, runs their windows and detectors, and accounts for every
//! reading.
//!
//! The pipeline does no I/O and reads no clock, so it runs the same way live, in `replay` and in tests. Every call
//! passes the time as [`Now`]; [`Pipeline::drain`] hands out the events. A reading costs one table lookup by its
//! [`SeriesHandle`], then one window and the detectors of each stream that selects the series. Streams are resolved
//! once, when a series is introduced. Memory is allocated only when a window opens or an event is made.

mod accounts;
mod backlog;
mod bytes;
mod channel;
mod channels;
mod clock_step;
mod cuts;
mod detector_slot;
mod dyn_detector;
mod emitter;
mod expected;
mod filter;
mod forget;
mod groups;
mod ids;
mod links;
mod notices;
mod onward;
mod own_clock;
mod pairs;
mod panes;
mod pressure;
mod reload;
mod restore;
mod returns;
mod revisions;
mod ring;
mod saved;
mod series;
mod series_detectors;
mod source;
pub mod state;
mod stream;
mod ticks;
mod timers;
mod unusable;
mod views;

use crate::account::ReadingCounts;
use crate::config::{Limits, NoValue, StreamConfig};
use crate::event::{Event, Timestamp};
pub use clock_step::ClockGap;
pub use groups::group_bytes;
pub use notices::SourceNotice;
pub use pressure::Pressure;
use pressure::Retention;
pub use restore::LostReadings;
pub use ring::evidence_bytes;
pub use views::{ChannelView, SeriesView};

use channel::{Channel, Placement};
use channels::Channels;
use emitter::{Emitter, SeriesEmitter};
use groups::Groups;
use headwater_kernel::time::{AgentTime, Now, Time};
use ids::{ChannelId, IndexVec, SourceId};
use onward::Others;
use pairs::Pairs;
use returns::Returns;
use series::Directory;
pub use series::{SeriesHandle, TakenAt};
use source::Source;
use std::sync::Arc;
use stream::{Stream, Streams};

/// A source as the pipeline knows it.
#[derive(Clone, Debug)]
pub struct SourceEntry {
    /// The name in the config.
    pub name: String,
    /// How far ahead of the clock a reading may be (ms); the pipeline refuses readings beyond it.
    pub future_ms: i64,
    /// Whether the source delivers again, in the same order, everything that a crash made the agent forget.
    pub is_durable: bool,
}

/// The highest revision that a durable checkpoint allows summaries to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevLimit(pub u32);

/// All series with their windows and detectors.
pub struct Pipeline {
    sources: IndexVec<SourceId, Source>,
    streams: Streams,
    /// What sources and streams counted that the config no longer has.
    retired: ReadingCounts,
    directory: Directory,
    channels: Channels,
    groups: Groups,
    pairs: Pairs,
    retention: Retention,
    /// How long a series must be silent before it may be forgotten (ms).
    forget_ms: i64,
    returns: Returns,
    emitter: Emitter,
}

/// Memory of one series in one stream, without windows and detectors (bytes).
pub const CHANNEL_BYTES: usize = channels::BYTES;

/// Memory of a series, without name and labels (bytes).
pub const SERIES_BYTES: usize = series::SERIES_BYTES + returns::BYTES;

/// Memory of a filter for each series (bytes): with few readings waiting, and at most.
pub const FILTER_BYTES: [usize; 2] = filter::BYTES;

/// Memory of a pair of series (bytes): with few readings waiting and at most; then that of one window of the pair.
pub const PAIR_BYTES: ([usize; 2], usize) = (pairs::BYTES, pairs::PANE_BYTES);

/// Memory of a detector for each series (bytes).
pub fn detector_bytes(prototype: &headwater_kernel::detect::AlertingDetector) -> usize {
    size_of_val(&*dyn_detector::boxed(prototype)) + size_of::<detector_slot::DetectorSlot>()
}

impl Pipeline {
    /// Creates the pipeline of an agent.
    #[must_use]
    pub fn new(agent: &str, sources: Vec<SourceEntry>, streams: Vec<StreamConfig>, limits: Limits) -> Self {
        Self {
            emitter: Emitter::new(agent),
            sources: sources.into_iter().map(Source::new).collect::<Vec<_>>().into(),
            streams: streams.into_iter().map(Stream::new).collect::<Vec<_>>().into(),
            retired: ReadingCounts::default(),
            directory: Directory::new(limits.series),
            channels: Channels::default(),
            groups: Groups::default(),
            pairs: Pairs::default(),
            retention: Retention::new(limits.retained_bytes),
            forget_ms: limits.forget_ms,
            returns: Returns::new(limits.series),
        }
    }

    /// Introduces a series of a source and resolves its streams. A series that no stream selects takes no place. `None`:
    /// the limit is reached.
    pub fn introduce(
        &mut self,
        source: usize,
        name: &str,
        labels: &[(String, String)],
    ) -> Option<SeriesHandle> {
        if !self.selects(source, name) {
            return self.directory.introduce_unselected(source, name, labels);
        }
        let Self { directory, channels, streams, emitter, .. } = self;
        let (later_cuts, mut new) = (emitter.later_cuts, Vec::new());
        let handle = directory.introduce(source, name, labels, |id| {
            channels.of_series((source, name), id, (streams, later_cuts), &mut new)
        });
        self.introduce_channels(name, new);
        handle
    }

    /// Gives channels that are new their places among the others.
    fn introduce_channels(&mut self, name: &str, new: Vec<ChannelId>) {
        if new.is_empty() {
            return;
        }
        let told_to = self.returns.told_to(name);
        self.introduce_pairs(&new);
        self.share_retention();
        for index in new {
            if let Some(channel) = self.channels.list.at_mut(index) {
                channel.told_to = told_to;
            }
            self.join_groups(index);
            self.meet_expectations(index);
        }
    }

    /// Whether a series would take a place that it does not have yet.
    #[must_use]
    pub fn is_new(&self, source: usize, name: &str) -> bool {
        self.directory.find(name).is_none() && self.selects(source, name)
    }

    /// How many series a source has named in this run that a stream selects.
    #[must_use]
    pub fn series_of(&self, source: usize) -> usize {
        self.directory.count_of(source)
    }

    fn selects(&self, source: usize, name: &str) -> bool {
        self.streams.configs().any(|(_, config)| config.selects(source, name))
    }

    /// Pairs up these channels, with each other and with those that are known.
    fn introduce_pairs(&mut self, new: &[ChannelId]) {
        for index in new {
            let Some(channel) = self.channels.list.at(*index) else { continue };
            if let Some(config) = self.streams.config(channel.stream) {
                let at = (channel.stream, channel.series);
                self.pairs.introduce(*index, at, config, &self.directory, &self.channels);
            }
        }
    }

    /// Takes one reading. Its value is finite.
    #[inline]
    pub fn on_reading(&mut self, series: SeriesHandle, taken: TakenAt, value: f64, now: Now) {
        let is_replayed = self.emitter.is_replayed;
        let Some(entry) = self.directory.on_reading(series, now.alive, is_replayed) else { return };
        let source = entry.source;
        if let Some(Source { counts, .. }) = self.sources.at_mut(SourceId::of(source)) {
            counts.received += 1;
            if entry.channels.is_empty() {
                counts.unselected += 1;
                return;
            }
            counts.selected += 1;
        }
        let mut place = 0;
        while let Some(index) = self.directory.channel(series, place) {
            self.on_channel(index, source, taken, value, now);
            place += 1;
        }
    }

    #[inline]
    fn on_channel(&mut self, index: ChannelId, source: usize, taken: TakenAt, value: f64, now: Now) {
        let Some(channel) = self.channels.list.at_mut(index) else { return };
        let Some((stream, counts)) = self.streams.at_mut(channel.stream).map(Stream::parts) else { return };
        counts.received += 1;
        let time = match taken {
            TakenAt::Arrival => now.time,
            TakenAt::Event(ms) => Time(ms),
        };
        let entry = self.sources.at(SourceId::of(source)).map(|source| &source.entry);
        let future_ms = entry.map_or(0, |entry| entry.future_ms);
        if !entry.is_some_and(|entry| entry.is_durable) {
            channel.completeness.on_lossy_reading(self.emitter.later_cuts);
        }
        if let Some(count) = unusable::count_of(counts, time, future_ms, now) {
            *count += 1;
            channel.watching.hear(now.alive, self.emitter.is_replayed);
            self.note_unusable(source, time, now.time);
            return;
        }
        let (series, labels) = self.directory.describe(channel.series);
        let value = match stream.apply_expressions(series, labels, time, value) {
            Ok(value) => value,
            Err(NoValue::Filtered) => {
                counts.filtered += 1;
                return;
            }
            Err(NoValue::Unmapped(error)) => {
                counts.invalid += 1;
                let stream = channel.stream;
                return self.note_unmapped((source, stream), value, error);
            }
        };
        if channel.watching.refuses(stream, time, value) {
            counts.refused += 1;
            return;
        }
        let Some(value) = channel.scale(time, value) else {
            counts.filtered += 1;
            channel.watching.hear(now.alive, self.emitter.is_replayed);
            return;
        };
        let is_own = taken == TakenAt::Arrival;
        let (emitter, series) = (&mut self.emitter, (series, labels));
        let mut out = SeriesEmitter { emitter, stream, series, now, is_own };
        let fate = channel.place(stream, time, value, is_own, now);
        match fate {
            Placement::InWindow => counts.in_windows += 1,
            Placement::Late => counts.late += 1,
            Placement::Refused => counts.refused += 1,
            Placement::Forward => {
                counts.summarised += 1;
                channel.forward(time, value, &mut out);
            }
        }
        let is_placed = matches!(fate, Placement::InWindow | Placement::Forward);
        if is_placed {
            channel.watching.judge(time, value, &mut out);
        } else {
            channel.watching.hear(now.alive, out.emitter.is_replayed);
        }
        channel.close(&mut out).count(counts);
        let has_closed = !out.emitter.closed.is_empty();
        if let Some(due) = channel.arm(stream, now, AgentTime::MIN) {
            self.channels.timers.push(due, index);
        }
        let others = Others {
            has_pairs: fate == Placement::InWindow && !stream.pairs.is_empty(),
            has_groups: is_placed && !channel.memberships.is_empty(),
            awaited: if is_placed { std::mem::take(&mut channel.ends_wait_of) } else { Box::default() },
        };
        self.tell_others(others, index, (time, value), is_own, now);
        if has_closed {
            self.judge_windows(index, now);
        }
    }

    /// Sets the timers of all channels and pairs, as of `now`.
    fn rearm(&mut self, now: Now) {
        self.channels.rearm(&self.streams, now);
        self.pairs.rearm(&self.streams, now);
    }

    /// Sets whether the readings that follow are values that a broker had kept: no sign of life.
    pub fn set_replayed(&mut self, is_replayed: bool) {
        self.emitter.is_replayed = is_replayed;
    }

    /// Drains the events made since the last call, in order, each with the time it was made.
    pub fn drain(&mut self) -> impl Iterator<Item = (Time, Event)> + '_ {
        self.emitter.events.drain(..)
    }

    /// Whether [`Pipeline::drain`] would yield an event.
    #[inline]
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.emitter.events.is_empty()
    }

    /// Sets whether summaries carry their accumulators, so that they can be merged into coarser ones.
    pub fn set_mergeable(&mut self, is_mergeable: bool) {
        self.emitter.is_mergeable = is_mergeable;
    }

    /// The agent's id, as events carry it.
    #[must_use]
    pub fn agent(&self) -> &Arc<str> {
        &self.emitter.agent
    }

    /// A timestamp of the agent's own clock, for events about the agent itself.
    #[must_use]
    pub fn own_time(&self, time: Time) -> Timestamp {
        self.emitter.own_clock.at(time)
    }

    /// The number of known series.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.directory.len()
    }

    /// The streams that match no series.
    pub fn idle_streams(&self) -> impl Iterator<Item = &StreamConfig> {
        let busy = |index| self.channels.list.iter().any(|channel: &Channel| channel.stream == index);
        self.streams.configs().filter(move |(index, _)| !busy(*index)).map(|(_, config)| config)
    }
}
