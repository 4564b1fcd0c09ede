//! `auto` over several series: a model of each, and one verdict on all.

use super::fusion::{Evidence, Fusion};
use super::model::AutoModel;
use super::reason::Reason;
use super::settings::AutoSettings;
use crate::detect::learned::Learned;
use crate::detect::{Detector, Judgement, SERIES_MAX, Verdict};
use crate::state::{Corrupt, StateReader, StateWriter};
use crate::time::Moment;
use core::fmt;

/// Flags a row when one of its series is unusual; more series need more evidence. Shapes: in a time and a value per
/// series, out a score as [`super::Auto`]'s. State: that of the models, which the owner keeps in `M`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoRows<M> {
    settings: &'static AutoSettings,
    models: M,
    fusion: Fusion,
    /// The series with the most evidence in the last row.
    most: u8,
    /// What it said of the last row that it flagged.
    reason: Reason,
}

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]>> AutoRows<M> {
    /// One for as many series as there are `models`.
    pub const fn new(models: M) -> Self {
        Self::with(&AutoSettings::DEFAULT, models)
    }

    /// As [`AutoRows::new`], with other settings.
    pub const fn with(settings: &'static AutoSettings, models: M) -> Self {
        Self { settings, models, fusion: Fusion::new(), most: 0, reason: Reason::Steps }
    }

    /// Judges a row, one value per series; values beyond [`SERIES_MAX`] are ignored.
    pub fn push_row(&mut self, at: Moment, row: &[f64]) -> Judgement {
        if row.is_empty() || !row.iter().all(|value| value.is_finite()) {
            return Judgement::INVALID;
        }
        let mut evidence = [Evidence::default(); SERIES_MAX];
        let mut series = 0;
        let mut learning = true;
        for ((model, value), evidence) in self.models.as_mut().iter_mut().zip(row).zip(&mut evidence) {
            *evidence = model.weigh(at.time, *value);
            learning &= model.is_learning();
            series += 1;
        }
        let fused = self.fusion.judge(self.settings, evidence.get(..series).unwrap_or(&evidence));
        self.most = fused.most as u8;
        if let Verdict::Anomalous(_) = fused.verdict {
            self.models.as_mut().get_mut(fused.most).into_iter().for_each(AutoModel::on_alarm);
            self.reason = fused.reason;
        }
        let verdict = if learning { Verdict::Learning } else { fused.verdict };
        Judgement { verdict, expected: fused.expected, clears: fused.clears }
    }

    pub(in crate::detect) fn models(&self) -> usize {
        self.models.as_ref().len()
    }

    /// The index of the series with the most evidence in the last row.
    pub const fn most(&self) -> usize {
        self.most as usize
    }
}

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]>> Detector for AutoRows<M> {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        self.push_row(at, &[value])
    }

    fn describe(&self, _: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        write!(to, "{}", self.reason)
    }

    fn describe_end(&self, _: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        super::describe_end(value, to)
    }

    fn save(&self, to: &mut dyn StateWriter) {
        self.models.as_ref().iter().for_each(|model| model.put(to));
        (self.fusion, (self.most, self.reason)).put(to);
    }

    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for model in self.models.as_mut() {
            *model = Learned::take(from)?;
        }
        (self.fusion, (self.most, self.reason)) = Learned::take(from)?;
        Ok(())
    }
}
