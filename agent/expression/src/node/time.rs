//! Points in time.

use super::{Conditional, Evaluate, choose};
use crate::calendar::Moment;
use crate::{EvalError, Input};

/// A point in time.
#[derive(Debug)]
pub(crate) enum TimeNode {
    Const(Moment),
    Reading,
    If(Conditional<TimeNode>),
}

impl Evaluate for TimeNode {
    type Value<'a> = Moment;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<Moment, EvalError> {
        match self {
            Self::Const(moment) => Ok(*moment),
            Self::Reading => Ok(Moment { ms: on.time_ms, ns: 0 }),
            Self::If(choice) => choose(choice, on),
        }
    }
}
