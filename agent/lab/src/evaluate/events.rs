//! Events: alarms close to each other, compared with the windows.

use super::{Judged, Labelled};
use std::ops::AddAssign;

const MERGE: usize = 10;
const LONG: usize = 100;

/// Counts; those of recordings add up to those of a corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct EventTally {
    pub(crate) windows: usize,
    pub(crate) found: usize,
    pub(crate) right: usize,
    pub(crate) wrong: usize,
    /// Rows outside windows.
    normal_rows: usize,
    /// Sum over the windows found of the wait for the first alarm, as a share of the window and in milliseconds.
    delay: f64,
    delay_ms: f64,
}

impl AddAssign for EventTally {
    fn add_assign(&mut self, other: Self) {
        self.windows += other.windows;
        self.found += other.found;
        self.right += other.right;
        self.wrong += other.wrong;
        self.normal_rows += other.normal_rows;
        self.delay += other.delay;
        self.delay_ms += other.delay_ms;
    }
}

impl EventTally {
    /// Of a recording.
    pub(crate) fn of(recording: &Labelled, judged: &Judged) -> Self {
        let probation = recording.label.probation;
        let mut events = Self::default();
        let mut in_window = vec![false; recording.times.len()];
        for (first, last) in &recording.label.windows {
            in_window.iter_mut().take(last + 1).skip(*first).for_each(|row| *row = true);
            if *last >= probation {
                events.window(recording, judged, probation.max(*first), *last);
            }
        }
        events.normal_rows = in_window.iter().skip(probation).filter(|row| !**row).count();
        let alarms = judged.flags.iter().enumerate().skip(probation).filter(|(_, flag)| **flag);
        let alarms: Vec<usize> = alarms.map(|(row, _)| row).collect();
        for event in alarms.chunk_by(|before, after| after - before <= MERGE) {
            events.event(event, &in_window);
        }
        events
    }

    fn window(&mut self, recording: &Labelled, judged: &Judged, first: usize, last: usize) {
        self.windows += 1;
        let alarm = judged.flags.iter().take(last + 1).skip(first).position(|flag| *flag);
        if let Some(wait) = alarm {
            self.found += 1;
            self.delay += wait as f64 / (last - first).max(1) as f64;
            let time = |row: usize| recording.times.get(row).copied().unwrap_or_default();
            self.delay_ms += (time(first + wait) - time(first)) as f64;
        }
    }

    fn event(&mut self, alarms: &[usize], in_window: &[bool]) {
        let (Some(first), Some(last)) = (alarms.first(), alarms.last()) else { return };
        let right = alarms.iter().any(|row| in_window.get(*row).copied().unwrap_or(false));
        let outside = in_window.iter().take(last + 1).skip(*first).filter(|row| !**row).count();
        self.right += usize::from(right);
        self.wrong += if right { outside / LONG } else { 1 + outside.saturating_sub(1) / LONG };
    }

    pub(crate) fn precision(&self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    pub(crate) fn recall(&self) -> f64 {
        share(self.found, self.windows)
    }

    pub(crate) fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    }

    /// False events per 1,000 rows outside windows.
    pub(crate) fn wrong_per_1000(&self) -> f64 {
        1_000.0 * share(self.wrong, self.normal_rows)
    }

    /// The mean wait for the first alarm in a window, as a share of it and in milliseconds.
    pub(crate) fn delay(&self) -> Option<(f64, f64)> {
        let found = (self.found > 0).then_some(self.found as f64)?;
        Some((self.delay / found, self.delay_ms / found))
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
