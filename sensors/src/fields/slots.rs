//! The known series of one topic: those of its fields, and those of records with an identity.

use super::plan::{Plan, is_literal};
use crate::SeriesRef;
use crate::hash::Seed;
use std::collections::HashMap;
use std::sync::Arc;

/// A topic with more fields than this finds them by hash, not one by one.
const SCAN_MAX: usize = 24;

/// A topic with fewer fields has room for no more than it has.
const FEW: usize = 4;

/// A topic.
pub(crate) struct Topic {
    pub(crate) slots: TopicFields,
    /// Records with an identity; few topics have any.
    pub(crate) records: Option<Box<Records>>,
}

/// The fields of one topic, with their series.
#[derive(Default)]
pub(crate) struct TopicFields {
    pub(crate) list: Vec<TopicField>,
    /// Indexes `list`, once it is long.
    index: HashMap<Arc<str>, usize, Seed>,
    /// The number of configured fields; they come first and stay.
    fixed: usize,
}

pub(crate) struct TopicField {
    pub(crate) path: Arc<str>,
    /// Whether texts hold it as it is, without an escape.
    pub(crate) is_literal: bool,
    /// The unit of its first value, perhaps empty; `None`: the format knows no units.
    pub(crate) unit: Option<Box<str>>,
    /// The series of records without an identity.
    pub(crate) series: Option<SeriesRef>,
    /// Whether the sink knows the series of any record.
    pub(crate) is_registered: bool,
    /// The place of its last value in the batch; that may be of an older payload, so it must be checked.
    pub(crate) at: usize,
}

/// The records of one topic that have an identity: a name or labels of their own.
#[derive(Default)]
pub(crate) struct Records {
    list: Vec<Record>,
    index: HashMap<Arc<str>, usize, Seed>,
    /// The places for series, over all of them.
    places: usize,
}

struct Record {
    identity: Arc<str>,
    /// The sink's series, by field.
    series: Vec<Option<SeriesRef>>,
}

impl Topic {
    /// A new topic.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut slots = TopicFields::default();
        for path in plan.wanted() {
            slots.push(path.clone());
        }
        slots.fixed = slots.list.len();
        Self { slots, records: None }
    }

    /// Whether the sink knows any series of the topic.
    pub(crate) fn has_series(&self) -> bool {
        self.slots.list.iter().any(|slot| slot.is_registered)
    }

    /// What the topic takes of the memory for names: its fields, its records with an identity, and their series.
    pub(crate) fn places(&self) -> usize {
        let of_records = self.records.as_ref().map_or(0, |records| records.list.len() + records.places);
        self.slots.own_len() + of_records
    }

    /// Drops the series that are not known any more, and what has none then.
    pub(crate) fn drop_forgotten(&mut self, knows: impl Fn(SeriesRef) -> bool) {
        let Self { slots, records } = self;
        for slot in &mut slots.list {
            slot.series = slot.series.filter(|series| knows(*series));
            slot.is_registered = slot.series.is_some();
        }
        if let Some(records) = records {
            records.drop_forgotten(knows);
            for record in &records.list {
                for (slot, _) in
                    slots.list.iter_mut().zip(&record.series).filter(|(_, series)| series.is_some())
                {
                    slot.is_registered = true;
                }
            }
        }
        self.forget(usize::MAX);
    }

    /// Forgets fields and records that have no series, and the newest ones past `places_max`.
    pub(crate) fn forget(&mut self, places_max: usize) {
        let fields = self.slots.own_len();
        if let Some(records) = &mut self.records {
            records.forget(places_max.saturating_sub(fields));
        }
        let others = self.places() - fields;
        let before = self.slots.list.len();
        self.slots.forget(places_max.saturating_sub(others));
        let after = self.slots.list.len();
        if let Some(records) = self.records.as_mut().filter(|_| after < before) {
            records.keep_fields(after);
        }
    }
}

