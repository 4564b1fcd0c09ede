//! The known series of one topic: those of its fields, and those of records with an identity.

use super::plan::Plan;
use crate::SeriesRef;
use crate::hash::Seed;
use std::collections::HashMap;
use std::sync::Arc;

/// A topic with more fields than this finds them by hash, not one by one.
const SCAN_MAX: usize = 24;

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

    /// The number of remembered records with an identity.
    pub(crate) fn records_len(&self) -> usize {
        self.records.as_ref().map_or(0, |records| records.list.len())
    }

    /// Drops fields and records that have no series, and records past `records_max`.
    pub(crate) fn drop_unregistered(&mut self, records_max: usize) {
        self.slots.drop_unregistered();
        if let Some(records) = &mut self.records {
            records.drop_unregistered(records_max);
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
        self.list.push(TopicField { path, unit: None, series: None, is_registered: false, at: usize::MAX });
        number
    }

    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        if self.list.len() > SCAN_MAX {
            return self.index.get(path).copied();
        }
        self.list.iter().position(|slot| *slot.path == *path)
    }

    fn drop_unregistered(&mut self) {
        while self.list.len() > self.fixed && self.list.last().is_some_and(|slot| !slot.is_registered) {
            if let Some(slot) = self.list.pop() {
                self.index.remove(&slot.path);
            }
        }
    }
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
            record.series.resize(slot + 1, None);
        }
        if let Some(place) = record.series.get_mut(slot) {
            *place = Some(series);
        }
    }

    fn drop_unregistered(&mut self, records_max: usize) {
        let is_unused = |record: &Record| record.series.iter().all(Option::is_none);
        while self.list.len() > records_max || self.list.last().is_some_and(is_unused) {
            let Some(record) = self.list.pop() else { return };
            self.index.remove(&record.identity);
        }
    }
}
