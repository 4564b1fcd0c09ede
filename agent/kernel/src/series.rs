//! The windows of one series: places readings and closes windows.
//!
//! Closing rules, for a window that ends at `e`:
//! 1. event time: the series has reached `e + lateness`;
//! 2. by arrival (readings are stamped with the agent's clock): the clock has reached `e`;
//! 3. the clock, if the spec says so and the clock is right: it has reached `e + lateness` and what the series usually
//!    lags;
//! 4. silence: no reading has come for `idle` of the agent's time, and the agent's clock has reached `e`, or the
//!    device's clock must have by now. So an hour's window survives a minute of silence in its middle, and a device with
//!    a wrong clock still gets its windows closed.
//!
//! A count window closes when it is full and not before. A closed window is retained for `retain`: late readings
//! gather in it for `gather` and are emitted as a revision, with the merged numbers. A late reading for a window that
//! had none opens and closes it. Where a late reading bridges two sessions, the first one is revised, and takes the
//! readings of the other, which is retracted.
//!
//! A window has a prior, the last reading before it, so that what accumulates over time adds up over windows. A late
//! reading that becomes the prior of a retained window revises that one too.
//!
//! The caller polls until `None` after every reading and whenever [`Windows::due`] says so, and asks again when the
//! wall clock is set. Cost: while readings stay in one window, a comparison and the accumulator; else a binary
//! search. Slots: retained windows first, then open ones (for sliding windows: the running aggregate, retained
//! windows, panes), each sorted by start.

mod lag;
mod panes;
mod placing;
mod prior;
mod retention;
mod sessions;
mod slots;
mod spec;
mod stored;

use crate::state::State;
use crate::time::{AgentTime, Now, Time};
use crate::watermark::Watermark;
use crate::window::{Shape, Window};
pub use slots::{Near, Slot, Slots};
pub use spec::Spec;
pub use stored::{reads_windows, windows_version};

/// Accumulates the readings of one window or pane.
pub trait Pane: Clone {
    /// The type of a reading: mostly `f64`; `(f64, f64)` for a pair of series.
    type Value: Copy + State;

    /// Adds one reading; times may come in any order.
    fn push(&mut self, time: Time, value: Self::Value);
    /// Merges `later`, as if its readings had come after these. The prior of `self` stays.
    fn merge(&mut self, later: &Self);

    /// The latest reading. `None`: nothing that it accumulates begins before its window.
    #[inline]
    fn last(&self) -> Option<(Time, Self::Value)> {
        None
    }

    /// The prior: the last reading before the window, if it is known.
    #[inline]
    fn prior(&self) -> Option<(Time, Self::Value)> {
        None
    }

    /// Takes a reading before the window as the prior, unless it has a later one. Returns whether it took it.
    #[inline]
    fn follow(&mut self, _: (Time, Self::Value)) -> bool {
        false
    }
}

/// Where a reading was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In a window; its summary will include the reading.
    InWindow,
    /// In a closed window; its revision will include the reading.
    Revised,
    /// Nowhere: its windows are closed and no longer retained.
    Late,
    /// Nowhere: there is no room for another window, or its time is at the end of time.
    NoRoom,
}

/// A closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed<P> {
    /// Its interval.
    pub window: Window,
    /// The interval that names it: as it was when the window was first emitted. Late readings may make a session longer.
    pub named: Window,
    /// 0, and one more with every revision.
    pub rev: u32,
    /// The number of readings it holds. 0: it is retracted, because a late reading made it a part of another session;
    /// `pane` has no meaning then.
    pub readings: u64,
    /// The number of readings that this closing or revision is the first to report. Its sum over everything polled is
    /// the number of readings placed, less [`Windows::readings`].
    pub newly_reported: u64,
    /// For a count window, the number of earlier ones of the series, since two may have the same interval; else 0.
    pub number: u64,
    /// What accumulated them.
    pub pane: P,
}

/// The windows of one series, in a storage that bounds their number.
///
/// The fields that every reading touches come first, next to the slots: with many series, memory access dominates the
/// time.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Windows<P: Pane, S> {
    watermark: Watermark,
    /// Nothing closes or expires before this event time.
    nothing_before: Time,
    /// When gathered revisions are emitted; [`AgentTime::MAX`]: there are none.
    revise_at: AgentTime,
    /// The slot that the next reading most likely belongs to.
    current: u16,
    /// The number of retained windows.
    retained: u16,
    /// The number of panes that closed windows include; and how many of these hold suffix aggregates.
    fixed: u16,
    flipped: u16,
    slots: S,
    /// Windows that end here or before are closed: as of the last closing, or of the last reading outside the current
    /// window.
    closed_to: Time,
    /// Windows that end here or before are no longer retained.
    forgotten_to: Time,
    /// The number of closed count windows.
    counted: u64,
    /// How long after its time a reading usually comes, at most (ms).
    lag_ms: i64,
    /// The latest reading of the windows that are gone, where a window may begin at it.
    prior: Option<(Time, P::Value)>,
}

