//! The prior of a window: the last reading before it.
//!
//! Nothing is kept for it while readings come: the windows before a window know their last readings, and of windows
//! that are gone the latest reading stays. A closed window has its prior in its pane.

use super::{Arrival, Pane, Slot, Slots, Spec, Windows};
use crate::invariant::present;
use crate::time::Time;

/// A reading with its time.
pub(super) type Reading<P> = (Time, <P as Pane>::Value);

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// Gives the window at `at` its prior. Only the slots from `base` on are windows.
    pub(super) fn give_prior(&mut self, base: usize, at: usize) {
        let before = (base..at).rev().filter_map(|before| self.slots.get(before));
        let before = { before }.find(|slot| !slot.is_retracted()).and_then(|slot| slot.pane.last());
        let prior = later(self.prior, before);
        if let (Some(prior), Some(slot)) = (prior, self.slots.get_mut(at)) {
            slot.pane.follow(prior);
        }
    }

    /// Remembers the latest reading of a window that goes.
    pub(super) fn keep_prior(&mut self, last: Option<Reading<P>>) {
        self.prior = later(self.prior, last);
    }

    /// Revises the retained window after `at` if a late reading before it is now its prior.
    pub(super) fn pass_on(&mut self, spec: &Spec, base: usize, at: usize, reading: &Arrival<P::Value>) {
        let retained = at + 1..base + usize::from(self.retained);
        let is_window = |at: &usize| self.slots.get(*at).is_some_and(|slot| !slot.is_retracted());
        let Some(next) = { retained }.find(is_window) else { return };
        let slot = present(self.slots.get_mut(next), "the window after a revised one");
        if slot.is_some_and(|slot| slot.pane.follow((reading.time, reading.value))) {
            self.mark_dirty(spec, next, reading.now.alive);
        }
    }
}

/// The later of two readings; of those of the same time the second.
pub(super) fn later<V>(one: Option<(Time, V)>, other: Option<(Time, V)>) -> Option<(Time, V)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 >= one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}
