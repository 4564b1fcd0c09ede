//! How long each series has been silent, in the agent's time.

use super::{Directory, Series};
use crate::pipeline::ids::SeriesId;
use headwater_kernel::time::AgentTime;
use std::sync::Arc;

impl Directory {
    /// Whether a new series finds no place. Where memory is short it finds none anyway.
    pub(in crate::pipeline) fn is_full(&self) -> bool {
        !self.is_shut && self.series.len() >= self.series_max
    }

    /// How many series have been forgotten in this run, modulo 2^32.
    pub(in crate::pipeline) fn generation(&self) -> u32 {
        self.generation
    }

    /// The agent's time at the last reading of a series; `None`: not known.
    pub(in crate::pipeline) fn heard(&self, id: SeriesId) -> Option<AgentTime> {
        self.series.get(id).and_then(|series| self.heard_of(series))
    }

    /// The last reading of a series came at this time, as an earlier run knows.
    pub(in crate::pipeline) fn set_heard(&mut self, id: SeriesId, heard: Option<AgentTime>) {
        if let Some(series) = self.series.at_mut(id) {
            series.heard = series.heard.max(heard);
        }
    }

    fn heard_of(&self, series: &Series) -> Option<AgentTime> {
        let own = series.handles.iter().filter_map(|(_, handle)| self.entries.at(handle.entry));
        let own = own.map(|entry| entry.heard).filter(|heard| *heard != AgentTime::MIN).max();
        series.heard.max(own)
    }

    /// The series that has been silent for the longest time, at least for `silent_ms`; with `of`, of those that this
    /// source has named. Series that `is_kept` names are not among them.
    ///
    /// Cost: a look at every series, but not before any can have been silent for so long.
    pub(in crate::pipeline) fn most_silent(
        &mut self,
        of: Option<usize>,
        (now, silent_ms): (AgentTime, i64),
        is_kept: impl Fn(&str) -> bool,
    ) -> Option<Arc<str>> {
        let none_before = match of {
            Some(source) => self.by_source.get(&source)?.none_before,
            None => self.none_before,
        };
        if self.is_shut || none_before.is_some_and(|time| now < time) {
            return None;
        }
        self.count_unknown_from(now);
        let (mut found, mut earliest) = (None, AgentTime::MAX);
        for series in self.series.iter() {
            if of.is_some_and(|source| series.handles.iter().all(|(named, _)| *named != source)) {
                continue;
            }
            let silent_at = self.heard_of(series).unwrap_or(now).plus(silent_ms);
            if silent_at < earliest && !(silent_at <= now && is_kept(&series.name)) {
                (found, earliest) = (Some(&series.name), silent_at);
            }
        }
        let found = found.filter(|_| earliest <= now).cloned();
        let none_before = match of {
            Some(source) => self.by_source.get_mut(&source).map(|own| &mut own.none_before),
            None => Some(&mut self.none_before),
        };
        if let Some(none_before) = none_before.filter(|_| found.is_none()) {
            *none_before = Some(earliest);
        }
        found
    }

    /// Where it is not known how long a series has been silent, that is counted from now on.
    fn count_unknown_from(&mut self, now: AgentTime) {
        let unknown = self.series.enumerate().filter(|(_, series)| self.heard_of(series).is_none());
        let unknown: Vec<SeriesId> = unknown.map(|(id, _)| id).collect();
        unknown.into_iter().for_each(|id| self.set_heard(id, Some(now)));
    }

    /// Takes a series and its handles away.
    pub(in crate::pipeline) fn forget(&mut self, id: SeriesId) {
        let Some(Series { name, handles, .. }) = self.series.remove(id) else { return };
        self.by_name.remove(&name);
        for (source, handle) in handles {
            self.entries.remove(handle.entry);
            if let Some(own) = self.by_source.get_mut(&source) {
                own.count = own.count.saturating_sub(1);
            }
        }
        self.generation = self.generation.wrapping_add(1);
        self.version += 1;
    }
}
