//! Splits rows into folds: by recording, or by stretches of time where there is one recording only. Rows are never
//! shuffled, because neighbouring windows share their weather, their load and often their readings: a model that has
//! seen one knows the other.

use super::dataset::Dataset;
use std::ops::Range;

/// One part of the rows to judge by, and the others to train with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fold {
    pub(super) train: Vec<usize>,
    /// Stretches of rows that follow each other in one recording, with the number of the recording.
    pub(super) test: Vec<(usize, Range<usize>)>,
}

/// At most `count` folds.
pub(super) fn folds(data: &Dataset, count: usize) -> Vec<Fold> {
    let own = |recording: usize| data.recordings.get(recording).map_or(0..0, |own| own.rows.clone());
    let parts = if data.recordings.len() > 1 {
        dealt(data, count)
    } else {
        let (rows, count) = (data.len(), count.min(data.len()));
        let block = |part: usize| vec![(0, part * rows / count..(part + 1) * rows / count)];
        (0..count).map(block).collect()
    };
    let fold = |test: Vec<(usize, Range<usize>)>| {
        let is_apart = |recording: usize, row: usize| {
            test.iter().all(|(other, range)| *other != recording || !touches(data, row, range))
        };
        let rows = (0..data.recordings.len()).flat_map(|recording| {
            own(recording).filter(move |row| is_apart(recording, *row)).collect::<Vec<_>>()
        });
        let train = rows.collect();
        Fold { train, test }
    };
    parts.into_iter().map(fold).collect()
}

/// Recordings dealt out in turn, those with the same classes one after another.
fn dealt(data: &Dataset, count: usize) -> Vec<Vec<(usize, Range<usize>)>> {
    let classes = |rows: &Range<usize>| -> Vec<bool> {
        let counts = data.counts(&rows.clone().collect::<Vec<_>>());
        counts.iter().map(|count| *count > 0).collect()
    };
    let mut order: Vec<(Vec<bool>, usize)> =
        data.recordings.iter().enumerate().map(|(at, own)| (classes(&own.rows), at)).collect();
    order.sort();
    let count = count.min(order.len());
    let mut parts = vec![Vec::new(); count];
    for (turn, (_, recording)) in order.into_iter().enumerate() {
        let rows = data.recordings.get(recording).map(|own| own.rows.clone());
        if let (Some(part), Some(rows)) = (parts.get_mut(turn % count), rows) {
            part.push((recording, rows));
        }
    }
    parts
}

/// Whether a row is one of these, or its windows share time with theirs.
fn touches(data: &Dataset, row: usize, rows: &Range<usize>) -> bool {
    let own = data.marks.get(row);
    let (first, last) = (data.marks.get(rows.start), data.marks.get(rows.end.saturating_sub(1)));
    let shares = own
        .zip(first.zip(last))
        .is_some_and(|(own, (first, last))| own.end > first.start && own.start < last.end);
    rows.contains(&row) || shares
}
