//! Trains models with labelled recordings, and judges them by recordings that they have not seen.
//!
//! | module | does |
//! |---|---|
//! | `gather` | makes rows of recordings |
//! | `dataset` | holds them |
//! | `split` | cuts them into folds |
//! | `minimise` | finds the minimum of a convex function |
//! | `linear` | logistic regression, linear support vector machines |
//! | `forest` | random forests |
//! | `judge` | figures of judgements |
//! | `report` | figures over folds, for people and programs |
//! | `plot` | a picture of them |
//!
//! The same input gives the same bytes on every processor: sums run in a fixed order, and exponentials are those of
//! `libm`.

mod dataset;
mod forest;
mod gather;
mod judge;
mod linear;
mod minimise;
mod plot;
mod report;
mod split;

pub use dataset::Dataset;
pub use gather::{RowRecipe, TrainingFiles, gather};
pub use report::{TrainReport, interval};

use crate::evaluate::{Contender, EvaluateError, Judged};
use crate::replay::ReplayError;
use headwater_kernel::model::{CLASSES_MAX, FEATURES_MAX};
use headwater_model::{ModelCard, ModelFile, ModelNumbers};
use judge::{Confusion, Verdicts, confusion, curves, figures, scored};
use report::Contestant;
use split::{Fold, folds};

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A mistake in labels, recordings or options, with the way out.
    #[error("{0}")]
    Unfit(String),
    /// Labels or recordings cannot be read.
    #[error(transparent)]
    Labels(#[from] EvaluateError),
    /// A recording does not run.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// A kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// Logistic regression.
    Logistic,
    /// A linear support vector machine.
    Svm,
    /// A random forest.
    Forest,
}

