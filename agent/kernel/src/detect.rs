//! What every detector promises, the list of detectors, and the life of an alert.
//!
//! A detector judges each reading of one series ([`Detector`]); an [`Alarm`] turns its verdicts into an alert
//! that is raised once and cleared once; a [`AlertingDetector`] is the two together, as a config asks for them.
//! To add a detector: a file here, its line in [`KINDS`], its arm in [`AnyDetector`].

mod alarm;
mod alerting;
mod auto;
mod cusum;
mod describe;
mod half_space;
mod hampel;
mod jump;
mod learned;
mod missing;
mod moments;
mod multivariate;
mod page_hinkley;
mod parameters;
mod quantile;
mod range;
mod rate;
mod seasonal;
mod stuck;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;
mod threshold;
mod zscore;

pub use crate::OutOfRange;
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::{Moment, SteadyTime};
pub use alarm::{Alarm, AlarmConfig, Transition};
pub use alerting::{AlertingDetector, AlertingVisitor};
pub use auto::Auto;
use core::fmt;
pub use cusum::{Cusum, CusumConfig};
pub use half_space::{HalfSpace, HalfSpaceConfig, SERIES_MAX, SHINGLE};
pub use hampel::{Hampel, HampelConfig};
pub use jump::{Jump, JumpConfig};
pub use missing::{Missing, MissingConfig};
pub use multivariate::{Multivariate, Row, Rows};
pub use page_hinkley::{PageHinkley, PageHinkleyConfig};
pub use parameters::{
    CompleteParameters, PARAMETERS_MAX, Parameter, ParameterKind, ParameterPresence, Parameters,
};
pub use quantile::{Quantile, QuantileConfig};
pub use range::{Range, RangeConfig};
pub use rate::{RateConfig, RateOfChange};
pub use seasonal::{Seasonal, SeasonalConfig};
pub use stuck::{Stuck, StuckConfig};
pub use threshold::{Bound, Threshold, ThresholdConfig};
pub use zscore::{ZScore, ZScoreConfig};

/// A causal, constant-memory judge of one series.
///
/// Owns no clock, no series name and no I/O, so that the same readings give the same verdicts on a gateway,
/// on a microcontroller and in a test.
pub trait Detector {
    /// Judges `value` [channel unit], taken `at` a moment, against the past, then learns from it.
    fn push(&mut self, at: Moment, value: f64) -> Judgement;

    /// When it wants to speak although no reading came; for most never.
    fn due(&self) -> Option<SteadyTime> {
        None
    }

    /// Judges the silence until `now`; to be called when it is due. Only a judgement is an answer.
    fn on_tick(&mut self, _now: Moment) -> Option<Judgement> {
        None
    }

    /// Says what an anomalous judgement found, to be read after `36.2 is`: `above 35`.
    ///
    /// # Errors
    /// Those of the writer.
    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result;

    /// Writes what has been learned, without the config. A detector that learns nothing writes nothing.
    fn save(&self, _to: &mut dyn StateWriter) {}

    /// Goes on from what [`Detector::save`] wrote under the same config.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it. The detector is then as good as new, or as it was.
    fn restore(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}

/// One answer per value. Scores grow with the anomaly; their unit is the detector's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// NaN, infinite or physically impossible: refused, not learned.
    Invalid,
    /// Too little past to judge.
    Learning,
    /// The score is at most the limit.
    Normal(f64),
    /// The score is above the limit.
    Anomalous(f64),
}

/// A verdict and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What the value should have been, or the limit it should have kept [channel unit].
    pub expected: Option<f64>,
    /// Whether an alert that is raised may end with this value; some detectors want it well within limits.
    pub clears: bool,
}

impl Judgement {
    /// Of a value that is none.
    pub(crate) const INVALID: Self = Self { verdict: Verdict::Invalid, expected: None, clears: false };
    /// Of a value with too little past.
    pub(crate) const LEARNING: Self = Self { verdict: Verdict::Learning, expected: None, clears: false };

    /// Anomalous where the score is above the limit, and cleared where it is not.
    pub(crate) fn scored(score: f64, limit: f64, expected: Option<f64>) -> Self {
        let beyond = score > limit;
        let verdict = if beyond { Verdict::Anomalous(score) } else { Verdict::Normal(score) };
        Self { verdict, expected, clears: !beyond }
    }

    /// The score, of a value that could be judged.
    #[must_use]
    pub const fn score(&self) -> Option<f64> {
        match self.verdict {
            Verdict::Normal(score) | Verdict::Anomalous(score) => Some(score),
            Verdict::Invalid | Verdict::Learning => None,
        }
    }
}

