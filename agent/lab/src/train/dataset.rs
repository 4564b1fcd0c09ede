//! Rows of features with their classes and times, as a model is trained and judged with.

use crate::evaluate::Labelled;
use std::ops::Range;

/// All rows, recording by recording, in order of time.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The number of features of a row.
    pub(super) features: usize,
    /// The classes; the first one is that of rows with which nothing is wrong.
    pub(super) names: Vec<String>,
    pub(super) values: Vec<f64>,
    pub(super) marks: Vec<RowMark>,
    pub(super) recordings: Vec<RecordedRows>,
    /// The fault of each label window of each recording, by its class.
    pub(super) unusable: u64,
}

/// What is known of a row besides its features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RowMark {
    /// Its class.
    pub(super) class: usize,
    /// Start and end of its windows (ms).
    pub(super) start: i64,
    pub(super) end: i64,
    /// Whether it counts when models are judged: it lies behind the recording's probation.
    pub(super) is_scored: bool,
}

/// One recording.
#[derive(Clone, Debug)]
pub(super) struct RecordedRows {
    /// Its rows among all.
    pub(super) rows: Range<usize>,
    /// The readings of the series that make rows, with their labels.
    pub(super) readings: Labelled,
}

impl Dataset {
    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// The features of a row.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        let start = row * self.features;
        self.values.get(start..start + self.features).unwrap_or(&[])
    }

    /// The class of a row.
    pub(super) fn class(&self, row: usize) -> usize {
        self.marks.get(row).map_or(0, |mark| mark.class)
    }

    /// How many of these rows are of each class.
    pub(super) fn counts(&self, rows: &[usize]) -> Vec<u64> {
        let mut counts = vec![0; self.names.len()];
        for row in rows {
            if let Some(count) = counts.get_mut(self.class(*row)) {
                *count += 1;
            }
        }
        counts
    }

    /// The checksum of all that models are trained with.
    pub(super) fn checksum(&self) -> String {
        let mut hash = crc32fast::Hasher::new();
        self.names.iter().for_each(|name| hash.update(name.as_bytes()));
        self.values.iter().for_each(|value| hash.update(&value.to_le_bytes()));
        for mark in &self.marks {
            hash.update(&(mark.class as u64).to_le_bytes());
            hash.update(&mark.end.to_le_bytes());
        }
        format!("{:08x}", hash.finalize())
    }

    /// The features that have one value in all rows.
    pub(super) fn constant(&self) -> Vec<usize> {
        let first = self.row(0);
        let is_constant =
            |feature: &usize| (0..self.len()).all(|row| self.row(row).get(*feature) == first.get(*feature));
        (0..self.features).filter(is_constant).collect()
    }
}

/// Weights that make the classes of these rows count alike: rows / (classes · rows of the class).
pub(super) fn class_weights(data: &Dataset, rows: &[usize]) -> Vec<f64> {
    let counts = data.counts(rows);
    let present = counts.iter().filter(|count| **count > 0).count().max(1) as f64;
    let weight = |count: &u64| if *count == 0 { 0.0 } else { rows.len() as f64 / (present * *count as f64) };
    counts.iter().map(weight).collect()
}
