//! Detectors that judge the values of several series at one time.

use super::{
    AutoModel, AutoRows, Detector, DetectorKind, HalfSpace, HalfSpaceConfig, Judgement, OutOfRange,
    Parameters,
};
use crate::state::{Corrupt, StateReader, StateWriter};
use crate::time::Moment;
use core::fmt;

/// A detector of rows. It keeps the models of `auto`, one for each series, in `M`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "the kernel has no heap; who holds many may box them")]
pub enum RowDetector<M> {
    /// Rare combinations.
    HalfSpace(HalfSpace),
    /// Each series by itself, and one verdict.
    Auto(AutoRows<M>),
}

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]> + FromIterator<AutoModel>> RowDetector<M> {
    /// Builds one of `kind` for `series` series.
    ///
    /// # Errors
    /// [`OutOfRange`] names the parameter that is wrong.
    pub fn build(kind: &DetectorKind, parameters: &Parameters, series: usize) -> Result<Self, OutOfRange> {
        if kind.name == super::auto::KIND.name {
            return Ok(Self::Auto(AutoRows::new((0..series).map(|_| AutoModel::new()).collect())));
        }
        let config = HalfSpaceConfig::of(&parameters.complete(super::half_space::KIND.parameters)?);
        HalfSpace::new(config).map(Self::HalfSpace)
    }

    /// Judges a row, one value per series, at the moment of its newest value.
    pub fn push_row(&mut self, at: Moment, row: &[f64]) -> Judgement {
        match self {
            Self::HalfSpace(trees) => trees.push_row(row),
            Self::Auto(rows) => rows.push_row(at, row),
        }
    }

    /// The index of the value of the last row that speaks most for an anomaly.
    #[must_use]
    pub fn most(&self, row: &[f64]) -> usize {
        match self {
            Self::HalfSpace(trees) => trees.furthest(row),
            Self::Auto(rows) => rows.most(),
        }
    }

    pub(super) const fn version(&self) -> u16 {
        match self {
            Self::HalfSpace(_) => super::half_space::KIND.version,
            Self::Auto(_) => super::auto::KIND.version,
        }
    }
}

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]>> Detector for RowDetector<M> {
    fn push(&mut self, at: Moment, value: f64) -> Judgement {
        match self {
            Self::HalfSpace(trees) => trees.push(at, value),
            Self::Auto(rows) => rows.push(at, value),
        }
    }

    fn describe(&self, judgement: &Judgement, to: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::HalfSpace(trees) => trees.describe(judgement, to),
            Self::Auto(rows) => rows.describe(judgement, to),
        }
    }

    fn describe_end(&self, raised: &Judgement, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::HalfSpace(trees) => trees.describe_end(raised, value, to),
            Self::Auto(rows) => rows.describe_end(raised, value, to),
        }
    }

    fn save(&self, to: &mut dyn StateWriter) {
        match self {
            Self::HalfSpace(trees) => trees.save(to),
            Self::Auto(rows) => rows.save(to),
        }
    }

    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        match self {
            Self::HalfSpace(trees) => trees.restore(from),
            Self::Auto(rows) => rows.restore(from),
        }
    }
}
