//! Rate: flags a value that rises or falls too fast.
//!
//! A reading is compared with the smallest and the largest one of the last `per`, so that noise from one reading to the
//! next counts as what it is. Readings that are further apart than `per` are compared with the one before them, by the
//! slope per `per`. Score: how far the change is beyond its limit [channel unit]. A reading that is earlier than the last
//! one begins anew, so that a step of the device's clock costs one judgement.
//!
//! State: the last reading, and the extremes of every eighth of `per`. An extreme that is past `per` takes those of its
//! eighth with it, so that the time compared is `per`, or up to an eighth less.

use super::describe::{Duration, Figure};
use super::learned::Learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Parameter,
    Verdict,
};
use crate::state::{Corrupt, StateReader, StateWriter};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// Parameters of [`RateOfChange`]; at least one limit, both positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConfig {
    /// Fastest rise [channel unit per `per`].
    pub rise: Option<f64>,
    /// Fastest fall, a positive number [channel unit per `per`].
    pub fall: Option<f64>,
    /// The time unit of the limits, in milliseconds.
    pub per_ms: i64,
}

/// Limits on the change per time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateOfChange {
    config: RateConfig,
    last: Option<Reading>,
    /// The smallest and the largest reading of each of the last spans, by the number of the span.
    spans: [Option<(Reading, Reading)>; SPANS + 1],
}

type Reading = (SteadyTime, f64);

/// How many spans make up `per`. Together they begin in the middle of one.
const SPANS: usize = 8;

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "rate",
    version: 1,
    doc: "the value rises or falls too fast",
    parameters: &[
        Parameter::number("rise", "rising by more than this within `per` is anomalous").optional(),
        Parameter::number("fall", "falling by more than this within `per` is anomalous").optional(),
        Parameter::duration("per", "the time that the limits are about").or(60_000.0),
    ],
    judges: Judges::Values,
    build,
};

fn build(parameters: &CompleteParameters) -> Result<AnyDetector, OutOfRange> {
    let per_ms = parameters.ms("per");
    let config = RateConfig { rise: parameters.optional("rise"), fall: parameters.optional("fall"), per_ms };
    RateOfChange::new(config).map(AnyDetector::RateOfChange)
}

impl RateOfChange {
    /// # Errors
    /// [`OutOfRange`] names the limit that is missing or not positive.
    pub fn new(config: RateConfig) -> Result<Self, OutOfRange> {
        let positive = |limit: Option<f64>| limit.is_none_or(|limit| limit.is_finite() && limit > 0.0);
        match config {
            RateConfig { rise: None, fall: None, .. } => {
                Err(OutOfRange::new("rise", "is missing: give `rise`, `fall` or both"))
            }
            RateConfig { rise, .. } if !positive(rise) => {
                Err(OutOfRange::new("rise", "must be a positive number"))
            }
            RateConfig { fall, .. } if !positive(fall) => {
                Err(OutOfRange::new("fall", "must be a positive number"))
            }
            RateConfig { per_ms, .. } if per_ms <= 0 => Err(OutOfRange::new("per", "must be longer than 0")),
            config => Ok(Self { config, last: None, spans: [None; SPANS + 1] }),
        }
    }
}

impl RateOfChange {
    /// The smallest and the largest value of the last `per`; infinite without one.
    fn extremes(&self, now: SteadyTime) -> (f64, f64) {
        let from = now.minus(self.config.per_ms);
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        self.spans.iter().flatten().fold(none, |(low, high), (smallest, largest)| {
            let of = |reading: &Reading, none| if reading.0 >= from { reading.1 } else { none };
            (low.min(of(smallest, f64::INFINITY)), high.max(of(largest, f64::NEG_INFINITY)))
        })
    }

    /// Notes a reading in its span.
    fn note(&mut self, here: Reading) {
        let span_ms = (self.config.per_ms / SPANS as i64).max(1);
        let number = |time: SteadyTime| time.0.div_euclid(span_ms);
        let at = number(here.0).rem_euclid(SPANS as i64 + 1) as usize;
        let Some(span) = self.spans.get_mut(at) else { return };
        let known = span.filter(|(smallest, _)| number(smallest.0) == number(here.0));
        let (smallest, largest) = known.unwrap_or((here, here));
        *span = Some((
            if here.1 <= smallest.1 { here } else { smallest },
            if here.1 >= largest.1 { here } else { largest },
        ));
    }
}

