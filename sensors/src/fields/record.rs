//! A record: its name, labels and time, and its end.

use super::batch::Span;
use super::captured::CapturedKind;
use super::{EventTime, Fields, NAME_BYTES_MAX, RejectReason, Scalar, identity};
use crate::Stamp;
use crate::time::TimeRules;
use crate::topic::shortened;

impl Fields<'_> {
    /// Sets the present record's own name, which `series` may contain as `{name}`.
    pub fn name(&mut self, name: &str) {
        identity::push_name(&mut self.batch.identity, name);
    }

    /// Sets a field of the present record that stands in names and conditions only, before the record's own fields. It may be
    /// that of many records, so that a long one is cut.
    pub(crate) fn key(&mut self, path: &str, value: &str) {
        if let Some(number) = self.plan.captures.find(path) {
            self.batch.captured.put(number, Scalar::Text(identity::cut(value)));
        }
    }

    /// Adds a label to the present record, which a condition may read as a field. Labels of the topic and of the config
    /// take precedence.
    pub fn label(&mut self, key: &str, value: &str) {
        self.key(key, value);
        identity::push_label(&mut self.batch.identity, key, value);
    }

    /// Sets the present record's time [ms since the Unix epoch]; a configured `time` takes precedence.
    pub fn time(&mut self, ms: i64) {
        self.own_time = Some(Stamp::Event(ms));
    }

    /// Sets the present record's time [ms after its arrival, negative before it]; a configured `time` takes precedence.
    pub fn time_from_arrival(&mut self, ms: i64) {
        self.own_time = Some(Stamp::FromArrival(ms));
    }

    /// Sets the present record's time, as the source's `time_format` reads it; a configured `time` takes precedence. See
    /// [`crate::Format::own_time`].
    pub fn time_value(&mut self, value: Scalar<'_>) {
        if !self.plan.has_time() {
            self.take_time(value);
        }
    }

    /// Ends a record: its values get its time, and its series its name and labels. A record without any reading is
    /// ordinary, and counts as empty.
    pub fn end(&mut self) {
        let is_empty = self.batch.values.len() == self.values_before
            && self.batch.failures.len() == self.failures_before
            && self.batch.refused == 0;
        let has_wanted = !is_empty || self.next > 0;
        if !has_wanted && !self.batch.has_found_wanted {
            self.batch.lacks_wanted = true;
        }
        self.batch.has_found_wanted |= has_wanted;
        if is_empty {
            self.batch.empty = self.batch.empty.saturating_add(1);
            self.time = EventTime::Missing;
            return self.begin();
        }
        if !self.plan.captures.is_empty() && !self.use_captured() {
            return self.begin();
        }
        self.stamp();
        if !self.batch.identity.is_empty() {
            self.identify();
        }
        self.begin();
    }

    /// Judges the record by its condition, and adds the fields that stand in names to its identity. Answers whether
    /// the record is used.
    fn use_captured(&mut self) -> bool {
        if self.plan.captures.wants(&self.batch.captured) != Ok(true) {
            let count = self.batch.values.len() - self.values_before;
            self.batch.filtered =
                self.batch.filtered.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            self.drop_record();
            return false;
        }
        for (number, path) in self.plan.captures.needed() {
            let reason = match self.batch.captured.kind(number) {
                CapturedKind::Missing => RejectReason::NoPlace(path.clone()),
                CapturedKind::Compound => RejectReason::CompoundPlace(path.clone()),
                CapturedKind::Bool(_) | CapturedKind::Number(_) | CapturedKind::Text => continue,
            };
            self.reject_record(reason);
            return false;
        }
        for number in 0..self.plan.captures.names().len() {
            identity::push_place(&mut self.batch.identity, self.batch.captured.text(number));
        }
        true
    }

    #[inline]
    fn stamp(&mut self) {
        if !self.batch.time_parts.is_empty() {
            self.join_time();
        }
        if let EventTime::At(ms) = self.time {
            self.time = EventTime::Missing;
            return self.stamp_all(Stamp::Event(ms));
        }
        let time = std::mem::replace(&mut self.time, EventTime::Missing);
        let time = if time == EventTime::Missing { self.shared_time.clone() } else { time };
        let stamp = match (self.plan.has_time(), time, self.own_time) {
            (_, EventTime::At(ms), _) => Stamp::Event(ms),
            (_, EventTime::Missing, Some(own)) => own,
            (false, EventTime::Missing, None) => return,
            (true, EventTime::Missing, None) if self.plan.time_rules.is_arrival_else() => return,
            (true, EventTime::Missing, None) => {
                return self.reject_record(RejectReason::NoTime(self.plan.time_name()));
            }
            (_, EventTime::Bad(value), _) => {
                let (expected, way_out) = (self.plan.time_rules.shown(), TimeRules::way_out(&value));
                let field = self.plan.time_name();
                return self.reject_record(RejectReason::BadTime { field, value, expected, way_out });
            }
        };
        self.stamp_all(stamp);
    }

    /// Gives the present record's values their time.
    #[inline]
    fn stamp_all(&mut self, stamp: Stamp) {
        let values = self.batch.values.get_mut(self.values_before..).unwrap_or_default();
        values.iter_mut().for_each(|value| value.stamp = stamp);
    }

    /// Makes the event time of its parts, if they are all there.
    fn join_time(&mut self) {
        let parts = &self.batch.time_parts;
        if parts.iter().all(|part| !part.trim().is_empty()) {
            self.take_time(Scalar::Text(&parts.join(" ")));
        }
    }

    /// Takes the event time; the first text of a source shows whether a zone is missing.
    #[inline]
    pub(super) fn take_time(&mut self, value: Scalar<'_>) {
        let rules = &self.plan.time_rules;
        self.time = rules.time_of(value);
        if let (Scalar::Text(text), false, EventTime::At(_)) = (value, self.batch.has_seen_time, &self.time) {
            self.batch.has_seen_time = true;
            self.batch.zoneless_time = rules.lacks_zone(text).then(|| shortened(text));
        }
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
    pub(super) fn begin(&mut self) {
        self.batch.identity.clear();
        self.batch.captured.next_record();
        self.batch.time_parts.iter_mut().for_each(String::clear);
        self.own_time = None;
        self.next = 0;
        self.values_before = self.batch.values.len();
        self.failures_before = self.batch.failures.len();
    }

    /// Drops the present record for a reason.
    pub(super) fn reject_record(&mut self, reason: RejectReason) {
        self.drop_record();
        self.batch.failures.push(reason);
    }

    #[cold]
    fn drop_record(&mut self) {
        self.time = EventTime::Missing;
        self.batch.values.truncate(self.values_before);
        self.batch.failures.truncate(self.failures_before);
    }
}
