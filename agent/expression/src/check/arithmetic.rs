//! `+ - * / %`

use super::{Checker, Typed};
use crate::ast::{Arithmetic, Ast, AstKind, Binary};
use crate::error::CompileError;
use crate::node::{Double, Int};
use std::ops::Range;

impl Checker<'_> {
    pub(super) fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: &Ast,
        right: &Ast,
        span: &Range<usize>,
    ) -> Result<Typed, CompileError> {
        match (self.part(left)?.calculable(), self.part(right)?.calculable()) {
            (Typed::Int(a), Typed::Int(b)) => Ok(Typed::Int(ints(operator, a, b))),
            (Typed::Double(_) | Typed::Int(_), Typed::Double(_) | Typed::Int(_))
                if operator == Arithmetic::Remainder =>
            {
                let fix = "write int() around the double, as in int(value) % 2";
                Err(CompileError::new(span, "`%` takes whole numbers, but one of these is a double", fix))
            }
            (a @ (Typed::Double(_) | Typed::Int(_)), b @ (Typed::Double(_) | Typed::Int(_))) => {
                let (a, b) = (self.adapted(a, left)?, self.adapted(b, right)?);
                Ok(Typed::Double(doubles(operator, a, b)))
            }
            (Typed::Text(_), Typed::Text(_)) if operator == Arithmetic::Add => {
                let fix = "compare the parts one by one, or use startsWith and endsWith";
                Err(CompileError::new(span, "strings cannot be joined here", fix))
            }
            (a @ (Typed::Double(_) | Typed::Int(_)), b) => Err(operand(operator, b, a, right)),
            (a, b) => Err(operand(operator, a, b, left)),
        }
    }
}

/// The error at an operand that is not a number.
fn operand(operator: Arithmetic, bad: Typed, other: Typed, part: &Ast) -> CompileError {
    let what = format!("`{}` takes numbers, but this is {}", operator.sign(), bad.name());
    let fix = match (bad, other) {
        (Typed::Time(_), Typed::Time(_)) => "write int(time) - int(timestamp(…)) for seconds",
        (bad, _) => bad.into_number(),
    };
    CompileError::new(&part.span, what, fix)
}

/// Calculates constants now, except divisions: so an int constant never comes from a division.
fn ints(operator: Arithmetic, left: Int, right: Int) -> Int {
    if let (Int::Const(a), Int::Const(b), Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply) =
        (&left, &right, operator)
        && let Ok(value) = operator.of_ints(*a, *b)
    {
        return Int::Const(value);
    }
    Int::Arithmetic(operator, Box::new((left, right)))
}

fn doubles(operator: Arithmetic, left: Double, right: Double) -> Double {
    match (left, right) {
        (Double::Const(a), Double::Const(b)) => Double::Const(operator.of_doubles(a, b)),
        parts => Double::Arithmetic(operator, Box::new(parts)),
    }
}

/// `-x`, which the smallest int does not have.
pub(super) fn negative(of: Int) -> Int {
    ints(Arithmetic::Subtract, Int::Const(0), of)
}

/// Whether a whole number is the result of a division, so that a fraction may be lost.
pub(super) fn divides(part: &Ast) -> bool {
    match &part.kind {
        AstKind::Binary(Binary::Arithmetic(operator), a, b) => {
            *operator == Arithmetic::Divide || divides(a) || divides(b)
        }
        AstKind::Negative(part) => divides(part),
        AstKind::If(parts) => parts.iter().skip(1).any(divides),
        _ => false,
    }
}

impl Arithmetic {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}
