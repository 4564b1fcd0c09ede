//! What gives way when the disk's share is full, or when messages are too old: whole generations, the oldest first.
//! Alerts that somebody still wants are copied into a generation of their own before theirs goes, and go themselves
//! only when nothing else is left.

use super::{Archive, Notice, extend_runs};
use crate::positions::Progress;
use crate::record::{self, Record};
use crate::store::{Generation, StoreError};
use crate::{Lane, PerLane};

impl Archive {
    /// Makes room for `bytes` more.
    pub(super) fn make_room(&mut self, bytes: u64, progress: &Progress) {
        // What is set aside is never deleted, but must not starve the living.
        let max = self.config.max_size.saturating_sub(self.aside_bytes).max(self.config.max_size / 4);
        while self.bytes() - self.aside_bytes + bytes > max {
            let Some((generation, keep_alerts)) = self.victim() else { return };
            self.shed(generation, keep_alerts, false, progress);
        }
    }

    /// Gives up what was made before `before_ms`.
    pub(crate) fn shed_older(&mut self, before_ms: i64, progress: &Progress) {
        loop {
            let old = self.shelves.iter().find(|(generation, shelf)| {
                Some(**generation) != self.filling
                    && shelf.made_ms.as_ref().is_some_and(|made| made.end < before_ms)
            });
            let Some((&generation, _)) = old else { return };
            self.shed(generation, false, true, progress);
        }
    }

    /// The oldest generation that holds more than alerts, or else the oldest; and whether its alerts are to be kept.
    fn victim(&self) -> Option<(Generation, bool)> {
        let closed = || self.shelves.iter().filter(|(generation, _)| Some(**generation) != self.filling);
        let with_data = closed().find(|(_, shelf)| shelf.spans.data.is_some());
        let any = || closed().next().map(|(generation, _)| (*generation, false));
        with_data.map(|(generation, _)| (*generation, true)).or_else(any)
    }

    fn shed(&mut self, generation: Generation, keep_alerts: bool, aged: bool, progress: &Progress) {
        let (mut runs, mut alerts) = (Vec::new(), Vec::new());
        let done = |record: &Record| {
            let done = progress.done(Lane::Alert, record.owed);
            done.is_none_or(|done| done.contains(record.seq))
        };
        let read = self.walk(generation, |lane, record, _| {
            if lane == Lane::Alert && keep_alerts && !done(record) {
                alerts.push(record.clone());
            } else {
                extend_runs(&mut runs, lane, record);
            }
        });
        if let Err(StoreError::Damaged(why) | StoreError::Failed(why)) = read {
            return self.give_up(generation, &why);
        }
        if !alerts.is_empty() && self.keep(alerts.clone()).is_err() {
            alerts.iter().for_each(|record| extend_runs(&mut runs, Lane::Alert, record));
        }
        let made_ms = self.shelves.get(&generation).and_then(|shelf| shelf.made_ms.clone()).unwrap_or(0..0);
        self.delete(generation);
        self.notices.push(Notice::Shed { runs, made_ms, aged });
    }

    /// Copies alerts into the generation that is kept for them.
    fn keep(&mut self, alerts: Vec<Record>) -> Result<(), StoreError> {
        debug_assert!(record::encode(Lane::Alert, &alerts).len() < 1_000, "a generation is bounded");
        let has_room = |generation: &Generation| {
            self.shelves
                .get(generation)
                .is_some_and(|shelf| shelf.content_bytes < self.generation_bytes_max())
        };
        let generation = match self.keeping.filter(has_room) {
            Some(generation) => generation,
            None => self.create()?,
        };
        self.keeping = Some(generation);
        self.fill(generation, &PerLane { alert: alerts, data: Vec::new() }, true)
    }
}
