//! Watches several series of a stream as one: joins their readings by time, and runs a detector of rows and the alert.
//!
//! A row is complete when every series has a reading since the last row, and none of these readings is older than
//! `within` before the newest. The reading that completes a row triggers its judgement. A reading no later than the
//! last row belongs to the past. So series that come in one payload stay together, even if one of them was left out
//! once.
//!
//! State: that of the detector and 16 bytes per series. Cost: that of the detector, once per row.

use super::{
    Alarm, AlertingDetector, AutoModel, DetectorKind, Judgement, OutOfRange, Parameter, Parameters,
    RowDetector, SERIES_MAX, Transition,
};
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// Joins the readings of several series by time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows {
    latest: [(SteadyTime, f64); SERIES_MAX],
    series: usize,
    within_ms: i64,
    /// The time of the last row.
    last: SteadyTime,
}

/// The values of several series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The time of the newest value.
    pub time: SteadyTime,
    values: [f64; SERIES_MAX],
    series: usize,
}

impl Row {
    /// One value per series [channel units].
    #[must_use]
    pub fn values(&self) -> &[f64] {
        self.values.get(..self.series).unwrap_or(&self.values)
    }
}

impl Rows {
    /// Rows of `series` series. No value is older than the newest by more than `within_ms` milliseconds.
    ///
    /// # Errors
    /// [`OutOfRange`] names what is.
    pub const fn new(series: usize, within_ms: i64) -> Result<Self, OutOfRange> {
        if series < 2 || series > SERIES_MAX {
            return Err(OutOfRange::new("over", "must be of 2 to 8 series"));
        }
        if within_ms < 0 {
            return Err(OutOfRange::new("within", "must not be negative"));
        }
        Ok(Self { latest: [(SteadyTime::MIN, 0.0); SERIES_MAX], series, within_ms, last: SteadyTime::MIN })
    }

    /// Takes a reading of the series numbered `member`; returns the row that it completes.
    pub fn on_reading(&mut self, member: usize, time: SteadyTime, value: f64) -> Option<Row> {
        let latest = self.latest.get_mut(..self.series)?;
        let own = latest.get_mut(member).filter(|own| time >= own.0 && time > self.last)?;
        if !value.is_finite() {
            return None;
        }
        *own = (time, value);
        let newest = latest.iter().map(|(time, _)| *time).max()?;
        let oldest = latest.iter().map(|(time, _)| *time).min()?;
        if oldest <= self.last || newest.since(oldest) > self.within_ms {
            return None;
        }
        self.last = newest;
        Some(Row { time: newest, values: self.latest.map(|(_, value)| value), series: self.series })
    }

    fn save(&self, to: &mut dyn StateWriter) {
        self.last.save(to);
        self.latest.iter().take(self.series).for_each(|reading| reading.save(to));
    }

    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.last = State::load(from)?;
        for reading in self.latest.iter_mut().take(self.series) {
            let (time, value): (SteadyTime, f64) = State::load(from)?;
            *reading = if value.is_finite() { (time, value) } else { return Err(Corrupt) };
        }
        Ok(())
    }
}

/// A detector of rows over several series, with its alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multivariate<M> {
    rows: Rows,
    watch: AlertingDetector<RowDetector<M>>,
}

/// The parameters of every detector of rows, besides those of its kind and of the alert.
pub const ROW_PARAMETERS: &[Parameter] =
    &[Parameter::duration("within", "values further apart are not of one time").or(60_000.0)];

