//! Missing: flags a series that sends no readings.
//!
//! Without `after` it learns how long the series is usually silent, and allows five times the longest recent wait.
//! That wait shrinks by one part in 100 per reading, so that one outage is forgotten. State: the last reading's time
//! and that wait. Score: the silence, as a multiple of the allowed silence.
//!
//! A first reading that is expected is missed as any other, but only with `after`.
//!
//! It is the only detector that judges without a reading: [`Detector::due`] tells when, and [`Detector::on_tick`]
//! judges. Its time is steady, and stands still while the agent is away.

use super::describe::{Duration, Figure};
use super::learned::learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// Parameters of [`Missing`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MissingConfig {
    /// How long a silence must be to be anomalous, in milliseconds; `None`: learned.
    pub after_ms: Option<i64>,
}

/// A detector of silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Missing {
    config: MissingConfig,
    last: Option<SteadyTime>,
    /// The longest recent wait, in milliseconds.
    wait_ms: i64,
    waits: u8,
}

/// How many waits must be known before a silence can be anomalous.
const WAITS_MIN: u8 = 10;
const WAITS_ALLOWED: i64 = 5;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "missing",
    version: 1,
    doc: "no reading comes any more",
    parameters: &[Parameter::duration(
        "after",
        "silence of this long is anomalous; left out: five times the longest usual wait",
    )
    .optional()],
    judges: Judges::Silence,
    build: |parameters: &CompleteParameters| {
        let after_ms = parameters.optional("after").map(|ms| ms as i64);
        Missing::new(MissingConfig { after_ms }).map(AnyDetector::Missing)
    },
};

impl Missing {
    /// # Errors
    /// [`OutOfRange`] when `after` is not longer than 0.
    pub fn new(config: MissingConfig) -> Result<Self, OutOfRange> {
        if config.after_ms.is_some_and(|after_ms| after_ms <= 0) {
            return Err(OutOfRange::new("after", "must be longer than 0"));
        }
        Ok(Self { config, last: None, wait_ms: 0, waits: 0 })
    }

    fn allowed_ms(&self) -> Option<i64> {
        let learned = (self.waits >= WAITS_MIN).then(|| self.wait_ms.saturating_mul(WAITS_ALLOWED));
        self.config.after_ms.or(learned)
    }
}

impl Detector for Missing {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        // Even a reading that is not a number proves that the sensor is alive.
        let time = at.steady;
        let waited = self.last.map(|last| time.since(last));
        self.last = Some(
            self.last
                .map_or(time, |last| if time.since(last) < -self.wait_ms { time } else { last.max(time) }),
        );
        if let Some(waited) = waited.filter(|waited| *waited > 0) {
            self.wait_ms = waited.max(self.wait_ms - self.wait_ms / 100);
            self.waits = self.waits.saturating_add(1);
        }
        if value.is_finite() { Judgement::scored(0.0, 1.0, None) } else { Judgement::INVALID }
    }

    fn due(&self) -> Option<SteadyTime> {
        Some(self.last?.plus(self.allowed_ms()?))
    }

    fn on_tick(&mut self, now: Moment) -> Option<Judgement> {
        if now.steady < self.due()? {
            return None;
        }
        let silence = now.steady.since(self.last?) as f64 / self.allowed_ms()?.max(1) as f64;
        Some(Judgement::scored(silence, 1.0 - f64::EPSILON, None))
    }

    fn expect_reading(&mut self, now: SteadyTime) {
        self.last = self.last.or(Some(now));
    }

    learned!(last, wait_ms, waits);

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "the last reading: nothing for {}", Duration(self.allowed_ms().unwrap_or(0)))
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        // The wait for this reading was the longest of late.
        write!(to, "{} has come, after {} without a reading", Figure(value), Duration(self.wait_ms))
    }

    fn describe_absence(&self, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "no reading has come yet: nothing for {}", Duration(self.allowed_ms().unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Missing, MissingConfig};
    use crate::detect::{Detector, Verdict::*};
    use crate::time::{SteadyTime, Time};

    #[test]
    fn silence_is_noticed_when_due_and_ends_with_a_reading() {
        let mut missing = Missing::new(MissingConfig { after_ms: Some(30_000) }).unwrap();
        assert_eq!((missing.due(), missing.on_tick(Time::MAX.into())), (None, None));
        missing.push(Time(1_000).into(), 20.0);
        assert_eq!((missing.due(), missing.on_tick(Time(30_999).into())), (Some(SteadyTime(31_000)), None));
        assert_eq!(missing.on_tick(Time(31_000).into()).unwrap().verdict, Anomalous(1.0));
        assert_eq!(missing.push(Time(61_000).into(), f64::NAN).verdict, Invalid);
        assert_eq!(missing.push(Time(61_000).into(), 20.0).verdict, Normal(0.0));
        assert_eq!(Missing::new(MissingConfig { after_ms: Some(0) }).unwrap_err().parameter, "after");
    }

    #[test]
    fn the_cadence_is_learned() {
        let mut missing = Missing::new(MissingConfig::default()).unwrap();
        for reading in 0..10 {
            missing.push(Time(reading * 10_000).into(), 0.0);
            assert_eq!(missing.due(), None);
        }
        missing.push(Time(100_000).into(), 0.0);
        assert_eq!(missing.due(), Some(SteadyTime(150_000)));
        // A clock that steps back restarts the wait; a reading out of order does not.
        missing.push(Time(99_000).into(), 0.0);
        assert_eq!(missing.due().map(|due| due > SteadyTime(149_000)), Some(true));
        missing.push(Time(-1_000_000).into(), 0.0);
        assert!(missing.due().unwrap() < SteadyTime(-900_000));
        // Two readings a day: an outage of a week is noticed after two and a half days, then forgotten.
        let mut slow = Missing::new(MissingConfig::default()).unwrap();
        (0..20).for_each(|reading| _ = slow.push(Time(reading * 43_200_000).into(), 0.0));
        assert_eq!(slow.due(), Some(SteadyTime(24 * 43_200_000)));
        slow.push(Time::MAX.into(), 0.0);
        assert_eq!(slow.due(), Some(SteadyTime::MAX));
    }
}
