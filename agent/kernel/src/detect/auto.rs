//! Auto: flags what is unusual for a series at this time, without any parameter.
//!
//! Fourteen views judge a reading, and one more its unrest. Eight compare it with what is usual at its time of day and
//! at its hour of the week ([`profile`]), as it is and averaged over 3, 10 and 30 readings: a short view sees a spike,
//! a long one a shift. Two are the distance from the long-term level and the restlessness of the series. The others
//! compare it with the readings just before it ([`near`]), where a needle in a smooth curve stands out. For each view
//! a histogram of its own past tells how rare its number is ([`surprise`]), in decimal digits, whatever its
//! distribution. [`fusion`] makes a verdict of them: their root mean square is the surprise of all together, whose limit
//! the series sets itself ([`limit`]), and two views may speak alone. A value that no longer changes is a view of its own
//! ([`flat`]). [`reason`] says it in words.
//!
//! Source: surprise against a model's own past, as in S. Ahmad et al., Neurocomputing 262:134-147, 2017 (anomaly
//! likelihood); rank statistics instead of their normal law, because sensors are quantised, skewed and heavy-tailed:
//! each rank is a conformal p-value (V. Vovk et al., "Algorithmic Learning in a Random World", 2005). The rest after an
//! alarm as in CAD OSE (M. Smirnov, NAB, 2016).
//!
//! Shapes: in a time and an `f64`, out a score in digits (2.4 is the limit; one more is ten times as rare). State:
//! 7.5 KB, most of it histograms. Cost: O(1), no allocation.

mod flat;
mod fusion;
mod limit;
mod model;
mod near;
mod profile;
mod reason;
mod rows;
mod settings;
mod surprise;
mod tempo;

use super::describe::Figure;
use super::learned::learned;
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Verdict,
};
use crate::time::Moment;
use core::fmt;
use fusion::Fusion;
pub use model::AutoModel;
use reason::Reason;
pub use rows::AutoRows;
pub use settings::AutoSettings;

/// Flags what is unusual; see the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auto {
    settings: &'static AutoSettings,
    model: AutoModel,
    fusion: Fusion,
    /// What it said of the last reading that it flagged.
    reason: Reason,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "auto",
    version: 4,
    doc: "the value is unusual for the series at this time; nothing to set, it learns as it goes",
    parameters: &[],
    judges: Judges::ValuesOrRows,
    build: |_: &CompleteParameters| -> Result<AnyDetector, OutOfRange> { Ok(AnyDetector::Auto(Auto::new())) },
};

impl Default for Auto {
    fn default() -> Self {
        Self::new()
    }
}

impl Auto {
    /// A detector that has learned nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self::with(&AutoSettings::DEFAULT)
    }

    /// As [`Auto::new`], with other settings.
    #[must_use]
    pub const fn with(settings: &'static AutoSettings) -> Self {
        Self { settings, model: AutoModel::new(), fusion: Fusion::new(), reason: Reason::Steps }
    }
}

impl Detector for Auto {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let fused = self.fusion.judge(self.settings, &[self.model.weigh(at.time, value)]);
        if let Verdict::Anomalous(_) = fused.verdict {
            self.model.on_alarm();
            self.reason = fused.reason;
        }
        let verdict = if self.model.is_learning() { Verdict::Learning } else { fused.verdict };
        Judgement { verdict, expected: fused.expected, clears: fused.clears }
    }

    learned!(model, fusion, reason);

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{}", self.reason)
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        describe_end(value, to)
    }
}

fn describe_end(value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
    write!(to, "{} is usual again", Figure(value))
}

#[cfg(test)]
mod tests;
