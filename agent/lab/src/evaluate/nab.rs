//! The score of the Numenta Anomaly Benchmark.
//!
//! Source: A. Lavin, S. Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms", ICMLA 2015; the arithmetic of
//! NAB v1.1. A window found is worth more the earlier it is found; a false alarm costs more the further it is behind
//! a window. 0 is a detector that never says anything, 100 one that finds every window at its first row.

use super::{Judged, Labelled};
use std::ops::AddAssign;

/// What a missed window and a false alarm cost; a window found at once is worth 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    missed: f64,
    false_alarm: f64,
}

pub(super) const PROFILES: [Profile; 3] = [
    Profile { name: "standard", missed: 1.0, false_alarm: 0.11 },
    Profile { name: "reward_low_fp", missed: 1.0, false_alarm: 0.22 },
    Profile { name: "reward_low_fn", missed: 2.0, false_alarm: 0.11 },
];

/// What alarms add up to; tallies of recordings add up to that of a corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Worth of the windows found, and their number.
    hits: f64,
    found: f64,
    /// Weight of the false alarms; not positive.
    false_alarms: f64,
    /// Windows, and those of them that are not all in probation.
    windows: f64,
    live: f64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.windows += other.windows;
        self.live += other.live;
    }
}

impl Tally {
    fn of_labels(recording: &Labelled) -> Self {
        let label = &recording.label;
        let live = label.windows.iter().filter(|(_, last)| *last >= label.probation).count();
        Self { windows: label.windows.len() as f64, live: live as f64, ..Self::default() }
    }

    /// Of a recording, where the flagged rows are the alarms.
    pub(super) fn of(recording: &Labelled, judged: &Judged) -> Self {
        let mut tally = Self::of_labels(recording);
        let mut best = vec![None; recording.label.windows.len()];
        let rows = rows(recording).into_iter().zip(&judged.flags).skip(recording.label.probation);
        rows.filter(|(_, flag)| **flag).for_each(|(row, _)| tally.alarm(row, &mut best));
        tally
    }

    /// Counts one alarm more, the windows' best ones so far being `best`.
    fn alarm(&mut self, row: Row, best: &mut [Option<f64>]) {
        match row.window.and_then(|window| best.get_mut(window)) {
            None => self.false_alarms += row.worth,
            Some(best) => {
                let gained = best.map_or(row.worth, |before| (row.worth - before).max(0.0));
                self.found += f64::from(u8::from(best.is_none()));
                self.hits += gained;
                *best = Some(best.map_or(row.worth, |before| before.max(row.worth)));
            }
        }
    }

    /// The score in a profile.
    pub(super) fn score(&self, profile: &Profile) -> f64 {
        let nothing = -profile.missed * self.live;
        let missed = profile.missed * (self.live - self.found);
        let raw = self.hits + profile.false_alarm * self.false_alarms - missed;
        if self.windows == nothing { 0.0 } else { 100.0 * (raw - nothing) / (self.windows - nothing) }
    }
}

/// The best score that any threshold on the scores gives, by profile: what NAB publishes.
pub(super) fn best(recordings: &[Labelled], judged: &[Judged]) -> [f64; PROFILES.len()] {
    let mut tally = Tally::default();
    let mut windows = Vec::new();
    let mut items = Vec::new();
    for (recording, judged) in recordings.iter().zip(judged) {
        tally += Tally::of_labels(recording);
        let before = windows.len();
        windows.resize(before + recording.label.windows.len(), None);
        let rows = rows(recording).into_iter().zip(&judged.scores).skip(recording.label.probation);
        items.extend(
            rows.map(|(row, score)| {
                (*score, Row { window: row.window.map(|window| before + window), ..row })
            }),
        );
    }
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut scores = PROFILES.map(|profile| tally.score(&profile));
    for equal in items.chunk_by(|a, b| a.0 == b.0) {
        equal.iter().for_each(|(_, row)| tally.alarm(*row, &mut windows));
        for (score, profile) in scores.iter_mut().zip(&PROFILES) {
            *score = score.max(tally.score(profile));
        }
    }
    scores
}

/// What an alarm at a row is worth: in a window 0 to 1, outside -1 to 0.
#[derive(Clone, Copy, Debug)]
struct Row {
    window: Option<usize>,
    worth: f64,
}

fn rows(recording: &Labelled) -> Vec<Row> {
    let mut rows = vec![Row { window: None, worth: -1.0 }; recording.times.len()];
    let windows = &recording.label.windows;
    for (index, (first, last)) in windows.iter().enumerate() {
        let width = (last - first + 1) as f64;
        let next = windows.get(index + 1).map_or(rows.len(), |next| next.0);
        for (at, row) in rows.iter_mut().enumerate().take(next).skip(*first) {
            *row = if at <= *last {
                Row { window: Some(index), worth: falloff(-((last - at + 1) as f64) / width) / falloff(-1.0) }
            } else {
                Row { window: None, worth: falloff((at - last) as f64 / (width - 1.0).max(1.0)) }
            };
        }
    }
    rows
}

/// 1 well before the right edge of a window, 0 on it, -1 well behind it.
fn falloff(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}
