//! Points in time.

use super::{Conditional, Evaluate, choose};
use crate::calendar::CelTime;
use crate::{EvalError, Input};

/// A point in time.
#[derive(Debug)]
pub(crate) enum TimeNode {
    Const(CelTime),
    Reading,
    If(Conditional<TimeNode>),
}

impl Evaluate for TimeNode {
    type Value<'a> = CelTime;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<CelTime, EvalError> {
        match self {
            Self::Const(moment) => Ok(*moment),
            Self::Reading => Ok(CelTime { ms: on.time_ms, ns: 0 }),
            Self::If(choice) => choose(choice, on),
        }
    }
}
