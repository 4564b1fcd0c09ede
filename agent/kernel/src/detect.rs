//! The contract of detectors, the list of all kinds, and the life of an alert.
//!
//! A [`Detector`] judges each reading of one series. An [`Alarm`] turns its verdicts into an alert that is raised
//! once and cleared once. An [`AlertingDetector`] is both together, as a config defines it. To add a detector, write
//! its file here, and add its entry to [`KINDS`] and its variant to [`AnyDetector`].

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
mod row_detector;
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
pub use auto::{Auto, AutoModel, AutoRows, AutoSettings};
use core::fmt;
pub use cusum::{Cusum, CusumConfig};
pub use describe::Figure;
pub use half_space::{HalfSpace, HalfSpaceConfig, SERIES_MAX, SHINGLE};
pub use hampel::{Hampel, HampelConfig};
pub use jump::{Jump, JumpConfig};
pub use missing::{Missing, MissingConfig};
pub use multivariate::{Multivariate, ROW_PARAMETERS, ROWS_VERSION, Row, Rows};
pub use page_hinkley::{PageHinkley, PageHinkleyConfig};
pub use parameters::{
    CompleteParameters, PARAMETERS_MAX, Parameter, ParameterKind, ParameterPresence, Parameters,
};
pub use quantile::{Quantile, QuantileConfig};
pub use range::{Range, RangeConfig};
pub use rate::{RateConfig, RateOfChange};
pub use row_detector::RowDetector;
pub use seasonal::{Seasonal, SeasonalConfig};
pub use stuck::{Stuck, StuckConfig};
pub use threshold::{Bound, Threshold, ThresholdConfig};
pub use zscore::{ZScore, ZScoreConfig};

/// A causal judge of one series, in constant memory.
///
/// A detector has no clock, no series name and no I/O, so that the same readings give the same verdicts on a gateway,
/// on a microcontroller and in a test.
pub trait Detector {
    /// Judges `value` [channel unit] at the moment `at` by the past, then learns from it.
    fn push(&mut self, at: Moment, value: f64) -> Judgement;

    /// When the detector judges the silence, if no reading comes; most never do.
    fn due(&self) -> Option<SteadyTime> {
        None
    }

    /// Judges the silence until `now`; call it when it is due. `None`: there is no judgement.
    fn on_tick(&mut self, _now: Moment) -> Option<Judgement> {
        None
    }

    /// Expects a first reading from `now` on, so that its absence is judged; most need a reading first.
    fn expect_reading(&mut self, _now: SteadyTime) {}

    /// Describes the finding of an anomalous judgement, as in `36.2 is` `above 35`.
    ///
    /// # Errors
    /// Those of the writer.
    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result;

    /// Describes the end of an alert that `raised` began, at a reading of `value`, as in `32.9 is no longer above 35`.
    ///
    /// # Errors
    /// Those of the writer.
    fn describe_end(&self, raised: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{} is no longer ", Figure(value))?;
        self.describe(raised, to)
    }

    /// Describes the absence of a reading that was expected, and of which there is no value.
    ///
    /// # Errors
    /// Those of the writer.
    fn describe_absence(&self, _to: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }

    /// Writes what the detector has learned, without the config. A detector that learns nothing writes nothing.
    fn save(&self, _to: &mut dyn StateWriter) {}

    /// Restores what [`Detector::save`] wrote under the same config.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it. The detector is then as good as new, or as it was.
    fn restore(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}

/// The verdict on one value. Scores grow with the anomaly; each detector has its own unit.
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

/// A verdict with its explanation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The value that was expected, or the limit that was broken [channel unit].
    pub expected: Option<f64>,
    /// Whether an alert may clear at this value; some detectors require it to be well within limits.
    pub clears: bool,
}

impl Judgement {
    /// The judgement of an invalid value.
    pub(crate) const INVALID: Self = Self { verdict: Verdict::Invalid, expected: None, clears: false };
    /// The judgement of a value with too little past.
    pub(crate) const LEARNING: Self = Self { verdict: Verdict::Learning, expected: None, clears: false };

    /// Anomalous if the score is above the limit; otherwise the alert may clear.
    pub(crate) fn scored(score: f64, limit: f64, expected: Option<f64>) -> Self {
        let beyond = score > limit;
        let verdict = if beyond { Verdict::Anomalous(score) } else { Verdict::Normal(score) };
        Self { verdict, expected, clears: !beyond }
    }

    /// The score; `None`: the value could not be judged.
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

/// A kind of detector, as a config names it.
#[derive(Clone, Copy, Debug)]
pub struct DetectorKind {
    /// `type = "…"` in the config.
    pub name: &'static str,
    /// The version of the bytes that [`Detector::save`] writes. Raise it whenever they change.
    pub version: u16,
    /// A summary of what it finds, in one line.
    pub doc: &'static str,
    /// Its own parameters, without those of [`Alarm::PARAMETERS`].
    pub parameters: &'static [Parameter],
    /// Its input.
    pub judges: Judges,
    /// Builds a detector; see [`DetectorKind::detector`].
    pub(crate) build: fn(&CompleteParameters) -> Result<AnyDetector, OutOfRange>,
}

impl DetectorKind {
    /// Builds a detector from its own parameters; other parameters are ignored.
    ///
    /// # Errors
    /// [`OutOfRange`] names the parameter that is missing or wrong.
    pub fn detector(&self, given: &Parameters) -> Result<AnyDetector, OutOfRange> {
        (self.build)(&given.complete(self.parameters)?)
    }
}

/// The input of a kind of detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judges {
    /// Values of one series: its readings, or one number of its windows.
    Values,
    /// Values of one series, or rows with the values of several series at the same time.
    ValuesOrRows,
    /// Readings, before anything else sees them. A reading that the detector calls invalid is refused.
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

/// Visits a detector of any kind, with its own type.
pub trait DetectorVisitor {
    /// The result of the visit.
    type Output;

    /// Visits the detector.
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
            /// Passes the detector, with its own type, to `visitor`.
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

            fn expect_reading(&mut self, now: SteadyTime) {
                match self { $(Self::$name(detector) => detector.expect_reading(now),)* }
            }

            fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
                match self { $(Self::$name(detector) => detector.describe(judgement, to),)* }
            }

            fn describe_end(&self, raised: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
                match self { $(Self::$name(detector) => detector.describe_end(raised, value, to),)* }
            }

            fn describe_absence(&self, to: &mut dyn fmt::Write) -> fmt::Result {
                match self { $(Self::$name(detector) => detector.describe_absence(to),)* }
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
