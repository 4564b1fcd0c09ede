//! Deadband: passes a reading that differs enough from the last one passed.
//!
//! Guarantee: at any time the last value passed is within the band around the value read.

use crate::OutOfRange;
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::Time;

/// The width of the band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Band {
    /// More than this many channel units.
    Absolute(f64),
    /// More than this many percent of the last value passed.
    Percent(f64),
}

/// Passes readings that differ from the last one passed, and one per heartbeat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deadband {
    band: Band,
    heartbeat_ms: i64,
    passed: Option<(Time, f64)>,
}

impl Deadband {
    /// `heartbeat_ms`: a reading passes when the last one that passed is this many milliseconds of event time
    /// back; 0 for never.
    ///
    /// # Errors
    /// [`OutOfRange`] when the band is not finite or negative, or the heartbeat is negative.
    pub fn new(band: Band, heartbeat_ms: i64) -> Result<Self, OutOfRange> {
        let (name, size) = match band {
            Band::Absolute(size) => ("absolute", size),
            Band::Percent(size) => ("percent", size),
        };
        if !(size.is_finite() && size >= 0.0) {
            return Err(OutOfRange::new(name, "must be 0 or more, and finite"));
        }
        if heartbeat_ms < 0 {
            return Err(OutOfRange::new("heartbeat", "must not be negative"));
        }
        Ok(Self { band, heartbeat_ms, passed: None })
    }

    /// Whether the reading passes. A reading that goes back in time must also leave the band.
    pub fn on_reading(&mut self, time: Time, value: f64) -> bool {
        let passes = self.passed.is_none_or(|(at, last)| {
            let band = match self.band {
                Band::Absolute(size) => size,
                Band::Percent(size) => last.abs() * size / 100.0,
            };
            let beat = self.heartbeat_ms > 0 && time.since(at) >= self.heartbeat_ms;
            beat || (value - last).abs() > band
        });
        if passes {
            self.passed = Some((time, value));
        }
        passes
    }

    /// Writes the last reading passed; the band is part of the config.
    pub fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.passed.save(to);
    }

    /// Restores what [`Deadband::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.passed = State::load(from)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Band, Deadband};
    use crate::time::Time;

    #[test]
    fn changes_and_heartbeats_pass() {
        let mut deadband = Deadband::new(Band::Absolute(0.5), 60_000).unwrap();
        let mut passes = |second: i64, value| deadband.on_reading(Time(second * 1_000), value);
        assert!(passes(0, 20.0));
        assert!(!passes(1, 20.5));
        assert!(!passes(2, 19.5));
        assert!(passes(3, 20.6));
        assert!(!passes(62, 20.4));
        assert!(passes(63, 20.6));
        assert!(!passes(10, 20.6));
        let mut percent = Deadband::new(Band::Percent(10.0), 0).unwrap();
        let mut passes = |value| percent.on_reading(Time(0), value);
        assert_eq!(
            [100.0, 109.0, 111.0, 121.0, -1.0, -1.2].map(&mut passes),
            [true, false, true, false, true, true]
        );
        assert_eq!([0.0, 0.0, 1e-300].map(&mut passes), [true, false, true]);
    }

    #[test]
    fn bad_bands_are_refused() {
        assert_eq!(Deadband::new(Band::Absolute(f64::NAN), 0).unwrap_err().parameter, "absolute");
        assert_eq!(Deadband::new(Band::Percent(-1.0), 0).unwrap_err().parameter, "percent");
        assert_eq!(Deadband::new(Band::Percent(1.0), -1).unwrap_err().parameter, "heartbeat");
    }
}
