//! The detectors of one series in one stream, and their alerts.
//!
//! An alert carries the readings up to the one that decided it. The readings that follow are emitted later, as
//! `evidence`, because the alert cannot wait for them. One ring of readings serves all detectors.

use super::backlog::Backlog;
use super::bytes::{put, save_measured};
use super::detector_slot::{Decision, DetectorSlot};
use super::dyn_detector::boxed;
use super::emitter::SeriesEmitter;
use super::ids::present;
use super::revisions::AlertIdentity;
use super::ring::{Ring, ring_length};
use super::saved::{GoesOn, SavedStream, StoredChannel, note_detector};
use crate::config::{DetectorConfig, On, StreamConfig};
use crate::event::BootId;
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::detect::{Transition, Verdict};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{AgentTime, Moment, Now, SteadyTime, Time};

/// The detectors of one series in one stream.
pub(super) struct SeriesDetectors {
    slots: Box<[DetectorSlot]>,
    ring: Ring,
    /// Whether the evidence of any alert waits for readings.
    awaits_readings: bool,
    /// The last judged reading: its time, the agent's time on arrival, and its value. NaN: none has come, and the first
    /// one is expected since then.
    judged: Option<(SteadyTime, AgentTime, f64)>,
    /// End and number of the last judged window.
    window: Option<(SteadyTime, u64)>,
    /// The sum of the clock's steps, if the clock stamps the readings (ms).
    corrected_ms: i64,
    backlog: Backlog,
}

impl SeriesDetectors {
    pub(super) fn new(config: &StreamConfig) -> Self {
        let slot = |detector: &DetectorConfig| DetectorSlot {
            detector: boxed(&detector.watch),
            awaited: None,
            identity: AlertIdentity::default(),
        };
        Self {
            slots: config.detectors.iter().map(slot).collect(),
            ring: Ring::new(ring_length(config)),
            awaits_readings: false,
            judged: None,
            window: None,
            corrected_ms: 0,
            backlog: Backlog::default(),
        }
    }

    /// The moment of a reading's time.
    #[inline]
    fn moment(&self, time: Time) -> Moment {
        Moment::of(time, self.corrected_ms)
    }

    /// Whether a detector judges the value to be physically impossible.
    #[inline]
    pub(super) fn refuses(&mut self, stream: &StreamConfig, time: Time, value: f64) -> bool {
        let at = self.moment(time);
        let limits =
            self.slots.iter_mut().zip(&stream.detectors).filter(|(_, config)| config.on == On::RangeCheck);
        limits.fold(false, |refused, (slot, _)| {
            let (judgement, _) = slot.detector.on_reading(at, value);
            refused || judgement.verdict == Verdict::Invalid
        })
    }

    /// Lets every detector of readings judge one, and emits the alerts that it raises or clears.
    #[inline]
    pub(super) fn judge(&mut self, time: Time, value: f64, out: &mut SeriesEmitter<'_>) {
        if self.is_idle() {
            return;
        }
        let at = self.moment(time);
        // A value that the broker had kept says nothing of the sensor.
        let is_alive = !out.emitter.is_replayed;
        if !self.expects_reading() && self.judged.is_some_and(|(last, ..)| at.steady < last) {
            if is_alive {
                self.touch(out.now.alive);
            }
            return;
        }
        if is_alive {
            if let Some((last, arrival, _)) = self.judged {
                self.backlog.on_reading(at.steady.since(last), out.now.alive.since(arrival));
            }
            self.judged = Some((at.steady, out.now.alive, value));
        }
        self.ring.push(at.steady, value);
        if self.awaits_readings {
            self.count_awaited(at, out);
        }
        let Self { slots, ring, awaits_readings, .. } = self;
        let judges = slots.iter_mut().zip(&out.stream.detectors);
        let is_asked = |on: &On| *on == On::Reading || is_alive && *on == On::Silence;
        for (slot, config) in judges.filter(|(_, config)| is_asked(&config.on)) {
            let (judgement, transition) = slot.detector.on_reading(at, value);
            if transition != Transition::None {
                let decided = Decision { judgement, transition, at, value };
                *awaits_readings |= slot.on_transition(&decided, ring, config, out);
            }
        }
    }

