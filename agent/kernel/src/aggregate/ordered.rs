//! Puts readings in order of event time before they are followed as a path.
//!
//! A rate, an integral or the time in a state depends on the order of the readings. The latest `N` readings are kept
//! sorted; the earliest of them is followed when a newer one needs its place. So disorder of up to `N` readings
//! changes nothing. A reading that comes later than that is left out and counted.

use super::Stamped;
use crate::invariant::present;
use crate::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use crate::time::Time;

/// Follows readings in order of event time.
pub trait Path: Copy + Default {
    /// Adds the next reading; it is never earlier than the previous one.
    fn step(&mut self, time: Time, value: f64);
    /// Continues with the path of `later`, which begins where this one ends, or after.
    fn join(&mut self, later: &Self);
    /// A path under the same rules without readings.
    #[must_use]
    fn afresh(&self) -> Self {
        Self::default()
    }
}

/// A path behind a short buffer that sorts readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ordered<A, const N: usize> {
    path: A,
    /// The time of the path's last reading.
    followed_to: Time,
    recent: [Stamped; N],
    waiting: u8,
    missed: u32,
}

impl<A: Path, const N: usize> Default for Ordered<A, N> {
    fn default() -> Self {
        const { assert!(N >= 1 && N <= u8::MAX as usize) };
        Self {
            path: A::default(),
            followed_to: Time::MIN,
            recent: [(Time::MIN, 0.0); N],
            waiting: 0,
            missed: 0,
        }
    }
}

impl<A: Path, const N: usize> Ordered<A, N> {
    /// Adds one reading; readings of the same time keep their order of arrival.
    #[inline]
    pub fn push(&mut self, time: Time, value: f64) {
        if usize::from(self.waiting) == N {
            let earliest = self.recent.first().copied().unwrap_or((time, value));
            if time < earliest.0 {
                return self.push_earliest(time, value);
            }
            self.follow(earliest);
            self.recent.copy_within(1.., 0);
            self.waiting -= 1;
        }
        let waiting = usize::from(self.waiting);
        let used = self.recent.get(..waiting).unwrap_or_default();
        let at = waiting - used.iter().rev().take_while(|(other, _)| *other > time).count();
        self.recent.copy_within(at..waiting, at + 1);
        if let Some(place) = present(self.recent.get_mut(at), "a place for a reading that waits") {
            *place = (time, value);
            self.waiting += 1;
        }
    }

    /// Adds a reading that is earlier than all waiting ones: to the path, if the path is not past it.
    fn push_earliest(&mut self, time: Time, value: f64) {
        if time < self.followed_to {
            self.missed = self.missed.saturating_add(1);
        } else {
            self.follow((time, value));
        }
    }

    fn follow(&mut self, (time, value): Stamped) {
        if time < self.followed_to {
            self.missed = self.missed.saturating_add(1);
            return;
        }
        self.path.step(time, value);
        self.followed_to = time;
    }

    fn waiting(&self) -> &[Stamped] {
        self.recent.get(..usize::from(self.waiting)).unwrap_or_default()
    }

    /// Merges `later`, whose readings are not earlier than these.
    pub fn merge(&mut self, later: &Self) {
        let missed = self.missed.saturating_add(later.missed);
        let mut path = self.path();
        path.join(&later.path);
        let end = self.waiting().last().map_or(self.followed_to, |(time, _)| self.followed_to.max(*time));
        *self = Self { path, missed, followed_to: end.max(later.followed_to), ..*later };
    }

    /// The path over all readings.
    #[must_use]
    pub fn path(&self) -> A {
        let mut path = self.path;
        let later = self.waiting().iter().filter(|(time, _)| *time >= self.followed_to);
        later.for_each(|(time, value)| path.step(*time, *value));
        path
    }

    /// The path over a reading before all others, if there is one, and all readings.
    #[must_use]
    pub fn path_after(&self, prior: Option<Stamped>) -> A {
        let own = self.path();
        prior.map_or(own, |(time, value)| {
            let mut path = own.afresh();
            path.step(time, value);
            path.join(&own);
            path
        })
    }

    /// Changes the path itself, for rules that are not stored with it.
    pub fn path_mut(&mut self) -> &mut A {
        &mut self.path
    }

