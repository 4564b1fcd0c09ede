//! Tells a backlog, which comes in bursts with pauses between them, from a series that is silent.
//!
//! While a backlog is drained, readings catch up with the agent's time: they are further apart in their own time than in
//! the agent's. A device with a wrong clock is behind and never catches up.

use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};

/// The longest pause that is no silence, beside what is allowed anyway (ms).
const PAUSE_MS: i64 = 60_000;

/// Over about how many readings what is gained is added up.
const GAINS: i64 = 8;

/// By how much the last readings of a series have caught up with the agent's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    gain_ms: i64,
}

impl Backlog {
    /// Notes how much later a reading is than the one before it, in its own time and in the agent's (ms).
    pub(super) fn on_reading(&mut self, own_ms: i64, agent_ms: i64) {
        let kept_ms = self.gain_ms - self.gain_ms / GAINS;
        self.gain_ms = kept_ms.saturating_add(own_ms.saturating_sub(agent_ms)).clamp(0, PAUSE_MS);
    }

    /// How much longer a silence must be, where the last reading came `lag_ms` after its time (ms).
    pub(super) fn pause_ms(self, lag_ms: i64) -> i64 {
        lag_ms.min(GAINS * self.gain_ms).clamp(0, PAUSE_MS)
    }
}

impl State for Backlog {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.gain_ms.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { gain_ms: i64::load(from)?.clamp(0, PAUSE_MS) })
    }
}
