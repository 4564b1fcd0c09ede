//! What gives way when the disk's share is full, or when messages are too old: whole generations, the oldest first.
//! Alerts that somebody still wants are copied into a generation of their own before theirs goes, and go themselves
//! only when nothing else is left.

use super::segment_meta::{SegmentMeta, extend_runs};
use super::{Batches, Notice, SegmentLog};
use crate::config::Full;
use crate::positions::{Progress, Run};
use crate::ranges::Ranges;
use crate::record::Record;
use crate::store::{Generation, StoreError};
use crate::{Lane, Why};
use std::collections::BTreeMap;

impl SegmentLog {
    /// Makes room for these.
    pub(super) fn make_room(&mut self, batches: &Batches, progress: &Progress) {
        let cost = |records: &Vec<Record>| {
            records.iter().map(|record| record.message.cost_bytes() as u64).sum::<u64>()
        };
        // Twice: sled's overhead, and rounding.
        let bytes = 2 * Lane::ALL.into_iter().map(|lane| cost(batches.of(lane))).sum::<u64>();
        // Merging needs room for its result.
        let max = self.living_bytes_max();
        let merge_above = max.saturating_sub(3 * self.generation_bytes_max()).max(max / 2);
        while self.config.full == Full::Thin
            && self.living_bytes() + bytes > merge_above
            && self.thin(progress)
        {}
        // Each time anew: one that is damaged goes aside.
        while self.living_bytes() + bytes > self.living_bytes_max() {
            let Some((generation, keep_alerts)) = self.victim() else { return };
            if !self.shed(generation, keep_alerts, Why::Full, progress) {
                return;
            }
        }
    }

    /// What is set aside is never deleted, but must not starve the living.
    fn living_bytes_max(&self) -> u64 {
        let max = self.config.max_size;
        max.saturating_sub(self.aside_bytes).max(max / 4)
    }

    /// Gives up what was made before `before_ms`.
    pub(crate) fn shed_older(&mut self, before_ms: i64, progress: &Progress) {
        loop {
            let old = self.shelves.iter().find(|(generation, shelf)| {
                Some(**generation) != self.filling
                    && shelf.made_ms.as_ref().is_some_and(|made| made.end < before_ms)
            });
            let Some((&generation, _)) = old else { return };
            let gone = self.shed(generation, false, Why::Age, progress);
            debug_assert!(gone, "nothing is read for it");
        }
    }

    /// The generation with the oldest data, or else with the oldest alerts; and whether its alerts are to be kept.
    fn victim(&mut self) -> Option<(Generation, bool)> {
        let oldest = |shelves: &BTreeMap<Generation, SegmentMeta>, lane: Lane| {
            let spans = shelves
                .iter()
                .filter_map(|(generation, shelf)| Some((shelf.spans.of(lane).start()?, *generation)));
            spans.min().map(|(_, generation)| generation)
        };
        let order = [Lane::Data, Lane::HeldData, Lane::Alert, Lane::HeldAlert];
        let victim = order
            .into_iter()
            .find_map(|lane| oldest(&self.shelves, lane).map(|generation| (generation, !lane.is_alert())));
        // Also the one that is filled: rather new data than old alerts.
        if let Some(filling) =
            self.filling.filter(|filling| victim.is_some_and(|(victim, _)| victim == *filling))
        {
            self.seal(filling, &[]);
        }
        victim
    }

    /// Whether it is gone. It stays when its alerts cannot be moved now.
    fn shed(&mut self, generation: Generation, keep_alerts: bool, why: Why, progress: &Progress) -> bool {
        let mut runs = self.runs_of(generation);
        if keep_alerts && runs.iter().any(|run| run.lane.is_alert()) {
            runs.retain(|run| !run.lane.is_alert());
            match self.move_alerts(generation, progress) {
                Ok(left_behind) => runs.extend(left_behind),
                Err(StoreError::Damaged(why) | StoreError::Failed(why)) => {
                    self.give_up(generation, &why);
                    return true;
                }
                Err(StoreError::Blocked(why)) => {
                    tracing::warn!(generation, %why, "no room could be made in the buffer");
                    return false;
                }
            }
        }
        let made_ms = self.shelves.get(&generation).and_then(|shelf| shelf.made_ms.clone()).unwrap_or(0..0);
        self.delete(generation);
        self.notices.push(Notice::Shed { runs, made_ms, why });
        true
    }

