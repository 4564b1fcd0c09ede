//! Auto: flags what is unusual for a series at this time, without any parameter.
//!
//! A reading is compared with what is usual at its time of day and at its hour of the week ([`profile`]). Both
//! differences, as they are and averaged over 3, 10 and 30 readings, are eight views of the series: a short view sees
//! a spike, a long one a shift. The ninth view is the distance from the long-term level, and the tenth is the
//! restlessness of the series. For each view a histogram of its own past tells how rare its number is ([`surprise`]),
//! in decimal digits, whatever its distribution. The score is the mean of the ten: a single view is often surprised,
//! but all of them are hardly ever surprised by chance.
//!
//! After an alarm the detector rests, and each recent alarm doubles the evidence that the next one needs, so that an
//! event that keeps happening stops being news.
//!
//! Source: surprise against a model's own past, as in S. Ahmad et al., Neurocomputing 262:134-147, 2017 (anomaly
//! likelihood); rank statistics instead of their normal law, because sensors are quantised, skewed and heavy-tailed.
//! The rest after an alarm as in CAD OSE (M. Smirnov, NAB, 2016).
//!
//! Shapes: in a time and an `f64`, out a score in digits (2 = one reading in 100). State: 5.9 KB, most of it
//! histograms. Cost: O(1), no allocation.

mod profile;
mod surprise;

use super::describe::Figure;
use super::learned::{learned, learned_struct};
use super::{
    AnyDetector, CompleteParameters, Detector, DetectorKind, Judgement, Judges, OutOfRange, Verdict,
};
use crate::time::{Moment, Time};
use core::fmt;
use profile::Profile;
use surprise::Surprise;

learned_struct!(View { mean, surprise });

/// A reading is anomalous when its views are on average as surprised as by one reading in 125.
const LIMIT: f64 = 2.1;
/// One reading in 125 can be recognised after as many readings.
const LEARNING: u32 = 125;
/// The input of each view, and over how many readings it averages.
const VIEWS: [(Of, f64); 10] = [
    (Of::Day, 1.0),
    (Of::Day, 3.0),
    (Of::Day, 10.0),
    (Of::Day, 30.0),
    (Of::Week, 1.0),
    (Of::Week, 3.0),
    (Of::Week, 10.0),
    (Of::Week, 30.0),
    (Of::Level, 10.0),
    (Of::Unrest, 10.0),
];
/// A step is the distance from the mean of about this many readings.
const STEP_READINGS: f64 = 10.0;
/// Readings after an alarm without another.
const REST: u8 = 60;
/// A recent alarm doubles the evidence that the next one needs.
const WEARINESS: f64 = core::f64::consts::LOG10_2;
/// Alarms stop being recent over this many readings.
const WEARINESS_READINGS: f64 = 2_000.0;
/// The level and the scale of the series reach back this many readings.
const LEVEL_READINGS: u32 = 1_000;
/// The histograms forget half when this many were seen.
const SEEN_MAX: u32 = 16_384;
/// A reading this many times further out than usual is judged but not learned, and one this many times closer than
/// usual is no news; [`REST`] of either in a row are another unit, and everything is learned anew.
const RANGE: f64 = 4_096.0;
/// Larger values are clamped to this, so that differences and their means stay finite.
const VALUE_MAX: f64 = 1e300;

/// Flags what is unusual; see the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auto {
    profile: Profile,
    views: [View; VIEWS.len()],
    /// Readings learned, up to [`SEEN_MAX`].
    seen: u32,
    level: f64,
    /// Mean distance from the level [channel unit]; 0 while the series has been constant.
    spread: f64,
    /// Mean of the last readings.
    recent: f64,
    /// Mean distance from it [channel unit].
    unrest: f64,
    /// log2 of the scale of the histograms.
    scale: i16,
    /// Consecutive readings of another order of magnitude than before.
    misfits: u8,
    rest: u8,
    weariness: f64,
}

/// The reference of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Day,
    Week,
    Level,
    Unrest,
}

/// One difference from the usual, averaged over a span [scales].
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    mean: f64,
    surprise: Surprise,
}

