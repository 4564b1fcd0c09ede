//! The compiled form: one tree for each static type, so that evaluation checks no types and no wrong tree can be built.
//!
//! A node is evaluated by calling its parts: no stack of values, no allocation. Its height is bounded by
//! [`crate::DEPTH_MAX`], and so is the recursion. Chains of `&&` and `||` are one node.

mod boolean;
mod double;
mod int;
mod text;
mod time;

pub(crate) use boolean::{Bool, Class, TextTest};
pub(crate) use double::{Double, Shape};
pub(crate) use int::{Int, Part};
pub(crate) use text::Text;
pub(crate) use time::Time;

use crate::ast::Compare;
use crate::{EvalError, Input};

/// A part of a program whose value has one static type.
pub(crate) trait Node: Sized {
    /// The value; a string borrows from the program or from the input.
    type Value<'a>: Copy + PartialOrd
    where
        Self: 'a;

    /// # Errors
    /// What CEL calls a runtime error.
    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<Self::Value<'a>, EvalError>;
}

/// `test ? yes : no`; the branch that is not taken is not evaluated.
pub(crate) type Choice<T> = Box<(Bool, T, T)>;

fn choose<'a, T: Node>(choice: &'a Choice<T>, on: &Input<'a>) -> Result<T::Value<'a>, EvalError> {
    let (test, yes, no) = &**choice;
    if test.eval(on)? { yes.eval(on) } else { no.eval(on) }
}

/// Compares two values of one type; for doubles by IEEE 754, so that NaN equals nothing and is in no order.
fn compare<'a, T: Node>(
    compare: Compare,
    (left, right): &'a (T, T),
    on: &Input<'a>,
) -> Result<bool, EvalError> {
    Ok(compare.holds(&left.eval(on)?, &right.eval(on)?))
}

/// The greatest (or least) of one or more values; NaN if one is.
fn extreme<'a, T: Node>(
    greatest: bool,
    (first, others): &'a (T, Box<[T]>),
    on: &Input<'a>,
) -> Result<T::Value<'a>, EvalError> {
    others.iter().try_fold(first.eval(on)?, |best, other| {
        let other = other.eval(on)?;
        let better = if greatest { other > best } else { other < best };
        // Only NaN differs from itself.
        Ok(if better || other.partial_cmp(&other).is_none() { other } else { best })
    })
}

impl Compare {
    /// Whether the relation holds between two values.
    pub(crate) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}
