//! A detector together with its alert, as a config defines them.

use super::describe::{Duration, Figure};
use super::{
    Alarm, AnyDetector, AutoModel, Detector, DetectorKind, DetectorVisitor, Judgement, OutOfRange,
    Parameters, RowDetector, Transition,
};
use crate::state::{Corrupt, State, StateReader, StateWriter};
use crate::time::{Moment, SteadyTime};
use core::fmt;

/// A detector that watches one series: of any kind as a config builds it, or of one kind in the memory of that kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlertingDetector<D = AnyDetector> {
    detector: D,
    alarm: Alarm,
    /// The judgement that raised the alert; it describes the alert when it is cleared.
    raised: Option<Judgement>,
}

impl AlertingDetector {
    /// Builds a detector of `kind` and its alarm.
    ///
    /// # Errors
    /// [`OutOfRange`] names the parameter that is missing or wrong.
    pub fn new(kind: &DetectorKind, parameters: &Parameters) -> Result<Self, OutOfRange> {
        let detector = kind.detector(parameters)?;
        Ok(Self { detector, alarm: Alarm::build(parameters)?, raised: None })
    }

    /// Passes the detector with its alert, with the detector's own type, to `visitor`.
    pub fn visit<T: AlertingVisitor>(&self, visitor: T) -> T::Output {
        self.detector.visit(WithAlarm { watch: self, visitor })
    }
}

/// Visits an [`AlertingDetector`] of any kind, with its own type.
pub trait AlertingVisitor {
    /// The result of the visit.
    type Output;

    /// Visits it.
    fn visit<D: Detector + Copy + 'static>(self, watch: AlertingDetector<D>) -> Self::Output;
}

struct WithAlarm<'w, T> {
    watch: &'w AlertingDetector,
    visitor: T,
}

impl<T: AlertingVisitor> DetectorVisitor for WithAlarm<'_, T> {
    type Output = T::Output;

    fn visit<D: Detector + Copy + 'static>(self, detector: &D) -> T::Output {
        let AlertingDetector { alarm, raised, .. } = *self.watch;
        self.visitor.visit(AlertingDetector { detector: *detector, alarm, raised })
    }
}

impl<M: AsRef<[AutoModel]> + AsMut<[AutoModel]> + FromIterator<AutoModel>> AlertingDetector<RowDetector<M>> {
    /// Judges a row, one value per series, and returns its effect on the alert.
    pub fn on_row(&mut self, at: Moment, row: &[f64]) -> (Judgement, Transition) {
        let judgement = self.detector.push_row(at, row);
        (judgement, self.on_judgement(at.steady, judgement))
    }

    /// The index of the value of the last row that speaks most for an anomaly.
    #[must_use]
    pub fn most(&self, row: &[f64]) -> usize {
        self.detector.most(row)
    }
}

impl<D> AlertingDetector<D> {
    /// A detector and its alarm.
    pub(super) const fn of(detector: D, alarm: Alarm) -> Self {
        Self { detector, alarm, raised: None }
    }

    pub(super) const fn detector(&self) -> &D {
        &self.detector
    }

    fn on_judgement(&mut self, at: SteadyTime, judgement: Judgement) -> Transition {
        let transition = self.alarm.on_judgement(at, &judgement);
        if matches!(transition, Transition::Raised { .. }) {
            self.raised = Some(judgement);
        }
        transition
    }
}

impl<D: Detector + Clone> AlertingDetector<D> {
    /// Judges a reading and returns its effect on the alert.
    #[inline]
    pub fn on_reading(&mut self, at: Moment, value: f64) -> (Judgement, Transition) {
        let judgement = self.detector.push(at, value);
        (judgement, self.on_judgement(at.steady, judgement))
    }

    /// When the detector judges the silence, if no reading comes; most never do.
    #[must_use]
    pub fn due(&self) -> Option<SteadyTime> {
        self.detector.due()
    }

    /// Judges the silence until `now`; call it when it is due.
    pub fn on_tick(&mut self, now: Moment) -> Option<(Judgement, Transition)> {
        let judgement = self.detector.on_tick(now)?;
        Some((judgement, self.on_judgement(now.steady, judgement)))
    }

