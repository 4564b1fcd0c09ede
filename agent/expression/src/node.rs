//! The compiled form: one tree per static type, so that evaluation checks no types and no wrong tree can be built.
//!
//! Evaluating a node calls its parts, without a stack of values and without allocation. Its height is bounded by
//! [`crate::DEPTH_MAX`], and so is the recursion. Chains of `&&` and `||` are one node.

mod boolean;
mod double;
mod int;
mod text;
mod time;

pub(crate) use boolean::{Bool, Class, TextTest};
pub(crate) use double::{Double, Function};
pub(crate) use int::{DatePart, Int};
pub(crate) use text::TextNode;
pub(crate) use time::TimeNode;

use crate::ast::Compare;
use crate::{EvalError, Input};
use std::cmp::Ordering;

/// A part of a program whose value has one static type.
pub(crate) trait Evaluate: Sized {
    /// The value; a string borrows from the program or from the input.
    type Value<'a>: Copy + PartialOrd
    where
        Self: 'a;

    /// # Errors
    /// What CEL calls a runtime error.
    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<Self::Value<'a>, EvalError>;
}

/// `test ? yes : no`; the branch that is not taken is not evaluated.
pub(crate) type Conditional<T> = Box<(Bool, T, T)>;

fn choose<'a, T: Evaluate>(choice: &'a Conditional<T>, on: &Input<'a>) -> Result<T::Value<'a>, EvalError> {
    let (test, yes, no) = &**choice;
    if test.eval(on)? { yes.eval(on) } else { no.eval(on) }
}

fn compare<'a, T: Evaluate>(
    relation: Compare,
    (left, right): &'a (T, T),
    on: &Input<'a>,
) -> Result<bool, EvalError> {
    let (left, right) = (left.eval(on)?, right.eval(on)?);
    relation.holds(left.partial_cmp(&right))
}

/// The greatest (or least) of several values.
fn extreme<'a, T: Evaluate>(
    greatest: bool,
    (first, others): &'a (T, Box<[T]>),
    on: &Input<'a>,
) -> Result<T::Value<'a>, EvalError> {
    let better = if greatest { Compare::Greater } else { Compare::Less };
    others.iter().try_fold(first.eval(on)?, |best, other| {
        let other = other.eval(on)?;
        Ok(if better.holds(other.partial_cmp(&best))? { other } else { best })
    })
}

impl Compare {
    /// Whether the relation holds between two values in this order. NaN has no order: it differs from everything, and
    /// comparing it is an error, because `a <= b` would otherwise differ from `!(a > b)`.
    fn holds(self, order: Option<Ordering>) -> Result<bool, EvalError> {
        match (self, order) {
            (Self::Equal, order) => Ok(order == Some(Ordering::Equal)),
            (Self::NotEqual, order) => Ok(order != Some(Ordering::Equal)),
            (Self::Less, Some(order)) => Ok(order.is_lt()),
            (Self::AtMost, Some(order)) => Ok(order.is_le()),
            (Self::Greater, Some(order)) => Ok(order.is_gt()),
            (Self::AtLeast, Some(order)) => Ok(order.is_ge()),
            (_, None) => Err(EvalError::Unordered),
        }
    }
}
