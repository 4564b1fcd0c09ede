//! A channel: one series in one stream, with its windows, its detectors and the events that they emit.

use super::bytes::{Bytes, put, save_measured};
use super::cuts::{Completeness, LaterCuts};
use super::emitter::SeriesEmitter;
use super::filter::Filter;
use super::ids::{ChannelId, Membership, SeriesId, StreamId};
use super::panes::Panes;
use super::revisions::by_value;
use super::saved::{SavedStream, StoredChannel};
use super::series_detectors::SeriesDetectors;
use crate::account::ReadingCounts;
use crate::config::{StreamConfig, WindowConfig};
use crate::event::{Event, Reading, Summary};
use crate::plan::{Accumulators, PaneLayout};
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::aggregate::Stamped;
use headwater_kernel::normalise::Normaliser;
use headwater_kernel::series::{Closed, Placed, Spec, Windows};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_kernel::window::Shape;

/// Where a reading was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// In a window or filter. A closed window emits a revision.
    InWindow,
    /// Nowhere: its window is closed, or the filter has decided past its time.
    Late,
    /// In no window: the reading becomes an event of its own.
    Forward,
    /// Nowhere: no window can hold it.
    Refused,
}

/// Readings that have left windows and filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClosedCounts {
    /// Readings in a summary, or forwarded.
    pub(super) summarised: i64,
    /// Readings that a filter dropped.
    pub(super) filtered: i64,
}

impl ClosedCounts {
    /// Moves the readings from `in_windows` to where they went.
    pub(super) fn count(self, counts: &mut ReadingCounts) {
        counts.in_windows -= self.summarised + self.filtered;
        counts.summarised += self.summarised;
        counts.filtered += self.filtered;
    }
}

/// One series in one stream.
pub(super) struct Channel {
    pub(super) stream: StreamId,
    pub(super) series: SeriesId,
    windows: Windows<Accumulators, Panes<Accumulators>>,
    /// The past that scales its readings.
    normaliser: Option<Box<Normaliser>>,
    /// The filter of a stream without windows.
    filter: Option<Box<Filter>>,
    /// Its detectors.
    pub(super) watching: SeriesDetectors,
    /// Its places in groups of series with a common detector.
    pub(super) memberships: Box<[Membership]>,
    /// The channels of globs that wait for the first reading of this series, or of another.
    pub(super) ends_wait_of: Box<[ChannelId]>,
    /// Whether its readings are stamped on arrival.
    pub(super) by_arrival: bool,
    /// Which of its windows may lack readings.
    pub(super) completeness: Completeness,
    /// Of before this time an earlier life of the series may have told; [`Time::MIN`]: it had none.
    pub(super) told_to: Time,
    /// The earliest timer that is set; [`AgentTime::MAX`]: none.
    armed: AgentTime,
    /// The newest time of a forwarded reading, and the number of readings forwarded before it with the same time.
    forwarded: (Time, u32),
}

impl Channel {
    pub(super) fn new(
        stream: StreamId,
        series: SeriesId,
        config: &StreamConfig,
        later_cuts: LaterCuts,
    ) -> Self {
        Self {
            stream,
            series,
            windows: Windows::new(),
            normaliser: config.normalise.map(|normalise| Box::new(normalise.normaliser())),
            filter: config.window.filter().map(|filter| Box::new(Filter::new(filter))),
            watching: SeriesDetectors::new(config),
            memberships: Box::default(),
            ends_wait_of: Box::default(),
            by_arrival: false,
            completeness: Completeness::new(later_cuts),
            told_to: Time::MIN,
            armed: AgentTime::MAX,
            forwarded: (Time::MIN, 0),
        }
    }

    /// A reading on the scale of the stream; `None`: its series has too short a past.
    #[inline]
    pub(super) fn scale(&mut self, time: Time, value: f64) -> Option<f64> {
        self.normaliser.as_mut().map_or(Some(value), |normaliser| normaliser.on_reading(time, value))
    }

