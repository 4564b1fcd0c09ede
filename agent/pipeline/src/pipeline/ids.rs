//! Indices of the pipeline's parts, each with a type of its own, and the lists that they are indices of.
//!
//! An index is given out by its list, and nothing is ever taken out of one: so what it stands for is there. Where it is
//! not, that is a mistake in the program: tests stop, and a release logs it once and goes on without.

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
    /// Of a stream of the config.
    StreamId
    /// Of a series, whichever sources and streams have it.
    SeriesId
    /// Of a series in a stream.
    ChannelId
    /// Of a group of series.
    GroupId
    /// Of a pair of series.
    PairId
}

/// A list whose items are named by indices of one type; it only grows.
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

    /// The index that the next item gets; `None`: there are 2^32.
    pub(super) fn next_id(&self) -> Option<I> {
        u32::try_from(self.items.len()).ok().map(I::new)
    }

    /// Takes an item; answers its index.
    pub(super) fn push(&mut self, item: T) -> Option<I> {
        let id = self.next_id()?;
        self.items.push(item);
        Some(id)
    }

    /// What an index stands for. `None` is a mistake in the program, and said.
    #[inline]
    pub(super) fn at(&self, id: I) -> Option<&T> {
        let item = self.items.get(id.index() as usize);
        if item.is_none() {
            say_missing(id);
        }
        item
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn at_mut(&mut self, id: I) -> Option<&mut T> {
        let item = self.items.get_mut(id.index() as usize);
        if item.is_none() {
            say_missing(id);
        }
        item
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

    /// The same, to be changed.
    pub(super) fn enumerate_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        (0..).map(I::new).zip(&mut self.items)
    }
}

#[cold]
fn say_missing(id: impl Id) {
    static SAID: AtomicBool = AtomicBool::new(false);
    debug_assert!(false, "{id:?} stands for nothing");
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::error!("a mistake in this program: {id:?} stands for nothing; please report it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_stands_for_its_item() {
        let mut list = IndexVec::<StreamId, &str>::default();
        let (one, two) = (list.push("one").unwrap(), list.push("two").unwrap());
        assert_eq!((list.at_mut(two).copied(), list.at(one), list.len()), (Some("two"), Some(&"one"), 2));
        assert!(list.enumerate().eq([(one, &"one"), (two, &"two")]));
    }

    #[test]
    #[should_panic(expected = "StreamId(7) stands for nothing")]
    fn one_that_stands_for_nothing_stops_tests() {
        IndexVec::<StreamId, u8>::default().at(StreamId::new(7));
    }
}
