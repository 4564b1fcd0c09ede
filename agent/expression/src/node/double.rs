//! Doubles: IEEE 754 throughout, so that only reading a text can fail.

use super::{Conditional, Evaluate, Int, TextNode, choose, extreme};
use crate::ast::Arithmetic;
use crate::{EvalError, FieldValue, Input};

/// A double.
#[derive(Debug)]
pub(crate) enum Double {
    Const(f64),
    Value,
    FromInt(Box<Int>),
    FromText(TextNode),
    /// A field that is a number.
    Field(usize),
    Arithmetic(Arithmetic, Box<(Double, Double)>),
    If(Conditional<Double>),
    Shaped(Function, Box<Double>),
    Extreme {
        greatest: bool,
        of: Box<(Double, Box<[Double]>)>,
    },
}

/// A function of one double.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Negative,
    Abs,
    Sign,
    Ceil,
    Floor,
    /// Halves away from zero.
    Round,
    Trunc,
    Sqrt,
}

impl Evaluate for Double {
    type Value<'a> = f64;

    // Leaves are most of a tree; they cost no call.
    #[inline]
    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<f64, EvalError> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::Value => Ok(on.value),
            inner => inner.calculated(on),
        }
    }
}

impl Double {
    fn calculated(&self, on: &Input<'_>) -> Result<f64, EvalError> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::Value => Ok(on.value),
            // Rounded to the nearest double, as CEL's double() does.
            Self::FromInt(of) => Ok(of.eval(on)? as f64),
            Self::FromText(of) => of.eval(on)?.parse().map_err(|_| EvalError::NotANumber),
            Self::Field(number) => match on.field(*number)? {
                FieldValue::Number(value) => Ok(value),
                FieldValue::Bool(value) => Ok(f64::from(u8::from(value))),
                FieldValue::Text(text) => text.trim().parse().map_err(|_| EvalError::OtherType),
                FieldValue::Missing => Err(EvalError::NoField),
            },
            Self::Arithmetic(operator, of) => Ok(operator.of_doubles(of.0.eval(on)?, of.1.eval(on)?)),
            Self::If(choice) => choose(choice, on),
            Self::Shaped(shape, of) => Ok(shape.of(of.eval(on)?)),
            Self::Extreme { greatest, of } => extreme(*greatest, of, on),
        }
    }
}

impl Arithmetic {
    pub(crate) fn of_doubles(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        }
    }
}

impl Function {
    pub(crate) fn of(self, value: f64) -> f64 {
        match self {
            Self::Negative => -value,
            Self::Abs => value.abs(),
            Self::Sign if value == 0.0 => value,
            Self::Sign => value.signum(),
            Self::Ceil => value.ceil(),
            Self::Floor => value.floor(),
            Self::Round => value.round(),
            Self::Trunc => value.trunc(),
            Self::Sqrt => value.sqrt(),
        }
    }
}
