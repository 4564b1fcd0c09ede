//! The progress of one series in event time, and when its last reading came.
//!
//! Each series has its own watermark, so that a device that sends an hour's backlog is not late because another one
//! is ahead.

use crate::time::{AgentTime, Now, Time};

/// The progress of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The latest event time seen; [`Time::MIN`] before the first reading.
    pub event: Time,
    /// The agent's time at the last reading.
    pub arrival: AgentTime,
}

impl Default for Watermark {
    fn default() -> Self {
        Self::new()
    }
}

impl Watermark {
    /// The watermark before the first reading.
    #[must_use]
    pub const fn new() -> Self {
        Self { event: Time::MIN, arrival: AgentTime::MIN }
    }

    /// Notes a reading of `time` that arrived at `now`.
    #[inline]
    pub fn advance(&mut self, time: Time, now: AgentTime) {
        self.event = self.event.max(time);
        self.arrival = now;
    }

    /// When the series counts as silent.
    #[must_use]
    #[inline]
    pub const fn silent_from(&self, idle_ms: i64) -> AgentTime {
        self.arrival.plus(idle_ms)
    }

    /// The event time that the series must have reached by `now`, if it has been silent for `idle_ms`.
    ///
    /// Either the agent's clock shows it, or the device's own clock, carried on by the agent's time. The device's
    /// clock may be wrong by any amount, and its windows must close all the same.
    #[must_use]
    #[inline]
    pub fn carried_on(&self, idle_ms: i64, now: Now) -> Option<Time> {
        let silent = now.alive >= self.silent_from(idle_ms);
        silent.then(|| now.time.max(self.event.plus(now.alive.since(self.arrival))))
    }
}

#[cfg(test)]
mod tests {
    use super::Watermark;
    use crate::time::{AgentTime, Now, Time};

    #[test]
    fn silence_carries_time_on_and_a_step_of_the_clock_does_not() {
        let mut watermark = Watermark::new();
        watermark.advance(Time(9_000), AgentTime(1_000));
        watermark.advance(Time(8_000), AgentTime(2_000));
        assert_eq!((watermark.event, watermark.arrival), (Time(9_000), AgentTime(2_000)));
        let carried_on = |ms| watermark.carried_on(500, Now::uncorrected(Time(ms)));
        assert_eq!((carried_on(1_000), carried_on(2_499)), (None, None));
        assert_eq!((carried_on(2_500), carried_on(20_000)), (Some(Time(9_500)), Some(Time(27_000))));
        let stepped = |alive| Now { time: Time(1_000_000), alive: AgentTime(alive), synced: true };
        assert_eq!(watermark.carried_on(500, stepped(2_499)), None);
        assert_eq!(watermark.carried_on(500, stepped(2_500)), Some(Time(1_000_000)));
    }
}
