//! Strings: borrowed from the program or from the input, never allocated.

use super::{Conditional, Evaluate, choose};
use crate::{EvalError, Input};

/// A string.
#[derive(Debug)]
pub(crate) enum TextNode {
    Const(Box<str>),
    Series,
    /// The value of the label with this name.
    Label(Box<TextNode>),
    If(Conditional<TextNode>),
}

impl Evaluate for TextNode {
    type Value<'a> = &'a str;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<&'a str, EvalError> {
        match self {
            Self::Const(text) => Ok(text),
            Self::Series => Ok(on.series),
            Self::Label(name) => on.label(name.eval(on)?).ok_or(EvalError::NoLabel),
            Self::If(choice) => choose(choice, on),
        }
    }
}
