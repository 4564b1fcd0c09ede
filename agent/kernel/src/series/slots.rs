//! Storage for the windows of a series.

use super::Pane;
use crate::time::Time;
use crate::window::Window;

/// A window or pane with its contents; the fields that every reading touches come first.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Slot<P> {
    pub(super) window: Window,
    /// Whether a revision is pending.
    pub(super) dirty: bool,
    /// The next revision.
    pub(super) rev: u32,
    pub(super) readings: u64,
    pub(super) pane: P,
    /// Late readings that no closing or revision has reported yet.
    pub(super) unreported: u64,
    /// The length of the window when it was first emitted (ms); 0: it was not yet. Sessions may have grown since.
    pub(super) named_ms: i64,
}

impl<P: Pane> Slot<P> {
    pub(super) fn new(window: Window, pane: P) -> Self {
        Self { window, readings: 0, unreported: 0, rev: 0, dirty: false, named_ms: 0, pane }
    }

    #[inline]
    pub(super) fn push(&mut self, time: Time, value: P::Value) {
        self.readings += 1;
        self.pane.push(time, value);
    }

    /// The interval that names the window: as it was when it was first emitted.
    pub(super) fn named(&self) -> Window {
        let end = if self.named_ms == 0 { self.window.end } else { self.window.start.plus(self.named_ms) };
        Window { end, ..self.window }
    }

    /// Whether all that is left of the window is to say that its readings are in another one.
    #[inline]
    pub(super) fn is_retracted(&self) -> bool {
        self.readings == 0
    }

    pub(super) fn absorb(&mut self, later: &Self) {
        self.readings += later.readings;
        self.pane.merge(&later.pane);
    }
}

/// A short, bounded list. Implemented here for [`heapless::Vec`]; a gateway may bring storage that grows up to its
/// limit.
pub trait Slots<T>: Default {
    /// The number of items.
    fn len(&self) -> usize;
    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The item at `at`; `None` past the end.
    fn get(&self, at: usize) -> Option<&T>;
    /// The item at `at`, to change it; `None` past the end.
    fn get_mut(&mut self, at: usize) -> Option<&mut T>;
    /// Inserts `slot` before the item at `at`, or at the end.
    ///
    /// # Errors
    /// Gives the slot back when there is no room.
    fn insert(&mut self, at: usize, slot: T) -> Result<(), T>;
    /// Removes the item at `at`; `None` past the end.
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

/// Storage with the first slot in place and the others in `R`: most series have one window open at a time, which is
/// then next to everything else that a reading touches.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub struct Near<T, R> {
    first: Option<T>,
    others: R,
}

impl<T, R: Default> Default for Near<T, R> {
    fn default() -> Self {
        Self { first: None, others: R::default() }
    }
}

impl<T, R: Slots<T>> Slots<T> for Near<T, R> {
    #[inline]
    fn len(&self) -> usize {
        if self.first.is_some() { 1 + self.others.len() } else { 0 }
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&T> {
        if at == 0 { self.first.as_ref() } else { self.others.get(at - 1) }
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if at == 0 { self.first.as_mut() } else { self.others.get_mut(at - 1) }
    }

    fn insert(&mut self, at: usize, slot: T) -> Result<(), T> {
        match (at.checked_sub(1), self.first.take()) {
            (_, None) => self.first = Some(slot),
            (None, Some(old)) => match self.others.insert(0, old) {
                Ok(()) => self.first = Some(slot),
                Err(old) => {
                    self.first = Some(old);
                    return Err(slot);
                }
            },
            (Some(at), first) => {
                self.first = first;
                return self.others.insert(at, slot);
            }
        }
        Ok(())
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        match at.checked_sub(1) {
            Some(at) => self.others.remove(at),
            None => core::mem::replace(&mut self.first, self.others.remove(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Near, Slots};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn near_storage_is_a_list(steps in prop::collection::vec((any::<bool>(), 0..6_usize, any::<u8>()), 0..40)) {
            let mut near = Near::<u8, heapless::Vec<u8, 3>>::default();
            let mut list = heapless::Vec::<u8, 4>::new();
            for (insert, at, value) in steps {
                let at = at.min(list.len());
                if insert {
                    prop_assert_eq!(near.insert(at, value), Slots::insert(&mut list, at, value));
                } else {
                    prop_assert_eq!(near.remove(at), Slots::remove(&mut list, at));
                }
                prop_assert_eq!(near.len(), list.len());
                prop_assert!((0..6).all(|at| near.get(at) == list.get(at)));
            }
        }
    }
}
