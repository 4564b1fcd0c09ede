//! The detectors of one series in one stream, and the alerts they make.
//!
//! An alert carries the last readings up to the one that decided; those that follow its raising go out as `evidence` of
//! their own when they have come, because the alert cannot wait for them. One ring of readings serves all detectors.

use super::channel::StoredChannel;
use super::dyn_detector::{DynDetector, boxed};
use super::emitter::SeriesEmitter;
use super::ids::present;
use super::restore::{GoesOn, SavedStream, note_detector};
use super::revisions::AlertIdentity;
use super::ring::Ring;
use super::state::{put, save_measured};
use crate::config::{DetectorConfig, EvidenceConfig, On, StreamConfig};
use crate::event::{Alert, AlertState, BootId, Event, Evidence, Readings};
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::detect::{Judgement, Transition, Verdict};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{AgentTime, Moment, SteadyTime, Time};

/// What looks at one series for one stream.
pub(super) struct SeriesDetectors {
    posts: Box<[DetectorSlot]>,
    ring: Ring,
    /// Whether a post waits for readings.
    gathering: bool,
    /// The last reading that was judged: its time, and the agent's when it came.
    judged: Option<(SteadyTime, AgentTime, f64)>,
    /// End and number of the last window that was judged.
    window: Option<(SteadyTime, u64)>,
    /// By so much was the clock corrected that the readings are stamped with (ms).
    corrected_ms: i64,
}

/// The version of what the pipeline keeps of a detector's alert, as bytes; to be raised whenever that changes.
pub(super) const SLOT_VERSION: u16 = 1;

/// A detector, and the readings that are still to follow its alert.
pub(super) struct DetectorSlot {
    boxed: Box<dyn DynDetector>,
    /// When the alert was raised, and how many readings it waits for.
    awaited: Option<(SteadyTime, u32)>,
    raisings: AlertIdentity,
}

/// What a series' detectors share (bytes).
pub fn evidence_bytes(stream: &StreamConfig) -> usize {
    kept(stream) * size_of::<(Time, f64)>()
}

fn kept(stream: &StreamConfig) -> usize {
    let single = stream.detectors.iter().map(|config| config.evidence);
    let several = stream.groups.iter().map(|config| config.evidence);
    single.chain(several).map(|evidence| evidence.kept()).max().unwrap_or(0)
}

impl SeriesDetectors {
    pub(super) fn new(config: &StreamConfig) -> Self {
        let post = |detector: &DetectorConfig| DetectorSlot {
            boxed: boxed(&detector.watch),
            awaited: None,
            raisings: AlertIdentity::default(),
        };
        Self {
            posts: config.detectors.iter().map(post).collect(),
            ring: Ring::new(kept(config)),
            gathering: false,
            judged: None,
            window: None,
            corrected_ms: 0,
        }
    }

    /// When a reading of `time` was taken.
    #[inline]
    fn moment(&self, time: Time) -> Moment {
        Moment::of(time, self.corrected_ms)
    }

    /// Whether a detector says that the value is physically impossible.
    #[inline]
    pub(super) fn refuses(&mut self, stream: &StreamConfig, time: Time, value: f64) -> bool {
        let at = self.moment(time);
        let limits =
            self.posts.iter_mut().zip(&stream.detectors).filter(|(_, config)| config.on == On::RangeCheck);
        limits.fold(false, |refused, (post, _)| {
            let (judgement, _) = post.boxed.on_reading(at, value);
            refused || judgement.verdict == Verdict::Invalid
        })
    }

    /// Lets every detector of readings judge one, and makes an event of each alert that begins or ends.
    #[inline]
    pub(super) fn judge(&mut self, time: Time, value: f64, out: &mut SeriesEmitter<'_>) {
        if self.is_idle() {
            return;
        }
        let at = self.moment(time);
        if self.judged.is_some_and(|(last, ..)| at.steady < last) {
            self.touch(out.now.alive);
            return;
        }
        self.judged = Some((at.steady, out.now.alive, value));
        self.ring.push(at.steady, value);
        if self.gathering {
            self.gather(at, out);
        }
        let Self { posts, ring, gathering, .. } = self;
        let judges = posts.iter_mut().zip(&out.stream.detectors);
        for (post, config) in judges.filter(|(_, config)| config.on == On::Reading) {
            let (judgement, transition) = post.boxed.on_reading(at, value);
            if transition != Transition::None {
                let decided = Decided { judgement, transition, at, value };
                *gathering |= post.decide(&decided, ring, config, out);
            }
        }
    }

    /// The series is not silent as of now: a reading came that is not judged, because its time is too late, too early or
    /// in the future, or none could come.
    pub(super) fn touch(&mut self, now: AgentTime) {
        if let Some((_, arrival, _)) = &mut self.judged {
            *arrival = now;
        }
    }