impl Detector for RateOfChange {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let here = (at.steady, value);
        let before = self.last.replace(here);
        let passed = before.map_or(0, |(before, _)| at.steady.since(before));
        if passed < 0 {
            self.spans = [None; SPANS + 1];
        }
        let (low, high) = self.extremes(at.steady);
        self.note(here);
        let (Some((_, from)), true) = (before, passed > 0) else { return Judgement::LEARNING };
        let slope = (value - from) / passed as f64 * self.config.per_ms as f64;
        let (rise, fall) = if passed <= self.config.per_ms {
            (value - low.min(value), high.max(value) - value)
        } else {
            (slope, -slope)
        };
        let over = |limit: Option<f64>, change: f64| limit.map_or(f64::NEG_INFINITY, |limit| change - limit);
        let (risen, fallen) = (over(self.config.rise, rise), over(self.config.fall, fall));
        let compared = match (passed <= self.config.per_ms, risen >= fallen) {
            (false, _) => from,
            (true, true) => low,
            (true, false) => high,
        };
        Judgement::scored(risen.max(fallen).clamp(f64::MIN, f64::MAX), 0.0, Some(compared))
    }

    fn save(&self, to: &mut dyn StateWriter) {
        self.last.put(to);
        self.spans.put(to);
    }

    /// The state of version 0.1.0 ends after the last reading.
    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let last = Learned::take(from)?;
        let spans = if from.rest().is_empty() { [None; SPANS + 1] } else { Learned::take(from)? };
        (self.last, self.spans) = (last, spans);
        Ok(())
    }

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        let Verdict::Anomalous(score) = judgement.verdict else { return Ok(()) };
        let RateConfig { rise, fall, per_ms } = self.config;
        let from = judgement.expected.unwrap_or(f64::NAN);
        let rising = self.last.is_some_and(|(_, value)| value > from);
        let limit = if rising { rise.or(fall) } else { fall.or(rise) }.unwrap_or(0.0);
        let slope = Figure((score + limit).min(f64::MAX));
        let verb = if rising { "rising" } else { "falling" };
        write!(to, "{verb} by {slope} per {}, faster than {}", Duration(per_ms), Figure(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{RateConfig, RateOfChange};
    use crate::detect::testing::Noise;
    use crate::detect::{Detector, Verdict::*};
    use crate::state::{State, StateReader};
    use crate::time::{SteadyTime, Time};

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn changes_are_judged_over_their_time() {
        let config = RateConfig { rise: Some(6.0), fall: Some(16.0), per_ms: 60_000 };
        let mut rate = RateOfChange::new(config).unwrap();
        let mut at = |second: i64, value| rate.push(Time(second * 1_000).into(), value).verdict;
        assert_eq!(at(0, 20.0), Learning);
        assert_eq!(at(10, 22.0), Normal(-4.0));
        assert_eq!(at(20, 26.0), Normal(0.0));
        assert_eq!(at(30, f64::NAN), Invalid);
        assert_eq!(at(60, 27.0), Anomalous(1.0));
        assert_eq!(at(70, 27.0), Normal(-1.0), "22 is of a minute ago, and 20 is forgotten");
        assert_eq!(at(90, 10.0), Anomalous(1.0));
        // A clock step is no change; neither is a week of silence.
        assert_eq!(at(10, 90.0), Learning);
        assert_eq!(at(10, 95.0), Learning);
        assert_eq!(at(20, 97.0), Anomalous(1.0));
        // Readings that are rarer than the time: 3 in 2 minutes, then 14.
        assert_eq!((at(140, 100.0), at(260, 114.0)), (Normal(-4.5), Anomalous(1.0)));
        assert!(matches!(at(700_000, 5.0), Normal(_)));
        assert!(matches!(at(700_001, 1e308), Anomalous(_)));
        assert!(matches!(at(700_002, -1e308), Anomalous(_)));
    }

    #[test]
    fn noise_is_no_change_and_a_slow_climb_is_one() {
        let mut noise = Noise::new(1);
        for cadence_ms in [1_000, 10_000, 61_000] {
            let of = |rise| {
                RateOfChange::new(RateConfig { rise: Some(rise), fall: Some(rise), per_ms: 60_000 }).unwrap()
            };
            let (mut calm, mut climbing) = (of(1.0), of(1.0));
            let mut found = 0;
            for reading in 0..2_000 {
                let (at, value) = (Time(reading * cadence_ms), 19.7 + 0.6 * noise.even());
                assert!(!matches!(calm.push(at.into(), value).verdict, Anomalous(_)), "{reading} {value}");
                let climb = at.0 as f64 / 60_000.0 * 1.2;
                found += u32::from(matches!(climbing.push(at.into(), climb).verdict, Anomalous(_)));
            }
            assert!(found > 1_900, "{found} at {cadence_ms}");
        }
    }

    #[test]
    fn the_state_of_0_1_0_is_gone_on_with() {
        let config = RateConfig { rise: Some(6.0), fall: None, per_ms: 60_000 };
        let (mut old, mut bytes) = (RateOfChange::new(config).unwrap(), Vec::new());
        let last = Some((SteadyTime(1_000), 20.0));
        last.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
        old.restore(&mut StateReader::new(&bytes)).unwrap();
        assert_eq!(old.push(Time(91_000).into(), 32.0).verdict, Anomalous(2.0));
        let mut saved = Vec::new();
        old.save(&mut |more: &[u8]| saved.extend_from_slice(more));
        let mut new = RateOfChange::new(config).unwrap();
        new.restore(&mut StateReader::new(&saved)).unwrap();
        assert_eq!(new, old);
    }

    #[test]
    fn says_how_fast() {
        let config = RateConfig { rise: Some(6.0), fall: None, per_ms: 60_000 };
        let mut rate = RateOfChange::new(config).unwrap();
        rate.push(Time(0).into(), 20.0);
        let judgement = rate.push(Time(10_000).into(), 32.0);
        let mut said = String::new();
        rate.describe(&judgement, &mut said).unwrap();
        assert_eq!(said, "rising by 12 per 1m, faster than 6");
        let refused = |config| RateOfChange::new(config).unwrap_err().parameter;
        assert_eq!(refused(RateConfig { rise: None, ..config }), "rise");
        assert_eq!(refused(RateConfig { fall: Some(-1.0), ..config }), "fall");
        assert_eq!(refused(RateConfig { per_ms: 0, ..config }), "per");
    }
}
