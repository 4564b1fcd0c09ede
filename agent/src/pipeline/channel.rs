//! One series in one stream: its windows, its detectors, and the messages they make.

use super::Now;
use super::guard::{Guard, guard};
use super::state::{load_bytes, load_length, load_text, put, save_bytes, save_length, save_text};
use crate::config::{DetectorConfig, StreamConfig, WindowConfig};
use crate::encode::{Alert, AlertState, Messages, Reading, Summary};
use crate::plan::Pane;
use headwater_forwarder::Message;
use headwater_kernel::detect::{Judgement, Transition, Verdict};
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
    guards: Box<[Box<dyn Guard>]>,
    /// The last reading that was judged: its time, and the agent's when it came.
    judged: Option<(Time, Time, f64)>,
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
            guards: config.detectors.iter().map(|detector| guard(&detector.watch)).collect(),
            judged: None,
            by_arrival: false,
            armed: Time::MAX,
            forwarded: (Time::MIN, 0),
        }
    }

    /// Whether a detector says that the value is physically impossible.
    #[inline]
    pub(super) fn refuses(&mut self, stream: &StreamConfig, time: Time, value: f64) -> bool {
        let limits = self.guards.iter_mut().zip(&stream.detectors).filter(|(_, config)| config.refuses);
        limits.fold(false, |refused, (guard, _)| {
            let (judgement, _) = guard.on_reading(time, value);
            refused || judgement.verdict == Verdict::Invalid
        })
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
    pub(super) fn close(
        &mut self,
        origin: Origin<'_>,
        now: Now,
        encoder: &mut Messages,
        made: &mut Vec<Message>,
    ) -> i64 {
        let Some(spec) = self.spec(origin.stream) else { return 0 };
        let mut settled = 0;
        while let Some(closed) = self.windows.poll(spec, now.time) {
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
                plan: &origin.stream.plan,
                pane: &closed.pane,
            };
            made.push(encoder.message(&summary, now.time.0));
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

    /// Lets every detector judge a reading, and makes a message of each alert that begins or ends.
    #[inline]
    pub(super) fn judge(
        &mut self,
        origin: Origin<'_>,
        time: Time,
        value: f64,
        now: Now,
        encoder: &mut Messages,
        made: &mut Vec<Message>,
    ) {
        if self.guards.is_empty() || self.judged.is_some_and(|(last, ..)| time < last) {
            return;
        }
        self.judged = Some((time, now.time, value));
        let judges =
            self.guards.iter_mut().zip(&origin.stream.detectors).filter(|(_, config)| !config.refuses);
        for (guard, config) in judges {
            let (judgement, transition) = guard.on_reading(time, value);
            if transition != Transition::None {
                let decided = Decided { guard: &**guard, judgement, transition, time, value };
                made.push(decided.message(origin, config, now, encoder));
            }
        }
    }

    /// Lets the detectors that wait for a reading judge the silence. Their time is the series' own, carried on by the
    /// agent's.
    pub(super) fn judge_silence(
        &mut self,
        origin: Origin<'_>,
        now: Now,
        encoder: &mut Messages,
        made: &mut Vec<Message>,
    ) {
        let Some((last, arrival, value)) = self.judged else { return };
        let time = last.plus(now.time.since(arrival));
        for (guard, config) in self.guards.iter_mut().zip(&origin.stream.detectors) {
            let is_due = !guard.is_raised() && guard.due().is_some_and(|due| due <= time);
            let Some((judgement, transition)) = is_due.then(|| guard.on_tick(time)).flatten() else {
                continue;
            };
            if transition != Transition::None {
                let decided = Decided { guard: &**guard, judgement, transition, time, value };
                made.push(decided.message(origin, config, now, encoder));
            }
        }
    }

    /// The agent itself was away until `now`: the silence before was its own, and the series' time stood still.
    pub(super) fn resume(&mut self, now: Time, after_crash: bool) {
        self.windows.resume(now);
        if after_crash {
            self.windows.after_crash();
        }
        if let Some((last, arrival, _)) = &mut self.judged {
            *arrival = now;
            self.guards.iter_mut().for_each(|guard| guard.resume(*last));
        }
    }

    /// The agent's time at which a detector wants to judge the silence.
    fn silence_due(&self) -> Option<Time> {
        let (last, arrival, _) = self.judged?;
        let waiting = self.guards.iter().filter(|guard| !guard.is_raised());
        let due = waiting.filter_map(|guard| guard.due()).min()?;
        Some(arrival.plus(due.since(last)))
    }

    /// When the channel wants to be looked at, at `earliest` or later, if that is before it stands on the timers already.
    #[inline]
    pub(super) fn arm(&mut self, stream: &StreamConfig, earliest: Time) -> Option<Time> {
        let closing = self.spec(stream).and_then(|spec| self.windows.due(spec));
        let due = closing.into_iter().chain(self.silence_due()).min()?.max(earliest);
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
        self.judged.map(|(last, arrival, value)| ((last, arrival), value)).save(&mut put(to));
        let mut state = Vec::new();
        if let Some(spec) = self.spec(stream) {
            self.windows.save(spec, &mut put(&mut state));
        }
        save_bytes(to, &state);
        save_length(to, self.guards.len());
        for (guard, config) in self.guards.iter().zip(&stream.detectors) {
            save_text(to, &config.fingerprint);
            state.clear();
            guard.save(&mut put(&mut state));
            save_bytes(to, &state);
        }
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
        self.judged = load_judged(from)?;
        let windows = load_bytes(from)?;
        if let Some(spec) = self.spec(stream).filter(|_| same_windows) {
            self.windows = Windows::load(spec, &mut Stored::new(windows))?;
        }
        for _ in 0..load_length(from)? {
            let (fingerprint, state) = (load_text(from)?, load_bytes(from)?);
            let mut guards = self.guards.iter_mut().zip(&stream.detectors);
            if let Some((guard, _)) = guards.find(|(_, config)| config.fingerprint == fingerprint) {
                guard.restore(&mut Stored::new(state))?;
            }
        }
        Ok(())
    }

    /// Passes over the state of a channel that is no more.
    pub(super) fn skip(from: &mut Stored<'_>) -> Result<(), Corrupt> {
        let _ = (bool::load(from)?, Time::load(from)?, u32::load(from)?);
        load_judged(from)?;
        load_bytes(from)?;
        for _ in 0..load_length(from)? {
            let _ = (load_text(from)?, load_bytes(from)?);
        }
        Ok(())
    }

    fn spec<'s>(&self, stream: &'s StreamConfig) -> Option<&'s Spec> {
        match &stream.window {
            WindowConfig::Cut(specs) => Some(specs.of(self.by_arrival)),
            WindowConfig::None => None,
        }
    }
}

