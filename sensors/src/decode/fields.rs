//! Collects the values of one payload, and hands them over once the payload has proved sound.

use super::{DecodeConfig, Names, RejectReason};
use crate::format::Scalar;
use crate::hash::Seed;
use crate::time::TimeFormat;
use crate::{SeriesRef, Sink, Stamp};
use std::collections::HashMap;
use std::sync::Arc;

/// More fields than this in a topic are looked up by hash, not one by one.
const SCAN_MAX: usize = 24;

/// What is wanted of every payload of a source.
pub(super) struct Plan {
    /// `None`: every number.
    wanted: Option<Vec<Arc<str>>>,
    time: Option<Arc<str>>,
    time_format: TimeFormat,
    /// Whether a path of the above has more than one level.
    nested: bool,
    /// New fields of one topic, past which they are refused.
    fields_max: usize,
}

impl Plan {
    pub(super) fn new(config: &DecodeConfig, fields_max: usize) -> Self {
        let shared = |name: &String| Arc::<str>::from(name.as_str());
        let named = config.format.named;
        let wanted = match (named, config.fields.is_empty()) {
            (false, _) => Some(vec![Arc::from("")]),
            (true, true) => None,
            (true, false) => Some(config.fields.iter().map(shared).collect::<Vec<_>>()),
        };
        let nested = wanted.iter().flatten().any(|path| path.contains('/'))
            || config.time.as_ref().is_some_and(|path| path.contains('/'));
        Self {
            wanted,
            time: config.time.as_ref().map(shared),
            time_format: config.time_format,
            nested,
            fields_max,
        }
    }

    /// The fields of a topic that has not been seen yet.
    pub(super) fn slots(&self) -> Slots {
        let mut slots = Slots::default();
        for path in self.wanted.iter().flatten() {
            slots.push(path.clone());
        }
        slots.fixed = slots.list.len();
        slots
    }

    fn nothing(&self) -> RejectReason {
        const SHOWN_MAX: usize = 5;
        let wanted = self.wanted.as_deref().unwrap_or_default();
        let mut shown =
            wanted.iter().take(SHOWN_MAX).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        if wanted.len() > SHOWN_MAX {
            shown.push_str(", …");
        }
        RejectReason::Nothing { wanted: shown }
    }
}

/// The fields of one topic, and the sink's numbers for their series.
#[derive(Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    /// Of all in `list`, once they are many.
    index: HashMap<Arc<str>, usize, Seed>,
    /// The first of them are there from the beginning, and stay.
    fixed: usize,
}

struct Slot {
    path: Arc<str>,
    series: Option<SeriesRef>,
    /// Where its last value is in [`Batch::values`]; may be of an older payload, so that must be checked.
    at: usize,
}

impl Slots {
    pub(super) fn has_series(&self) -> bool {
        self.list.iter().any(|slot| slot.series.is_some())
    }

    #[cfg(test)]
    pub(super) fn list_len(&self) -> usize {
        self.list.len()
    }

    fn push(&mut self, path: Arc<str>) -> usize {
        let number = self.list.len();
        if number == SCAN_MAX {
            self.index =
                self.list.iter().enumerate().map(|(number, slot)| (slot.path.clone(), number)).collect();
        }
        if number >= SCAN_MAX {
            self.index.insert(path.clone(), number);
        }
        self.list.push(Slot { path, series: None, at: usize::MAX });
        number
    }

    fn find(&self, path: &str) -> Option<usize> {
        if self.list.len() > SCAN_MAX {
            return self.index.get(path).copied();
        }
        self.list.iter().position(|slot| *slot.path == *path)
    }

    /// Forgets new fields that got no series.
    fn drop_unregistered(&mut self) {
        while self.list.len() > self.fixed && self.list.last().is_some_and(|slot| slot.series.is_none()) {
            if let Some(slot) = self.list.pop() {
                self.index.remove(&slot.path);
            }
        }
    }
}

/// What [`Fields::want`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nobody asked for it.
    Skip,
    /// It is the event time.
    Time,
    /// It is wanted, and has this number.
    Slot(usize),
    /// It is wanted if it is a number.
    New,
}

/// The values of one payload; buffers are reused.
#[derive(Default)]
pub(super) struct Batch {
    values: Vec<Value>,
    failures: Vec<RejectReason>,
    refused: u32,
}

struct Value {
    slot: usize,
    stamp: Stamp,
    value: f64,
}

