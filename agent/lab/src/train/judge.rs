//! What judgements of rows are worth: by class, by row and by event.

use super::dataset::{Dataset, RowMark};
use crate::evaluate::{EventTally, Judged, Labelled};
use headwater_kernel::model::{CLASSES_MAX, Classifier};
use std::ops::Range;

const DAY_MS: f64 = 86_400_000.0;
/// All classes but that of rows with which nothing is wrong.
pub(super) const ANY_FAULT: &str = "any fault";

/// What somebody says of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    /// The class of each row; empty: only whether something is wrong.
    pub(super) classes: Vec<usize>,
    /// The probability of each class at each row; empty: there are none.
    pub(super) probabilities: Vec<Vec<f64>>,
    /// How sure it is that something is wrong.
    pub(super) scores: Vec<f64>,
    /// Whether it says that something is wrong.
    pub(super) flags: Vec<bool>,
}

/// Figures by name, in a fixed order; `None`: there was nothing to measure.
pub(super) type Figures = Vec<(String, Option<f64>)>;

/// Counts of a fold: rows by true class, then by the class that was said.
pub(super) type Confusion = Vec<Vec<u64>>;

impl Verdicts {
    /// What a model says.
    pub(super) fn of_model(model: &impl Classifier, data: &Dataset, rows: &[usize]) -> Self {
        let mut verdicts = Self::default();
        for row in rows {
            let mut shares = [0.0; CLASSES_MAX];
            let Some(shares) = shares.get_mut(..data.names.len()) else { continue };
            model.judge(data.row(*row), shares);
            let usual = shares.first().copied().unwrap_or(0.0);
            let most = shares.iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
            verdicts.classes.push(most.map_or(0, |(class, _)| class));
            verdicts.scores.push(1.0 - usual);
            verdicts.flags.push(1.0 - usual > 0.5);
            verdicts.probabilities.push(shares.to_vec());
        }
        verdicts
    }

    /// What one says who always says the same class.
    pub(super) fn of_class(class: usize, rows: &[usize]) -> Self {
        let is_wrong = class != 0;
        Self {
            classes: vec![class; rows.len()],
            probabilities: Vec::new(),
            scores: vec![f64::from(is_wrong); rows.len()],
            flags: vec![is_wrong; rows.len()],
        }
    }

    /// What a detector of readings says of windows: the highest score in each, and whether it was anomalous in any.
    pub(super) fn of_readings(data: &Dataset, rows: &[usize], readings: &Labelled, judged: &Judged) -> Self {
        let mut verdicts = Self::default();
        for mark in rows.iter().filter_map(|row| data.marks.get(*row)) {
            let first = readings.times.partition_point(|time| *time < mark.start);
            let last = readings.times.partition_point(|time| *time < mark.end);
            let scores = judged.scores.get(first..last).unwrap_or(&[]);
            verdicts.scores.push(scores.iter().copied().fold(0.0, f64::max));
            let flags = judged.flags.get(first..last).unwrap_or(&[]);
            verdicts.flags.push(flags.iter().any(|flag| *flag));
        }
        verdicts
    }

    /// Appends those of further rows.
    pub(super) fn append(&mut self, mut more: Self) {
        self.classes.append(&mut more.classes);
        self.probabilities.append(&mut more.probabilities);
        self.scores.append(&mut more.scores);
        self.flags.append(&mut more.flags);
    }
}

/// The rows of a fold that count.
pub(super) fn scored(data: &Dataset, test: &[(usize, Range<usize>)]) -> Vec<usize> {
    let is_scored = |row: &usize| data.marks.get(*row).is_some_and(|mark| mark.is_scored);
    test.iter().flat_map(|(_, rows)| rows.clone()).filter(is_scored).collect()
}

/// How often each class was taken for each.
pub(super) fn confusion(data: &Dataset, rows: &[usize], said: &[usize]) -> Confusion {
    let mut counts = vec![vec![0; data.names.len()]; data.names.len()];
    for (row, said) in rows.iter().zip(said) {
        let count = counts.get_mut(data.class(*row)).and_then(|own| own.get_mut(*said));
        count.into_iter().for_each(|count| *count += 1);
    }
    counts
}

