//! Evicts whole segments, the oldest first, when the buffer is full or messages are too old. Alerts that some
//! output still wants are copied to a segment of their own first. They are evicted only when nothing else is left.

use super::segment_meta::{SegmentMeta, extend_runs};
use super::{LaneBatches, LogEvent, SegmentLog};
use crate::config::Full;
use crate::progress::{Progress, Run};
use crate::ranges::Ranges;
use crate::record::BufferRecord;
use crate::store::{SegmentId, StoreError};
use crate::{DropReason, Lane};
use std::collections::BTreeMap;

impl SegmentLog {
    /// Makes room for the batches.
    pub(super) fn make_room(&mut self, batches: &LaneBatches, progress: &Progress) {
        let cost = |records: &Vec<BufferRecord>| {
            records.iter().map(|record| record.message.cost_bytes() as u64).sum::<u64>()
        };
        // Twice the content, for sled's overhead and rounding.
        let bytes = 2 * Lane::ALL.into_iter().map(|lane| cost(batches.of(lane))).sum::<u64>();
        // Merging needs room for its result.
        let max = self.living_bytes_max();
        let merge_above = max.saturating_sub(3 * self.segment_bytes_max()).max(max / 2);
        while self.config.full == Full::Thin
            && self.living_bytes() + bytes > merge_above
            && self.compact(progress)
        {}
        // The bound is read each time: a damaged segment is set aside and counts against it.
        while self.living_bytes() + bytes > self.living_bytes_max() {
            let Some((segment, keep_alerts)) = self.victim() else { return };
            if !self.evict(segment, keep_alerts, DropReason::Full, progress) {
                return;
            }
        }
    }

    /// The bound on segments in use (bytes). Segments that are set aside are never deleted, but they leave at
    /// least a quarter of `max_size`.
    fn living_bytes_max(&self) -> u64 {
        let max = self.config.max_size;
        max.saturating_sub(self.aside_bytes).max(max / 4)
    }

    /// Evicts segments whose messages were all made before `before_ms`.
    pub(crate) fn evict_older(&mut self, before_ms: i64, progress: &Progress) {
        loop {
            let old = self.segments.iter().find(|(segment, meta)| {
                Some(**segment) != self.filling
                    && meta.made_ms.as_ref().is_some_and(|made| made.end < before_ms)
            });
            let Some((&segment, _)) = old else { return };
            let gone = self.evict(segment, false, DropReason::Age, progress);
            debug_assert!(gone, "nothing is read for it");
        }
    }

    /// Chooses the segment with the oldest data, or else that with the oldest alerts. Returns also whether its
    /// alerts are to be kept.
    fn victim(&mut self) -> Option<(SegmentId, bool)> {
        let oldest = |segments: &BTreeMap<SegmentId, SegmentMeta>, lane: Lane| {
            let spans =
                segments.iter().filter_map(|(segment, meta)| Some((meta.spans.of(lane).start()?, *segment)));
            spans.min().map(|(_, segment)| segment)
        };
        let order = [Lane::Data, Lane::HeldData, Lane::Alert, Lane::HeldAlert];
        let victim = order
            .into_iter()
            .find_map(|lane| oldest(&self.segments, lane).map(|segment| (segment, !lane.is_alert())));
        // It may be the segment that is filled: old alerts are worth more than new data.
        if let Some(filling) =
            self.filling.filter(|filling| victim.is_some_and(|(victim, _)| victim == *filling))
        {
            self.seal(filling, &[]);
        }
        victim
    }

    /// Evicts a segment. Returns whether it is gone: it stays if its alerts cannot be moved now.
    fn evict(&mut self, segment: SegmentId, keep_alerts: bool, why: DropReason, progress: &Progress) -> bool {
        let mut runs = self.runs_of(segment);
        if keep_alerts && runs.iter().any(|run| run.lane.is_alert()) {
            runs.retain(|run| !run.lane.is_alert());
            match self.move_alerts(segment, progress) {
                Ok(left_behind) => runs.extend(left_behind),
                Err(StoreError::Damaged(why) | StoreError::Failed(why)) => {
                    self.give_up(segment, &why);
                    return true;
                }
                Err(StoreError::Blocked(why)) => {
                    tracing::warn!(segment, %why, "no room could be made in the buffer");
                    return false;
                }
            }
        }
        let made_ms = self.segments.get(&segment).and_then(|meta| meta.made_ms.clone()).unwrap_or(0..0);
        self.delete(segment);
        self.log_events.push(LogEvent::Evicted { runs, made_ms, why });
        true
    }

