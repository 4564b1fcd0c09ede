//! The values of one payload, before they reach the sink.

use super::NAME_BYTES_MAX;
use super::captured::Captured;
use super::reason::RejectReason;
use crate::Stamp;
use crate::topic::shortened;

/// The room that is kept for the values of the next payload, however many the last one had.
const VALUES_KEPT: usize = 4_096;

/// The same for what could not be read of it.
const FAILURES_KEPT: usize = 64;

/// The most fields that are remembered as not read.
const UNREAD_MAX: usize = 32;

/// Fields that no reading was made of, each to be told once; at most [`UNREAD_MAX`].
#[derive(Default)]
pub(crate) struct UnreadFields {
    paths: Vec<Box<str>>,
    /// How many of them were told already.
    told: usize,
}

impl UnreadFields {
    pub(super) fn note(&mut self, path: &str) {
        let is_name = path.len() <= NAME_BYTES_MAX;
        if is_name && self.paths.len() < UNREAD_MAX && !self.paths.iter().any(|known| **known == *path) {
            self.paths.push(path.into());
        }
    }

    #[inline]
    fn has_new(&self) -> bool {
        self.told < self.paths.len()
    }

    /// Those that were not told of before, for people.
    pub(crate) fn take(&mut self) -> Option<String> {
        let new = self.paths.get(self.told..).filter(|new| !new.is_empty())?;
        let named = new.iter().map(|path| format!("`{}`", shortened(path))).collect::<Vec<_>>().join(", ");
        self.told = self.paths.len();
        Some(named)
    }
}

/// The values of one payload; buffers are reused.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) values: Vec<SlotValue>,
    pub(crate) failures: Vec<RejectReason>,
    /// The paths of the fields that were new.
    pub(super) path_bytes: usize,
    pub(crate) refused: u32,
    /// How many records hold no reading.
    pub(crate) empty: u32,
    /// How many readings the source's condition has turned away.
    pub(crate) filtered: u32,
    /// Fields of text, where every number is read.
    pub(crate) unread_texts: UnreadFields,
    /// Wanted fields that hold an object or a list.
    pub(crate) unread_compounds: UnreadFields,
    /// Fields that nobody wants, until a wanted one came.
    pub(crate) unwanted: UnreadFields,
    /// Whether a record had a wanted field.
    pub(super) has_found_wanted: bool,
    /// Whether a record had none before any had one.
    pub(crate) lacks_wanted: bool,
    /// Whether a payload had something where `records` says.
    pub(super) has_found_records: bool,
    /// Whether it was told that the first payload had nothing there; `None`: there was no such payload.
    pub(crate) lacking_records: Option<bool>,
    /// The units of values, by their places, where they are not those of the fields.
    pub(crate) units: Vec<(usize, Box<str>)>,
    /// Whether a time that is a text has been read.
    pub(super) has_seen_time: bool,
    /// The first time, if it has no offset and the source no zone.
    pub(crate) zoneless_time: Option<String>,
    /// Records with an identity, in the order of their values.
    pub(crate) spans: Vec<Span>,
    /// Name and labels of the present record, as [`super::identity`] writes them.
    pub(crate) identity: String,
    /// The parts of the present record's time, where it has several.
    pub(super) time_parts: Vec<String>,
    /// The present record's fields that are wanted for more than a reading.
    pub(super) captured: Captured,
}

pub(crate) struct SlotValue {
    pub(crate) slot: usize,
    pub(crate) stamp: Stamp,
    pub(crate) value: f64,
}

/// The values of one record with an identity.
pub(crate) struct Span {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Its index in [`super::slots`].
    pub(crate) record: usize,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        empty(&mut self.values);
        self.failures.clear();
        self.failures.shrink_to(FAILURES_KEPT);
        self.path_bytes = 0;
        self.refused = 0;
        self.empty = 0;
        self.filtered = 0;
        empty(&mut self.units);
        empty(&mut self.spans);
        self.identity.clear();
    }

    /// Whether there is something to tell people once.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.unread_compounds.has_new()
            || self.unread_texts.has_new()
            || self.lacks_wanted
            || self.lacking_records == Some(false)
            || self.zoneless_time.is_some()
    }

    /// The unit of the value at a place, if it is not that of its field.
    pub(crate) fn unit(&self, at: usize) -> Option<&str> {
        let found = self.units.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        self.units.get(found).map(|(_, unit)| &**unit)
    }
}

/// Empties a list. What it keeps for the next payload is bounded.
#[inline]
fn empty<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity() > VALUES_KEPT {
        list.shrink_to(VALUES_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_text_is_told_once_and_not_without_end() {
        let mut unread = UnreadFields::default();
        assert_eq!(unread.take(), None);
        ["mode", "code", "mode"].iter().for_each(|path| unread.note(path));
        assert_eq!(unread.take().as_deref(), Some("`mode`, `code`"));
        unread.note("code");
        assert_eq!(unread.take(), None);
        (0..100).for_each(|n| unread.note(&format!("f{n}")));
        assert_eq!(unread.paths.len(), UNREAD_MAX);
    }
}
