//! Collects the values of one payload from its format, record by record.

mod batch;
mod captured;
pub(crate) mod identity;
mod plan;
mod reason;
mod record;
mod slots;
mod value;

pub(crate) use batch::{Batch, SlotValue, Span};
pub(crate) use captured::{CAPTURED_MAX, CapturePlan};
pub(crate) use plan::{Plan, is_pattern};
pub use plan::{RecordKeys, RecordsPath};
pub use reason::RejectReason;
pub(crate) use slots::{Topic, TopicField};
pub(crate) use value::seconds;
pub use value::{DecodeError, Position, Scalar};

use crate::Stamp;
use crate::decimal::PlainNumber;
use crate::text::TextMeaning;
use crate::time::EventTime;
use crate::topic::shortened;
use std::sync::Arc;

/// The longest topic, and the longest name of a series (bytes). Real ones are far below; this bounds memory.
pub const NAME_BYTES_MAX: usize = 1024;

/// The most fields that a topic may have while one payload is decoded; further ones are refused. This bounds memory: far fewer
/// are remembered.
const FIELDS_MAX: usize = 65_536;

/// The most bytes of the paths of new fields while one payload is decoded; further fields are refused. A nested field has the names
/// above it in its path, so that a long name would take its length for each field in it.
const PATH_BYTES_MAX: usize = 8 << 20;

/// The longest unit (bytes); a text above it is none.
pub(crate) const UNIT_BYTES_MAX: usize = 64;