impl State for Judgement {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        let tag: u8 = match self.verdict {
            Verdict::Invalid => 0,
            Verdict::Learning => 1,
            Verdict::Normal(_) => 2,
            Verdict::Anomalous(_) => 3,
        };
        tag.save(to);
        self.score().unwrap_or(0.0).save(to);
        self.expected.save(to);
        self.clears.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (tag, score) = (u8::load(from)?, State::load(from)?);
        let verdict = match tag {
            0 => Verdict::Invalid,
            1 => Verdict::Learning,
            2 => Verdict::Normal(score),
            3 => Verdict::Anomalous(score),
            _ => return Err(Corrupt),
        };
        Ok(Self { verdict, expected: State::load(from)?, clears: State::load(from)? })
    }
}

/// A kind of detector as a config names it.
#[derive(Clone, Copy, Debug)]
pub struct DetectorKind {
    /// `type = "…"` in the config.
    pub name: &'static str,
    /// The version of what [`Detector::save`] writes; to be raised whenever that changes.
    pub version: u16,
    /// What it finds, in one line.
    pub doc: &'static str,
    /// Its own parameters; those of the alert's life are [`Alarm::PARAMETERS`].
    pub parameters: &'static [Parameter],
    /// What it judges.
    pub judges: Judges,
    /// Builds one; see [`DetectorKind::detector`].
    pub(crate) build: fn(&CompleteParameters) -> Result<AnyDetector, OutOfRange>,
}

impl DetectorKind {
    /// Builds a detector from its own parameters; others are not looked at.
    ///
    /// # Errors
    /// [`OutOfRange`] names the parameter that is missing or wrong.
    pub fn detector(&self, given: &Parameters) -> Result<AnyDetector, OutOfRange> {
        (self.build)(&given.complete(self.parameters)?)
    }
}

/// What a kind of detector judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judges {
    /// Values of one series: its readings, or one number of its windows.
    Values,
    /// The same, or the values that several series have at one time.
    ValuesOrRows,
    /// Readings, before anything else takes them; a reading that it calls invalid is refused.
    RawReadings,
    /// The silence between readings.
    Silence,
}

/// All kinds of detectors.
pub const KINDS: &[DetectorKind] = &[
    auto::KIND,
    threshold::KIND,
    rate::KIND,
    jump::KIND,
    stuck::KIND,
    missing::KIND,
    range::KIND,
    zscore::KIND,
    hampel::KIND,
    cusum::KIND,
    page_hinkley::KIND,
    seasonal::KIND,
    quantile::KIND,
    half_space::KIND,
];

/// Takes a detector of whatever kind.
pub trait DetectorVisitor {
    /// What it makes of it.
    type Output;

    /// Takes it.
    fn visit<D: Detector + Copy + 'static>(self, detector: &D) -> Self::Output;
}

macro_rules! any_detector {
    ($($name:ident)*) => {
        /// A detector of any kind.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "the kernel has no heap; who holds many may box them")]
        #[allow(missing_docs, reason = "a variant is named for what it holds")]
        pub enum AnyDetector {
            $($name($name),)*
        }

        impl AnyDetector {
            /// Gives the detector, with its own type, to `visitor`.
            pub fn visit<T: DetectorVisitor>(&self, visitor: T) -> T::Output {
                match self { $(Self::$name(detector) => visitor.visit(detector),)* }
            }
        }

        impl Detector for AnyDetector {
            #[inline]
            fn push(&mut self, at: Moment, value: f64) -> Judgement {
                match self { $(Self::$name(detector) => detector.push(at, value),)* }
            }

            fn due(&self) -> Option<SteadyTime> {
                match self { $(Self::$name(detector) => detector.due(),)* }
            }

            fn on_tick(&mut self, now: Moment) -> Option<Judgement> {
                match self { $(Self::$name(detector) => detector.on_tick(now),)* }
            }

            fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
                match self { $(Self::$name(detector) => detector.describe(judgement, to),)* }
            }

            fn save(&self, to: &mut dyn StateWriter) {
                match self { $(Self::$name(detector) => detector.save(to),)* }
            }

            fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
                match self { $(Self::$name(detector) => detector.restore(from),)* }
            }
        }
    };
}

any_detector! {
    Auto Threshold RateOfChange Jump Stuck Missing Range ZScore Hampel Cusum PageHinkley Seasonal Quantile HalfSpace
}