    /// The number of readings that came too late to be sorted.
    #[must_use]
    pub const fn missed(&self) -> u32 {
        self.missed
    }
}

/// Stored as the path it follows: raise the versions of all paths if its own bytes change.
impl<A: Path + Tagged, const N: usize> Tagged for Ordered<A, N> {
    const TAG: u16 = A::TAG;
    const VERSION: u16 = A::VERSION;
}

impl<A: Path + State, const N: usize> State for Ordered<A, N> {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.path.save(to);
        self.followed_to.save(to);
        self.missed.save(to);
        self.waiting.save(to);
        self.waiting().iter().for_each(|reading| reading.save(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let mut ordered = Self {
            path: State::load(from)?,
            followed_to: State::load(from)?,
            missed: State::load(from)?,
            waiting: State::load(from)?,
            ..Self::default()
        };
        for place in ordered.recent.get_mut(..usize::from(ordered.waiting)).ok_or(Corrupt)? {
            *place = State::load(from)?;
        }
        if ordered.waiting().is_sorted_by_key(|(time, _)| *time) { Ok(ordered) } else { Err(Corrupt) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ordered, Path};
    use crate::aggregate::{CounterRate, Integral, States, ValueSteps};
    use crate::state::{State, StateReader};
    use crate::time::Time;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    type Readings = Vec<(i64, f64)>;

    fn of<A: Path>(readings: &[(i64, f64)]) -> Ordered<A, 4> {
        let mut ordered = Ordered::default();
        readings.iter().for_each(|(time, value)| ordered.push(Time(*time), *value));
        ordered
    }

    /// The path over sorted readings.
    fn plain<A: Path>(readings: &[(i64, f64)]) -> A {
        let mut path = A::default();
        readings.iter().for_each(|(time, value)| path.step(Time(*time), *value));
        path
    }

    /// Readings of rising times, and the same with every four in reverse.
    fn disorder() -> impl Strategy<Value = (Readings, Readings)> {
        prop::collection::vec((1..3_000_i64, -9..9_i32), 0..40).prop_map(|steps| {
            let rising = steps.iter().scan(0, |time, (step, value)| {
                *time += step;
                Some((*time, f64::from(*value)))
            });
            let sorted: Vec<_> = rising.collect();
            let reversed = sorted.chunks(4).flat_map(|chunk| chunk.iter().rev().copied()).collect();
            (sorted, reversed)
        })
    }

    fn check<A: Path + PartialEq + core::fmt::Debug + State>(
        sorted: &[(i64, f64)],
        shuffled: &[(i64, f64)],
        cut: usize,
        close: impl Fn(&A, &A) -> bool,
    ) {
        let ordered = of::<A>(shuffled);
        assert_eq!((ordered.missed(), ordered.path()), (0, plain::<A>(sorted)));
        let (a, b) = sorted.split_at(cut.min(sorted.len()));
        let mut merged = of::<A>(a);
        merged.merge(&of(b));
        assert_eq!(merged.missed(), 0);
        assert!(close(&merged.path(), &plain(sorted)), "{:?} {:?}", merged.path(), plain::<A>(sorted));
        let mut bytes = Vec::new();
        merged.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
        let mut from = StateReader::new(&bytes);
        assert_eq!(Ordered::load(&mut from), Ok(merged));
    }

    #[test]
    fn what_comes_too_late_is_counted() {
        let ordered =
            of::<Integral>(&[(10, 1.0), (20, 1.0), (30, 1.0), (40, 1.0), (50, 1.0), (5, 9.0), (15, 1.0)]);
        assert_eq!((ordered.missed(), ordered.path().seconds()), (1, 0.04));
    }

    proptest! {
        #[test]
        fn disorder_leaves_no_trace_and_parts_merge((sorted, shuffled) in disorder(), cut in 0..40_usize) {
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * 1e3,
                _ => a == b,
            };
            check::<CounterRate>(&sorted, &shuffled, cut, |a, b| close(a.increase(), b.increase()) && close(a.per_second(), b.per_second()));
            check::<Integral>(&sorted, &shuffled, cut, |a, b| close(a.area(), b.area()) && close(a.mean(), b.mean()));
            check::<States>(&sorted, &shuffled, cut, |a, b| a == b);
            check::<ValueSteps>(&sorted, &shuffled, cut, |a, b| a == b);
        }
    }
}
