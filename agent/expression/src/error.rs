//! Errors of compilation, and errors of evaluation.

use std::ops::Range;

/// Why an expression was refused: a place, a mistake and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {fix}")]
pub struct CompileError {
    /// The place: bytes of the expression's text, on character boundaries; empty at its end when something is
    /// missing.
    pub span: Range<usize>,
    /// The mistake, with the bad value.
    pub what: String,
    /// The way out.
    pub fix: String,
}

impl CompileError {
    pub(crate) fn new(span: &Range<usize>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { span: span.clone(), what: what.into(), fix: fix.into() }
    }
}

/// Why an expression has no value for one reading. The caller decides where the reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The series has no such label.
    #[error("the series lacks a label that the expression reads: ask has(labels.name) first")]
    NoLabel,
    /// The record has no such field.
    #[error("the record lacks a field that the expression reads: ask has(field) first")]
    NoField,
    /// A field has another type than its place needs.
    #[error("a field has another type than the expression needs: compare it with what it is")]
    OtherType,
    /// `/` or `%` of whole numbers by 0.
    #[error("division by zero: test the divisor first, or divide doubles")]
    DivisionByZero,
    /// A whole number left the range of 64 bits, or a double has no whole number in that range.
    #[error("a whole number is past 64 bits: calculate with doubles, as in 1.0 instead of 1")]
    Overflow,
    /// `int()` or `double()` of text that is no such number.
    #[error("a text is not the number it should be: mend the label")]
    NotANumber,
    /// A comparison such as `<` with NaN.
    #[error(
        "a number that is not a number has no order: ask math.isNaN() first, or keep 0.0 / 0.0 from happening"
    )]
    Unordered,
    /// The result is infinite or not a number.
    #[error("the result is not a finite number: keep out what makes it so with a condition")]
    NotFinite,
    /// The program was compiled for the other [`crate::ExpressionType`].
    #[error("the expression was compiled for another kind of result: compile it for this one")]
    OtherKind,
}
