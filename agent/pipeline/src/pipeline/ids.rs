//! Indices of the pipeline's parts, each with a type of its own, and the lists that they index.
//!
//! A list hands out its indices, and whoever removes an item removes its index everywhere, so an index finds its item. A
//! missing item is a mistake in the program: tests stop, and a release logs it once and goes on without the item.

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
    /// Of a series of one source.
    EntryId
    /// Of a series in a stream.
    ChannelId
    /// Of a group of series.
    GroupId
    /// Of a pair of series.
    PairId
}

/// A series' place in a group: the group, and the index of its place.
pub(super) type Membership = (GroupId, u32);

/// A list with indices of its own type. An item keeps its index until it is removed; then another one may get it.
#[derive(Clone, Debug)]
pub(super) struct IndexVec<I, T> {
    items: Vec<Option<T>>,
    /// The indices without an item.
    free: Vec<u32>,
    id: PhantomData<fn(I)>,
}

impl<I, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<I, T> From<Vec<T>> for IndexVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        Self { items: items.into_iter().map(Some).collect(), free: Vec::new(), id: PhantomData }
    }
}

impl<I: Id, T> IndexVec<I, T> {
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// The index that the next item gets; `None` once there are 2^32 items.
    pub(super) fn next_id(&self) -> Option<I> {
        let next = self.free.last().copied();
        next.or_else(|| u32::try_from(self.items.len()).ok()).map(I::new)
    }

    /// Adds an item and returns its index.
    pub(super) fn push(&mut self, item: T) -> Option<I> {
        let id = self.next_id()?;
        match self.items.get_mut(id.index() as usize) {
            Some(place) => {
                self.free.pop();
                *place = Some(item);
            }
            None => self.items.push(Some(item)),
        }
        Some(id)
    }

    /// Adds an item under an index above those of all items.
    pub(super) fn push_at(&mut self, id: I, item: T) {
        let place = id.index() as usize;
        debug_assert!(place >= self.items.len(), "{id:?} may have an item");
        while self.items.len() < place {
            self.free.push(length32(self.items.len()));
            self.items.push(None);
        }
        self.items.push(Some(item));
    }

    /// Removes the item of an index.
    pub(super) fn remove(&mut self, id: I) -> Option<T> {
        let item = present(self.items.get_mut(id.index() as usize).and_then(Option::take), id)?;
        self.free.push(id.index());
        Some(item)
    }

    /// The item of an index. `None` is a mistake in the program, and is logged.
    #[inline]
    pub(super) fn at(&self, id: I) -> Option<&T> {
        present(self.get(id), id)
    }

    /// The item of an index, to change it.
    #[inline]
    pub(super) fn at_mut(&mut self, id: I) -> Option<&mut T> {
        present(self.get_mut(id), id)
    }

    /// The item of an index whose item may have been removed.
    #[inline]
    pub(super) fn get(&self, id: I) -> Option<&T> {
        self.items.get(id.index() as usize)?.as_ref()
    }

    /// The item of an index whose item may have been removed, to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.items.get_mut(id.index() as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().flatten()
    }

    /// Every item with its index.
    pub(super) fn enumerate(&self) -> impl Iterator<Item = (I, &T)> {
        (0..).map(I::new).zip(&self.items).filter_map(|(id, item)| Some((id, item.as_ref()?)))
    }

    /// Every item with its index, to change it.
    pub(super) fn enumerate_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        (0..).map(I::new).zip(&mut self.items).filter_map(|(id, item)| Some((id, item.as_mut()?)))
    }

    /// The indices of all items.
    pub(super) fn ids(&self) -> Vec<I> {
        self.enumerate().map(|(id, _)| id).collect()
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
        assert!(list.remove(one) == Some("one") && list.get(one).is_none() && list.len() == 1);
        assert!(list.enumerate().eq([(two, &"two")]) && list.ids() == [two] && list.next_id() == Some(one));
        assert_eq!((list.push("three"), list.push("four")), (Some(one), Some(StreamId::new(2))));
        assert!(list.iter().eq(["three", "two", "four"].iter()));
        list.push_at(StreamId::new(4), "six");
        assert_eq!((list.get(StreamId::new(3)), list.len()), (None, 4));
        assert_eq!((list.push("five"), list.push("seven")), (Some(StreamId::new(3)), Some(StreamId::new(5))));
    }

    #[test]
    #[should_panic(expected = "StreamId(7) is missing")]
    fn an_index_without_an_item_stops_tests() {
        IndexVec::<StreamId, u8>::default().at(StreamId::new(7));
    }
}
