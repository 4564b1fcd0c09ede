//! Time in state of a switch, a door, a pump: a series of zeros and ones.
//!
//! A state lasts until the next reading; nothing is added after the last one.

use super::Path;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// How long a boolean series was on (not 0) and off (0), and how often it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct States {
    /// State and time of the first and the last reading.
    ends: Option<((bool, Time), (bool, Time))>,
    on_ms: i64,
    off_ms: i64,
    changes: u64,
}

impl Path for States {
    #[inline]
    fn step(&mut self, time: Time, value: f64) {
        let here = (value != 0.0, time);
        if let Some((_, last)) = self.ends {
            self.lasted(last, here);
        }
        self.ends = Some((self.ends.map_or(here, |(first, _)| first), here));
    }

    fn join(&mut self, later: &Self) {
        self.ends = match (self.ends, later.ends) {
            (Some((first, last)), Some((their_first, their_last))) => {
                self.lasted(last, their_first);
                Some((first, their_last))
            }
            (one, other) => one.or(other),
        };
        self.on_ms = self.on_ms.saturating_add(later.on_ms);
        self.off_ms = self.off_ms.saturating_add(later.off_ms);
        self.changes = self.changes.saturating_add(later.changes);
    }
}

impl States {
    fn lasted(&mut self, from: (bool, Time), to: (bool, Time)) {
        let spent = if from.0 { &mut self.on_ms } else { &mut self.off_ms };
        *spent = spent.saturating_add(to.1.since(from.1));
        self.changes = self.changes.saturating_add(u64::from(from.0 != to.0));
    }

    /// The number of different states: 0 without readings, else 1 or 2.
    #[must_use]
    pub fn distinct(&self) -> u8 {
        self.ends.map_or(0, |_| if self.changes > 0 { 2 } else { 1 })
    }

    /// How long the series was on, in milliseconds.
    #[must_use]
    pub const fn on_ms(&self) -> i64 {
        self.on_ms
    }

    /// How long the series was off, in milliseconds.
    #[must_use]
    pub const fn off_ms(&self) -> i64 {
        self.off_ms
    }

    /// How often the series changed.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }
}

impl Tagged for States {
    const TAG: u16 = 6;
    const VERSION: u16 = 1;
}

impl State for States {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.ends.save(to);
        (self.on_ms, self.off_ms).save(to);
        self.changes.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let ends = State::load(from)?;
        Ok(Self { ends, on_ms: State::load(from)?, off_ms: State::load(from)?, changes: State::load(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, States};
    use crate::time::Time;

    #[test]
    fn a_door_opens_twice() {
        let mut door = States::default();
        assert_eq!((door.distinct(), door.changes()), (0, 0));
        for (time, value) in [(0, 0.0), (1_000, 0.0), (5_000, 1.0), (7_000, 0.0), (7_500, 1.0), (8_000, 1.0)]
        {
            door.step(Time(time), value);
        }
        assert_eq!((door.distinct(), door.changes(), door.on_ms(), door.off_ms()), (2, 3, 2_500, 5_500));
    }
}
