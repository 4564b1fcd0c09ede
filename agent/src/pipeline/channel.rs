//! One series in one stream: its windows, its detectors, and the messages they make.

use super::Now;
use super::state::{load_bytes, put, save_bytes};
use super::watching::{Outbox, Watching};
use crate::config::{StreamConfig, WindowConfig};
use crate::encode::{Messages, Reading, Summary};
use crate::plan::Pane;
use headwater_forwarder::Message;
use headwater_kernel::series::{Placed, Slot, Slots, Spec, Windows};
use headwater_kernel::state::{Corrupt, State, Stored};
use headwater_kernel::time::Time;
use headwater_kernel::window::Shape;

/// Where a channel's messages come from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) agent: &'a str,
    pub(super) stream: &'a StreamConfig,
    pub(super) series: &'a str,
    pub(super) labels: &'a [(String, String)],
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in a window: an open one, or a closed one that will say so again.
    InWindow,
    /// Its window was closed.
    Late,
    /// It is to be a message of its own.
    Forward,
    /// No window can hold it.
    Refused,
}

/// Open windows that one series may have at most; the config is refused before it needs more.
pub(crate) const OPEN_MAX: usize = 1_024;

/// The open windows of a series: on the heap, because there is mostly one, and `OPEN_MAX` at most.
#[derive(Clone, Debug, Default, PartialEq)]
struct Panes(Vec<Slot<Pane>>);

/// One series in one stream.
pub(super) struct Channel {
    /// Index of the stream.
    pub(super) stream: u32,
    /// Index of the series.
    pub(super) series: u32,
    windows: Windows<Pane, Panes>,
    /// Its detectors.
    pub(super) watching: Watching,
    /// Whether its readings are stamped on arrival.
    by_arrival: bool,
    /// The earliest time that it stands on the timers for; [`Time::MAX`]: not at all.
    armed: Time,
    /// The time of the last reading forwarded as it is, and how many came with that same time before it.
    forwarded: (Time, u32),
}

impl Channel {
    pub(super) fn new(stream: u32, series: u32, config: &StreamConfig) -> Self {
        Self {
            stream,
            series,
            windows: Windows::new(),
            watching: Watching::new(config),
            by_arrival: false,
            armed: Time::MAX,
            forwarded: (Time::MIN, 0),
        }
    }

    /// Puts a reading where it belongs.
    #[inline]
    pub(super) fn place(
        &mut self,
        stream: &StreamConfig,
        time: Time,
        value: f64,
        by_arrival: bool,
        now: Time,
    ) -> Fate {
        let WindowConfig::Cut(spec) = &stream.window else { return Fate::Forward };
        self.by_arrival = by_arrival;
        match self.windows.on_reading(spec.of(by_arrival), time, value, now, || stream.plan.pane()) {
            Placed::InWindow | Placed::Revised => Fate::InWindow,
            Placed::Late => Fate::Late,
            Placed::NoRoom => Fate::Refused,
        }
    }

