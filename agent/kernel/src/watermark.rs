//! How far the event time of one series has come, and when it was last heard of.
//!
//! Per series, so that a device that sends an hour's backlog is not late because another one is ahead.

use crate::time::Time;

/// The progress of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The latest event time seen; [`Time::MIN`] before the first reading.
    pub event: Time,
    /// The agent's time at the last reading.
    pub arrival: Time,
}

impl Default for Watermark {
    fn default() -> Self {
        Self::new()
    }
}

impl Watermark {
    /// Before the first reading.
    #[must_use]
    pub const fn new() -> Self {
        Self { event: Time::MIN, arrival: Time::MIN }
    }

    /// Takes note of a reading of `time` that arrived at `now`.
    #[inline]
    pub fn advance(&mut self, time: Time, now: Time) {
        self.event = self.event.max(time);
        self.arrival = now;
    }

    /// When the series will count as silent.
    #[must_use]
    #[inline]
    pub const fn silent_from(&self, idle_ms: i64) -> Time {
        self.arrival.plus(idle_ms)
    }

    /// The event time that must have come by `now` if the series has been silent for `idle_ms`.
    ///
    /// The agent's clock and the device's own clock, carried on by the agent's, may both say so: the device's
    /// may be wrong by any amount, and its windows must close all the same.
    #[must_use]
    #[inline]
    pub fn carried_on(&self, idle_ms: i64, now: Time) -> Option<Time> {
        let silent = now >= self.silent_from(idle_ms);
        silent.then(|| now.max(self.event.plus(now.since(self.arrival))))
    }
}

#[cfg(test)]
mod tests {
    use super::Watermark;
    use crate::time::Time;

    #[test]
    fn silence_carries_time_on_and_a_step_back_does_not() {
        let mut watermark = Watermark::new();
        watermark.advance(Time(9_000), Time(1_000));
        watermark.advance(Time(8_000), Time(2_000));
        assert_eq!((watermark.event, watermark.arrival), (Time(9_000), Time(2_000)));
        assert_eq!(watermark.carried_on(500, Time(2_499)), None);
        assert_eq!(watermark.carried_on(500, Time(2_500)), Some(Time(9_500)));
        assert_eq!(watermark.carried_on(500, Time(20_000)), Some(Time(27_000)));
        assert_eq!(watermark.carried_on(500, Time(1_000)), None);
    }
}