    /// Whether nobody looks at the series or keeps its readings.
    fn is_idle(&self) -> bool {
        self.posts.is_empty() && self.ring.is_empty()
    }

    /// Lets every detector of windows judge one that closes. Its time is the window's end. Revisions, and windows that
    /// end no later than one that was judged, are not looked at: what was said of them has been said.
    pub(super) fn judge_window(
        &mut self,
        (end, number): (Time, u64),
        value_of: impl Fn(&str) -> Option<f64>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let at = self.moment(end);
        if self.posts.is_empty() || self.window.is_some_and(|last| (at.steady, number) <= last) {
            return;
        }
        self.window = Some((at.steady, number));
        let Self { posts, ring, gathering, .. } = self;
        for (post, config) in posts.iter_mut().zip(&out.stream.detectors) {
            let On::Window(name) = &config.on else { continue };
            let Some(value) = value_of(name) else { continue };
            let (judgement, transition) = post.boxed.on_reading(at, value);
            if transition != Transition::None {
                let decided = Decided { judgement, transition, at, value };
                *gathering |= post.decide(&decided, ring, config, out);
            }
        }
    }

    /// Lets the detectors that wait for a reading judge the silence. Their time is the series' own, carried on by the
    /// agent's.
    pub(super) fn judge_silence(&mut self, out: &mut SeriesEmitter<'_>) {
        let Some((last, arrival, value)) = self.judged else { return };
        let at = Moment::of_steady(last.plus(out.now.alive.since(arrival)), self.corrected_ms);
        let Self { posts, ring, gathering, .. } = self;
        for (post, config) in posts.iter_mut().zip(&out.stream.detectors) {
            let is_due = !post.boxed.is_raised() && post.boxed.due().is_some_and(|due| due <= at.steady);
            let Some((judgement, transition)) = is_due.then(|| post.boxed.on_tick(at)).flatten() else {
                continue;
            };
            if transition != Transition::None {
                let decided = Decided { judgement, transition, at, value };
                *gathering |= post.decide(&decided, ring, config, out);
            }
        }
    }

    /// Counts a reading for the posts that wait for one, and tells of those that have them all.
    #[cold]
    fn gather(&mut self, at: Moment, out: &mut SeriesEmitter<'_>) {
        self.gathering = false;
        for (post, config) in self.posts.iter_mut().zip(&out.stream.detectors) {
            let Some((_, left)) = &mut post.awaited else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                post.tell(&self.ring, at, config, out);
            } else {
                self.gathering = true;
            }
        }
    }

    /// The last readings that were judged, oldest first.
    pub(super) fn last_readings(&self, count: usize) -> Vec<(i64, f64)> {
        self.ring.last(count, Moment::of_steady(SteadyTime(0), self.corrected_ms))
    }

    /// The clock that the readings are stamped with was corrected by `ms`.
    pub(super) fn correct(&mut self, ms: i64) {
        self.corrected_ms = self.corrected_ms.saturating_add(ms);
    }

    /// See [`super::Pipeline::place_alerts`].
    pub(super) fn place_alerts(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        self.posts.iter_mut().for_each(|post| post.raisings.place(offset_of));
    }

    /// The agent's time at which a detector wants to judge the silence.
    pub(super) fn silence_due(&self) -> Option<AgentTime> {
        let (last, arrival, _) = self.judged?;
        let waiting = self.posts.iter().filter(|post| !post.boxed.is_raised());
        let due = waiting.filter_map(|post| post.boxed.due()).min()?;
        Some(arrival.plus(due.since(last)))
    }

    /// Appends what the detectors share, then each; see `pipeline/state.rs`.
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        save_measured(to, |to| {
            self.judged.map(|(last, arrival, value)| ((last, arrival), value)).save(&mut put(to));
            self.corrected_ms.save(&mut put(to));
            self.window.save(&mut put(to));
            self.ring.save(to);
        });
        for post in &self.posts {
            save_measured(to, |to| {
                post.awaited.save(&mut put(to));
                post.raisings.save(to);
                post.boxed.save(&mut put(to));
            });
        }
    }

    /// Goes on from saved state: the detectors that are still there and can be read. Silence counts from `since` on.
    pub(super) fn restore(
        &mut self,
        stream: &StreamConfig,
        since: AgentTime,
        saved: &SavedStream,
        stored: &StoredChannel<'_>,
        unread: &mut Unread,
    ) {
        if self.restore_shared(since, stored.judged).is_err() {
            (self.judged, self.window, self.ring) = (None, None, Ring::new(kept(stream)));
            unread.of_series("the last readings", &stream.name, "are forgotten", UnreadReason::Damaged);
        }
        for (goes_on, state) in saved.detectors.iter().zip(&stored.detectors) {
            let Some((at, goes_on)) = *goes_on else { continue };
            let known = self.posts.get_mut(at).zip(stream.detectors.get(at));
            let Some((post, config)) = present(known, "a detector that goes on") else { continue };
            let read = post.restore(goes_on, state);
            let goes_on = if read.is_ok() { goes_on } else { GoesOn::Nothing(UnreadReason::Damaged) };
            note_detector(goes_on, &config.name, &stream.name, unread);
            self.gathering |= post.awaited.is_some();
        }
    }

    fn restore_shared(&mut self, since: AgentTime, judged: &[u8]) -> Result<(), Corrupt> {
        let mut from = StateReader::new(judged);
        let judged: Option<((SteadyTime, AgentTime), f64)> = State::load(&mut from)?;
        self.judged = judged.map(|((last, arrival), value)| (last, arrival.max(since), value));
        self.corrected_ms = State::load(&mut from)?;
        self.window = State::load(&mut from)?;
        self.ring.restore(&mut from)?;
        if from.rest().is_empty() { Ok(()) } else { Err(Corrupt) }
    }
}