    /// Whether the alert is raised.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        self.alarm.is_raised()
    }

    /// Writes what the detector has learned and the state of the alert, without the config.
    pub fn save(&self, to: &mut dyn StateWriter) {
        self.alarm.save(to);
        self.raised.save(to);
        self.detector.save(to);
    }

    /// Restores what [`AlertingDetector::save`] wrote under the same kind and parameters.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; the watch is as it was.
    pub fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let mut restored = self.clone();
        restored.load_alert(from)?;
        restored.detector.restore(from)?;
        *self = restored;
        Ok(())
    }

    /// Restores the alert alone, where the detector's state has another version; the detector learns anew.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; the watch is as it was.
    pub fn restore_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let mut restored = self.clone();
        restored.load_alert(from)?;
        *self = restored;
        Ok(())
    }

    fn load_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.alarm.restore(from)?;
        self.raised = State::load(from)?;
        Ok(())
    }

    /// Expects a first reading from `now` on, so that its absence is judged.
    pub fn expect_reading(&mut self, now: SteadyTime) {
        self.detector.expect_reading(now);
    }

    /// Explains why a reading of `value` raised or cleared the alert: `36.2 has been above 35 for 30s`, `32.9 is no
    /// longer above 35`. NaN: the reading that was expected has never come.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn reason(&self, value: f64, to: &mut dyn fmt::Write) -> fmt::Result {
        let Some(judgement) = self.raised else { return Ok(()) };
        if !self.is_raised() {
            return self.detector.describe_end(&judgement, value, to);
        }
        if value.is_nan() {
            return self.detector.describe_absence(to);
        }
        let lasting = self.alarm.for_ms() > 0;
        write!(to, "{} {} ", Figure(value), if lasting { "has been" } else { "is" })?;
        self.detector.describe(&judgement, to)?;
        if lasting {
            write!(to, " for {}", Duration(self.alarm.for_ms()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AlertingDetector, Parameters, Transition};
    use crate::detect::KINDS;
    use crate::state::{Corrupt, StateReader};
    use crate::time::{SteadyTime, Time};

    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    /// The example of the interface's config, and its alert.
    #[test]
    fn the_alert_that_the_interface_shows() {
        let mut parameters = Parameters::new();
        for (name, value) in [("above", 35.0), ("clear", 33.0), ("for", 30_000.0)] {
            parameters.set(name, value).unwrap();
        }
        let kind = KINDS.iter().find(|kind| kind.name == "threshold").unwrap();
        let mut watch = AlertingDetector::new(kind, &parameters).unwrap();
        let mut said = String::new();
        for second in 0..=30 {
            let time = Time(1_700_000_041_000 + second * 1_000);
            let (judgement, transition) = watch.on_reading(time.into(), 36.2);
            if transition != Transition::None {
                assert_eq!(time, Time(1_700_000_071_000));
                assert_eq!(transition, Transition::Raised { since: SteadyTime(1_700_000_041_000) });
                assert_eq!(judgement.expected, Some(35.0));
                assert!((judgement.score().unwrap() - 1.2).abs() < 1e-12);
                watch.reason(36.2, &mut said).unwrap();
            }
        }
        assert_eq!(said, "36.2 has been above 35 for 30s");
        said.clear();
        assert_eq!(watch.on_reading(Time(1_700_000_080_000).into(), 34.0).1, Transition::None);
        let cleared = watch.on_reading(Time(1_700_000_081_000).into(), 32.9).1;
        assert_eq!(cleared, Transition::Cleared { raised: SteadyTime(1_700_000_071_000) });
        watch.reason(32.9, &mut said).unwrap();
        assert_eq!(said, "32.9 is no longer above 35");
    }

    #[test]
    fn a_restart_does_not_raise_again() {
        let mut parameters = Parameters::new();
        parameters.set("above", 35.0).unwrap();
        parameters.set("for", 20.0).unwrap();
        let kind = KINDS.iter().find(|kind| kind.name == "threshold").unwrap();
        let fresh = AlertingDetector::new(kind, &parameters).unwrap();
        let mut watch = fresh;
        for time in [0, 10, 20, 30] {
            watch.on_reading(Time(time).into(), 36.0);
            let mut bytes = Vec::new();
            watch.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
            let mut restored = fresh;
            restored.restore(&mut StateReader::new(&bytes)).unwrap();
            assert_eq!(restored, watch);
            assert_eq!(restored.restore(&mut StateReader::new(&bytes[..bytes.len() - 1])), Err(Corrupt));
            assert_eq!(restored, watch);
            let mut anew = fresh;
            anew.restore_alert(&mut StateReader::new(&bytes)).unwrap();
            assert_eq!((anew.alarm, anew.raised, anew.detector), (watch.alarm, watch.raised, fresh.detector));
            bytes[0] = 9;
            assert_eq!(restored.restore(&mut StateReader::new(&bytes)), Err(Corrupt));
        }
        assert!(watch.is_raised());
    }
}