    /// Places a reading in a window or filter.
    #[inline]
    pub(super) fn place(
        &mut self,
        stream: &StreamConfig,
        time: Time,
        value: f64,
        by_arrival: bool,
        now: Now,
    ) -> Placement {
        self.by_arrival = by_arrival;
        if !by_arrival && time < self.told_to {
            return Placement::Late;
        }
        let WindowConfig::Cut(spec) = &stream.window else {
            let taken =
                self.filter.as_mut().map(|filter| filter.on_reading(time, value, by_arrival, now.alive));
            return match taken {
                None => Placement::Forward,
                Some(true) => Placement::InWindow,
                Some(false) => Placement::Late,
            };
        };
        match self.windows.on_reading(spec.of(by_arrival), time, value, now, || stream.plan.pane()) {
            Placed::InWindow | Placed::Revised => Placement::InWindow,
            Placed::Late => Placement::Late,
            Placed::NoRoom => Placement::Refused,
        }
    }

    /// Emits a summary of every window that is due, or every reading that the filter passes. Returns the readings
    /// that left.
    #[inline]
    pub(super) fn close(&mut self, out: &mut SeriesEmitter<'_>) -> ClosedCounts {
        let Some(spec) = self.spec(out.stream) else { return self.pass(out, out.now.alive) };
        let mut settled = 0;
        while let Some(closed) = self.windows.poll(spec, out.now) {
            settled += self.emit_summary(closed, spec, out);
        }
        let (stream, plan) = (out.stream, &out.stream.plan);
        if settled > 0
            && plan.pane_bytes_min() < plan.pane_bytes()
            && let WindowConfig::Cut(specs) = &stream.window
        {
            self.windows.retain_at_most(spec, specs.retained_bytes(), Accumulators::heap_bytes);
        }
        ClosedCounts { summarised: settled, filtered: 0 }
    }

    /// Ends every open window and decides every reading in the filter. The series then starts afresh, except for what
    /// its detectors have learned.
    pub(super) fn end(&mut self, out: &mut SeriesEmitter<'_>, until: Time) -> ClosedCounts {
        let Some(spec) = self.spec(out.stream) else {
            let settled = self.pass(out, AgentTime::MAX);
            self.filter = out.stream.window.filter().map(|filter| Box::new(Filter::new(filter)));
            return settled;
        };
        let mut settled = ClosedCounts::default();
        while let Some(closed) = self.windows.end(spec, until) {
            settled.summarised += self.emit_summary(closed, spec, out);
        }
        settled
    }

    /// Tells everything before the series is forgotten. Returns the readings that left, and the time before which it may
    /// have been told of; times of the agent's own clock are marked where it was wrong, and never lie ahead of it.
    pub(super) fn forget(&mut self, out: &mut SeriesEmitter<'_>) -> (ClosedCounts, Time) {
        // Behind all its readings, so that what comes later begins or ends later.
        let (now, until) = (out.now.time, self.windows.told_to().max(out.now.time));
        let windows = self.windows.told_to().max(self.reach(out.stream).min(until));
        let left = self.end(out, until);
        let alerts = self.watching.forget(out);
        let told_to = [windows, self.forwarded.0.plus(1), alerts].into_iter().fold(self.told_to, Time::max);
        (left, if self.by_arrival { told_to.min(now) } else { told_to })
    }

    /// Emits the summary of a closed window. Returns how many readings it is the first to report.
    fn emit_summary(
        &mut self,
        closed: Closed<Accumulators>,
        spec: &Spec,
        out: &mut SeriesEmitter<'_>,
    ) -> i64 {
        let plan = &out.stream.plan;
        let Closed { window, named, rev, readings, newly_reported, number, pane } = closed;
        out.emitter.revisions.on_emitted(rev);
        let interval = (out.at(window.start), window.end.0);
        let mut summary = Summary {
            rev: rev.saturating_add(out.rev_base(window.start)),
            is_partial: self.completeness.is_partial(window.start, self.by_arrival)
                || out.emitter.later_cuts.is_awaited(&window, spec, self.windows.watermark().event),
            named_end_ms: named.end.0,
            number: matches!(spec.shape, Shape::Count(_)).then_some(number),
            ..Summary::new(out.about(), interval, plan, &pane)
        };
        if readings == 0 {
            // A roll-up must know that nothing is left.
            let pane = out.emitter.is_mergeable.then(|| Box::new(plan.mergeable(plan.pane())));
            out.push(Event::Summary(Box::new(Summary { pane, ..summary.retracted() })));
            return 0;
        }
        summary.pane = out.emitter.is_mergeable.then(|| Box::new(plan.mergeable(pane)));
        self.watching.judge_window((window.end, number), |name| summary.number_of(name), out);
        if !self.memberships.is_empty() {
            let number = |name| summary.number_of(name).unwrap_or(f64::NAN);
            out.emitter.closed.push(window.end, plan.names().map(number));
        }
        out.push(Event::Summary(Box::new(summary)));
        i64::try_from(newly_reported).unwrap_or(i64::MAX)
    }