/// Takes the values of one payload from a format.
pub struct Fields<'a> {
    plan: &'a Plan,
    slots: &'a mut Slots,
    batch: &'a mut Batch,
    /// The slot that comes next if this payload is like the last.
    next: usize,
    time: Time,
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
    pub(super) fn new(plan: &'a Plan, slots: &'a mut Slots, batch: &'a mut Batch) -> Self {
        batch.values.clear();
        batch.failures.clear();
        batch.refused = 0;
        Self { plan, slots, batch, next: 0, time: Time::Missing, values_before: 0, failures_before: 0 }
    }

    /// What a path is wanted for; ask once for each, in the order of the payload.
    pub fn want(&mut self, path: &str) -> Want {
        if self.slots.list.get(self.next).is_some_and(|slot| *slot.path == *path) {
            self.next += 1;
            return Want::Slot(self.next - 1);
        }
        if self.plan.time.as_deref() == Some(path) {
            return Want::Time;
        }
        match self.slots.find(path) {
            Some(number) => {
                self.next = number + 1;
                Want::Slot(number)
            }
            None if self.plan.wanted.is_none() => Want::New,
            None => Want::Skip,
        }
    }

    /// Whether something in the object or list at `path` may be wanted.
    #[must_use]
    pub fn wants_inside(&self, path: &str) -> bool {
        let inside = |wanted: &Arc<str>| wanted.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        match &self.plan.wanted {
            None => true,
            Some(_) if !self.plan.nested => false,
            Some(wanted) => wanted.iter().chain(&self.plan.time).any(inside),
        }
    }

    /// The value at `path`, of which [`Fields::want`] said `want`.
    pub fn put(&mut self, want: Want, path: &str, value: Scalar<'_>) {
        let number = match (want, value) {
            (Want::Skip, _) | (_, Scalar::Null) => return,
            (Want::Time, _) => {
                self.time = Time::of(value, self.plan.time_format);
                return;
            }
            (_, Scalar::Integer(integer)) => integer as f64,
            (_, Scalar::Number(number)) => number,
            (_, Scalar::Boolean(boolean)) => f64::from(u8::from(boolean)),
            (_, Scalar::Text(_)) => return self.fail(path, RejectReason::Text),
            (_, Scalar::Compound) => return self.fail(path, RejectReason::Compound),
        };
        if !number.is_finite() {
            self.batch.failures.push(RejectReason::NotFinite(Arc::from(path)));
            return;
        }
        let slot = match want {
            Want::Slot(slot) => slot,
            _ if self.slots.list.len() >= self.plan.fields_max => {
                self.batch.refused = self.batch.refused.saturating_add(1);
                return;
            }
            _ => {
                self.next = self.slots.list.len() + 1;
                self.slots.push(Arc::from(path))
            }
        };
        self.push(slot, number);
    }

    /// Ends a record: its values get its time.
    pub fn end(&mut self) {
        let time = std::mem::replace(&mut self.time, Time::Missing);
        match (&self.plan.time, time) {
            (None, _) => {}
            (Some(_), Time::At(ms)) => {
                let values = self.batch.values.get_mut(self.values_before..).unwrap_or_default();
                values.iter_mut().for_each(|value| value.stamp = Stamp::Event(ms));
            }
            (Some(field), Time::Missing) => self.give_up(RejectReason::NoTime(field.clone())),
            (Some(field), Time::Bad(value)) => {
                self.give_up(RejectReason::BadTime {
                    field: field.clone(),
                    value,
                    format: self.plan.time_format,
                });
            }
        }
        let nothing = self.batch.values.len() == self.values_before
            && self.batch.failures.len() == self.failures_before;
        if nothing && self.batch.refused == 0 {
            self.batch.failures.push(self.plan.nothing());
        }
        self.next = 0;
        self.values_before = self.batch.values.len();
        self.failures_before = self.batch.failures.len();
    }

    fn push(&mut self, number: usize, value: f64) {
        let at = self.batch.values.len();
        let Some(slot) = self.slots.list.get_mut(number) else { return };
        if slot.at >= self.values_before
            && let Some(earlier) = self.batch.values.get_mut(slot.at)
            && earlier.slot == number
        {
            earlier.value = value;
            return;
        }
        slot.at = at;
        self.batch.values.push(Value { slot: number, stamp: Stamp::Arrival, value });
    }

    /// A wanted field of a wrong kind; where every number is wanted, anything else is just not one.
    fn fail(&mut self, path: &str, reason: impl Fn(Arc<str>) -> RejectReason) {
        if self.plan.wanted.is_some() {
            self.batch.failures.push(reason(Arc::from(path)));
        }
    }

    /// Drops the present record for one reason.
    fn give_up(&mut self, reason: RejectReason) {
        self.batch.values.truncate(self.values_before);
        self.batch.failures.truncate(self.failures_before);
        self.batch.failures.push(reason);
    }
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
            Scalar::Text(text) => format.of_text(text).map_or_else(|| Self::Bad(text.to_owned()), Self::At),
            Scalar::Boolean(answer) => Self::Bad(answer.to_string()),
            Scalar::Compound => Self::Bad("an object or a list".to_owned()),
        }
    }
}

impl Batch {
    /// Hands everything over, or, if the format found the payload broken, only the reason.
    pub(super) fn commit(
        &mut self,
        outcome: Result<(), RejectReason>,
        slots: &mut Slots,
        mut names: Names<'_>,
        origin: &str,
        sink: &mut dyn Sink,
    ) {
        if let Err(reason) = outcome {
            slots.drop_unregistered();
            return sink.invalid(origin, &reason);
        }
        for reason in &self.failures {
            sink.invalid(origin, reason);
        }
        let mut refused = self.refused;
        for Value { slot, stamp, value } in &self.values {
            let Some(slot) = slots.list.get_mut(*slot) else { continue };
            if slot.series.is_none() {
                match names.introduce(&slot.path, sink) {
                    Ok(series) => slot.series = series,
                    Err(reason) => {
                        sink.invalid(origin, &reason);
                        continue;
                    }
                }
            }
            match slot.series {
                Some(series) => sink.reading(series, *stamp, *value),
                None => refused = refused.saturating_add(1),
            }
        }
        slots.drop_unregistered();
        if refused > 0 {
            sink.refused(refused);
        }
    }
}
