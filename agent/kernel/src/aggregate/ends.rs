//! The first and the last reading of a window, by event time.

use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// A time and a value.
pub type Stamped = (Time, f64);

/// The first and the last reading by event time; among readings of the same time, by order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ends(Option<(Stamped, Stamped)>);

impl Ends {
    /// The ends of no readings.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// The ends of forgotten readings: they answer nothing, whatever is pushed or merged.
    #[must_use]
    pub const fn lost() -> Self {
        Self(Some(((Time::MIN, f64::NAN), (Time::MAX, f64::NAN))))
    }

    /// Adds one reading; readings may come in any order of time.
    #[inline]
    pub fn push(&mut self, time: Time, value: f64) {
        match &mut self.0 {
            None => self.0 = Some(((time, value), (time, value))),
            Some((first, last)) => {
                if time < first.0 {
                    *first = (time, value);
                }
                if time >= last.0 {
                    *last = (time, value);
                }
            }
        }
    }

    /// Merges `later`, as if its readings had arrived after these.
    pub fn merge(&mut self, later: &Self) {
        match (&mut self.0, later.0) {
            (_, None) => {}
            (None, theirs) => self.0 = theirs,
            (Some((first, last)), Some((their_first, their_last))) => {
                if their_first.0 < first.0 {
                    *first = their_first;
                }
                if their_last.0 >= last.0 {
                    *last = their_last;
                }
            }
        }
    }

    /// The earliest reading.
    #[must_use]
    pub fn first(&self) -> Option<Stamped> {
        self.0.map(|(first, _)| first).filter(|(_, value)| !value.is_nan())
    }

    /// The latest reading.
    #[must_use]
    pub fn last(&self) -> Option<Stamped> {
        self.0.map(|(_, last)| last).filter(|(_, value)| !value.is_nan())
    }

    /// The latest value minus the earliest.
    #[must_use]
    pub fn delta(&self) -> Option<f64> {
        self.0.map(|(first, last)| last.1 - first.1).filter(|delta| delta.is_finite())
    }
}

impl Tagged for Ends {
    const TAG: u16 = 2;
    const VERSION: u16 = 1;
    const BYTES: u16 = 33;
}

impl State for Ends {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.is_some().save(to);
        // The size is constant.
        self.0.unwrap_or_default().save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (is_there, ends) = State::load(from)?;
        Ok(Self(Some(ends).filter(|_| is_there)))
    }
}

#[cfg(test)]
mod tests {
    use super::Ends;
    use crate::time::Time;
    use proptest::prelude::*;

    fn of(readings: &[(i64, f64)]) -> Ends {
        let mut ends = Ends::new();
        readings.iter().for_each(|(time, value)| ends.push(Time(*time), *value));
        ends
    }

    #[test]
    fn ties_keep_the_order_of_arrival() {
        let ends = of(&[(5, 1.0), (2, 2.0), (2, 3.0), (5, 4.0), (3, 5.0)]);
        assert_eq!(ends.first(), Some((Time(2), 2.0)));
        assert_eq!(ends.last(), Some((Time(5), 4.0)));
        assert_eq!(ends.delta(), Some(2.0));
        assert_eq!((Ends::new().first(), Ends::new().delta()), (None, None));
    }

    proptest! {
        #[test]
        fn merging_equals_pushing_all(
            readings in prop::collection::vec((-5..5_i64, -9.0..9.0_f64), 0..20), cut in 0..20_usize,
        ) {
            let (a, b) = readings.split_at(cut.min(readings.len()));
            let mut merged = of(a);
            merged.merge(&of(b));
            prop_assert_eq!(merged, of(&readings));
        }
    }
}
