//! Whole numbers of 64 bits: leaving their range is an error; they never wrap.

use super::{Conditional, Double, Evaluate, TextNode, TimeNode, choose, extreme};
use crate::ast::Arithmetic;
use crate::calendar::{self, Civil};
use crate::{EvalError, Input};

/// A whole number.
#[derive(Debug)]
pub(crate) enum Int {
    Const(i64),
    FromDouble(Box<Double>),
    FromText(TextNode),
    Arithmetic(Arithmetic, Box<(Int, Int)>),
    If(Conditional<Int>),
    Abs(Box<Int>),
    Sign(Box<Int>),
    Extreme {
        greatest: bool,
        of: Box<(Int, Box<[Int]>)>,
    },
    Length(TextNode),
    LabelCount,
    /// A part of a time, on a clock that is `offset` ahead of UTC [s].
    Part {
        part: DatePart,
        of: TimeNode,
        offset: i64,
    },
    /// Seconds since the Unix epoch.
    Seconds(TimeNode),
}

/// `time.getHours()` and its like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DatePart {
    FullYear,
    /// 0 to 11.
    Month,
    /// 1 to 31.
    Date,
    /// 0 to 30.
    DayOfMonth,
    /// 0 to 6 from Sunday.
    DayOfWeek,
    /// 0 to 365.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Evaluate for Int {
    type Value<'a> = i64;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<i64, EvalError> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::FromDouble(of) => truncated(of.eval(on)?),
            Self::FromText(of) => of.eval(on)?.parse().map_err(|_| EvalError::NotANumber),
            Self::Arithmetic(operator, of) => operator.of_ints(of.0.eval(on)?, of.1.eval(on)?),
            Self::If(choice) => choose(choice, on),
            Self::Abs(of) => of.eval(on)?.checked_abs().ok_or(EvalError::Overflow),
            Self::Sign(of) => Ok(of.eval(on)?.signum()),
            Self::Extreme { greatest, of } => extreme(*greatest, of, on),
            Self::Length(of) => Ok(count(of.eval(on)?.chars().count())),
            Self::LabelCount => Ok(count(on.labels.len())),
            Self::Part { part, of, offset } => Ok(part.of(of.eval(on)?.ms, *offset)),
            Self::Seconds(of) => Ok(of.eval(on)?.ms.div_euclid(1000)),
        }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn truncated(value: f64) -> Result<i64, EvalError> {
    const PAST_INT: f64 = 9_223_372_036_854_775_808.0; // 2^63, exact
    // CEL's own range is open at both ends.
    if value > -PAST_INT && value < PAST_INT { Ok(value as i64) } else { Err(EvalError::Overflow) }
}

impl Arithmetic {
    pub(crate) fn of_ints(self, left: i64, right: i64) -> Result<i64, EvalError> {
        if matches!(self, Self::Divide | Self::Remainder) && right == 0 {
            return Err(EvalError::DivisionByZero);
        }
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        };
        result.ok_or(EvalError::Overflow)
    }
}

impl DatePart {
    fn of(self, ms: i64, offset: i64) -> i64 {
        // Far from overflow: milliseconds of 64 bits are 10^16 s at most.
        let seconds = ms.div_euclid(1000) + offset;
        let day = seconds.div_euclid(calendar::DAY_SECONDS);
        let second = seconds.rem_euclid(calendar::DAY_SECONDS);
        let civil = || Civil::of_day(day);
        match self {
            Self::FullYear => civil().year,
            Self::Month => civil().month - 1,
            Self::Date => civil().date,
            Self::DayOfMonth => civil().date - 1,
            // Day 0, 1970-01-01, was a Thursday.
            Self::DayOfWeek => (day + 4).rem_euclid(7),
            Self::DayOfYear => day - Civil { year: civil().year, month: 1, date: 1 }.day(),
            Self::Hours => second / 3600,
            Self::Minutes => second / 60 % 60,
            Self::Seconds => second % 60,
            Self::Milliseconds => ms.rem_euclid(1000),
        }
    }
}
