//! Converts the timeline to steady time and agent time, which corrections do not move. Pure.
//!
//! All corrections are added up, and subtracted from a time of the timeline. [`SteadyTime`] continues while the agent
//! is away, as far as that is known. [`AgentTime`] continues from its last value, as if the agent had not been away.

use headwater_kernel::time::{AgentTime, Moment, Now, SteadyTime, Time};

/// The distances of steady time and agent time from the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steady {
    /// The sum of all corrections since the state began (ms).
    corrected_ms: i64,
    /// The steady time at which the agent's time was 0.
    alive_from: SteadyTime,
}

impl Steady {
    /// Starts a run at `time` on the timeline, which has been corrected by `corrected_ms` in all; the agent's time
    /// continues from `alive`.
    pub(crate) fn begin(time: Time, corrected_ms: i64, alive: AgentTime) -> Self {
        let alive_from = Moment::of(time, corrected_ms).steady.minus(alive.0);
        Self { corrected_ms, alive_from }
    }

    /// The same after a correction of the timeline by `ms`.
    #[must_use]
    pub(crate) fn corrected(self, ms: i64) -> Self {
        Self { corrected_ms: self.corrected_ms.saturating_add(ms), ..self }
    }

    /// The sum of all corrections since the state began (ms).
    pub(crate) fn corrected_ms(&self) -> i64 {
        self.corrected_ms
    }

    /// A time of the timeline, with and without the corrections.
    #[inline]
    pub(crate) fn moment(&self, time: Time) -> Moment {
        Moment::of(time, self.corrected_ms)
    }

    /// The agent's times at `time` on the timeline; `synced`: it is known to be right.
    #[inline]
    pub(crate) fn now(&self, time: Time, synced: bool) -> Now {
        let alive = self.moment(time).steady.since(self.alive_from);
        Now { time, alive: AgentTime(alive), synced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_and_absence_are_left_out() {
        let noon = 1_800_000_000_000;
        let first = Steady::begin(Time(5_000), 0, AgentTime(0));
        assert_eq!(first.now(Time(8_000), false).alive, AgentTime(3_000));
        // The time is known after three seconds.
        let known = first.corrected(noon - 8_000);
        let moment = known.moment(Time(noon + 1_000));
        assert_eq!(
            (known.now(moment.time, true).alive, moment.steady),
            (AgentTime(4_000), SteadyTime(9_000))
        );
        // Away for an hour.
        let next = Steady::begin(Time(noon + 3_601_000), known.corrected_ms(), AgentTime(4_000));
        let moment = next.moment(Time(noon + 3_602_000));
        assert_eq!(
            (next.now(moment.time, true).alive, moment.steady),
            (AgentTime(5_000), SteadyTime(3_610_000))
        );
    }
}
