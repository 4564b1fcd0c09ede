//! The life of an alert: it is raised once when its condition has held for long enough, and cleared once.
//!
//! ```text
//!          anomalous            held `for`              clears, for `clear_for`
//!  quiet ------------> pending ------------> raised ------------> quiet
//!    ^------------------- normal
//! ```
//! After it is cleared, it rests for `cooldown`, and it is raised `per_hour` times an hour at most. A condition that
//! outlasts these limits is raised late; one that does not is suppressed, which is reported once. Values that cannot
//! be judged change nothing. Time is that of the readings; a reading that goes back in time does not count.

use super::{Judgement, OutOfRange, Parameter, Parameters, Verdict};
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::SteadyTime;

/// The effect of a reading on the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    None,
    /// It is raised; its condition has held since `since`.
    Raised {
        /// The time of the first reading of the condition.
        since: SteadyTime,
    },
    /// Its condition holds, but `cooldown` or `per_hour` holds it back. Reported once.
    Suppressed,
    /// It is cleared; it was raised at `raised`.
    Cleared {
        /// The time of the reading that raised it.
        raised: SteadyTime,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Quiet,
    /// `held`: its time is over, but `cooldown` or `per_hour` holds it back.
    Pending {
        since: SteadyTime,
        held: bool,
    },
    /// `good`: since when values would clear it.
    Raised {
        at: SteadyTime,
        good: Option<SteadyTime>,
    },
}

/// The timing of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmConfig {
    /// How long its condition must hold before it is raised, in milliseconds.
    pub for_ms: i64,
    /// How long values must be good before it is cleared, in milliseconds.
    pub clear_for_ms: i64,
    /// How long none is raised after it was cleared, in milliseconds.
    pub cooldown_ms: i64,
    /// How often it is raised in one hour of the readings' time; 0: without limit.
    pub per_hour: u32,
}

/// The state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    config: AlarmConfig,
    phase: Phase,
    /// When the last one was cleared.
    ended: SteadyTime,
    /// The hour in which `raised` counts.
    hour: i64,
    raised: u32,
}

const HOUR_MS: i64 = 3_600_000;
/// Raising an alert more often than every five minutes is flapping.
const PER_HOUR: f64 = 12.0;

impl Alarm {
    /// The version of the stored alert: of [`Alarm::save`], and of the judgement that raised it.
    pub const VERSION: u16 = 1;