    /// Copies the alerts that some output wants. Returns those for which there is no room.
    fn move_alerts(&mut self, segment: SegmentId, progress: &Progress) -> Result<Vec<Run>, StoreError> {
        let (mut alerts, mut left_behind) = (LaneBatches::default(), Vec::new());
        let lanes = || Lane::ALL.into_iter().filter(|lane| lane.is_alert());
        for lane in lanes() {
            *alerts.of_mut(lane) = self.wanted(segment, lane, progress)?;
        }
        if lanes().any(|lane| !alerts.of(lane).is_empty()) && self.keep(&alerts).is_err() {
            for lane in lanes() {
                alerts.of(lane).iter().for_each(|record| extend_runs(&mut left_behind, lane, record));
            }
        }
        Ok(left_behind)
    }

    /// The messages of a segment that some output still wants. Missing ones are reported.
    pub(super) fn wanted(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        progress: &Progress,
    ) -> Result<Vec<BufferRecord>, StoreError> {
        let (mut records, mut found) = (Vec::new(), Ranges::default());
        let spans = self.segments.get(&segment).map(|meta| meta.spans.of(lane).clone()).unwrap_or_default();
        self.walk(segment, lane, |mut record, _| {
            found.insert(record.seq);
            if !spans.contains(record.seq) {
                return;
            }
            record.owed = progress.wanting(lane, record.seq, record.owed);
            if !record.owed.is_empty() {
                records.push(record);
            }
        })?;
        for run in self.runs_of(segment).into_iter().filter(|run| run.lane == lane) {
            let mut missing = Ranges::default();
            missing.insert_range(run.seqs);
            found.iter().for_each(|seqs| missing.remove_range(seqs.clone()));
            missing.iter().for_each(|seqs| self.on_missing(segment, lane, seqs));
        }
        Ok(records)
    }

    /// Copies alerts to the segment for kept alerts.
    fn keep(&mut self, alerts: &LaneBatches) -> Result<(), StoreError> {
        let fits = |segment: &SegmentId| self.has_room(*segment) && self.goes_on(*segment, alerts);
        let segment = match self.keeping.filter(fits) {
            Some(segment) => segment,
            None => {
                if let Some(full) = self.keeping.take() {
                    self.seal(full, &[]);
                }
                self.create()?
            }
        };
        self.keeping = Some(segment);
        let result = self.fill(segment, alerts, true);
        self.store.close(segment);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::SledStore;
    use crate::testing::Folder;
    use crate::{BufferConfig, Message};

    /// Its segments are of 256 KiB, as those of the smallest buffer that can be had; a database that is opened again to
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
            BufferRecord { seq, owed: crate::output_set::OutputSet::bit(0), message }
        };
        for n in 0..COUNT {
            let batches = LaneBatches::from_fn(|lane| match lane {
                Lane::Data => (n * 10..n * 10 + 10).map(|seq| record(lane, seq, 10_000)).collect(),
                Lane::Alert => vec![record(lane, n, 100)],
                _ => Vec::new(),
            });
            segment_log.append(&batches, true, &Progress::new(1)).unwrap();
        }
        let sum = |lane| segment_log.segments.values().map(|meta| *meta.counts.of(lane)).sum::<u64>();
        assert_eq!(sum(Lane::Alert), COUNT);
        let data = sum(Lane::Data);
        assert!((400..10 * COUNT).contains(&data), "{data} messages of 10 kB are left in 8 MiB");
        assert_eq!(segment_log.segments.values().filter(|meta| *meta.counts.of(Lane::Data) == 0).count(), 1);
    }
}
