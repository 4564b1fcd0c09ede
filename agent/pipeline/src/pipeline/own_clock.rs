//! The agent's own clock, and what events say about its trustworthiness.

use super::bytes::{load_text, put, save_text};
use crate::event::{BootId, ClockMark, Timestamp};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::Time;

/// Marks timestamps of the agent's own clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OwnClock {
    /// The current boot, until its true time is known.
    pub(super) boot: Option<BootId>,
    /// How often the clock was set back behind events that were already emitted.
    turn: u32,
    /// The time up to which events were emitted before the clock was set back.
    until: Time,
}

impl OwnClock {
    /// A timestamp of this clock.
    pub(super) fn at(&self, time: Time) -> Timestamp {
        Timestamp { ms: time.0, clock: self.mark(time) }
    }

    /// The mark of a time of this clock.
    pub(super) fn mark(&self, time: Time) -> ClockMark {
        match &self.boot {
            Some(boot) => ClockMark::Boot(boot.clone()),
            None if self.turn > 0 && time < self.until => ClockMark::Turn(self.turn),
            None => ClockMark::True,
        }
    }

    /// Handles a step from `before` to `now`. Times belong to `boot` from now on, if their true value is unknown.
    pub(super) fn step(&mut self, before: Time, now: Time, boot: Option<BootId>) {
        if self.boot.is_none() {
            self.until = self.until.max(before);
        }
        if boot.is_none() && now < self.until {
            self.turn = self.turn.saturating_add(1);
        }
        self.boot = boot;
    }

    /// Appends the state.
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        save_text(to, self.boot.as_deref().unwrap_or_default());
        self.turn.save(&mut put(to));
        self.until.save(&mut put(to));
    }

    /// Reads what [`OwnClock::save`] wrote.
    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let boot = load_text(from)?;
        let boot = (!boot.is_empty()).then(|| BootId::from(boot));
        Ok(Self { boot, turn: State::load(from)?, until: State::load(from)? })
    }
}

/// Appends a timestamp.
pub(super) fn save_timestamp(to: &mut Vec<u8>, time: &Timestamp) {
    time.ms.save(&mut put(to));
    let (turn, boot) = match &time.clock {
        ClockMark::True => (0, ""),
        ClockMark::Turn(turn) => (*turn, ""),
        ClockMark::Boot(boot) => (0, &**boot),
    };
    turn.save(&mut put(to));
    save_text(to, boot);
}

/// Reads what [`save_timestamp`] wrote.
pub(super) fn load_timestamp(from: &mut StateReader<'_>) -> Result<Timestamp, Corrupt> {
    let (ms, turn) = (i64::load(from)?, u32::load(from)?);
    let clock = match (load_text(from)?, turn) {
        ("", 0) => ClockMark::True,
        ("", turn) => ClockMark::Turn(turn),
        (boot, _) => ClockMark::Boot(boot.into()),
    };
    Ok(Timestamp { ms, clock })
}
