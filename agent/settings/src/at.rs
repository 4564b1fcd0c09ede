//! Values with their place in the file.

use std::ops::Range;

/// A value with its place, so that later checks can still point at it.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Byte range in the file.
    pub span: Range<usize>,
}

/// Names with their texts, in the order of the file.
pub type Pairs = Vec<(String, At<String>)>;

/// Names with their numbers, in the order of the file.
pub type Numbers = Vec<(String, At<f64>)>;

/// Takes the value out of an optional [`At`], or a default.
pub trait Or<T> {
    /// The value, or `default` where the key was left out or wrong.
    fn value_or(self, default: T) -> T;
    /// The value where it was given.
    fn given(self) -> Option<T>;
}

impl<T> Or<T> for Option<At<T>> {
    fn value_or(self, default: T) -> T {
        self.map_or(default, |at| at.value)
    }

    fn given(self) -> Option<T> {
        self.map(|at| at.value)
    }
}
