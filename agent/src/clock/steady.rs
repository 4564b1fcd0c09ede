//! The agent's time without the corrections of its timeline. Pure.
//!
//! Every correction is added up. What a time of the timeline is without them never steps: [`SteadyTime`] goes on while the
//! agent is away, as far as that is known. [`AgentTime`] goes on from where it stood, as if the agent had not been away.

use headwater_kernel::time::{AgentTime, Moment, Now, SteadyTime, Time};

/// How far steady time and agent time are from the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steady {
    /// The sum of all corrections since the state began (ms).
    corrected_ms: i64,
    /// The steady time when the agent's time would have been 0.
    alive_from: SteadyTime,
}

impl Steady {
    /// Of a run that begins at `time` on the timeline, which has been corrected by `corrected_ms` in all, and goes on from
    /// `alive`.
    pub(crate) fn begin(time: Time, corrected_ms: i64, alive: AgentTime) -> Self {
        let alive_from = Moment::of(time, corrected_ms).steady.minus(alive.0);
        Self { corrected_ms, alive_from }
    }

    /// The timeline is corrected by `ms`.
    #[must_use]
    pub(crate) fn corrected(self, ms: i64) -> Self {
        Self { corrected_ms: self.corrected_ms.saturating_add(ms), ..self }
    }

    /// The sum of all corrections since the state began (ms).
    pub(crate) fn corrected_ms(&self) -> i64 {
        self.corrected_ms
    }

    /// A time of the timeline, and the same without the corrections.
    #[inline]
    pub(crate) fn moment(&self, time: Time) -> Moment {
        Moment::of(time, self.corrected_ms)
    }

    /// The agent's times at `time` on the timeline, which is known to be right or not.
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
