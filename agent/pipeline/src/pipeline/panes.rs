//! Stores the windows of one series: on the heap, because most series have one window; [`OPEN_MAX`] at most.

use crate::config::OPEN_MAX;
use headwater_kernel::series::{Slot, Slots};

/// The windows of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panes<P>(Vec<Slot<P>>);

impl<P> Default for Panes<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P> Slots<Slot<P>> for Panes<P> {
    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&Slot<P>> {
        self.0.get(at)
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> Option<&mut Slot<P>> {
        self.0.get_mut(at)
    }

    fn insert(&mut self, at: usize, slot: Slot<P>) -> Result<(), Slot<P>> {
        if self.0.len() >= OPEN_MAX {
            return Err(slot);
        }
        // Grows by one: nearly every series has one or two windows open, and there are thousands of series.
        self.0.reserve_exact(1);
        self.0.insert(at.min(self.0.len()), slot);
        Ok(())
    }

    fn remove(&mut self, at: usize) -> Option<Slot<P>> {
        (at < self.0.len()).then(|| self.0.remove(at))
    }
}
