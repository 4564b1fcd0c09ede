//! The life of an alert: raised once when its condition has held for long enough, cleared once.
//!
//! ```text
//!          anomalous            held `for`              clears
//!  quiet ------------> pending ------------> raised ------------> quiet
//!    ^------------------- normal
//! ```
//! Values that cannot be judged change nothing. Time is the readings' own; one that goes back does not count.

use super::{Judgement, OutOfRange, Parameter, ParameterKind, Parameters, Presence, Verdict};
use crate::state::{Corrupt, Sink, State, Stored};
use crate::time::Time;

/// What a reading did to the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    None,
    /// It is raised now; its condition has held since `since`.
    Raised {
        /// The time of the first reading of the condition.
        since: Time,
    },
    /// It is over now; it was raised at `raised`.
    Cleared {
        /// The time of the reading that raised it.
        raised: Time,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Quiet,
    Pending { since: Time },
    Raised { at: Time },
}

/// An alert's state and how long its condition must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    for_ms: i64,
    phase: Phase,
}

impl Alarm {
    /// What every detector takes besides its own parameters.
    pub const PARAMETERS: &'static [Parameter] = &[Parameter {
        name: "for",
        kind: ParameterKind::Duration,
        presence: Presence::Default(0.0),
        doc: "the condition must hold this long before the alert is raised",
    }];

    /// Quiet, and to be raised when a condition has held for `for_ms` milliseconds.
    ///
    /// # Errors
    /// [`OutOfRange`] when `for_ms` is negative.
    pub const fn new(for_ms: i64) -> Result<Self, OutOfRange> {
        if for_ms < 0 {
            return Err(OutOfRange::new("for", "must not be negative"));
        }
        Ok(Self { for_ms, phase: Phase::Quiet })
    }

    /// From [`Alarm::PARAMETERS`].
    ///
    /// # Errors
    /// As [`Alarm::new`].
    pub fn build(parameters: &Parameters) -> Result<Self, OutOfRange> {
        Self::new(parameters.complete(Self::PARAMETERS)?.get("for").unwrap_or(0.0) as i64)
    }

    /// How long the condition must hold, in milliseconds.
    #[must_use]
    pub const fn for_ms(&self) -> i64 {
        self.for_ms
    }

    /// Whether the alert is raised.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        matches!(self.phase, Phase::Raised { .. })
    }

    /// Takes the judgement of a reading of `time`.
    #[inline]
    pub fn on_judgement(&mut self, time: Time, judgement: &Judgement) -> Transition {
        match (self.phase, judgement.verdict) {
            (Phase::Raised { at }, Verdict::Normal(_)) if judgement.clears => {
                self.phase = Phase::Quiet;
                Transition::Cleared { raised: at }
            }
            (Phase::Pending { .. }, Verdict::Normal(_)) => {
                self.phase = Phase::Quiet;
                Transition::None
            }
            (Phase::Quiet, Verdict::Anomalous(_)) => self.hold(time, time),
            (Phase::Pending { since }, Verdict::Anomalous(_)) => self.hold(since, time),
            _ => Transition::None,
        }
    }

    /// Writes where the alert stands; how long its condition must hold is the config's.
    pub fn save(&self, to: &mut (impl Sink + ?Sized)) {
        let (tag, time): (u8, Time) = match self.phase {
            Phase::Quiet => (0, Time::MIN),
            Phase::Pending { since } => (1, since),
            Phase::Raised { at } => (2, at),
        };
        (tag, time).save(to);
    }

    /// Goes on from what [`Alarm::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub fn restore(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt> {
        self.phase = match State::load(from)? {
            (0_u8, _) => Phase::Quiet,
            (1, since) => Phase::Pending { since },
            (2, at) => Phase::Raised { at },
            _ => return Err(Corrupt),
        };
        Ok(())
    }

    fn hold(&mut self, since: Time, time: Time) -> Transition {
        if time.since(since) < self.for_ms {
            self.phase = Phase::Pending { since };
            return Transition::None;
        }
        self.phase = Phase::Raised { at: time };
        Transition::Raised { since }
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, Judgement, Transition, Verdict};
    use crate::time::Time;

    const BAD: Judgement = Judgement { verdict: Verdict::Anomalous(1.0), expected: None, clears: false };
    const GOOD: Judgement = Judgement { verdict: Verdict::Normal(0.0), expected: None, clears: true };
    const BETWEEN: Judgement = Judgement { clears: false, ..GOOD };
    const UNKNOWN: Judgement = Judgement { verdict: Verdict::Invalid, expected: None, clears: false };

    #[test]
    fn raised_once_and_cleared_once() {
        let mut alarm = Alarm::new(30).unwrap();
        let mut at = |time, judgement| alarm.on_judgement(Time(time), &judgement);
        let since = |time| Transition::Raised { since: Time(time) };
        assert_eq!(at(0, BAD), Transition::None);
        assert_eq!(at(20, BETWEEN), Transition::None);
        assert_eq!(at(40, BAD), Transition::None);
        assert_eq!(at(60, UNKNOWN), Transition::None);
        assert_eq!(at(69, BAD), Transition::None);
        assert_eq!(at(70, BAD), since(40));
        assert_eq!(at(200, BAD), Transition::None);
        assert_eq!(at(210, BETWEEN), Transition::None);
        assert_eq!(at(220, BAD), Transition::None);
        assert_eq!(at(230, GOOD), Transition::Cleared { raised: Time(70) });
        assert_eq!(at(240, GOOD), Transition::None);
        assert_eq!(Alarm::new(0).unwrap().on_judgement(Time(5), &BAD), since(5));
        assert_eq!(Alarm::new(-1).unwrap_err().parameter, "for");
    }

    #[test]
    fn a_step_back_in_time_does_not_raise() {
        let mut alarm = Alarm::new(30).unwrap();
        for time in [100, 50, i64::MIN, 129] {
            assert_eq!(alarm.on_judgement(Time(time), &BAD), Transition::None);
        }
        assert_eq!(alarm.on_judgement(Time(130), &BAD), Transition::Raised { since: Time(100) });
    }
}
