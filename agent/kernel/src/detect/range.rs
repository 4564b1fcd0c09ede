//! Range: refuses values that the sensor cannot have measured.
//!
//! A value outside the range is not a reading at all: like NaN it is [`Verdict::Invalid`](super::Verdict::Invalid),
//! and counted. Nothing else should see it. State: the count. For values that are possible but bad, see
//! [`Threshold`](super::Threshold).

use super::describe::Figure;
use super::learned::learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
};
use crate::time::Moment;
use core::fmt;

/// Parameters of [`Range`]; at least one, finite [channel unit].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RangeConfig {
    /// Smallest possible value.
    pub min: Option<f64>,
    /// Largest possible value.
    pub max: Option<f64>,
}

/// Physical limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    config: RangeConfig,
    refused: u64,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "range",
    version: 1,
    doc: "the value is physically impossible: it is refused and counted",
    parameters: &[
        Parameter::number("min", "smaller values are refused").optional(),
        Parameter::number("max", "larger values are refused").optional(),
    ],
    judges: Judges::RawReadings,
    build: |parameters: &CompleteParameters| {
        let config = RangeConfig { min: parameters.optional("min"), max: parameters.optional("max") };
        Range::new(config).map(AnyDetector::Range)
    },
};

impl Range {
    /// # Errors
    /// [`OutOfRange`] names the limit that is missing, not finite or beyond the other.
    pub fn new(config: RangeConfig) -> Result<Self, OutOfRange> {
        let finite = |limit: Option<f64>| limit.is_none_or(f64::is_finite);
        match config {
            RangeConfig { min: None, max: None } => {
                Err(OutOfRange::new("min", "is missing: give `min`, `max` or both"))
            }
            RangeConfig { min, .. } if !finite(min) => Err(OutOfRange::new("min", "must be finite")),
            RangeConfig { max, .. } if !finite(max) => Err(OutOfRange::new("max", "must be finite")),
            RangeConfig { min: Some(min), max: Some(max) } if min > max => {
                Err(OutOfRange::new("min", "must not be above `max`"))
            }
            config => Ok(Self { config, refused: 0 }),
        }
    }

    /// The number of refused readings.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

impl Detector for Range {
    #[inline]
    fn push(&mut self, _: Moment, value: f64) -> Judgement {
        let within = |value: f64| {
            self.config.min.is_none_or(|min| value >= min) && self.config.max.is_none_or(|max| value <= max)
        };
        if value.is_finite() && within(value) {
            return Judgement::scored(0.0, 0.0, None);
        }
        self.refused = self.refused.saturating_add(1);
        Judgement::INVALID
    }

    learned!(refused);

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        to.write_str("not possible")
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{} is possible again", Figure(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, RangeConfig};
    use crate::detect::{Detector, Verdict::*};
    use crate::time::Time;

    #[test]
    fn the_impossible_is_refused_and_counted() {
        let mut range = Range::new(RangeConfig { min: Some(-40.0), max: Some(85.0) }).unwrap();
        let values = [-40.0, 85.0, -127.0, 85.1, f64::NAN, 1e308, 20.0];
        let verdicts = values.map(|value| range.push(Time(0).into(), value).verdict);
        assert_eq!(verdicts[..2], [Normal(0.0); 2]);
        assert_eq!(verdicts[2..6], [Invalid; 4]);
        assert_eq!((verdicts[6], range.refused()), (Normal(0.0), 4));
        let refused = |min, max| Range::new(RangeConfig { min, max }).unwrap_err().parameter;
        assert_eq!(
            [refused(None, None), refused(Some(2.0), Some(1.0)), refused(None, Some(f64::NAN))],
            ["min", "min", "max"]
        );
    }
}