/// How a value is used, as [`Fields::want`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldUse {
    /// Not at all.
    Skip,
    /// As the event time, or as this part of it.
    Time(usize),
    /// In a name, or in a condition, and not as a value.
    Captured,
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
    time: EventTime,
    /// The record's own time, used if `time` is not configured.
    own_time: Option<Stamp>,
    /// The time beside the records, which belongs to those without one.
    shared_time: EventTime,
    /// The time beside the list whose members hold the records.
    outer_time: EventTime,
    /// Whether what comes stands beside the records.
    is_beside: bool,
    /// Where the present record starts in the batch.
    values_before: usize,
    failures_before: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(plan: &'a Plan, topic: &'a str, known: &'a mut Topic, batch: &'a mut Batch) -> Self {
        batch.clear();
        batch.captured.clear(plan.captures.len());
        if batch.time_parts.len() != plan.time_parts() {
            batch.time_parts.resize_with(plan.time_parts(), String::new);
        }
        Self {
            plan,
            topic,
            known,
            batch,
            next: 0,
            time: EventTime::Missing,
            own_time: None,
            shared_time: EventTime::Missing,
            outer_time: EventTime::Missing,
            is_beside: false,
            values_before: 0,
            failures_before: 0,
        }
    }

    /// The topic of the payload.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// How the value at a path is used; call it once for each value, in the order of the payload.
    pub fn want(&mut self, path: &str) -> FieldUse {
        if self.is_beside {
            return self.want_beside(path);
        }
        if self.known.slots.list.get(self.next).is_some_and(|slot| *slot.path == *path) {
            self.next += 1;
            return FieldUse::Slot(self.next - 1);
        }
        if path.len() > NAME_BYTES_MAX {
            return if self.plan.wanted.is_none() { FieldUse::New } else { FieldUse::Skip };
        }
        if let Some(part) = self.plan.time_part(path) {
            return FieldUse::Time(part);
        }
        if self.plan.captures.is_in_name(path) && self.plan.wanted.is_none() {
            return FieldUse::Captured;
        }
        match self.known.slots.find(path) {
            Some(number) => {
                self.next = number + 1;
                FieldUse::Slot(number)
            }
            None if self.plan.wanted.is_none() => FieldUse::New,
            None if self.plan.captures.find(path).is_some() => FieldUse::Captured,
            None if self.plan.wants_unnamed(path) => FieldUse::New,
            None => {
                if !self.batch.has_found_wanted {
                    self.batch.unwanted.note(path);
                }
                FieldUse::Skip
            }
        }
    }

    /// The path of the field that comes next if the payload has the order of the last one, where a text can hold it as it is.
    #[inline]
    pub(crate) fn expected(&self) -> Option<&str> {
        let slot = self.known.slots.list.get(self.next)?;
        (slot.is_literal && !self.is_beside).then_some(&slot.path)
    }

    /// As [`Fields::want`] of [`Fields::expected`].
    #[inline]
    pub(crate) fn want_expected(&mut self) -> FieldUse {
        self.next += 1;
        FieldUse::Slot(self.next - 1)
    }

    /// The path of the event time, if it is one field that has not come yet and that a text can hold as it is. It is
    /// [`FieldUse::Time`] unless it is [`Fields::expected`].
    #[inline]
    pub(crate) fn expected_time(&self) -> Option<&str> {
        let is_missing = !self.is_beside && matches!(self.time, EventTime::Missing);
        self.plan.literal_time().filter(|_| is_missing)
    }

    /// As [`Fields::put`], of a number at [`Fields::expected`] or [`Fields::expected_time`].
    #[inline(always)]
    pub(crate) fn put_expected(&mut self, want: FieldUse, number: PlainNumber) {
        match (want, number) {
            _ if !self.plan.captures.is_empty() => self.put(want, &self.path(want), number.into()),
            (FieldUse::Slot(slot), PlainNumber::Integer(integer)) => self.push(slot, nearest(integer)),
            (FieldUse::Slot(slot), PlainNumber::Float(float)) => self.push(slot, float),
            _ => self.take_time(number.into()),
        }
    }

    /// The path of what is wanted.
    pub(crate) fn path(&self, want: FieldUse) -> Arc<str> {
        let path = match want {
            FieldUse::Slot(number) => self.known.slots.list.get(number).map(|slot| &slot.path),
            FieldUse::Time(part) => self.plan.time().get(part),
            FieldUse::Skip | FieldUse::Captured | FieldUse::New => None,
        };
        path.cloned().unwrap_or_default()
    }

    #[cold]
    fn want_beside(&self, path: &str) -> FieldUse {
        if let Some(part) = self.plan.time_part(path) {
            FieldUse::Time(part)
        } else if self.plan.captures.find(path).is_some() {
            FieldUse::Captured
        } else {
            FieldUse::Skip
        }
    }

    /// Where the records of a payload are; `None`: the payload is one record.
    #[must_use]
    pub fn records(&self) -> Option<RecordsPath> {
        self.plan.records.clone()
    }

    /// Begins what stands beside the records: no value of it becomes a reading, but names, conditions and records
    /// without a time of their own may use it.
    pub fn begin_beside(&mut self) {
        self.is_beside = true;
    }

    /// Ends what stands beside the records; `has_records`: they were found.
    pub fn end_beside(&mut self, has_records: bool) {
        self.batch.has_found_records |= has_records;
        self.is_beside = false;
        let time = std::mem::replace(&mut self.time, EventTime::Missing);
        if time != EventTime::Missing {
            self.shared_time = time;
        }
        self.batch.captured.share();
    }

    /// Begins a list whose members hold the records: what stands beside it belongs to all of them.
    pub fn begin_members(&mut self) {
        self.outer_time = self.shared_time.clone();
        self.batch.captured.keep_outer();
    }

    /// Begins what stands beside the records of the next member.
    pub fn begin_member(&mut self) {
        self.shared_time = self.outer_time.clone();
        self.batch.captured.restore_outer();
        self.begin_beside();
    }

    /// Whether a payload without records is worth a word: none had them, and none was told of.
    #[must_use]
    pub fn may_tell_of_records(&self) -> bool {
        !self.batch.has_found_records && self.batch.lacking_records.is_none()
    }

    /// Notes that nothing lies where `records` says, in a payload that holds something.
    #[cold]
    pub fn lacks_records(&mut self) {
        self.batch.lacking_records = Some(false);
    }

    /// Sets the time of the present record, as text in the configured format.
    pub fn time_text(&mut self, text: &str) {
        self.take_time(Scalar::Text(text));
    }

    /// Whether the object or list at `path` may contain a wanted value.
    #[must_use]
    pub fn wants_inside(&self, path: &str) -> bool {
        let inside = |wanted: &Arc<str>| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        let others = || self.plan.time().iter().chain(self.plan.captures.paths());
        match &self.plan.wanted {
            _ if self.is_beside => others().any(inside) || self.plan.record_lists().any(inside),
            None => true,
            Some(_) if !self.plan.nested => false,
            Some(wanted) => wanted.iter().chain(others()).any(inside) || self.plan.matches_inside(path),
        }
    }

    /// Whether the text at `path` may hold a wanted value in JSON: only if a path of the config goes through it.
    #[must_use]
    pub fn wants_inside_text(&self, path: &str) -> bool {
        let inside = |wanted: &Arc<str>| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        if self.is_beside && self.plan.record_lists().any(inside) {
            return true;
        }
        let readings = self.plan.wanted().filter(|_| !self.is_beside);
        self.plan.nested
            && (readings.chain(self.plan.time()).chain(self.plan.captures.paths()).any(inside)
                || self.plan.names_inside(path))
    }

    /// Notes that a value of the present record cannot be read; the others are used.
    pub(crate) fn lacks_value(&mut self, why: DecodeError) {
        self.batch.failures.push(RejectReason::Decode(why));
    }

    /// As [`Fields::put`], of a value in a unit; empty, or too long: it is not known.
    pub fn put_measured(&mut self, want: FieldUse, path: &str, value: Scalar<'_>, unit: &str) {
        let unit = if unit.len() > UNIT_BYTES_MAX { "" } else { unit };
        let before = self.batch.values.len();
        self.put(want, path, value);
        if let Some(SlotValue { slot, .. }) = self.batch.values.get(before)
            && let Some(slot) = self.known.slots.list.get_mut(*slot)
            && slot.unit.as_deref() != Some(unit)
        {
            match &slot.unit {
                None => slot.unit = Some(unit.into()),
                Some(_) => self.batch.units.push((before, unit.into())),
            }
        }
    }

    /// Adds the value at `path`; `want` is the answer of [`Fields::want`].
    pub fn put(&mut self, want: FieldUse, path: &str, value: Scalar<'_>) {
        if !self.plan.captures.is_empty()
            && let Some(number) = self.plan.captures.find(path)
        {
            self.batch.captured.put(number, value);
        }
        let number = match (want, value) {
            (FieldUse::Skip | FieldUse::Captured, _) | (_, Scalar::Null) => return,
            (FieldUse::Time(part), _) => return self.put_time(part, value),
            (_, Scalar::Integer(integer)) => nearest(integer),
            (_, Scalar::Number(number)) => number,
            (_, Scalar::Time(ms)) => seconds(ms),
            (_, Scalar::Boolean(boolean)) => f64::from(u8::from(boolean)),
            (_, Scalar::Text(text)) => match self.plan.text.meaning(text) {
                TextMeaning::Number(number) => number,
                TextMeaning::Nothing => return,
                TextMeaning::Other => return self.on_other_text(want, path, text),
            },
            (_, Scalar::Compound) => return self.on_compound(want, path),
        };
        if want == FieldUse::New && path.len() > NAME_BYTES_MAX {
            return self.batch.failures.push(RejectReason::LongName);
        }
        if !number.is_finite() {
            self.batch.failures.push(RejectReason::NotFinite(Arc::from(path)));
            return;
        }
        let slot = match want {
            FieldUse::Slot(slot) => slot,
            _ if self.known.slots.list.len() >= FIELDS_MAX || self.batch.path_bytes > PATH_BYTES_MAX => {
                self.batch.refused = self.batch.refused.saturating_add(1);
                return;
            }
            _ => {
                self.next = self.known.slots.list.len() + 1;
                self.batch.path_bytes += path.len();
                self.known.slots.push(Arc::from(path))
            }
        };
        self.push(slot, number);
    }

    /// Drops the present record; the payload's other records are used.
    pub fn reject(&mut self, why: DecodeError) {
        self.reject_record(RejectReason::Decode(why));
        self.begin();
    }

    /// Takes the event time, or a part of it.
    #[inline]
    fn put_time(&mut self, part: usize, value: Scalar<'_>) {
        if self.batch.time_parts.is_empty() {
            self.take_time(value);
        } else if let Some(text) = self.batch.time_parts.get_mut(part) {
            text.clear();
            value.write_to(text);
        }
    }

    #[inline]
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

    fn is_named(&self, want: FieldUse) -> bool {
        matches!(want, FieldUse::Slot(number) if self.plan.is_named(number))
    }

    /// Notes a text that is no value: of a wanted field it is a failure, of any other it is only not read.
    #[cold]
    fn on_other_text(&mut self, want: FieldUse, path: &str, text: &str) {
        if !self.is_named(want) {
            return self.batch.unread_texts.note(path);
        }
        let way_out = self.plan.text.way_out(text);
        let (field, text) = (Arc::from(path), shortened(text));
        self.batch.failures.push(RejectReason::Text { field, text, way_out });
    }

    /// Notes an object or a list with something in it, where one value is wanted: no reading, and perhaps not what was meant.
    #[cold]
    fn on_compound(&mut self, want: FieldUse, path: &str) {
        if self.is_named(want) && !self.plan.text.skips_others() {
            self.batch.unread_compounds.note(path);
        }
    }
}

/// Above 2^53 the nearest float, as the documentation of the formats says.
#[expect(clippy::cast_precision_loss, reason = "documented")]
pub(crate) fn nearest(integer: i64) -> f64 {
    integer as f64
}
