//! Strings: borrowed from the program or from the input, never allocated.

use super::{Conditional, Evaluate, choose};
use crate::{EvalError, FieldValue, Input};

/// A string.
#[derive(Debug)]
pub(crate) enum TextNode {
    Const(Box<str>),
    Series,
    /// The value of the label with this name.
    Label(Box<TextNode>),
    /// A field that is a text.
    Field(usize),
    If(Conditional<TextNode>),
}

impl Evaluate for TextNode {
    type Value<'a> = &'a str;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<&'a str, EvalError> {
        match self {
            Self::Const(text) => Ok(text),
            Self::Series => Ok(on.series),
            Self::Label(name) => on.label(name.eval(on)?).ok_or(EvalError::NoLabel),
            Self::Field(number) => match on.field(*number)? {
                FieldValue::Text(text) => Ok(text),
                _ => Err(EvalError::OtherType),
            },
            Self::If(choice) => choose(choice, on),
        }
    }
}
