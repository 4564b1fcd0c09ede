//! Collects the values of one payload from its format, record by record.

mod batch;
pub(crate) mod identity;
mod plan;
mod reason;
mod slots;
mod value;

pub(crate) use batch::{Batch, SlotValue, Span};
pub(crate) use plan::Plan;
pub use reason::RejectReason;
pub(crate) use slots::{Topic, TopicField};
pub use value::{DecodeError, Position, Scalar};

use crate::Stamp;
use crate::text::TextMeaning;
use crate::time::TimeFormat;
use crate::topic::shortened;
use std::sync::Arc;

/// The longest topic, and the longest name of a series (bytes). Real ones are far below; this bounds memory.
pub const NAME_BYTES_MAX: usize = 1024;

/// How a value is used, as [`Fields::want`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldUse {
    /// Not at all.
    Skip,
    /// As the event time.
    Time,
    /// As the value of this field.
    Slot(usize),
    /// As the value of a new field, if it is a number.
    New,
}

/// Receives the values of one payload from a format.
pub struct Fields<'a> {
    plan: &'a Plan,
    topic: &'a str,
    known: &'a mut Topic,
    batch: &'a mut Batch,
    /// The field that comes next if the payload has the order of the last one.
    next: usize,
    time: Time,
    /// The record's own time (ms), used if `time` is not configured.
    own_time: Option<i64>,
    /// Where the present record starts in the batch.
    values_before: usize,
    failures_before: usize,
}

enum Time {
    Missing,
    At(i64),
    Bad(String),
}

impl<'a> Fields<'a> {
    pub(crate) fn new(plan: &'a Plan, topic: &'a str, known: &'a mut Topic, batch: &'a mut Batch) -> Self {
        batch.clear();
        Self {
            plan,
            topic,
            known,
            batch,
            next: 0,
            time: Time::Missing,
            own_time: None,
            values_before: 0,
            failures_before: 0,
        }
    }

    /// The topic of the payload.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// How the value at a path is used; call it once for each value, in the order of the payload.
    pub fn want(&mut self, path: &str) -> FieldUse {
        if self.known.slots.list.get(self.next).is_some_and(|slot| *slot.path == *path) {
            self.next += 1;
            return FieldUse::Slot(self.next - 1);
        }
        if self.plan.time.as_deref() == Some(path) {
            return FieldUse::Time;
        }
        match self.known.slots.find(path) {
            Some(number) => {
                self.next = number + 1;
                FieldUse::Slot(number)
            }
            None if self.plan.wanted.is_none() => FieldUse::New,
            None => FieldUse::Skip,
        }
    }

    /// Whether the object or list at `path` may contain a wanted value.
    #[must_use]
    pub fn wants_inside(&self, path: &str) -> bool {
        let inside = |wanted: &Arc<str>| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        match &self.plan.wanted {
            None => true,
            Some(_) if !self.plan.nested => false,
            Some(wanted) => wanted.iter().chain(&self.plan.time).any(inside),
        }
    }

    /// Adds the value at `path`; `want` is the answer of [`Fields::want`].
    pub fn put(&mut self, want: FieldUse, path: &str, value: Scalar<'_>) {
        let number = match (want, value) {
            (FieldUse::Skip, _) | (_, Scalar::Null) => return,
            (FieldUse::Time, _) => {
                self.time = Time::of(value, self.plan.time_format);
                return;
            }
            (_, Scalar::Integer(integer)) => nearest(integer),
            (_, Scalar::Number(number)) => number,
            (_, Scalar::Boolean(boolean)) => f64::from(u8::from(boolean)),
            (_, Scalar::Text(text)) => match self.plan.text.meaning(text) {
                TextMeaning::Number(number) => number,
                TextMeaning::Nothing => return,
                TextMeaning::Other => return self.on_other_text(path, text),
            },
            (_, Scalar::Compound) => return self.on_compound(path),
        };
        if !number.is_finite() {
            self.batch.failures.push(RejectReason::NotFinite(Arc::from(path)));
            return;
        }
        let slot = match want {
            FieldUse::Slot(slot) => slot,
            _ if self.known.slots.list.len() >= self.plan.fields_max => {
                self.batch.refused = self.batch.refused.saturating_add(1);
                return;
            }
            _ => {
                self.next = self.known.slots.list.len() + 1;
                self.known.slots.push(Arc::from(path))
            }
        };
        self.push(slot, number);
    }

    /// Sets the present record's own name, which `series` may contain as `{name}`.
    pub fn name(&mut self, name: &str) {
        identity::push_name(&mut self.batch.identity, name);
    }

    /// Adds a label to the present record. Labels of the topic and of the config take precedence.
    pub fn label(&mut self, key: &str, value: &str) {
        identity::push_label(&mut self.batch.identity, key, value);
    }