    /// Emits every reading that the filter passes by `now`.
    fn pass(&mut self, out: &mut SeriesEmitter<'_>, now: AgentTime) -> ClosedCounts {
        let (Some(mut filter), Some(config)) = (self.filter.take(), out.stream.window.filter()) else {
            return ClosedCounts::default();
        };
        let decided = filter.poll(config, self.by_arrival, now, |(time, value)| {
            self.forward(time, value, out);
        });
        self.filter = Some(filter);
        ClosedCounts { summarised: decided.forwarded, filtered: decided.dropped }
    }

    /// Emits a single reading. Readings of the same time differ by revision.
    pub(super) fn forward(&mut self, time: Time, value: f64, out: &mut SeriesEmitter<'_>) {
        let (newest, repeats) = self.forwarded;
        // Other readings of the same time may be forgotten, from before a crash or before newer readings. A durable
        // source delivers the same readings again after a crash, so its revisions repeat.
        let is_shadowed = self.completeness.is_lossy() && out.rev_base(time) > 0;
        let rev = if time < newest || is_shadowed {
            by_value(value)
        } else {
            self.forwarded = (time, if newest == time { repeats.saturating_add(1) } else { 0 });
            self.forwarded.1
        };
        let (about, time) = (out.about(), out.at(time));
        out.push(Event::Reading(Reading { about, time, rev, value }));
    }

    /// The latest reading in its open windows.
    pub(super) fn last_reading(&self, stream: &StreamConfig) -> Option<Stamped> {
        let open = self.windows.open(self.spec(stream)?);
        open.filter_map(|(_, _, pane)| pane.last_reading()).max_by_key(|(time, _)| *time)
    }

    /// Whether its readings are stamped on arrival.
    pub(super) fn is_by_arrival(&self) -> bool {
        self.by_arrival
    }

    /// When the channel needs attention, at `earliest` or later; `None` if an earlier timer is set.
    #[inline]
    pub(super) fn arm(&mut self, stream: &StreamConfig, now: Now, earliest: AgentTime) -> Option<AgentTime> {
        let closing = match self.spec(stream) {
            Some(spec) => self.windows.due(spec, now),
            None => self
                .filter
                .as_ref()
                .zip(stream.window.filter())
                .and_then(|(filter, config)| filter.due(config)),
        };
        let due = closing.into_iter().chain(self.watching.silence_due(now)).min()?.max(earliest);
        if due >= self.armed {
            return None;
        }
        self.armed = due;
        Some(due)
    }

    /// When the channel, which has no timer set, needs attention.
    pub(super) fn rearm(&mut self, stream: &StreamConfig, now: Now) -> Option<AgentTime> {
        self.armed = AgentTime::MAX;
        self.arm(stream, now, now.alive)
    }

    /// Handles the timer set for `due`. Returns whether it is current: an earlier timer may have replaced it and
    /// fired.
    pub(super) fn disarm(&mut self, due: AgentTime) -> bool {
        let is_current = due == self.armed;
        if is_current {
            self.armed = AgentTime::MAX;
        }
        is_current
    }

    /// The readings in windows that no summary has reported, or that the filter has not decided.
    pub(super) fn readings(&self, stream: &StreamConfig) -> i64 {
        match self.spec(stream) {
            Some(spec) => i64::try_from(self.windows.readings(spec)).unwrap_or(i64::MAX),
            None => self.filter.as_ref().map_or(0, |filter| filter.undecided()),
        }
    }