pub(super) const KIND: DetectorKind = DetectorKind {
    name: "auto",
    version: 1,
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
        const VIEW: View = View { mean: 0.0, surprise: Surprise::new() };
        Self {
            profile: Profile::new(),
            views: [VIEW; VIEWS.len()],
            seen: 0,
            level: 0.0,
            spread: 0.0,
            recent: 0.0,
            unrest: 0.0,
            scale: 0,
            misfits: 0,
            rest: 0,
            weariness: 0.0,
        }
    }

    const fn starting(value: f64) -> Self {
        Self { level: value, recent: value, ..Self::new() }
    }

    /// The mean surprise of the views [digits].
    fn surprise(&mut self, value: f64, [day, week]: [f64; 2]) -> f64 {
        let per_unit = libm::scalbn(1.0, (-i32::from(self.scale)).clamp(-1_000, 1_000));
        let step = (value - self.recent).abs();
        let mut one_in = 1.0;
        for (view, (of, span)) in self.views.iter_mut().zip(VIEWS) {
            let difference = match of {
                Of::Day => value - day,
                Of::Week => value - week,
                Of::Level => value - self.level,
                Of::Unrest => step - self.unrest,
            };
            let difference = (difference * per_unit).clamp(-RANGE, RANGE);
            view.mean += (difference - view.mean) / span.min(f64::from(self.seen) + 1.0);
            one_in *= view.surprise.push(view.mean, self.seen);
        }
        libm::log10(one_in) / VIEWS.len() as f64
    }

    /// Learns the level and the spread, and moves the histograms when the spread has left their middle.
    fn learn(&mut self, time: Time, value: f64) {
        let reach = f64::from(self.seen.saturating_add(1).min(LEVEL_READINGS));
        self.profile.learn(time, value);
        self.unrest += ((value - self.recent).abs() - self.unrest) / reach;
        self.recent += (value - self.recent) / STEP_READINGS;
        self.level += (value - self.level) / reach;
        self.seen = self.seen.min(SEEN_MAX) + 1;
        if self.seen >= SEEN_MAX {
            self.seen /= 2;
            self.views.iter_mut().for_each(|view| view.surprise.halve());
        }
    }

    /// Follows the order of magnitude of the distances from the level.
    fn learn_scale(&mut self, distance: f64) {
        let reach = f64::from(self.seen.saturating_add(1).min(LEVEL_READINGS));
        let first = self.spread == 0.0;
        self.spread += (distance - self.spread) / reach;
        if self.spread == 0.0 {
            return;
        }
        let scale = libm::round(libm::log2(self.spread)) as i16;
        let octaves = i32::from(scale) - i32::from(self.scale);
        if first {
            self.scale = scale;
        } else if octaves.abs() > 3 {
            self.views.iter_mut().for_each(|view| view.rescale(octaves));
            self.scale = scale;
        }
    }

    /// The verdict on a reading with this mean surprise, given the recent alarms.
    fn verdict(&mut self, surprise: f64) -> Verdict {
        self.weariness -= self.weariness / WEARINESS_READINGS;
        let rested = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        let score = (surprise - self.weariness).max(0.0);
        if self.seen < LEARNING {
            return Verdict::Learning;
        }
        if !rested || score <= LIMIT {
            return Verdict::Normal(score.min(LIMIT));
        }
        self.rest = REST;
        self.weariness += WEARINESS;
        Verdict::Anomalous(score)
    }
}

impl View {
    fn rescale(&mut self, octaves: i32) {
        self.mean = libm::scalbn(self.mean, -octaves).clamp(-RANGE, RANGE);
        self.surprise.rescale(octaves);
    }
}

impl Detector for Auto {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::INVALID;
        }
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        if self.seen == 0 {
            *self = Self::starting(value);
        }
        let distance = (value - self.level).abs();
        let first_change = self.spread == 0.0 && distance > 0.0;
        let wild = self.spread > 0.0 && distance > self.spread * RANGE;
        let tiny = distance > 0.0 && distance < self.spread / RANGE;
        self.misfits = if wild || tiny {
            self.misfits.saturating_add(1)
        } else {
            if distance == 0.0 { self.misfits } else { 0 }
        };
        if self.misfits >= REST {
            *self = Self { rest: self.rest, weariness: self.weariness, ..Self::starting(value) };
        }
        let usual = self.profile.expected(at.time, self.level);
        if !wild {
            self.learn_scale(distance);
        }
        let surprise = self.surprise(value, usual);
        let verdict = self.verdict(surprise);
        if !wild && !first_change {
            self.learn(at.time, value);
        }
        Judgement { verdict, expected: Some(usual[1]), clears: surprise < LIMIT }
    }

    learned!(profile, views, seen, level, spread, recent, unrest, scale, misfits, rest, weariness);

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        to.write_str("unusual")?;
        if let Some(expected) = judgement.expected {
            write!(to, ": about {} was expected at this time", Figure(expected))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