/// All figures of a fold.
pub(super) fn figures(
    data: &Dataset,
    test: &[(usize, Range<usize>)],
    rows: &[usize],
    verdicts: &Verdicts,
) -> Figures {
    let mut figures = Figures::new();
    if !verdicts.classes.is_empty() {
        by_class(data, rows, verdicts, &mut figures);
    }
    let is_wrong: Vec<bool> = rows.iter().map(|row| data.class(*row) != 0).collect();
    let right = is_wrong.iter().zip(&verdicts.flags).filter(|(wrong, flag)| **wrong && **flag).count();
    let flagged = verdicts.flags.iter().filter(|flag| **flag).count();
    let wrong = is_wrong.iter().filter(|wrong| **wrong).count();
    precision_and_recall(ANY_FAULT, (right, flagged, wrong), &mut figures);
    areas(ANY_FAULT, &is_wrong, &verdicts.scores, &mut figures);
    by_event(data, test, verdicts, &mut figures);
    figures
}

fn by_class(data: &Dataset, rows: &[usize], verdicts: &Verdicts, to: &mut Figures) {
    let counts = confusion(data, rows, &verdicts.classes);
    let right: u64 = counts.iter().enumerate().filter_map(|(class, own)| own.get(class)).sum();
    to.push(("accuracy".to_owned(), (!rows.is_empty()).then(|| right as f64 / rows.len() as f64)));
    let mut means = Vec::new();
    for (class, name) in data.names.iter().enumerate() {
        let own = counts.get(class).map_or(0, |own| own.iter().sum::<u64>());
        let said = counts.iter().filter_map(|own| own.get(class)).sum::<u64>();
        let right = counts.get(class).and_then(|own| own.get(class)).copied().unwrap_or(0);
        precision_and_recall(name, (right as usize, said as usize, own as usize), to);
        means.extend(to.last().and_then(|(_, f1)| *f1));
        let is_own: Vec<bool> = rows.iter().map(|row| data.class(*row) == class).collect();
        let scores: Vec<f64> =
            verdicts.probabilities.iter().filter_map(|shares| shares.get(class).copied()).collect();
        areas(name, &is_own, &scores, to);
    }
    let mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
    to.insert(1, ("F1 of all classes".to_owned(), mean));
}

/// Precision, recall and F1 of a class that was said `said` times, `right` of them rightly, where it was there `own`
/// times. Of a class that was not there, only a wrong word says anything.
fn precision_and_recall(name: &str, (right, said, own): (usize, usize, usize), to: &mut Figures) {
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    to.push((format!("precision {name}"), share(right, said)));
    to.push((format!("recall {name}"), share(right, own)));
    to.push((format!("F1 {name}"), (own > 0).then(|| 2.0 * right as f64 / (said + own) as f64)));
}

/// The areas under the curves of precision over recall, and of hits over false alarms; both need rows of both kinds.
fn areas(name: &str, is_own: &[bool], scores: &[f64], to: &mut Figures) {
    let areas = (is_own.len() == scores.len()).then(|| curve_areas(is_own, scores)).flatten();
    to.push((format!("PR {name}"), areas.map(|(pr, _)| pr)));
    to.push((format!("ROC {name}"), areas.map(|(_, roc)| roc)));
}

/// Average precision, and the probability that a row of the class has the higher score.
pub(super) fn curve_areas(is_own: &[bool], scores: &[f64]) -> Option<(f64, f64)> {
    let steps = steps(is_own, scores)?;
    let (own, others) = *steps.last()?;
    let (mut right, mut wrong, mut precision, mut order_area) = (0.0, 0.0, 0.0, 0.0);
    for (hits, misses) in steps {
        order_area += (misses - wrong) * (right + 0.5 * (hits - right));
        precision += (hits - right) / own * hits / (hits + misses);
        (right, wrong) = (hits, misses);
    }
    Some((precision, order_area / (own * others)))
}

/// How many rows of the class, and how many others, have a score as high as each of the scores, from the highest on;
/// equal scores are one step. `None`: rows of one kind only.
fn steps(is_own: &[bool], scores: &[f64]) -> Option<Vec<(f64, f64)>> {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(is_own.iter().copied()).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut misses, mut steps) = (0.0, 0.0, Vec::new());
    for step in order.chunk_by(|a, b| a.0 == b.0) {
        let own = step.iter().filter(|(_, own)| *own).count() as f64;
        (hits, misses) = (hits + own, misses + step.len() as f64 - own);
        steps.push((hits, misses));
    }
    (hits > 0.0 && misses > 0.0).then_some(steps)
}