impl TopicFields {
    pub(crate) fn push(&mut self, path: Arc<str>) -> usize {
        let number = self.list.len();
        if number == SCAN_MAX {
            self.index =
                self.list.iter().enumerate().map(|(number, slot)| (slot.path.clone(), number)).collect();
        }
        if number >= SCAN_MAX {
            self.index.insert(path.clone(), number);
        }
        if number < FEW {
            // Most topics have one field or two, and there are thousands of topics.
            self.list.reserve_exact(1);
        }
        self.list.push(TopicField {
            is_literal: is_literal(&path),
            path,
            unit: None,
            series: None,
            is_registered: false,
            at: usize::MAX,
        });
        number
    }

    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        if self.list.len() > SCAN_MAX {
            return self.index.get(path).copied();
        }
        self.list.iter().position(|slot| *slot.path == *path)
    }

    /// How many fields there are that the config does not name.
    fn own_len(&self) -> usize {
        self.list.len() - self.fixed
    }

    fn forget(&mut self, own_max: usize) {
        let is_unused = |slot: &TopicField| !slot.is_registered;
        while self.own_len() > own_max || (self.own_len() > 0 && self.list.last().is_some_and(is_unused)) {
            if let Some(slot) = self.list.pop() {
                self.index.remove(&slot.path);
            }
        }
        if has_spare_room(self.list.len(), self.list.capacity()) {
            self.list.shrink_to_fit();
            self.index.shrink_to_fit();
        }
    }
}

/// Whether one payload had far more than what is remembered of it. A topic that is known for long does not keep room for that.
fn has_spare_room(len: usize, capacity: usize) -> bool {
    const KEPT: usize = 64;
    capacity > 2 * len + KEPT
}

impl Records {
    /// The index of the record with this identity; a new one is remembered.
    pub(crate) fn number(&mut self, identity: &str) -> usize {
        if let Some(number) = self.index.get(identity) {
            return *number;
        }
        let identity: Arc<str> = identity.into();
        self.index.insert(identity.clone(), self.list.len());
        self.list.push(Record { identity, series: Vec::new() });
        self.list.len() - 1
    }

    pub(crate) fn identity(&self, record: usize) -> &str {
        self.list.get(record).map_or("", |record| &record.identity)
    }

    pub(crate) fn series(&self, record: usize, slot: usize) -> Option<SeriesRef> {
        *self.list.get(record)?.series.get(slot)?
    }

    pub(crate) fn register(&mut self, record: usize, slot: usize, series: SeriesRef) {
        let Some(record) = self.list.get_mut(record) else { return };
        if record.series.len() <= slot {
            self.places += slot + 1 - record.series.len();
            record.series.resize(slot + 1, None);
        }
        if let Some(place) = record.series.get_mut(slot) {
            *place = Some(series);
        }
    }

    fn drop_forgotten(&mut self, knows: impl Fn(SeriesRef) -> bool) {
        self.list.retain_mut(|record| {
            record.series.iter_mut().for_each(|place| *place = place.filter(|series| knows(*series)));
            record.series.iter().any(Option::is_some)
        });
        self.places = self.list.iter().map(|record| record.series.len()).sum();
        let numbered = self.list.iter().enumerate();
        self.index = numbered.map(|(number, record)| (record.identity.clone(), number)).collect();
    }

    fn forget(&mut self, places_max: usize) {
        let is_unused = |record: &Record| record.series.iter().all(Option::is_none);
        while self.list.len() + self.places > places_max || self.list.last().is_some_and(is_unused) {
            let Some(record) = self.list.pop() else { break };
            self.places -= record.series.len();
            self.index.remove(&record.identity);
        }
        if has_spare_room(self.list.len(), self.list.capacity()) {
            self.list.shrink_to_fit();
            self.index.shrink_to_fit();
        }
    }

    /// Forgets the series of fields past the first `count`.
    fn keep_fields(&mut self, count: usize) {
        for record in self.list.iter_mut().filter(|record| record.series.len() > count) {
            self.places -= record.series.len() - count;
            record.series.truncate(count);
        }
    }
}