/// A reading to be placed.
struct Arrival<V> {
    time: Time,
    value: V,
    now: Now,
    /// When the reading before it came.
    before: AgentTime,
}

/// No slot. A storage with more slots than this counts as full.
const NOWHERE: u16 = u16::MAX;

impl<P: Pane, S: Slots<Slot<P>>> Default for Windows<P, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// The windows of a new series.
    #[must_use]
    pub fn new() -> Self {
        Self {
            watermark: Watermark::new(),
            nothing_before: Time::MIN,
            revise_at: AgentTime::MAX,
            current: NOWHERE,
            retained: 0,
            fixed: 0,
            flipped: 0,
            slots: S::default(),
            closed_to: Time::MIN,
            forgotten_to: Time::MIN,
            counted: 0,
            lag_ms: 0,
            prior: None,
        }
    }

    /// Takes a reading of event time `time` that arrived `now`.
    #[inline]
    pub fn on_reading(
        &mut self,
        spec: &Spec,
        time: Time,
        value: P::Value,
        now: Now,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let before = self.watermark.arrival;
        self.watermark.advance(time, now.alive);
        if let Some(slot) = self.slots.get_mut(usize::from(self.current))
            && slot.window.contains(time)
        {
            slot.push(time, value);
            return Placed::InWindow;
        }
        self.place(spec, &Arrival { time, value, now, before }, new_pane)
    }

    #[inline(never)]
    fn place(&mut self, spec: &Spec, reading: &Arrival<P::Value>, new_pane: impl FnOnce() -> P) -> Placed {
        self.closed_to = self.closed_by_event(spec);
        self.nothing_before = Time::MIN;
        self.learn_lag(spec, reading);
        match &spec.shape {
            Shape::Tumbling(shape) => self.place_tumbling(spec, shape, reading, new_pane),
            Shape::Sliding(shape) => self.place_sliding(spec, shape, reading, new_pane),
            Shape::Session(shape) => self.place_session(spec, shape, reading, new_pane),
            Shape::Count(shape) => self.place_count(shape, reading, new_pane),
        }
    }

    /// Closes or revises what is due by `now`: closings in order of start, then revisions.
    #[inline]
    pub fn poll(&mut self, spec: &Spec, now: Now) -> Option<Closed<P>> {
        let come = self.come(spec, now);
        let silent = if spec.by_arrival { AgentTime::MAX } else { self.watermark.silent_from(spec.idle_ms) };
        if come < self.nothing_before && now.alive < silent.min(self.revise_at) {
            return None;
        }
        self.poll_all(spec, now)
    }

    #[inline(never)]
    fn poll_all(&mut self, spec: &Spec, now: Now) -> Option<Closed<P>> {
        self.nothing_before = Time::MIN;
        let frontier = self.frontier(spec, now);
        let next = self.next_end(spec);
        let told = match &spec.shape {
            Shape::Sliding(shape) if next.is_some_and(|end| end <= frontier) => {
                self.close_sliding(spec, shape)
            }
            _ if next.is_some_and(|end| end <= frontier) => self.close_first(spec),
            // Where none is retained, either: the last revision that was noted may be of a session that another one took.
            _ => self.poll_retained(spec, now),
        };
        if told.is_none() {
            self.nothing_before =
                self.next_end(spec).into_iter().chain(self.expiry(spec)).min().unwrap_or(Time::MAX);
        }
        told
    }

    /// When [`Windows::poll`] may yield something without another reading, in the agent's time. It is never late as
    /// long as the wall clock is not set.
    #[must_use]
    pub fn due(&self, spec: &Spec, now: Now) -> Option<AgentTime> {
        let closing = self.next_end(spec).map(|end| self.reached(spec, end, now));
        let revision = Some(self.revise_at).filter(|time| *time < AgentTime::MAX);
        let expiry = self.expiry(spec).map(|time| self.aged(spec, time, now));
        [closing, revision, expiry].into_iter().flatten().min()
    }

    /// The highest revision that any window emits next.
    #[must_use]
    pub fn next_rev(&self) -> u32 {
        (0..self.slots.len()).filter_map(|at| self.slots.get(at)).map(|slot| slot.rev).max().unwrap_or(0)
    }

    /// The latest end of any window that holds a reading.
    #[must_use]
    pub fn reach(&self, spec: &Spec) -> Time {
        let more_ms = if let Shape::Sliding(shape) = &spec.shape { shape.size_ms() } else { 0 };
        let ends = (0..self.slots.len()).filter_map(|at| self.slots.get(at)).map(|slot| slot.window.end);
        ends.max().unwrap_or(Time::MIN).plus(more_ms)
    }

    /// Windows that begin here or later have not been told of, unless they are open when the series ends.
    #[must_use]
    pub fn told_to(&self) -> Time {
        self.closed_to.max(self.watermark.event.plus(1))
    }

    /// Ends the series: every open window closes, count windows too, and ends at `now` at the latest. What follows
    /// may begin in the same interval, and is another window. Call it until `None`; then the series is as good as
    /// new.
    pub fn end(&mut self, spec: &Spec, now: Time) -> Option<Closed<P>> {
        let mut told = self.poll(&Spec { by_arrival: true, ..*spec }, Now::END).or_else(|| {
            let is_count = matches!(spec.shape, Shape::Count(_)) && !self.slots.is_empty();
            if is_count { self.close_first(spec) } else { None }
        });
        if told.is_none() {
            *self = Self { counted: self.counted, ..Self::new() };
        }
        if let Some(Closed { window, named, .. }) = &mut told {
            let end = now.max(window.start.plus(1));
            (window.end, named.end) = (window.end.min(end), named.end.min(end));
        }
        told
    }

    /// The progress of the series.
    #[must_use]
    pub const fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// The open windows (for sliding windows, the panes that no closed window includes) in order of start: interval,
    /// number of readings, accumulator.
    pub fn open<'w>(&'w self, spec: &Spec) -> impl Iterator<Item = (Window, u64, &'w P)> {
        let from = Self::base(spec) + usize::from(self.retained) + usize::from(self.fixed);
        let slots = (from..self.slots.len()).filter_map(|at| self.slots.get(at));
        slots.map(|slot| (slot.window, slot.readings, &slot.pane))
    }

    /// The number of readings that no closing or revision has reported yet.
    #[must_use]
    pub fn readings(&self, spec: &Spec) -> u64 {
        let open_from = Self::base(spec) + usize::from(self.retained);
        let unreported = (0..open_from).filter_map(|at| self.slots.get(at)).map(|slot| slot.unreported);
        self.open(spec).map(|(_, readings, _)| readings).sum::<u64>() + unreported.sum::<u64>()
    }

    /// The slot of the first retained window.
    fn base(spec: &Spec) -> usize {
        usize::from(matches!(spec.shape, Shape::Sliding(_)))
    }

    /// The series' own time at which the oldest retained window expires.
    fn expiry(&self, spec: &Spec) -> Option<Time> {
        let oldest = if self.retained > 0 { self.slots.get(Self::base(spec)) } else { None };
        oldest.map(|slot| slot.window.end.plus(spec.retain_ms))
    }

    /// Windows that end here or before are due.
    fn frontier(&self, spec: &Spec, now: Now) -> Time {
        let by_clock =
            if spec.by_arrival { Some(now.time) } else { self.watermark.carried_on(spec.idle_ms, now) };
        let by_event = self.closed_by_event(spec).max(self.come(spec, now));
        by_clock.map_or(by_event, |time| time.max(by_event))
    }

    /// Windows that end here or before are closed, or due by event time.
    fn closed_by_event(&self, spec: &Spec) -> Time {
        let by_event = if spec.by_arrival { Time::MIN } else { self.watermark.event.minus(spec.lateness_ms) };
        self.closed_to.max(by_event)
    }

    /// The agent's time at which the frontier reaches `end` without another reading.
    fn reached(&self, spec: &Spec, end: Time, now: Now) -> AgentTime {
        if end <= self.closed_by_event(spec) {
            return self.watermark.arrival;
        }
        let by_clock = now.alive_at(end);
        if spec.by_arrival {
            return by_clock;
        }
        let by_device = self.watermark.arrival.plus(end.since(self.watermark.event));
        let by_silence = self.watermark.silent_from(spec.idle_ms).max(by_clock.min(by_device));
        if self.has_clock(spec, now) {
            return by_silence.min(by_clock.plus(self.waits_ms(spec)));
        }
        by_silence
    }

    /// The series' own time, carried on by the agent's: it ages retained windows. A backlog is as fresh, in its own
    /// time, as live readings are.
    fn aged_to(&self, spec: &Spec, now: Now) -> Time {
        let Watermark { event, arrival } = self.watermark;
        let own = if spec.by_arrival {
            now.time
        } else {
            event.minus(spec.lateness_ms).plus(now.alive.since(arrival).max(0))
        };
        own.max(self.closed_by_event(spec))
    }

    /// The agent's time at which the series' own time reaches `end` without another reading.
    fn aged(&self, spec: &Spec, end: Time, now: Now) -> AgentTime {
        let Watermark { event, arrival } = self.watermark;
        let own = arrival.plus(end.plus(spec.lateness_ms).since(event));
        if spec.by_arrival { now.alive_at(end) } else { self.watermark.silent_from(spec.idle_ms).max(own) }
    }

    /// The end of the next window to close; [`Time::MIN`] for a full count window, which closes at any time.
    fn next_end(&self, spec: &Spec) -> Option<Time> {
        let first = self.slots.get(Self::base(spec) + usize::from(self.retained))?;
        match &spec.shape {
            Shape::Sliding(shape) => self.next_end_sliding(shape, first.window.end),
            Shape::Count(shape) if first.readings >= shape.size() => Some(Time::MIN),
            Shape::Count(_) => None,
            Shape::Tumbling(_) | Shape::Session(_) => Some(first.window.end),
        }
    }
}

#[cfg(test)]
mod tests;