    /// Copies the alerts that somebody wants; those for which there is no room are the answer.
    fn move_alerts(&mut self, generation: Generation, progress: &Progress) -> Result<Vec<Run>, StoreError> {
        let (mut alerts, mut left_behind) = (Batches::default(), Vec::new());
        let lanes = || Lane::ALL.into_iter().filter(|lane| lane.is_alert());
        for lane in lanes() {
            *alerts.of_mut(lane) = self.wanted(generation, lane, progress)?;
        }
        if lanes().any(|lane| !alerts.of(lane).is_empty()) && self.keep(&alerts).is_err() {
            for lane in lanes() {
                alerts.of(lane).iter().for_each(|record| extend_runs(&mut left_behind, lane, record));
            }
        }
        Ok(left_behind)
    }

    /// A generation's messages that somebody still wants. Those that should be there and are not are reported.
    pub(super) fn wanted(
        &mut self,
        generation: Generation,
        lane: Lane,
        progress: &Progress,
    ) -> Result<Vec<Record>, StoreError> {
        let (mut records, mut found) = (Vec::new(), Ranges::default());
        let spans =
            self.shelves.get(&generation).map(|shelf| shelf.spans.of(lane).clone()).unwrap_or_default();
        self.walk(generation, lane, |mut record, _| {
            found.insert(record.seq);
            if !spans.contains(record.seq) {
                return;
            }
            record.owed = progress.wanting(lane, record.seq, record.owed);
            if record.owed != 0 {
                records.push(record);
            }
        })?;
        for run in self.runs_of(generation).into_iter().filter(|run| run.lane == lane) {
            let mut missing = Ranges::default();
            missing.insert_range(run.seqs);
            found.iter().for_each(|seqs| missing.remove_range(seqs.clone()));
            missing.iter().for_each(|seqs| self.on_missing(generation, lane, seqs));
        }
        Ok(records)
    }

    /// Copies alerts into the generation that is kept for them.
    fn keep(&mut self, alerts: &Batches) -> Result<(), StoreError> {
        let fits = |generation: &Generation| self.has_room(*generation) && self.goes_on(*generation, alerts);
        let generation = match self.keeping.filter(fits) {
            Some(generation) => generation,
            None => {
                if let Some(full) = self.keeping.take() {
                    self.seal(full, &[]);
                }
                self.create()?
            }
        };
        self.keeping = Some(generation);
        let result = self.fill(generation, alerts, true);
        self.store.close(generation);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::SledStore;
    use crate::testing::Folder;
    use crate::{BufferConfig, Message};

    /// Its generations are of 256 KiB, as those of the smallest buffer that can be had; a database that is opened again to
    /// keep an alert takes twice that.
    #[test]
    fn few_alerts_take_the_place_of_little_data() {
        const COUNT: u64 = 120;
        let folder = Folder::new();
        let config = BufferConfig { max_size: 8 << 20, full: Full::DropOldest, ..BufferConfig::default() };
        let store = Box::new(SledStore::new(folder.path().into()));
        let (mut segment_log, _) = SegmentLog::open(store, config, None);
        let record = |lane, seq: u64, bytes| {
            let message = Message { lane, made_ms: seq as i64, body: vec![7; bytes].into() };
            Record { seq, owed: 1, message }
        };
        for n in 0..COUNT {
            let batches = Batches::from_fn(|lane| match lane {
                Lane::Data => (n * 10..n * 10 + 10).map(|seq| record(lane, seq, 10_000)).collect(),
                Lane::Alert => vec![record(lane, n, 100)],
                _ => Vec::new(),
            });
            segment_log.append(&batches, true, &Progress::new(1)).unwrap();
        }
        let sum = |lane| segment_log.shelves.values().map(|shelf| *shelf.counts.of(lane)).sum::<u64>();
        assert_eq!(sum(Lane::Alert), COUNT);
        let data = sum(Lane::Data);
        assert!((400..10 * COUNT).contains(&data), "{data} messages of 10 kB are left in 8 MiB");
        assert_eq!(segment_log.shelves.values().filter(|shelf| *shelf.counts.of(Lane::Data) == 0).count(), 1);
    }
}
