//! The detectors of one series in one stream, and the alerts they make.

use super::Now;
use super::channel::Origin;
use super::guard::{Guard, guard};
use super::state::{load_bytes, load_length, load_text, put, save_bytes, save_length, save_text};
use crate::config::{DetectorConfig, StreamConfig};
use crate::encode::{Alert, AlertState, Messages};
use headwater_forwarder::Message;
use headwater_kernel::detect::{Judgement, Transition, Verdict};
use headwater_kernel::state::{Corrupt, State, Stored};
use headwater_kernel::time::Time;

/// What looks at one series for one stream.
pub(super) struct Watching {
    guards: Box<[Box<dyn Guard>]>,
    /// The last reading that was judged: its time, and the agent's when it came.
    judged: Option<(Time, Time, f64)>,
}

impl Watching {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            guards: config.detectors.iter().map(|detector| guard(&detector.watch)).collect(),
            judged: None,
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

    /// The agent itself was away until `now`: the series' time stood still.
    pub(super) fn resume(&mut self, now: Time) {
        if let Some((last, arrival, _)) = &mut self.judged {
            *arrival = now;
            self.guards.iter_mut().for_each(|guard| guard.resume(*last));
        }
    }

    /// The agent's time at which a detector wants to judge the silence.
    pub(super) fn silence_due(&self) -> Option<Time> {
        let (last, arrival, _) = self.judged?;
        let waiting = self.guards.iter().filter(|guard| !guard.is_raised());
        let due = waiting.filter_map(|guard| guard.due()).min()?;
        Some(arrival.plus(due.since(last)))
    }

    /// Appends the state; see `pipeline/state.rs`.
    pub(super) fn save(&self, stream: &StreamConfig, to: &mut Vec<u8>) {
        self.judged.map(|(last, arrival, value)| ((last, arrival), value)).save(&mut put(to));
        save_length(to, self.guards.len());
        let mut state = Vec::new();
        for (guard, config) in self.guards.iter().zip(&stream.detectors) {
            save_text(to, &config.fingerprint);
            state.clear();
            guard.save(&mut put(&mut state));
            save_bytes(to, &state);
        }
    }

    /// Goes on from saved state: the detectors that are still there.
    pub(super) fn restore(&mut self, stream: &StreamConfig, from: &mut Stored<'_>) -> Result<(), Corrupt> {
        self.judged = load_judged(from)?;
        for _ in 0..load_length(from)? {
            let (fingerprint, state) = (load_text(from)?, load_bytes(from)?);
            let mut guards = self.guards.iter_mut().zip(&stream.detectors);
            if let Some((guard, _)) = guards.find(|(_, config)| config.fingerprint == fingerprint) {
                guard.restore(&mut Stored::new(state))?;
            }
        }
        Ok(())
    }

    /// Passes over the state of a series that is no more.
    pub(super) fn skip(from: &mut Stored<'_>) -> Result<(), Corrupt> {
        load_judged(from)?;
        for _ in 0..load_length(from)? {
            let _ = (load_text(from)?, load_bytes(from)?);
        }
        Ok(())
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
