//! Trained models: judges of one row of features, such as the aggregates of several series over one window.
//!
//! A model is read-only and borrowed, so that it may lie in the flash of a microcontroller. A judgement allocates
//! nothing, and its memory is that of one probability for each class.
//!
//! | module | holds |
//! |---|---|
//! | `linear` | logistic regression, and linear support vector machines |
//! | `forest` | random forests |
//! | `diagnosis` | what a model says of one row |
//! | `usual` | what is usual of rows, to compare with |
//! | `rows` | joins the windows of several series into rows |

mod diagnosis;
mod forest;
mod linear;
mod rows;
mod usual;

pub use diagnosis::{Diagnosis, WEIGHED};
pub use forest::{Forest, Node};
pub use linear::{Linear, Link};
pub use rows::{Fill, PENDING, WINDOW_ROWS_VERSION, WindowRows};
pub use usual::UsualRow;

/// The most features of a row.
pub const FEATURES_MAX: usize = 256;
/// The most classes that a model tells apart.
pub const CLASSES_MAX: usize = 32;

/// A judge of rows. The same row gives the same answer, whatever came before.
pub trait Classifier {
    /// The number of features of a row.
    fn features(&self) -> usize;

    /// The number of classes.
    fn classes(&self) -> usize;

    /// Writes the probability of each class; together they are 1. Features are finite, in the units of their series.
    fn judge(&self, features: &[f64], probabilities: &mut [f64]);

    /// Whether [`Classifier::weigh`] can tell.
    fn weighs(&self) -> bool {
        true
    }

    /// Writes how much each feature speaks for `class`; only their order has a meaning. A model that cannot tell leaves
    /// them 0.
    fn weigh(&self, _features: &[f64], _class: usize, weights: &mut [f64]) {
        weights.fill(0.0);
    }
}
