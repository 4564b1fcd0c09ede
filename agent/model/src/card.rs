//! The card of a model: where it comes from, what it wants and how good it is.

use super::ModelError;
use serde::{Deserialize, Serialize};

/// What people and `check` know of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// How it was trained: `logistic`, `svm` or `forest`.
    pub kind: String,
    /// The stream whose windows it was trained with.
    pub stream: String,
    /// The shape of these windows, as state knows it.
    pub window: String,
    /// The patterns of the series of a row, in order.
    pub over: Vec<String>,
    /// The aggregates of each series, in order.
    pub aggregates: Vec<String>,
    /// Its classes, in the order of their probabilities.
    pub classes: Vec<String>,
    /// The class of rows with which nothing is wrong; `None`: every class is a fault.
    pub normal: Option<String>,
    /// The rows of each class that it was trained with.
    pub rows: Vec<u64>,
    /// The recordings that they come from.
    pub recordings: u64,
    /// The checksum of rows, classes and times: the same data have the same.
    pub data: String,
    /// The seed of everything that looks random.
    pub seed: u64,
    /// The folds of the cross-validation.
    pub folds: u64,
    /// What the cross-validation says of it.
    pub scores: Vec<CardScore>,
}

/// A figure with the interval that holds its mean over the folds with a probability of 0.95.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CardScore {
    /// Its name: `accuracy`, or `recall valve`.
    pub name: String,
    /// The mean over the folds.
    pub mean: f64,
    /// The lower end; `None`: there are too few folds.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl ModelCard {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        serde_json::from_slice(bytes).map_err(|error| ModelError::Unsound(format!("its card: {error}")))
    }

    /// The names of the features, in the order of a row: series by series, each with all aggregates.
    pub fn features(&self) -> impl Iterator<Item = String> + '_ {
        let of = |series: &str, aggregate: &str| format!("{series} {aggregate}");
        self.over
            .iter()
            .flat_map(move |series| self.aggregates.iter().map(move |aggregate| of(series, aggregate)))
    }
}