    /// Restarts the silence at `now`: a reading came that is not judged because it is late, too old or in the future,
    /// or no reading could come.
    pub(super) fn touch(&mut self, now: AgentTime) {
        if let Some((_, arrival, _)) = &mut self.judged {
            *arrival = now;
        }
    }

    /// Restarts the silence at `now`, unless what came is a value that a broker had kept.
    #[inline]
    pub(super) fn hear(&mut self, now: AgentTime, is_replayed: bool) {
        if !is_replayed {
            self.touch(now);
        }
    }

    /// Expects a first reading from `now` on, where none has come.
    pub(super) fn expect_reading(&mut self, now: Now) {
        let at = self.moment(now.time).steady;
        self.judged.get_or_insert((at, now.alive, f64::NAN));
        self.slots.iter_mut().for_each(|slot| slot.detector.expect_reading(at));
    }

    /// Whether a first reading is expected and has not come.
    pub(super) fn expects_reading(&self) -> bool {
        self.judged.is_some_and(|(.., value)| value.is_nan())
    }

    /// From now on silence is not judged.
    pub(super) fn end_silence(&mut self) {
        self.judged = None;
    }

    /// Whether no detector needs the readings.
    fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.ring.is_empty()
    }

    /// Lets every detector of windows judge a closed one, at the window's end. Revisions are not judged, nor are
    /// windows that end no later than a judged one.
    pub(super) fn judge_window(
        &mut self,
        (end, number): (Time, u64),
        value_of: impl Fn(&str) -> Option<f64>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let at = self.moment(end);
        if self.slots.is_empty() || self.window.is_some_and(|last| (at.steady, number) <= last) {
            return;
        }
        self.window = Some((at.steady, number));
        let Self { slots, ring, awaits_readings, .. } = self;
        for (slot, config) in slots.iter_mut().zip(&out.stream.detectors) {
            let On::Window(name) = &config.on else { continue };
            let Some(value) = value_of(name) else { continue };
            let (judgement, transition) = slot.detector.on_reading(at, value);
            if transition != Transition::None {
                let decided = Decision { judgement, transition, at, value };
                *awaits_readings |= slot.on_transition(&decided, ring, config, out);
            }
        }
    }

    /// Lets the detectors that wait for a reading judge the silence. The series' own time, carried on by the agent's,
    /// is their time.
    pub(super) fn judge_silence(&mut self, out: &mut SeriesEmitter<'_>) {
        let Some((last, arrival, value)) = self.judged else { return };
        let at = Moment::of_steady(last.plus(out.now.alive.since(arrival)), self.corrected_ms);
        let behind_ms = self.behind_ms(out.now);
        let Self { slots, ring, awaits_readings, .. } = self;
        for (slot, config) in slots.iter_mut().zip(&out.stream.detectors) {
            let is_due = !slot.detector.is_raised()
                && slot.detector.due().is_some_and(|due| due.plus(behind_ms) <= at.steady);
            let Some((judgement, transition)) = is_due.then(|| slot.detector.on_tick(at)).flatten() else {
                continue;
            };
            if transition != Transition::None {
                let decided = Decision { judgement, transition, at, value };
                *awaits_readings |= slot.on_transition(&decided, ring, config, out);
            }
        }
    }

    /// Counts a reading for the alerts that wait for one, and emits the evidence that is complete.
    #[cold]
    fn count_awaited(&mut self, at: Moment, out: &mut SeriesEmitter<'_>) {
        self.awaits_readings = false;
        for (slot, config) in self.slots.iter_mut().zip(&out.stream.detectors) {
            let Some((_, left)) = &mut slot.awaited else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                slot.emit_evidence(&self.ring, at, config, out);
            } else {
                self.awaits_readings = true;
            }
        }
    }

    /// Tells what its detectors still have to tell before the series is forgotten. Returns the time before which any may
    /// have raised an alert.
    pub(super) fn forget(&mut self, out: &mut SeriesEmitter<'_>) -> Time {
        let at = self.moment(out.now.time);
        let value = self.judged.map_or(0.0, |(.., value)| value);
        let value = if value.is_nan() { 0.0 } else { value };
        let slots = self.slots.iter_mut().zip(&out.stream.detectors);
        let ends = slots.map(|(slot, config)| slot.forget(&self.ring, (at, value), config, out));
        ends.max().unwrap_or(Time::MIN)
    }

    /// The last judged readings, oldest first.
    pub(super) fn last_readings(&self, count: usize) -> Vec<(i64, f64)> {
        self.ring.last(count, Moment::of_steady(SteadyTime(0), self.corrected_ms))
    }

    /// The names of the detectors, each with whether its alert stands.
    pub(super) fn alerts<'s>(&'s self, stream: &'s StreamConfig) -> impl Iterator<Item = (&'s str, bool)> {
        let slots = self.slots.iter().zip(&stream.detectors);
        slots.map(|(slot, config)| (config.name.as_str(), slot.detector.is_raised()))
    }

    /// Notes a step of the clock that stamps the readings.
    pub(super) fn correct(&mut self, ms: i64) {
        self.corrected_ms = self.corrected_ms.saturating_add(ms);
    }

    /// See [`super::Pipeline::place_alerts`].
    pub(super) fn place_alerts(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        self.slots.iter_mut().for_each(|slot| slot.identity.place(offset_of));
    }

    /// When a detector judges the silence next, in the agent's time.
    pub(super) fn silence_due(&self, now: Now) -> Option<AgentTime> {
        let (last, arrival, _) = self.judged?;
        let waiting = self.slots.iter().filter(|slot| !slot.detector.is_raised());
        let due = waiting.filter_map(|slot| slot.detector.due()).min()?;
        Some(arrival.plus(due.since(last)).plus(self.behind_ms(now)))
    }

    /// How much longer a silence must be because the last reading came late (ms): a backlog comes in bursts.
    fn behind_ms(&self, now: Now) -> i64 {
        let Some((last, arrival, _)) = self.judged.filter(|_| now.synced) else { return 0 };
        let came = now.time.minus(now.alive.since(arrival));
        let lag_ms = came.since(Moment::of_steady(last, self.corrected_ms).time);
        self.backlog.pause_ms(lag_ms)
    }

    /// Appends the shared state, then that of each detector; see `pipeline/state.rs`.
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        save_measured(to, |to| {
            self.judged.map(|(last, arrival, value)| ((last, arrival), value)).save(&mut put(to));
            self.corrected_ms.save(&mut put(to));
            self.window.save(&mut put(to));
            self.ring.save(to);
            self.backlog.save(&mut put(to));
        });
        for slot in &self.slots {
            save_measured(to, |to| {
                slot.awaited.save(&mut put(to));
                slot.identity.save(to);
                slot.detector.save(&mut put(to));
            });
        }
    }

    /// Restores the detectors that still exist and can be read. Silence counts from `since` on.
    pub(super) fn restore(
        &mut self,
        stream: &StreamConfig,
        since: AgentTime,
        saved: &SavedStream,
        stored: &StoredChannel<'_>,
        unread: &mut Unread,
    ) {
        if self.restore_shared(since, stored.judged).is_err() {
            (self.judged, self.window, self.ring) = (None, None, Ring::new(ring_length(stream)));
            unread.of_series("the last readings", &stream.name, "are forgotten", UnreadReason::Damaged);
        }
        for (goes_on, state) in saved.detectors.iter().zip(&stored.detectors) {
            let Some((at, goes_on)) = *goes_on else { continue };
            let known = self.slots.get_mut(at).zip(stream.detectors.get(at));
            let Some((slot, config)) = present(known, "a detector that goes on") else { continue };
            let read = slot.restore(goes_on, state);
            let goes_on = if read.is_ok() { goes_on } else { GoesOn::Nothing(UnreadReason::Damaged) };
            note_detector(goes_on, &config.name, &stream.name, unread);
            self.awaits_readings |= slot.awaited.is_some();
        }
    }

    fn restore_shared(&mut self, since: AgentTime, judged: &[u8]) -> Result<(), Corrupt> {
        let mut from = StateReader::new(judged);
        let judged: Option<((SteadyTime, AgentTime), f64)> = State::load(&mut from)?;
        self.judged = judged.map(|((last, arrival), value)| (last, arrival.max(since), value));
        self.corrected_ms = State::load(&mut from)?;
        self.window = State::load(&mut from)?;
        self.ring.restore(&mut from)?;
        // The state of version 0.1.0 ends here.
        self.backlog = if from.rest().is_empty() { Backlog::default() } else { State::load(&mut from)? };
        if from.rest().is_empty() { Ok(()) } else { Err(Corrupt) }
    }
}
