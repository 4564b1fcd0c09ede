//! Indices of the pipeline's parts, each with a type of its own, and the lists that they index.
//!
//! A list hands out its indices and never loses an item, so an index always finds its item. A missing item is a
//! mistake in the program: tests stop, and a release logs it once and goes on without the item.

use crate::sections::length32;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

/// An index into one kind of list.
pub(super) trait Id: Copy + Debug {
    fn new(index: u32) -> Self;
    fn index(self) -> u32;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(u32);

        impl Id for $name {
            fn new(index: u32) -> Self {
                Self(index)
            }

            #[inline]
            fn index(self) -> u32 {
                self.0
            }
        }
    )+};
}

ids! {
    /// Of a source, among the pipeline's.
    SourceId
    /// Of a stream of the config.
    StreamId
    /// Of a series, whatever its sources and streams.
    SeriesId
    /// Of a series in a stream.
    ChannelId
    /// Of a group of series.
    GroupId
    /// Of a pair of series.
    PairId
}

/// A series' place in a group: the group, and the index of its place.
pub(super) type Membership = (GroupId, u32);

/// A list that only grows, with indices of its own type.
#[derive(Clone, Debug)]
pub(super) struct IndexVec<I, T> {
    items: Vec<T>,
    id: PhantomData<fn(I)>,
}

impl<I, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<I, T> From<Vec<T>> for IndexVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, id: PhantomData }
    }
}

impl<I: Id, T> IndexVec<I, T> {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The index that the next item gets; `None` once there are 2^32 items.
    pub(super) fn next_id(&self) -> Option<I> {
        u32::try_from(self.items.len()).ok().map(I::new)
    }

    /// Adds an item and returns its index.
    pub(super) fn push(&mut self, item: T) -> Option<I> {
        let id = self.next_id()?;
        self.items.push(item);
        Some(id)
    }

    /// The item of an index. `None` is a mistake in the program, and is logged.
    #[inline]
    pub(super) fn at(&self, id: I) -> Option<&T> {
        present(self.items.get(id.index() as usize), id)
    }

    /// The item of an index, to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, id: I) -> Option<&mut T> {
        present(self.items.get_mut(id.index() as usize), id)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }

    /// Every item with its index.
    pub(super) fn enumerate(&self) -> impl Iterator<Item = (I, &T)> {
        (0..).map(I::new).zip(&self.items)
    }

    /// The items from a place on, each with its index.
    pub(super) fn enumerate_from(&self, from: usize) -> impl Iterator<Item = (I, &T)> {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        (first..).map(I::new).zip(self.items.get(from..).unwrap_or_default())
    }

    /// Every item with its index, to change it.
    pub(super) fn enumerate_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        (0..).map(I::new).zip(&mut self.items)
    }
}

impl SourceId {
    /// The source at a place in the list that the pipeline was made with.
    pub(super) fn of(place: usize) -> Self {
        Self::new(length32(place))
    }
}

/// Passes on a part that an invariant says is there; `what` names it. `None` is a mistake in the program, and is logged.
#[inline]
pub(super) fn present<T>(part: Option<T>, what: impl Debug) -> Option<T> {
    if part.is_none() {
        log_missing(&what);
    }
    part
}

#[cold]
fn log_missing(what: &dyn Debug) {
    static IS_LOGGED: AtomicBool = AtomicBool::new(false);
    debug_assert!(false, "{what:?} is missing");
    if !IS_LOGGED.swap(true, Ordering::Relaxed) {
        tracing::error!("a mistake in this program: {what:?} is missing; please report it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_its_item() {
        let mut list = IndexVec::<StreamId, &str>::default();
        let (one, two) = (list.push("one").unwrap(), list.push("two").unwrap());
        assert_eq!((list.at_mut(two).copied(), list.at(one), list.len()), (Some("two"), Some(&"one"), 2));
        assert!(list.enumerate().eq([(one, &"one"), (two, &"two")]));
        assert!(list.enumerate_from(1).eq([(two, &"two")]) && list.enumerate_from(3).next().is_none());
    }

    #[test]
    #[should_panic(expected = "StreamId(7) is missing")]
    fn an_index_without_an_item_stops_tests() {
        IndexVec::<StreamId, u8>::default().at(StreamId::new(7));
    }
}