    /// The parameters of every alert, besides those of its detector.
    pub const PARAMETERS: &'static [Parameter] = &[
        Parameter::duration("for", "the condition must hold this long before the alert is raised").or(0.0),
        Parameter::duration("clear_for", "values must be good for this long before the alert ends").or(0.0),
        Parameter::duration("cooldown", "after an alert ended, none is raised for this long").or(0.0),
        Parameter::integer("per_hour", "the alert is raised at most so often; 0: no limit")
            .measured_in("alerts an hour")
            .or(PER_HOUR),
    ];

    /// A quiet alert.
    ///
    /// # Errors
    /// [`OutOfRange`] names the duration that is negative.
    pub const fn new(config: AlarmConfig) -> Result<Self, OutOfRange> {
        match config {
            AlarmConfig { for_ms: ..0, .. } => Err(OutOfRange::new("for", "must not be negative")),
            AlarmConfig { clear_for_ms: ..0, .. } => {
                Err(OutOfRange::new("clear_for", "must not be negative"))
            }
            AlarmConfig { cooldown_ms: ..0, .. } => Err(OutOfRange::new("cooldown", "must not be negative")),
            config => {
                Ok(Self { config, phase: Phase::Quiet, ended: SteadyTime::MIN, hour: i64::MIN, raised: 0 })
            }
        }
    }

    /// Builds one from [`Alarm::PARAMETERS`].
    ///
    /// # Errors
    /// As [`Alarm::new`].
    pub fn build(parameters: &Parameters) -> Result<Self, OutOfRange> {
        let parameters = parameters.complete(Self::PARAMETERS)?;
        Self::new(AlarmConfig {
            for_ms: parameters.ms("for"),
            clear_for_ms: parameters.ms("clear_for"),
            cooldown_ms: parameters.ms("cooldown"),
            per_hour: parameters.whole("per_hour"),
        })
    }

    /// How long the condition must hold, in milliseconds.
    #[must_use]
    pub const fn for_ms(&self) -> i64 {
        self.config.for_ms
    }

    /// Whether the alert is raised.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        matches!(self.phase, Phase::Raised { .. })
    }

    /// Takes the judgement of a reading of `time`.
    #[inline]
    pub fn on_judgement(&mut self, time: SteadyTime, judgement: &Judgement) -> Transition {
        match (self.phase, judgement.verdict) {
            (Phase::Quiet, Verdict::Anomalous(_)) => self.hold(time, time, false),
            (Phase::Pending { since, held }, Verdict::Anomalous(_)) => self.hold(since, time, held),
            (Phase::Pending { .. }, Verdict::Normal(_)) => {
                self.phase = Phase::Quiet;
                Transition::None
            }
            (Phase::Raised { at, good }, Verdict::Normal(_)) if judgement.clears => self.end(at, good, time),
            (Phase::Raised { at, .. }, Verdict::Normal(_) | Verdict::Anomalous(_)) => {
                self.phase = Phase::Raised { at, good: None };
                Transition::None
            }
            _ => Transition::None,
        }
    }

    /// Writes the state of the alert; its timing is part of the config.
    pub fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        let (tag, time, good): (u8, SteadyTime, Option<SteadyTime>) = match self.phase {
            Phase::Quiet => (0, SteadyTime::MIN, None),
            Phase::Pending { since, held: false } => (1, since, None),
            Phase::Raised { at, good } => (2, at, good),
            Phase::Pending { since, held: true } => (3, since, None),
        };
        ((tag, time), good).save(to);
        ((self.ended, self.hour), self.raised).save(to);
    }

    /// Restores what [`Alarm::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let phase = match State::load(from)? {
            ((0_u8, _), None) => Phase::Quiet,
            ((1, since), None) => Phase::Pending { since, held: false },
            ((2, at), good) => Phase::Raised { at, good },
            ((3, since), None) => Phase::Pending { since, held: true },
            _ => return Err(Corrupt),
        };
        let ((ended, hour), raised) = State::load(from)?;
        *self = Self { config: self.config, phase, ended, hour, raised };
        Ok(())
    }

    /// The condition has held since `since`.
    fn hold(&mut self, since: SteadyTime, time: SteadyTime, held: bool) -> Transition {
        self.phase = Phase::Pending { since, held };
        if time.since(since) < self.config.for_ms {
            return Transition::None;
        }
        let hour = time.0.div_euclid(HOUR_MS);
        if hour != self.hour {
            (self.hour, self.raised) = (hour, 0);
        }
        let too_often = self.config.per_hour > 0 && self.raised >= self.config.per_hour;
        let too_soon = (0..self.config.cooldown_ms).contains(&time.since(self.ended));
        if too_often || too_soon {
            self.phase = Phase::Pending { since, held: true };
            return if held { Transition::None } else { Transition::Suppressed };
        }
        self.raised = self.raised.saturating_add(1);
        self.phase = Phase::Raised { at: time, good: None };
        Transition::Raised { since }
    }

    /// Values have been good since `good`, or from now on.
    fn end(&mut self, at: SteadyTime, good: Option<SteadyTime>, time: SteadyTime) -> Transition {
        let good = good.unwrap_or(time);
        if time.since(good) < self.config.clear_for_ms {
            self.phase = Phase::Raised { at, good: Some(good) };
            return Transition::None;
        }
        (self.phase, self.ended) = (Phase::Quiet, time);
        Transition::Cleared { raised: at }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, AlarmConfig, Judgement, Transition, Verdict};
    use crate::time::SteadyTime;

    const BAD: Judgement = Judgement { verdict: Verdict::Anomalous(1.0), expected: None, clears: false };
    const GOOD: Judgement = Judgement { verdict: Verdict::Normal(0.0), expected: None, clears: true };
    const BETWEEN: Judgement = Judgement { clears: false, ..GOOD };
    const UNKNOWN: Judgement = Judgement { verdict: Verdict::Invalid, expected: None, clears: false };

    fn lasting(for_ms: i64) -> AlarmConfig {
        AlarmConfig { for_ms, ..AlarmConfig::default() }
    }

    #[test]
    fn raised_once_and_cleared_once() {
        let mut alarm = Alarm::new(lasting(30)).unwrap();
        let mut at = |time, judgement| alarm.on_judgement(SteadyTime(time), &judgement);
        let since = |time| Transition::Raised { since: SteadyTime(time) };
        assert_eq!(at(0, BAD), Transition::None);
        assert_eq!(at(20, BETWEEN), Transition::None);
        assert_eq!(at(40, BAD), Transition::None);
        assert_eq!(at(60, UNKNOWN), Transition::None);
        assert_eq!(at(69, BAD), Transition::None);
        assert_eq!(at(70, BAD), since(40));
        assert_eq!(at(200, BAD), Transition::None);
        assert_eq!(at(210, BETWEEN), Transition::None);
        assert_eq!(at(220, BAD), Transition::None);
        assert_eq!(at(230, GOOD), Transition::Cleared { raised: SteadyTime(70) });
        assert_eq!(at(240, GOOD), Transition::None);
        assert_eq!(Alarm::new(lasting(0)).unwrap().on_judgement(SteadyTime(5), &BAD), since(5));
        assert_eq!(Alarm::new(lasting(-1)).unwrap_err().parameter, "for");
    }

    #[test]
    fn a_step_back_in_time_does_not_raise() {
        let mut alarm = Alarm::new(lasting(30)).unwrap();
        for time in [100, 50, i64::MIN, 129] {
            assert_eq!(alarm.on_judgement(SteadyTime(time), &BAD), Transition::None);
        }
        assert_eq!(alarm.on_judgement(SteadyTime(130), &BAD), Transition::Raised { since: SteadyTime(100) });
    }

    #[test]
    fn it_ends_when_values_have_been_good_for_long_enough() {
        let mut alarm = Alarm::new(AlarmConfig { clear_for_ms: 30, ..AlarmConfig::default() }).unwrap();
        let mut at = |time, judgement| alarm.on_judgement(SteadyTime(time), &judgement);
        assert_eq!(at(0, BAD), Transition::Raised { since: SteadyTime(0) });
        assert_eq!(at(10, GOOD), Transition::None);
        assert_eq!(at(35, BETWEEN), Transition::None);
        assert_eq!(at(40, GOOD), Transition::None);
        assert_eq!(at(69, UNKNOWN), Transition::None);
        assert_eq!(at(70, GOOD), Transition::Cleared { raised: SteadyTime(0) });
    }

    #[test]
    fn flapping_is_limited_and_counted() {
        let config = AlarmConfig { cooldown_ms: 100, per_hour: 3, ..AlarmConfig::default() };
        let mut alarm = Alarm::new(config).unwrap();
        let mut raised = heapless::Vec::<i64, 8>::new();
        let mut suppressed = 0;
        for time in 0..400 {
            let judgement = if time % 20 < 10 { BAD } else { GOOD };
            match alarm.on_judgement(SteadyTime(time), &judgement) {
                Transition::Raised { .. } => raised.push(time).unwrap(),
                Transition::Suppressed => suppressed += 1,
                Transition::Cleared { .. } | Transition::None => {}
            }
        }
        // Over at 10: the next that may be raised is the one at 120, and so on. The fourth is one too many.
        assert_eq!(raised, [0, 120, 240]);
        assert_eq!(suppressed, 17);
        // The condition lasts into the next hour, and the alert is raised then.
        assert_eq!(alarm.on_judgement(SteadyTime(3_599_999), &BAD), Transition::Suppressed);
        assert_eq!(alarm.on_judgement(SteadyTime(3_599_999), &BAD), Transition::None);
        let next_hour = alarm.on_judgement(SteadyTime(3_600_000), &BAD);
        assert_eq!(next_hour, Transition::Raised { since: SteadyTime(3_599_999) });
    }
}