/// The version of the stored rows.
pub const ROWS_VERSION: u16 = 1;

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]> + FromIterator<AutoModel> + Clone> Multivariate<M> {
    /// Builds one of `kind` for `series` series, from [`ROW_PARAMETERS`], the parameters of the kind and
    /// [`Alarm::PARAMETERS`].
    ///
    /// # Errors
    /// [`OutOfRange`] names the parameter that is wrong.
    pub fn build(kind: &DetectorKind, parameters: &Parameters, series: usize) -> Result<Self, OutOfRange> {
        let rows = Rows::new(series, parameters.complete(ROW_PARAMETERS)?.ms("within"))?;
        let detector = RowDetector::build(kind, parameters, series)?;
        Ok(Self { rows, watch: AlertingDetector::of(detector, Alarm::build(parameters)?) })
    }

    /// Takes a reading of the series numbered `member`; judges the row that it completes.
    pub fn on_reading(
        &mut self,
        member: usize,
        at: Moment,
        value: f64,
    ) -> Option<(Row, Judgement, Transition)> {
        let row = self.rows.on_reading(member, at.steady, value)?;
        let (judgement, transition) = self.watch.on_row(Moment { steady: row.time, ..at }, row.values());
        Some((row, judgement, transition))
    }

    /// The series that speaks most for an anomaly in the last row, which is `row`.
    #[must_use]
    pub fn most(&self, row: &Row) -> usize {
        self.watch.most(row.values())
    }

    /// Explains why the alert was last raised or cleared, as [`AlertingDetector::reason`].
    ///
    /// # Errors
    /// Those of the writer.
    pub fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        self.watch.reason(value, to)
    }

    /// Whether its alert is raised.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        self.watch.is_raised()
    }

    /// How many models its detector keeps in `M`.
    #[must_use]
    pub fn models(&self) -> usize {
        match self.watch.detector() {
            RowDetector::HalfSpace(_) => 0,
            RowDetector::Auto(rows) => rows.models(),
        }
    }

    /// The version of the detector's own state.
    #[must_use]
    pub const fn detector_version(&self) -> u16 {
        self.watch.detector().version()
    }

    /// Restores the alert alone, where the detector's state has another version; the detector learns anew.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; it is as it was.
    pub fn restore_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let mut restored = self.clone();
        restored.rows.restore(from)?;
        restored.watch.restore_alert(from)?;
        *self = restored;
        Ok(())
    }

    /// Writes what the detector has learned and the state of the alert, without the config.
    pub fn save(&self, to: &mut dyn StateWriter) {
        self.rows.save(to);
        self.watch.save(to);
    }

    /// Restores what [`Multivariate::save`] wrote under the same parameters.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; it is as it was.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let mut restored = self.clone();
        restored.rows.restore(from)?;
        restored.watch.restore(from)?;
        *self = restored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AutoModel, Multivariate, Parameters, Row, Rows};
    use crate::detect::testing::Noise;
    use crate::detect::{KINDS, Transition};
    use crate::state::StateReader;
    use crate::time::{SteadyTime, Time};

    extern crate std;
    use std::vec::Vec;

    fn rows(readings: &[(usize, i64)], within_ms: i64) -> Vec<(i64, Vec<f64>)> {
        let mut rows = Rows::new(3, within_ms).unwrap();
        let told =
            readings.iter().filter_map(|(member, at)| rows.on_reading(*member, SteadyTime(*at), *at as f64));
        told.map(|row: Row| (row.time.0, row.values().to_vec())).collect()
    }

    #[test]
    fn what_comes_together_is_judged_together() {
        let same = [(0, 10), (1, 10), (2, 10), (0, 20), (1, 20), (2, 20)];
        assert_eq!(rows(&same, 0), [(10, [10.0; 3].to_vec()), (20, [20.0; 3].to_vec())]);
        // Each at its own moment, in any order.
        let own = [(0, 10), (2, 12), (1, 11), (1, 21), (0, 20), (2, 22)];
        assert_eq!(rows(&own, 5), [(12, [10.0, 11.0, 12.0].to_vec()), (22, [20.0, 21.0, 22.0].to_vec())]);
        // The quick one is taken where the slow ones are.
        let quick = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 5), (0, 6), (0, 7), (1, 14), (0, 15), (2, 15)];
        assert_eq!(rows(&quick, 5), [(5, [3.0, 4.0, 5.0].to_vec()), (15, [15.0, 14.0, 15.0].to_vec())]);
        assert!(rows(&[(0, 1), (1, 2), (2, 100), (0, 200), (1, 300)], 5).is_empty(), "too far apart");
    }

    /// A field that is missing once does not put the others out of step.
    #[test]
    fn a_gap_heals() {
        let gap = [(0, 10), (2, 10), (0, 20), (1, 20), (2, 20), (0, 30), (1, 30), (2, 30)];
        assert_eq!(rows(&gap, 60), [(20, [20.0, 20.0, 10.0].to_vec()), (30, [30.0; 3].to_vec())]);
        assert_eq!(rows(&gap, 0), [(20, [20.0; 3].to_vec()), (30, [30.0; 3].to_vec())]);
        let back = [(0, 10), (1, 10), (2, 10), (0, 5), (1, 5), (2, 5), (3, 11), (0, 11), (1, 11), (2, 11)];
        assert_eq!(rows(&back, 0).len(), 2);
    }

    /// Flow follows pressure until it does not; a restart at any point changes nothing.
    #[test]
    fn a_rare_combination_raises_one_alert_over_a_restart() {
        let mut parameters = Parameters::new();
        parameters.set("span", 1.0).unwrap();
        let kind = KINDS.iter().find(|kind| kind.name == "half-space").unwrap();
        let built = || Multivariate::<Vec<AutoModel>>::build(kind, &parameters, 2).unwrap();
        let (mut together, mut noise) = (built(), Noise::new(3));
        let mut raised = Vec::new();
        for at in 0..3_000 {
            let pressure = 10.0 * noise.even();
            let flow = if at == 2_900 { 19.0 - 2.0 * pressure } else { 2.0 * pressure };
            let pressure = if at == 2_900 { 0.5 } else { pressure };
            assert!(together.on_reading(0, Time(at).into(), pressure).is_none());
            let (row, _, transition) =
                together.on_reading(1, Time(at).into(), flow + 0.1 * noise.normal()).unwrap();
            if let Transition::Raised { .. } = transition {
                raised.push(at);
                assert!(together.most(&row) < 2);
            }
            if at % 700 == 0 {
                let mut state = Vec::new();
                together.save(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
                let mut restored = built();
                restored.restore(&mut StateReader::new(&state)).unwrap();
                assert_eq!(restored, together);
                let cut = &state[..state.len() - 1];
                assert!(built().restore(&mut StateReader::new(cut)).is_err());
                together = restored;
            }
        }
        assert!(raised.contains(&2_900) && raised.len() < 6, "{raised:?}");
        let lonely = Multivariate::<Vec<AutoModel>>::build(kind, &parameters, 1);
        assert_eq!(lonely.unwrap_err().parameter, "over");
        assert!(size_of::<Multivariate<Vec<AutoModel>>>() <= 8 * 1_024);
    }
}