fn load_judged(from: &mut Stored<'_>) -> Result<Option<(Time, Time, f64)>, Corrupt> {
    let judged: Option<((Time, Time), f64)> = State::load(from)?;
    Ok(judged.map(|((last, arrival), value)| (last, arrival, value)))
}

/// An alert that begins or ends.
struct Decided<'a> {
    guard: &'a dyn Guard,
    judgement: Judgement,
    transition: Transition,
    time: Time,
    value: f64,
}

impl Decided<'_> {
    #[cold]
    fn message(
        &self,
        origin: Origin<'_>,
        config: &DetectorConfig,
        now: Now,
        encoder: &mut Messages,
    ) -> Message {
        let mut reason = String::new();
        let written = self.guard.reason(self.value, &mut reason);
        debug_assert!(written.is_ok(), "a string takes everything");
        let (state, raised) = match self.transition {
            Transition::Cleared { raised } => (AlertState::Cleared, raised),
            Transition::Raised { .. } | Transition::None => (AlertState::Raised, self.time),
        };
        let alert = Alert {
            agent: origin.agent,
            stream: &origin.stream.name,
            series: origin.series,
            labels: origin.labels,
            detector: &config.name,
            state,
            raised_ms: raised.0,
            time_ms: self.time.0,
            severity: &config.severity,
            value: self.value,
            expected: self.judgement.expected,
            score: self.judgement.score(),
            reason: &reason,
        };
        encoder.message(&alert, now.time.0)
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