/// A judgement that did something to an alert.
struct Decided {
    judgement: Judgement,
    transition: Transition,
    at: Moment,
    value: f64,
}

impl DetectorSlot {
    /// Goes on from saved state, as far as it does; else it is as good as new.
    fn restore(&mut self, goes_on: GoesOn, state: &[u8]) -> Result<(), Corrupt> {
        let mut from = StateReader::new(state);
        if let GoesOn::Nothing(_) = goes_on {
            return Ok(());
        }
        let (awaited, raisings) = (State::load(&mut from)?, AlertIdentity::load(&mut from)?);
        match goes_on {
            GoesOn::Alert(_) => self.boxed.restore_alert(&mut from)?,
            _ => self.boxed.restore(&mut from)?,
        }
        (self.awaited, self.raisings) = (awaited, raisings);
        Ok(())
    }

    /// Makes the event of an alert that begins or ends; answers whether readings are awaited now.
    #[cold]
    fn decide(
        &mut self,
        decided: &Decided,
        ring: &Ring,
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) -> bool {
        let EvidenceConfig { before, after } = config.evidence;
        let at = decided.at;
        let mut evidence = ring.last(before, at);
        match decided.transition {
            Transition::None => {}
            Transition::Suppressed => out.emitter.suppressed += 1,
            Transition::Raised { .. } => {
                self.tell(ring, at, config, out);
                self.raisings.on_raised(at.steady, out.at(at.time), decided.value);
                decided.emit(self, (AlertState::Raised, at.steady), evidence, config, out);
                self.awaited =
                    u32::try_from(after).ok().filter(|left| *left > 0).map(|left| (at.steady, left));
            }
            Transition::Cleared { raised } => {
                evidence.retain(|(time, _)| *time > at.time_of(raised).0);
                decided.emit(self, (AlertState::Cleared, raised), evidence, config, out);
            }
        }
        self.awaited.is_some()
    }

    /// Tells of the readings that have followed the alert, if it waits for any.
    fn tell(&mut self, ring: &Ring, at: Moment, config: &DetectorConfig, out: &mut SeriesEmitter<'_>) {
        let Some((raised, left)) = self.awaited.take() else { return };
        let come = config.evidence.after.saturating_sub(left as usize);
        let time = at.time_of(raised);
        let evidence = Evidence {
            about: out.about(),
            detector: config.name.clone(),
            rev: out.rev_base(time).saturating_add(self.raisings.of(raised)),
            raised: self.raisings.name(raised, out.at(time)),
            clock: out.at(out.now.time).clock,
            readings: Readings::Of(ring.last(come, at)),
        };
        out.push(Event::Evidence(Box::new(evidence)));
    }
}

impl Decided {
    fn emit(
        &self,
        post: &DetectorSlot,
        (state, raised): (AlertState, SteadyTime),
        evidence: Vec<(i64, f64)>,
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) {
        let on = match &config.on {
            On::Window(name) => Some(name.clone()),
            On::Reading | On::RangeCheck => None,
        };
        let mut reason = on.as_ref().map_or_else(String::new, |name| format!("{name} "));
        let written = post.boxed.reason(self.value, &mut reason);
        debug_assert!(written.is_ok(), "a string takes everything");
        let time = self.at.time_of(raised);
        let rev = out.rev_base(time).saturating_add(post.raisings.of(raised));
        let alert = Alert {
            about: out.about(),
            detector: config.name.clone(),
            state,
            rev: rev.saturating_add(u32::from(state == AlertState::Cleared)),
            raised: post.raisings.name(raised, out.at(time)),
            time: out.at(self.at.time),
            severity: config.severity.clone(),
            on,
            value: self.value,
            values: Vec::new(),
            expected: self.judgement.expected,
            score: self.judgement.score(),
            reason,
            evidence: Readings::Of(evidence),
        };
        out.push(Event::Alert(Box::new(alert)));
    }
}
