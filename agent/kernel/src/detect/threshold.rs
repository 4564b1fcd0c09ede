//! Threshold: flags a value above or below a limit, and lets the alert end at another one.
//!
//! State: none; the two limits. Score: how far beyond the limit, in the channel's unit; negative within.

use super::describe::Figure;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::time::Moment;
use core::fmt;

/// A limit, and the level at which its alert clears; both finite [channel unit].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Values beyond it are anomalous.
    pub level: f64,
    /// Values at it or on its good side clear the alert; equal to the level, or well within it.
    pub clear: f64,
}

/// Parameters of [`Threshold`]; at least one bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThresholdConfig {
    /// Values above are anomalous.
    pub above: Option<Bound>,
    /// Values below are anomalous.
    pub below: Option<Bound>,
}

/// Limits on the value itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    config: ThresholdConfig,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "threshold",
    version: 1,
    doc: "the value is above or below a limit",
    parameters: &[
        Parameter::number("above", "values above this are anomalous").optional(),
        Parameter::number("below", "values below this are anomalous").optional(),
        Parameter::number("clear", "an alert ends at this value or better; left out: at the limit itself")
            .optional(),
        Parameter::number("clear_below", "as `clear`, for the limit `below` where both limits are given")
            .optional(),
    ],
    judges: Judges::Values,
    build,
};

fn build(parameters: &CompleteParameters) -> Result<AnyDetector, OutOfRange> {
    let bound = |level: Option<f64>, clear: Option<f64>| {
        level.map(|level| Bound { level, clear: clear.unwrap_or(level) })
    };
    let (above, below) = (parameters.optional("above"), parameters.optional("below"));
    let (clear, clear_below) = (parameters.optional("clear"), parameters.optional("clear_below"));
    if clear_below.is_some() && below.is_none() {
        return Err(OutOfRange::new("clear_below", "needs `below`"));
    }
    let below_only = above.is_none();
    let config = ThresholdConfig {
        above: bound(above, clear),
        below: bound(below, clear_below.or(clear.filter(|_| below_only))),
    };
    Threshold::new(config).map(AnyDetector::Threshold)
}

impl Threshold {
    /// # Errors
    /// [`OutOfRange`] names the limit that is missing, not finite, or on the wrong side of another.
    pub fn new(config: ThresholdConfig) -> Result<Self, OutOfRange> {
        let ThresholdConfig { above, below } = config;
        let finite =
            |bound: Option<Bound>| bound.is_none_or(|at| at.level.is_finite() && at.clear.is_finite());
        let fault = match (above, below) {
            (None, None) => Some(("above", "is missing: give `above`, `below` or both")),
            _ if !finite(above) => Some(("above", "must be finite")),
            _ if !finite(below) => Some(("below", "must be finite")),
            (Some(at), _) if at.clear > at.level => Some(("clear", "must not be above `above`")),
            (_, Some(at)) if at.clear < at.level => Some(("clear", "must not be below `below`")),
            (Some(a), Some(b)) if b.level > a.level => Some(("below", "must not be above `above`")),
            (Some(a), Some(b)) if a.clear < b.level || b.clear > a.level => {
                Some(("clear", "must lie between `below` and `above`"))
            }
            _ => None,
        };
        fault.map_or(Ok(Self { config }), |(parameter, want)| Err(OutOfRange::new(parameter, want)))
    }
}

impl Detector for Threshold {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let over = self.config.above.map(|bound| (value - bound.level, bound.level, value <= bound.clear));
        let under = self.config.below.map(|bound| (bound.level - value, bound.level, value >= bound.clear));
        let worse = match (over, under) {
            (Some(a), Some(b)) => Some(if a.0 >= b.0 { a } else { b }),
            (one, other) => one.or(other),
        };
        let (score, level, _) = worse.unwrap_or((0.0, value, true));
        let verdict = if score > 0.0 { Verdict::Anomalous(score) } else { Verdict::Normal(score) };
        let clears = over.is_none_or(|(_, _, clear)| clear) && under.is_none_or(|(_, _, clear)| clear);
        Judgement { verdict, expected: Some(level), clears }
    }

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let level = judgement.expected.unwrap_or(f64::NAN);
        let above = self.config.above.is_some_and(|bound| bound.level == level);
        write!(to, "{} {}", if above { "above" } else { "below" }, Figure(level))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, CompleteParameters, KIND, Threshold, ThresholdConfig, build};
    use crate::detect::{AnyDetector, Detector, Parameters, Verdict::*};
    use crate::time::Time;

    fn parameters(pairs: &[(&'static str, f64)]) -> CompleteParameters {
        let mut parameters = Parameters::new();
        pairs.iter().for_each(|(name, value)| parameters.set(name, *value).unwrap());
        parameters.complete(KIND.parameters).unwrap()
    }

    #[test]
    fn limits_judge_and_clear_levels_hold() {
        let between = ThresholdConfig {
            above: Some(Bound { level: 35.0, clear: 33.0 }),
            below: Some(Bound { level: -5.0, clear: -5.0 }),
        };
        let mut threshold = Threshold::new(between).unwrap();
        let mut judge = |value| threshold.push(Time(0).into(), value);
        assert_eq!(judge(36.5).verdict, Anomalous(1.5));
        assert_eq!(judge(-7.0).verdict, Anomalous(2.0));
        assert_eq!((judge(-7.0).expected, judge(36.5).expected), (Some(-5.0), Some(35.0)));
        assert_eq!((judge(35.0).verdict, judge(35.0).clears), (Normal(0.0), false));
        assert_eq!((judge(33.0).clears, judge(-5.0).clears), (true, true));
        assert_eq!(judge(f64::NAN).verdict, Invalid);
        assert_eq!(judge(1e308).verdict, Anomalous(1e308));
    }

    #[test]
    fn bad_limits_are_refused_by_name() {
        let refused = |pairs: &[(&'static str, f64)]| build(&parameters(pairs)).unwrap_err().parameter;
        assert_eq!(refused(&[]), "above");
        assert_eq!(refused(&[("clear", 1.0)]), "above");
        assert_eq!(refused(&[("above", 1.0), ("clear", 2.0)]), "clear");
        assert_eq!(refused(&[("below", 1.0), ("clear", 0.0)]), "clear");
        assert_eq!(refused(&[("above", 1.0), ("below", 2.0)]), "below");
        assert_eq!(refused(&[("above", 1.0), ("clear_below", 2.0)]), "clear_below");
        assert_eq!(refused(&[("above", 1.0), ("below", 0.0), ("clear", -1.0)]), "clear");
        let infinite =
            ThresholdConfig { above: Some(Bound { level: f64::INFINITY, clear: 0.0 }), below: None };
        assert_eq!(Threshold::new(infinite).unwrap_err().parameter, "above");
        let AnyDetector::Threshold(freezer) =
            build(&parameters(&[("below", -30.0), ("clear", -25.0)])).unwrap()
        else {
            panic!("another detector");
        };
        assert_eq!(freezer.config.below, Some(Bound { level: -30.0, clear: -25.0 }));
    }
}
