//! Points in time.

use super::{Choice, Node, choose};
use crate::calendar::Moment;
use crate::{EvalError, Input};

/// A point in time.
#[derive(Debug)]
pub(crate) enum Time {
    Const(Moment),
    Reading,
    If(Choice<Time>),
}

impl Node for Time {
    type Value<'a> = Moment;

    fn eval<'a>(&'a self, on: &Input<'a>) -> Result<Moment, EvalError> {
        match self {
            Self::Const(moment) => Ok(*moment),
            Self::Reading => Ok(Moment { ms: on.time_ms, ns: 0 }),
            Self::If(choice) => choose(choice, on),
        }
    }
}