    /// Sets the present record's time [ms since the Unix epoch]; a configured `time` takes precedence.
    pub fn time(&mut self, ms: i64) {
        self.own_time = Some(ms);
    }

    /// Drops the present record; the payload's other records are used.
    pub fn reject(&mut self, why: DecodeError) {
        self.reject_record(RejectReason::Decode(why));
        self.time = Time::Missing;
        self.begin();
    }

    /// Ends a record: its values get its time, and its series its name and labels. A record without any reading is
    /// ordinary, and counts as empty.
    pub fn end(&mut self) {
        let is_empty = self.batch.values.len() == self.values_before
            && self.batch.failures.len() == self.failures_before
            && self.batch.refused == 0;
        if is_empty {
            self.batch.empty = self.batch.empty.saturating_add(1);
            self.time = Time::Missing;
            return self.begin();
        }
        self.stamp();
        if !self.batch.identity.is_empty() {
            self.identify();
        }
        self.begin();
    }

    #[inline]
    fn stamp(&mut self) {
        let ms = match (&self.plan.time, std::mem::replace(&mut self.time, Time::Missing), self.own_time) {
            (Some(_), Time::At(ms), _) | (_, Time::Missing, Some(ms)) => ms,
            (None, ..) => return,
            (Some(field), Time::Missing, None) => {
                return self.reject_record(RejectReason::NoTime(field.clone()));
            }
            (Some(field), Time::Bad(value), _) => {
                let (field, format) = (field.clone(), self.plan.time_format);
                return self.reject_record(RejectReason::BadTime { field, value, format });
            }
        };
        let values = self.batch.values.get_mut(self.values_before..).unwrap_or_default();
        values.iter_mut().for_each(|value| value.stamp = Stamp::Event(ms));
    }

    /// Assigns the record's values to the series of its name and labels.
    fn identify(&mut self) {
        if self.batch.identity.len() > NAME_BYTES_MAX {
            return self.reject_record(RejectReason::LongName);
        }
        let (from, to) = (self.values_before, self.batch.values.len());
        if from < to {
            let records = self.known.records.get_or_insert_default();
            let record = records.number(&self.batch.identity);
            self.batch.spans.push(Span { from, to, record });
        }
    }

    /// Starts the next record.
    #[inline]
    fn begin(&mut self) {
        self.batch.identity.clear();
        self.own_time = None;
        self.next = 0;
        self.values_before = self.batch.values.len();
        self.failures_before = self.batch.failures.len();
    }

    fn push(&mut self, number: usize, value: f64) {
        let at = self.batch.values.len();
        let Some(slot) = self.known.slots.list.get_mut(number) else { return };
        if slot.at >= self.values_before
            && let Some(earlier) = self.batch.values.get_mut(slot.at)
            && earlier.slot == number
        {
            earlier.value = value;
            return;
        }
        slot.at = at;
        self.batch.values.push(SlotValue { slot: number, stamp: Stamp::Arrival, value });
    }

    /// Notes a text that is no value: of a wanted field it is a failure, of any other it is only not read.
    #[cold]
    fn on_other_text(&mut self, path: &str, text: &str) {
        if self.plan.wanted.is_none() {
            return self.batch.note_unread(path);
        }
        let way_out = self.plan.text.way_out(text);
        let (field, text) = (Arc::from(path), shortened(text));
        self.batch.failures.push(RejectReason::Text { field, text, way_out });
    }

    /// Notes an object or a list: of a wanted field it is a failure, unless it is empty.
    fn on_compound(&mut self, path: &str) {
        if self.plan.wanted.is_some() {
            self.batch.failures.push(RejectReason::Compound(Arc::from(path)));
        }
    }

    /// Drops the present record for a reason.
    fn reject_record(&mut self, reason: RejectReason) {
        self.batch.values.truncate(self.values_before);
        self.batch.failures.truncate(self.failures_before);
        self.batch.failures.push(reason);
    }
}

/// Above 2^53 the nearest float, as the documentation of the formats says.
#[expect(clippy::cast_precision_loss, reason = "documented")]
fn nearest(integer: i64) -> f64 {
    integer as f64
}

impl Time {
    fn of(value: Scalar<'_>, format: TimeFormat) -> Self {
        match value {
            Scalar::Null => Self::Missing,
            Scalar::Integer(count) => {
                format.of_integer(count).map_or_else(|| Self::Bad(count.to_string()), Self::At)
            }
            Scalar::Number(count) => {
                format.of_number(count).map_or_else(|| Self::Bad(count.to_string()), Self::At)
            }
            Scalar::Text(text) if text.trim().is_empty() => Self::Missing,
            Scalar::Text(text) => format.of_text(text).map_or_else(|| Self::Bad(text.to_owned()), Self::At),
            Scalar::Boolean(answer) => Self::Bad(answer.to_string()),
            Scalar::Compound => Self::Bad("an object or a list".to_owned()),
        }
    }
}
