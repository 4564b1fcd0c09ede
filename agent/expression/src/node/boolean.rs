//! Conditions.

use super::{Conditional, Double, Evaluate, Int, TextNode, TimeNode, choose, compare};
use crate::ast::Compare;
use crate::{EvalError, FieldValue, Input};
use std::cmp::Ordering;

/// A condition.
#[derive(Debug)]
pub(crate) enum Bool {
    Const(bool),
    Not(Box<Bool>),
    /// `&&` (`false` decides) or `||` (`true` decides).
    Logic {
        decisive: bool,
        terms: Box<[Bool]>,
    },
    If(Conditional<Bool>),
    Bools(Compare, Box<(Bool, Bool)>),
    Ints(Compare, Box<(Int, Int)>),
    Doubles(Compare, Box<(Double, Double)>),
    /// Compares a whole number with a double, exactly: neither is rounded to the other's type.
    Mixed(Compare, Box<(Int, Double)>),
    Texts(Compare, Box<(TextNode, TextNode)>),
    Times(Compare, Box<(TimeNode, TimeNode)>),
    IntIn(Int, Box<[i64]>),
    DoubleIn(Double, Box<[f64]>),
    TextIn(TextNode, Box<[Box<str>]>),
    HasLabel(TextNode),
    /// A field that is a bool.
    Field(usize),
    HasField(usize),
    Text(TextTest, Box<(TextNode, TextNode)>),
    Class(Class, Double),
}

/// `text.startsWith(text)` and its like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// `math.isNaN(double)` and its like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    NotANumber,
    Infinite,
    Finite,
}

impl Evaluate for Bool {
    type Value<'a> = bool;

    // The most common condition comes first and costs no call.
    #[inline]
    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<bool, EvalError> {
        match self {
            Self::Doubles(relation, of) => compare(*relation, of, on),
            inner => inner.judged(on),
        }
    }
}

impl Bool {
    fn judged<'a>(&'a self, on: &Input<'a>) -> Result<bool, EvalError> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::Not(of) => Ok(!of.eval(on)?),
            Self::Logic { decisive, terms } => logic(*decisive, terms, on),
            Self::If(choice) => choose(choice, on),
            Self::Bools(relation, of) => compare(*relation, of, on),
            Self::Ints(relation, of) => compare(*relation, of, on),
            Self::Doubles(relation, of) => compare(*relation, of, on),
            Self::Mixed(relation, of) => mixed(*relation, of, on),
            Self::Texts(relation, of) => compare(*relation, of, on),
            Self::Times(relation, of) => compare(*relation, of, on),
            Self::IntIn(of, list) => Ok(list.contains(&of.eval(on)?)),
            Self::DoubleIn(of, list) => Ok(list.contains(&of.eval(on)?)),
            Self::TextIn(of, list) => {
                let text = of.eval(on)?;
                Ok(list.iter().any(|entry| **entry == *text))
            }
            Self::HasLabel(name) => Ok(on.label(name.eval(on)?).is_some()),
            Self::Field(number) => switch(on.field(*number)?),
            Self::HasField(number) => Ok(on.field(*number).is_ok()),
            Self::Text(test, of) => Ok(test.holds(of.0.eval(on)?, of.1.eval(on)?)),
            Self::Class(class, of) => Ok(class.holds(of.eval(on)?)),
        }
    }
}

/// A bool, or the text of one.
fn switch(value: FieldValue<'_>) -> Result<bool, EvalError> {
    match value {
        FieldValue::Bool(value) => Ok(value),
        FieldValue::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        FieldValue::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(EvalError::OtherType),
    }
}

/// A term equal to `decisive` decides, whatever the others are; else the first error counts; else the opposite.
fn logic<'a>(decisive: bool, terms: &'a [Bool], on: &Input<'a>) -> Result<bool, EvalError> {
    let mut outcome = Ok(!decisive);
    for term in terms {
        match term.eval(on) {
            Ok(value) if value == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

fn mixed<'a>(relation: Compare, (int, double): &'a (Int, Double), on: &Input<'a>) -> Result<bool, EvalError> {
    relation.holds(order(int.eval(on)?, double.eval(on)?))
}

/// The exact order of a whole number and a double; `None` for NaN.
fn order(int: i64, double: f64) -> Option<Ordering> {
    const PAST_INT: f64 = 9_223_372_036_854_775_808.0; // 2^63, exact
    if double.is_nan() {
        return None;
    }
    if double >= PAST_INT {
        return Some(Ordering::Less);
    }
    if double < -PAST_INT {
        return Some(Ordering::Greater);
    }
    // In range, so that the cast only drops the fraction.
    let whole = double.trunc();
    Some(int.cmp(&(whole as i64)).then_with(|| 0.0_f64.total_cmp(&((double - whole) + 0.0))))
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

impl Class {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::NotANumber => value.is_nan(),
            Self::Infinite => value.is_infinite(),
            Self::Finite => value.is_finite(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2^53 + 1 has no double: rounding one side would call these equal.
    #[test]
    fn whole_numbers_and_doubles_compare_exactly() {
        let big = 9_007_199_254_740_993_i64;
        assert_eq!(order(big, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(order(i64::MAX, 9_223_372_036_854_775_807.0), Some(Ordering::Less));
        assert_eq!(order(i64::MIN, -9_223_372_036_854_775_808.0), Some(Ordering::Equal));
        assert_eq!(order(3, 3.5), Some(Ordering::Less));
        assert_eq!(order(-3, -3.5), Some(Ordering::Greater));
        assert_eq!(order(0, -0.0), Some(Ordering::Equal));
        assert_eq!(order(0, -0.5), Some(Ordering::Greater));
        assert_eq!(order(1, f64::INFINITY), Some(Ordering::Less));
        assert_eq!(order(1, f64::NEG_INFINITY), Some(Ordering::Greater));
        assert_eq!(order(1, f64::NAN), None);
    }
}