    /// Makes a summary of every window that is to be closed; answers how many readings they settled.
    #[inline]
    pub(super) fn close(&mut self, out: &mut Outbox<'_>) -> i64 {
        let origin = out.origin;
        let plan = &origin.stream.plan;
        let Some(spec) = self.spec(origin.stream) else { return 0 };
        let mut settled = 0;
        while let Some(closed) = self.windows.poll(spec, out.now.time) {
            let value_of = |name: &str| {
                plan.numbers(&closed.pane)
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| f64::from(value))
            };
            self.watching.judge_window((closed.window.end, closed.number), value_of, out);
            settled += i64::try_from(closed.settled).unwrap_or(i64::MAX);
            let summary = Summary {
                agent: origin.agent,
                stream: &origin.stream.name,
                series: origin.series,
                labels: origin.labels,
                start_ms: closed.window.start.0,
                end_ms: closed.window.end.0,
                rev: closed.rev,
                number: matches!(spec.shape, Shape::Count(_)).then_some(closed.number),
                plan,
                pane: &closed.pane,
            };
            out.made.push(out.encoder.message(&summary, out.now.time.0));
        }
        settled
    }

    /// Makes a message of a reading that is forwarded as it is. Readings of one time differ by their revision.
    pub(super) fn forward(
        &mut self,
        origin: Origin<'_>,
        time: Time,
        value: f64,
        now: Now,
        encoder: &mut Messages,
    ) -> Message {
        let (last, repeats) = self.forwarded;
        self.forwarded = (time, if last == time { repeats.saturating_add(1) } else { 0 });
        let reading = Reading {
            agent: origin.agent,
            stream: &origin.stream.name,
            series: origin.series,
            labels: origin.labels,
            time_ms: time.0,
            rev: self.forwarded.1,
            value,
        };
        encoder.message(&reading, now.time.0)
    }

    /// The agent itself was away until `now`: the silence before was its own, and the series' time stood still.
    pub(super) fn resume(&mut self, now: Time, after_crash: bool) {
        self.windows.resume(now);
        if after_crash {
            self.windows.after_crash();
        }
        self.watching.resume(now);
    }

    /// When the channel wants to be looked at, at `earliest` or later, if that is before it stands on the timers already.
    #[inline]
    pub(super) fn arm(&mut self, stream: &StreamConfig, earliest: Time) -> Option<Time> {
        let closing = self.spec(stream).and_then(|spec| self.windows.due(spec));
        let due = closing.into_iter().chain(self.watching.silence_due()).min()?.max(earliest);
        if due >= self.armed {
            return None;
        }
        self.armed = due;
        Some(due)
    }

    /// The channel has come off the timers, where it stood for `due`. Whether it still wants to be looked at: it
    /// may have been put there again, for an earlier time, and that look is over.
    pub(super) fn disarm(&mut self, due: Time) -> bool {
        let is_current = due == self.armed;
        if is_current {
            self.armed = Time::MAX;
        }
        is_current
    }

    /// How many readings wait in windows to be told of.
    pub(super) fn readings(&self, stream: &StreamConfig) -> i64 {
        self.spec(stream).map_or(0, |spec| i64::try_from(self.windows.readings(spec)).unwrap_or(i64::MAX))
    }

    /// Appends the state; see `pipeline/state.rs`.
    pub(super) fn save(&self, stream: &StreamConfig, to: &mut Vec<u8>) {
        self.by_arrival.save(&mut put(to));
        self.forwarded.0.save(&mut put(to));
        self.forwarded.1.save(&mut put(to));
        let mut state = Vec::new();
        if let Some(spec) = self.spec(stream) {
            self.windows.save(spec, &mut put(&mut state));
        }
        save_bytes(to, &state);
        self.watching.save(stream, to);
    }

    /// Goes on from saved state: the windows if they are still cut the same way, the detectors that are still there.
    pub(super) fn restore(
        &mut self,
        stream: &StreamConfig,
        same_windows: bool,
        from: &mut Stored<'_>,
    ) -> Result<(), Corrupt> {
        self.by_arrival = bool::load(from)?;
        self.forwarded = (Time::load(from)?, u32::load(from)?);
        let windows = load_bytes(from)?;
        if let Some(spec) = self.spec(stream).filter(|_| same_windows) {
            self.windows = Windows::load(spec, &mut Stored::new(windows))?;
        }
        self.watching.restore(stream, from)
    }

    /// Passes over the state of a channel that is no more.
    pub(super) fn skip(from: &mut Stored<'_>) -> Result<(), Corrupt> {
        let _ = (bool::load(from)?, Time::load(from)?, u32::load(from)?);
        load_bytes(from)?;
        Watching::skip(from)
    }

    fn spec<'s>(&self, stream: &'s StreamConfig) -> Option<&'s Spec> {
        match &stream.window {
            WindowConfig::Cut(specs) => Some(specs.of(self.by_arrival)),
            WindowConfig::None => None,
        }
    }
}

impl Slots<Slot<Pane>> for Panes {
    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&Slot<Pane>> {
        self.0.get(at)
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> Option<&mut Slot<Pane>> {
        self.0.get_mut(at)
    }

    fn insert(&mut self, at: usize, slot: Slot<Pane>) -> Result<(), Slot<Pane>> {
        if self.0.len() >= OPEN_MAX {
            return Err(slot);
        }
        // Grow by one: nearly every series has one or two windows open, and there are thousands of series.
        self.0.reserve_exact(1);
        self.0.insert(at.min(self.0.len()), slot);
        Ok(())
    }

    fn remove(&mut self, at: usize) -> Option<Slot<Pane>> {
        (at < self.0.len()).then(|| self.0.remove(at))
    }
}