    /// The highest revision that any window emits next.
    pub(super) fn next_rev(&self) -> u32 {
        self.windows.next_rev()
    }

    /// The latest end of any window that holds a reading.
    pub(super) fn reach(&self, stream: &StreamConfig) -> Time {
        self.spec(stream).map_or(Time::MIN, |spec| self.windows.reach(spec))
    }

    /// The number of open windows.
    pub(super) fn open_windows(&self, stream: &StreamConfig) -> usize {
        self.spec(stream).map_or(0, |spec| self.windows.open(spec).count())
    }

    /// Whether any window is open or retained.
    pub(super) fn has_windows(&self) -> bool {
        self.windows.is_open()
    }

    /// Appends the state; see `pipeline/state.rs`.
    pub(super) fn save(&self, stream: &StreamConfig, layout: &PaneLayout, to: &mut Vec<u8>) {
        self.by_arrival.save(&mut put(to));
        self.forwarded.0.save(&mut put(to));
        self.forwarded.1.save(&mut put(to));
        save_measured(to, |to| {
            self.normaliser.iter().for_each(|normaliser| normaliser.save(&mut put(to)));
            if let Some(spec) = self.spec(stream) {
                let save_pane = |pane: &Accumulators, to: &mut Bytes<'_>| layout.save_pane(pane, to.0);
                self.windows.save(spec, &mut Bytes(to), save_pane);
            } else if let Some(filter) = &self.filter {
                filter.save(&mut put(to));
            }
        });
        self.watching.save(to);
    }

    /// Restores the windows if they are cut the same way and can be read. Silence counts from `since` on. Returns
    /// whether the windows were restored.
    pub(super) fn restore_windows(
        &mut self,
        stream: &StreamConfig,
        since: AgentTime,
        saved: &SavedStream,
        stored: &StoredChannel<'_>,
        unread: &mut Unread,
    ) -> bool {
        self.by_arrival = stored.by_arrival;
        self.forwarded = stored.forwarded;
        let Some(usable) = saved.windows else { return false };
        let read = usable.and_then(|version| {
            let mut from = StateReader::new(stored.windows);
            let loaded = self.load_windows(stream, (version, since), &saved.layout, &mut from);
            loaded.ok().filter(|()| from.rest().is_empty()).ok_or(UnreadReason::Damaged)
        });
        if let Err(why) = read {
            unread.of_series("windows", &stream.name, "start anew", why);
        }
        read.is_ok()
    }

    fn load_windows(
        &mut self,
        stream: &StreamConfig,
        (version, since): (u16, AgentTime),
        layout: &PaneLayout,
        from: &mut StateReader<'_>,
    ) -> Result<(), Corrupt> {
        if let Some(normaliser) = &mut self.normaliser {
            normaliser.restore(from)?;
        }
        if let Some(spec) = self.spec(stream) {
            self.windows = Windows::load(spec, version, since, from, |from| {
                let mut pane = layout.load_pane(from)?;
                stream.plan.adopt(&mut pane);
                Ok(pane)
            })?;
        } else if let Some(filter) = stream.window.filter() {
            self.filter = Some(Box::new(Filter::load(filter, since, from)?));
        }
        Ok(())
    }

    fn spec<'s>(&self, stream: &'s StreamConfig) -> Option<&'s Spec> {
        match &stream.window {
            WindowConfig::Cut(specs) => Some(specs.of(self.by_arrival)),
            WindowConfig::None(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::AggregatePlan;
    use crate::sketch;

    /// One open window and what closes it; names, labels and detectors come on top.
    #[test]
    fn an_idle_series_is_small() {
        let windows = size_of::<Windows<Accumulators, Panes<Accumulators>>>() + AggregatePlan::SLOT_BYTES;
        assert!(windows < 300, "{windows} bytes with moments");
        assert!(windows + sketch::BYTES_MIN < 1_500);
        let channel = size_of::<Channel>() + AggregatePlan::SLOT_BYTES;
        assert!(channel < 540, "{channel} bytes of a channel");
    }
}
