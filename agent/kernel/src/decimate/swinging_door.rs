//! Swinging door: keeps the corners of a line that stays within a bound of every reading.
//!
//! Source: E. H. Bristol, "Swinging door trending", ISA 1990. Deviation: a corner is the last reading before
//! the door closed, moved nowhere, so that what is kept was really measured. The doors hang from the last
//! corner, `error` above and below it, and close when no straight line from it to the newest reading
//! passes within `error` of all readings between. Where two readings are of one time, no line passes both:
//! both are corners.

use crate::OutOfRange;
use crate::aggregate::Stamped;
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::Time;

/// Keeps readings such that the straight lines between them pass within a bound of all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwingingDoor {
    error: f64,
    max_ms: i64,
    corner: Option<Stamped>,
    held: Option<Stamped>,
    /// The slopes [channel unit per ms] from the corner that pass within the bound of all readings since.
    lowest: f64,
    highest: f64,
}

impl SwingingDoor {
    /// The bound in channel units, and the longest time between corners in milliseconds of event time; 0 for
    /// any.
    ///
    /// # Errors
    /// [`OutOfRange`] when the bound is not finite and positive, or the time is negative.
    pub fn new(error: f64, max_ms: i64) -> Result<Self, OutOfRange> {
        if !(error.is_finite() && error > 0.0) {
            return Err(OutOfRange::new("error", "must be above 0, and finite"));
        }
        if max_ms < 0 {
            return Err(OutOfRange::new("max", "must not be negative"));
        }
        let (lowest, highest) = (f64::NEG_INFINITY, f64::INFINITY);
        Ok(Self { error, max_ms, corner: None, held: None, lowest, highest })
    }

    /// Takes a reading and yields the readings that are kept now: the first one, corners, and readings that do not go
    /// forward in time, each of which starts a new line.
    pub fn on_reading(&mut self, time: Time, value: f64, mut keep: impl FnMut(Stamped)) {
        let here = (time, value);
        let Some(corner) = self.corner.filter(|corner| time > self.held.unwrap_or(*corner).0) else {
            if let Some(held) = self.held.take() {
                keep(held);
            }
            self.start(here);
            return keep(here);
        };
        let late = self.max_ms > 0 && time.since(corner.0) > self.max_ms;
        if self.passes(corner, here) && !late {
            return self.hold(corner, here);
        }
        // The door closes at the reading before, or at this one when there is none.
        match self.held.take() {
            Some(held) => {
                self.start(held);
                self.hold(held, here);
                keep(held);
            }
            None => {
                self.start(here);
                keep(here);
            }
        }
    }

    /// Whether a reading is held: the next one decides whether it is kept.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Yields the held reading, at the end of a series or before a restart without state; it becomes a corner.
    pub fn flush(&mut self) -> Option<Stamped> {
        let held = self.held.take()?;
        self.start(held);
        Some(held)
    }

    fn start(&mut self, corner: Stamped) {
        self.corner = Some(corner);
        (self.lowest, self.highest) = (f64::NEG_INFINITY, f64::INFINITY);
    }

    /// Whether the straight line from the corner to `here` passes within the bound of all readings between.
    fn passes(&self, corner: Stamped, here: Stamped) -> bool {
        let slope = (here.1 - corner.1) / here.0.since(corner.0) as f64;
        self.lowest <= slope && slope <= self.highest
    }

    fn hold(&mut self, corner: Stamped, here: Stamped) {
        let length = here.0.since(corner.0) as f64;
        let rise = here.1 - corner.1;
        self.lowest = self.lowest.max((rise - self.error) / length);
        self.highest = self.highest.min((rise + self.error) / length);
        self.held = Some(here);
    }

    /// Writes the state of the doors; the bound is part of the config.
    pub fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.corner.save(to);
        self.held.save(to);
        (self.lowest, self.highest).save(to);
    }

    /// Restores what [`SwingingDoor::save`] wrote.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let (corner, held) = (State::load(from)?, State::load(from)?);
        let (lowest, highest) = State::load(from)?;
        *self = Self { corner, held, lowest, highest, ..*self };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SwingingDoor;
    use crate::aggregate::Stamped;
    use crate::time::Time;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn kept(door: &mut SwingingDoor, readings: &[(i64, f64)]) -> Vec<Stamped> {
        let mut kept = Vec::new();
        for (time, value) in readings {
            door.on_reading(Time(*time), *value, |reading| kept.push(reading));
        }
        kept.extend(door.flush());
        kept
    }

    #[test]
    fn a_ramp_is_two_readings_and_a_step_is_kept() {
        let mut door = SwingingDoor::new(0.5, 0).unwrap();
        let ramp: Vec<_> = (0..100).map(|i| (i * 1_000, i as f64 * 0.1)).collect();
        let corners = kept(&mut door, &ramp);
        assert_eq!((corners.len(), corners[1].0), (2, Time(99_000)));
        let step = [(100_000, 9.9), (101_000, 9.9), (102_000, 50.0), (103_000, 50.0)];
        assert_eq!(
            kept(&mut door, &step),
            [(Time(101_000), 9.9), (Time(102_000), 50.0), (Time(103_000), 50.0)]
        );
        let back = [(104_000, 50.0), (1, 7.0), (1, 8.0)];
        assert_eq!(kept(&mut door, &back), [(Time(104_000), 50.0), (Time(1), 7.0), (Time(1), 8.0)]);
        let mut often = SwingingDoor::new(0.5, 10_000).unwrap();
        assert_eq!(kept(&mut often, &ramp).len(), 11);
        assert_eq!(SwingingDoor::new(0.0, 0).unwrap_err().parameter, "error");
        assert_eq!(SwingingDoor::new(1.0, -1).unwrap_err().parameter, "max");
    }

    proptest! {
        #[test]
        fn every_reading_is_within_the_bound_of_the_line(
            steps in prop::collection::vec((0..5_000_i64, -3.0..3.0_f64), 1..120), error in 0.1..4.0_f64,
            max_ms in prop_oneof![Just(0_i64), 5_000..20_000_i64],
        ) {
            let readings: Vec<(i64, f64)> = steps.iter().scan((0, 0.0), |at, step| {
                *at = (at.0 + step.0, at.1 + step.1);
                Some(*at)
            }).collect();
            let corners = kept(&mut SwingingDoor::new(error, max_ms).unwrap(), &readings);
            prop_assert_eq!(corners.last().unwrap().0.0, readings.last().unwrap().0);
            for (time, value) in &readings {
                let near = |from: &Stamped, to: &Stamped| {
                    let share = (time - from.0.0) as f64 / (to.0.since(from.0)).max(1) as f64;
                    let line = from.1 + share * (to.1 - from.1);
                    from.0.0 <= *time && *time <= to.0.0 && (line - value).abs() <= error * 1.000_000_001
                };
                let is_near = corners.iter().any(|corner| near(corner, corner)) || corners.windows(2).any(|line| near(&line[0], &line[1]));
                prop_assert!(is_near, "{time} {value} {corners:?}");
            }
        }
    }
}
