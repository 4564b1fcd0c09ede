//! Where the windows of a series are kept.

use super::Pane;
use crate::time::Time;
use crate::window::Window;

/// One window or pane and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<P> {
    pub(super) window: Window,
    pub(super) readings: u64,
    /// Late readings that the next closing or revision is the first to tell of.
    pub(super) owed: u64,
    /// The number of the next revision.
    pub(super) rev: u32,
    /// Whether a revision is to be told.
    pub(super) dirty: bool,
    pub(super) pane: P,
}

impl<P: Pane> Slot<P> {
    pub(super) fn new(window: Window, pane: P) -> Self {
        Self { window, readings: 0, owed: 0, rev: 0, dirty: false, pane }
    }

    #[inline]
    pub(super) fn take(&mut self, time: Time, value: f64) {
        self.readings += 1;
        self.pane.push(time, value);
    }

    pub(super) fn absorb(&mut self, later: &Self) {
        self.readings += later.readings;
        self.pane.merge(&later.pane);
    }
}

/// A short, bounded list. Implemented here for [`heapless::Vec`]; a gateway may bring storage that grows on
/// demand up to its limit.
pub trait Slots<T>: Default {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The one at `at`; `None` past the end.
    fn get(&self, at: usize) -> Option<&T>;
    /// The one at `at`; `None` past the end.
    fn get_mut(&mut self, at: usize) -> Option<&mut T>;
    /// Puts `slot` before the one at `at`, or at the end.
    ///
    /// # Errors
    /// Gives the slot back when there is no room.
    fn insert(&mut self, at: usize, slot: T) -> Result<(), T>;
    /// Takes the one at `at` out; `None` past the end.
    fn remove(&mut self, at: usize) -> Option<T>;
}

impl<T, const N: usize> Slots<T> for heapless::Vec<T, N> {
    #[inline]
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&T> {
        self.as_slice().get(at)
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.as_mut_slice().get_mut(at)
    }

    fn insert(&mut self, at: usize, slot: T) -> Result<(), T> {
        Self::insert(self, at.min(self.as_slice().len()), slot)
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        (at < self.as_slice().len()).then(|| Self::remove(self, at))
    }
}
