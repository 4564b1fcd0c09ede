//! The values of one payload, and how they reach the sink once the payload has proved sound.

use super::slots::{Slot, Topic};
use super::{NamesOfTopic, RejectReason};
use crate::{SeriesRef, Sink, Stamp};
use std::iter::Peekable;
use std::slice::Iter;

/// The values of one payload; buffers are reused.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) values: Vec<Value>,
    pub(super) failures: Vec<RejectReason>,
    pub(super) refused: u32,
    /// Records with an identity, in the order of their values.
    pub(super) spans: Vec<Span>,
    /// Name and labels of the present record, as [`super::identity`] writes them.
    pub(super) identity: String,
}

pub(super) struct Value {
    pub(super) slot: usize,
    pub(super) stamp: Stamp,
    pub(super) value: f64,
}

/// The values of one record with an identity.
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Its number in [`super::slots::Records`].
    pub(super) record: usize,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.failures.clear();
        self.refused = 0;
        self.spans.clear();
        self.identity.clear();
    }

    /// Hands everything over, or, if the format found the payload broken, only the reason. At most `records_max` records
    /// of the topic are remembered.
    pub(super) fn commit(
        &self,
        outcome: Result<(), RejectReason>,
        topic: &mut Topic,
        mut names: NamesOfTopic<'_>,
        records_max: usize,
        sink: &mut dyn Sink,
    ) {
        if let Err(reason) = outcome {
            topic.drop_unregistered(records_max);
            return sink.invalid(&names.origin.to_string(), &reason);
        }
        for reason in &self.failures {
            sink.invalid(&names.origin.to_string(), reason);
        }
        let mut refused = self.refused;
        let mut spans = self.spans.iter().peekable();
        let is_plain = self.spans.is_empty();
        for (at, Value { slot, stamp, value }) in self.values.iter().enumerate() {
            let record = if is_plain { None } else { record_at(&mut spans, at) };
            let known = match record {
                None => topic.slots.list.get(*slot).and_then(|slot| slot.series),
                Some(record) => topic.records.as_ref().and_then(|records| records.series(record, *slot)),
            };
            if let Some(series) = known {
                sink.reading(series, *stamp, *value);
                continue;
            }
            match register(topic, record, *slot, &mut names, sink) {
                Ok(Some(series)) => sink.reading(series, *stamp, *value),
                Ok(None) => refused = refused.saturating_add(1),
                Err(reason) => sink.invalid(&names.origin.to_string(), &reason),
            }
        }
        topic.drop_unregistered(records_max);
        if refused > 0 {
            sink.refused(refused);
        }
    }
}

/// The record with an identity that holds the value at this place; call it with rising places.
fn record_at(spans: &mut Peekable<Iter<'_, Span>>, at: usize) -> Option<usize> {
    while spans.next_if(|span| span.to <= at).is_some() {}
    spans.peek().filter(|span| span.from <= at).map(|span| span.record)
}

/// Introduces the series of a field, of a record with an identity or without, to the sink.
#[cold]
fn register(
    topic: &mut Topic,
    record: Option<usize>,
    number: usize,
    names: &mut NamesOfTopic<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<SeriesRef>, RejectReason> {
    let Some(slot) = topic.slots.list.get_mut(number) else { return Ok(None) };
    let Slot { path, series, is_registered, .. } = slot;
    let introduced = match record.zip(topic.records.as_mut()) {
        None => {
            *series = names.introduce(path, None, sink)?;
            *series
        }
        Some((record, records)) => {
            let introduced = names.introduce(path, Some(records.identity(record)), sink)?;
            if let Some(series) = introduced {
                records.register(record, number, series);
            }
            introduced
        }
    };
    *is_registered |= introduced.is_some();
    Ok(introduced)
}