/// The curves of one fold: of anything that is wrong, then of each class.
pub(super) fn curves(data: &Dataset, rows: &[usize], verdicts: &Verdicts) -> Vec<(String, Curve)> {
    let curve = |name: &str, is_own: &dyn Fn(usize) -> bool, scores: &[f64]| {
        let is_own: Vec<bool> = rows.iter().map(|row| is_own(data.class(*row))).collect();
        let steps = (is_own.len() == scores.len()).then(|| steps(&is_own, scores)).flatten()?;
        Some((name.to_owned(), Curve::of(&steps)))
    };
    let any = curve(ANY_FAULT, &|class| class != 0, &verdicts.scores);
    let by_class = data.names.iter().enumerate().filter_map(|(own, name)| {
        let scores = verdicts.probabilities.iter().filter_map(|shares| shares.get(own).copied());
        curve(name, &|class| class == own, &scores.collect::<Vec<_>>())
    });
    any.into_iter().chain(by_class).collect()
}

/// Points of the curves of precision over recall and of hits over false alarms, so many that the eye misses none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curve {
    /// Recall and precision.
    pub(super) pr: Vec<(f64, f64)>,
    /// The share of other rows, and of rows of the class, that are called the class.
    pub(super) roc: Vec<(f64, f64)>,
}

impl Curve {
    fn of(steps: &[(f64, f64)]) -> Self {
        let Some((own, others)) = steps.last().copied() else { return Self::default() };
        let mut curve = Self { pr: Vec::new(), roc: vec![(0.0, 0.0)] };
        for (hits, misses) in steps {
            let (recall, precision) = (hits / own, hits / (hits + misses));
            put_apart(&mut curve.pr, (recall, precision), *hits == own);
            put_apart(&mut curve.roc, (misses / others, recall), (*hits, *misses) == (own, others));
        }
        curve
    }
}

/// Adds a point unless it is too close to the last one to be seen.
fn put_apart(points: &mut Vec<(f64, f64)>, point: (f64, f64), is_end: bool) {
    const APART: f64 = 1.0 / 300.0;
    let is_close = points
        .last()
        .is_some_and(|last| (last.0 - point.0).abs() < APART && (last.1 - point.1).abs() < APART);
    if is_end || !is_close {
        points.push(point);
    }
}

/// EventTally as `evaluate` counts them, with windows in the place of readings.
fn by_event(data: &Dataset, test: &[(usize, Range<usize>)], verdicts: &Verdicts, to: &mut Figures) {
    let (mut events, mut normal_ms, mut at) = (EventTally::default(), 0.0, 0);
    for (_, rows) in test {
        let marks: Vec<RowMark> = data
            .marks
            .get(rows.clone())
            .unwrap_or(&[])
            .iter()
            .filter(|mark| mark.is_scored)
            .copied()
            .collect();
        let take = |all: &[f64]| all.get(at..at + marks.len()).unwrap_or(&[]).to_vec();
        let judged = Judged {
            scores: take(&verdicts.scores),
            values: Vec::new(),
            flags: verdicts.flags.get(at..at + marks.len()).unwrap_or(&[]).to_vec(),
        };
        at += marks.len();
        events += EventTally::of(&windows_of(&marks), &judged);
        let times = marks.windows(2).filter_map(|pair| Some((pair.first()?, pair.last()?)));
        let normal = times.filter(|(_, next)| next.class == 0);
        normal_ms +=
            normal.map(|(mark, next)| (next.end - mark.end).min(next.end - next.start) as f64).sum::<f64>();
    }
    to.push(("events found".to_owned(), (events.windows > 0).then(|| events.recall())));
    to.push(("time to detect (s)".to_owned(), events.delay().map(|(_, ms)| ms / 1e3)));
    let a_day = (normal_ms > 0.0).then(|| events.wrong as f64 * DAY_MS / normal_ms);
    to.push(("false alarms a day".to_owned(), a_day));
}

/// Rows as a recording, in which each run of rows that are not normal is an anomaly.
fn windows_of(marks: &[RowMark]) -> Labelled {
    let mut windows: Vec<(usize, usize)> = Vec::new();
    for (row, _) in marks.iter().enumerate().filter(|(_, mark)| mark.class != 0) {
        match windows.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => windows.push((row, row)),
        }
    }
    Labelled::new("", marks.iter().map(|mark| mark.end).collect(), windows)
}

#[cfg(test)]
mod tests {
    use super::curve_areas;

    /// The example of scikit-learn's documentation, and ties.
    #[test]
    fn areas_are_those_that_scikit_learn_says() {
        let (pr, roc) = curve_areas(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8]).unwrap();
        assert!((pr - 0.833_333_333_333).abs() < 1e-9 && (roc - 0.75).abs() < 1e-12, "{pr} {roc}");
        let (pr, roc) = curve_areas(&[true, false, true, false], &[0.5; 4]).unwrap();
        assert_eq!((pr, roc), (0.5, 0.5));
        assert_eq!(curve_areas(&[true, true], &[0.1, 0.2]), None);
    }
}