impl ModelKind {
    /// All kinds with their words.
    pub const WORDS: [(&'static str, Self); 3] =
        [("logistic", Self::Logistic), ("svm", Self::Svm), ("forest", Self::Forest)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    fn fit(self, data: &Dataset, rows: &[usize], seed: u64) -> ModelNumbers {
        match self {
            Self::Logistic => linear::logistic(data, rows),
            Self::Svm => linear::machine(data, rows),
            Self::Forest => forest::forest(data, rows, seed),
        }
    }
}

/// How a model is trained.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Its kind.
    pub kind: ModelKind,
    /// The folds of the cross-validation; at least 2.
    pub folds: usize,
    /// The seed of everything that looks random.
    pub seed: u64,
    /// The shape of the stream's windows, as state knows it.
    pub window: String,
}

/// Trains a model with all rows, and judges its kind by folds.
///
/// # Errors
/// [`TrainError::Unfit`]: there is too little to learn from.
pub fn train(
    data: &Dataset,
    recipe: &RowRecipe,
    options: &TrainOptions,
) -> Result<(ModelFile, TrainReport), TrainError> {
    check(data)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let counts = data.counts(&all);
    let mut notes = notes(data, recipe);
    let auto = judged_by_auto(data)?;
    let mut contestants = [options.kind.word(), "auto", "always the same"].map(|name| Contestant {
        name: name.to_owned(),
        folds: Vec::new(),
        curves: Vec::new(),
    });
    let mut matrix: Confusion = vec![vec![0; data.names.len()]; data.names.len()];
    for (at, fold) in folds(data, options.folds).iter().enumerate() {
        let present = data.counts(&fold.train);
        if present.iter().filter(|count| **count > 0).count() < 2 {
            notes.push(format!("fold {} is left out: the others have one class only", at + 1));
            continue;
        }
        for (name, _) in data.names.iter().zip(&present).filter(|(_, count)| **count == 0) {
            notes.push(format!("in fold {} the model has never seen `{name}`", at + 1));
        }
        let numbers = options.kind.fit(data, &fold.train, options.seed);
        let rows = scored(data, &fold.test);
        let own = Verdicts::of_model(&numbers, data, &rows);
        let most = present.iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let same = Verdicts::of_class(most.map_or(0, |(class, _)| class), &rows);
        for (sum, own) in matrix.iter_mut().zip(confusion(data, &rows, &own.classes)) {
            sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        let others = auto_verdicts(data, fold, &auto);
        for (contestant, verdicts) in contestants.iter_mut().zip([own, others, same]) {
            contestant.folds.push(figures(data, &fold.test, &rows, &verdicts));
            contestant.curves.push(curves(data, &rows, &verdicts));
        }
    }
    let [own, ..] = &contestants;
    if own.folds.is_empty() {
        notes.push("no fold could be judged: nobody knows how good the model is".to_owned());
    }
    let numbers = options.kind.fit(data, &all, options.seed);
    let card = ModelCard {
        kind: options.kind.word().to_owned(),
        stream: recipe.stream.clone(),
        window: options.window.clone(),
        over: recipe.over.clone(),
        aggregates: recipe.aggregates.clone(),
        classes: data.names.clone(),
        normal: data.names.first().cloned(),
        rows: counts.clone(),
        recordings: data.recordings.len() as u64,
        data: data.checksum(),
        seed: options.seed,
        folds: own.folds.len() as u64,
        scores: own.scores(),
    };
    let title = format!(
        "stream {}: {} recordings, {} windows of {} features; a {} model",
        recipe.stream,
        data.recordings.len(),
        data.len(),
        data.features,
        options.kind.word()
    );
    let classes = data.names.iter().cloned().zip(counts).collect();
    let report = TrainReport { title, notes, classes, contestants: contestants.into(), confusion: matrix };
    Ok((ModelFile { card, numbers }, report))
}

/// Whether a model can hold it.
fn check(data: &Dataset) -> Result<(), TrainError> {
    let (features, classes) = (data.features, data.names.len());
    if features > FEATURES_MAX || classes > CLASSES_MAX {
        return Err(TrainError::Unfit(format!(
            "{features} features and {classes} classes; a model takes {FEATURES_MAX} and {CLASSES_MAX}: name fewer series, aggregates or classes"
        )));
    }
    Ok(())
}

/// What people should know of their data.
fn notes(data: &Dataset, recipe: &RowRecipe) -> Vec<String> {
    let mut notes = Vec::new();
    let name = |feature: usize| {
        let series = recipe.over.get(feature / recipe.aggregates.len().max(1));
        let aggregate = recipe.aggregates.get(feature % recipe.aggregates.len().max(1));
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        format!("`{} {}`", text(series), text(aggregate))
    };
    let constant: Vec<String> = data.constant().into_iter().map(name).collect();
    if !constant.is_empty() {
        let (says, verb) = (constant.join(", "), if constant.len() == 1 { "is" } else { "are" });
        notes.push(format!("{says} {verb} the same in all windows, and can tell nothing"));
    }
    if data.features > data.len() {
        notes.push(format!(
            "{} features and {} windows: a model learns them by heart; record more, or name fewer aggregates",
            data.features,
            data.len()
        ));
    }
    if data.unusable > 0 {
        notes.push(format!("{} windows lack an aggregate, and are in no row", data.unusable));
    }
    notes
}

/// What `auto` says of the readings of each recording.
fn judged_by_auto(data: &Dataset) -> Result<Vec<Judged>, TrainError> {
    let auto = Contender::parse("auto")?;
    let judge = |own: &dataset::RecordedRows| auto.judge(&own.readings).map_err(TrainError::from);
    data.recordings.iter().map(judge).collect()
}

fn auto_verdicts(data: &Dataset, fold: &Fold, judged: &[Judged]) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for part in &fold.test {
        let known = data.recordings.get(part.0).zip(judged.get(part.0));
        let Some((recording, judged)) = known else { continue };
        let rows = scored(data, std::slice::from_ref(part));
        verdicts.append(Verdicts::of_readings(data, &rows, &recording.readings, judged));
    }
    verdicts
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
