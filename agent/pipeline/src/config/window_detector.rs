//! Judges the windows of a group of series by a trained model, with an alert.

use headwater_kernel::detect::{Alarm, Figure, Judgement, Transition, Verdict};
use headwater_kernel::model::{Classifier, Diagnosis, Fill, UsualRow, WINDOW_ROWS_VERSION, WindowRows};
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};
use headwater_kernel::time::SteadyTime;
use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::sync::Arc;

/// A model, as whoever reads its file hands it over.
#[derive(Clone)]
pub struct TrainedModel {
    /// The judge of rows.
    pub classifier: Rc<dyn Classifier>,
    /// Its classes, in the order of their probabilities.
    pub classes: Vec<Arc<str>>,
    /// The class of rows with which nothing is wrong, as the file says.
    pub normal: Option<usize>,
    /// What a row must be; `None`: the file does not say.
    pub wants: Option<WantedRow>,
    /// Its memory (bytes).
    pub bytes: usize,
    /// Identifies its contents.
    pub checksum: u32,
}

/// What a model was trained with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRow {
    /// The patterns of the series.
    pub over: Vec<String>,
    /// The aggregates of each series.
    pub aggregates: Vec<String>,
    /// The shape of the windows.
    pub window: String,
}

/// A detector of windows, as a config builds it and as a group runs it.
#[derive(Clone)]
pub struct WindowDetector {
    /// `None`: it is yet to be trained, and nothing is judged.
    model: Option<Rc<TrainedModel>>,
    normal: Option<usize>,
    above: f64,
    /// Whether every judgement is an event.
    pub(crate) predicts: bool,
    /// Where the aggregates of a series lie among the numbers of its windows.
    places: Rc<[usize]>,
    /// The pattern of the series and the aggregate of each feature.
    names: Rc<[(String, Arc<str>)]>,
    fill: (Fill, i64),
    rows: WindowRows<Box<[f64]>>,
    /// The features of the row that is judged, or of a window.
    row: Box<[f64]>,
    /// What is usual, for the reasons of a model that cannot tell what weighs.
    usual: Option<UsualRow<Box<[f64]>>>,
    alarm: Alarm,
}

/// A judged row.
pub(crate) struct JudgedRow {
    /// The end of its windows.
    pub(crate) end: SteadyTime,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) judgement: Judgement,
    pub(crate) transition: Transition,
}

impl WindowDetector {
    pub(crate) fn new(
        model: Option<TrainedModel>,
        (normal, above, predicts): (Option<usize>, f64, bool),
        (places, names): (Vec<usize>, Vec<(String, Arc<str>)>),
        (members, fill, within_ms): (usize, Fill, i64),
        alarm: Alarm,
    ) -> Self {
        let rows = WindowRows::new(members, places.len(), fill, within_ms);
        let row: Box<[f64]> = vec![0.0; rows.features()].into();
        let is_mute = model.as_ref().is_some_and(|model| !model.classifier.weighs());
        let usual = is_mute.then(|| UsualRow::new(row.len()));
        let model = model.map(Rc::new);
        let (places, names, fill) = (places.into(), names.into(), (fill, within_ms));
        Self { model, normal, above, predicts, places, names, fill, rows, row, usual, alarm }
    }

    /// The version of its own state.
    pub(crate) const fn version(&self) -> u16 {
        WINDOW_ROWS_VERSION
    }

    /// Whether its alert is raised.
    pub(crate) const fn is_raised(&self) -> bool {
        self.alarm.is_raised()
    }

    /// What takes the place of a missing window, and the longest gap that is filled (ms).
    #[must_use]
    pub const fn fill(&self) -> (Fill, i64) {
        self.fill
    }

    /// Identifies its model; `None`: it is yet to be trained.
    #[must_use]
    pub fn model_checksum(&self) -> Option<u32> {
        self.model.as_ref().map(|model| model.checksum)
    }

    /// The memory of its model, which all groups share (bytes).
    #[must_use]
    pub fn model_bytes(&self) -> usize {
        self.model.as_ref().map_or(0, |model| model.bytes)
    }

    /// Its own memory on the heap (bytes).
    pub(crate) fn heap_bytes(&self) -> usize {
        let rows = headwater_kernel::model::PENDING + 2 + usize::from(self.usual.is_some());
        rows * size_of_val(&*self.row)
    }

    /// Takes a closed window of the series in a place, with all its numbers in the order of the stream; what is missing is
    /// NaN. Then take what is judged with [`WindowDetector::poll`].
    pub(crate) fn on_window(&mut self, place: usize, end: SteadyTime, numbers: &[f64]) {
        let features = self.row.get_mut(..self.places.len());
        let Some(features) = features else { return };
        for (feature, at) in features.iter_mut().zip(&*self.places) {
            *feature = numbers.get(*at).copied().unwrap_or(f64::NAN);
        }
        self.rows.on_window(place, end, features);
    }

    /// Judges the next complete row.
    pub(crate) fn poll(&mut self) -> Option<JudgedRow> {
        let model = self.model.as_ref()?;
        let end = self.rows.pop(&mut self.row)?;
        let mut diagnosis = Diagnosis::of(&*model.classifier, self.normal, &self.row)?;
        let is_anomalous = diagnosis.score > self.above;
        let verdict = if is_anomalous { Verdict::Anomalous } else { Verdict::Normal };
        let judgement =
            Judgement { verdict: verdict(diagnosis.score), expected: None, clears: !is_anomalous };
        let transition = self.alarm.on_judgement(end, &judgement);
        if matches!(transition, Transition::Raised { .. } | Transition::Cleared { .. }) {
            diagnosis.explain(&*model.classifier, &self.row);
        }
        if let Some(usual) = &mut self.usual {
            match usual.means().filter(|_| matches!(transition, Transition::Raised { .. })) {
                Some(means) => diagnosis.compare(&*model.classifier, means, &mut self.row),
                None if !is_anomalous => usual.on_row(&self.row),
                None => {}
            }
        }
        Some(JudgedRow { end, diagnosis, judgement, transition })
    }

    /// The name of a class.
    pub(crate) fn class(&self, class: usize) -> Arc<str> {
        let known = self.model.as_ref().and_then(|model| model.classes.get(class));
        known.cloned().unwrap_or_else(|| "".into())
    }

    /// The features of the last judged row, by the place of their series and their aggregate.
    pub(crate) fn features(&self) -> impl Iterator<Item = (usize, &Arc<str>, f64)> {
        let width = self.places.len().max(1);
        let named = self.names.iter().zip(&*self.row).enumerate();
        named.map(move |(feature, ((_, aggregate), value))| (feature / width, aggregate, *value))
    }

    /// Why the alert was raised or cleared, with the features that weighed most: `valve with a probability of 0.93: pump/flow
    /// mean is 4.2`.
    pub(crate) fn reason(&self, diagnosis: &Diagnosis, series_of: impl Fn(usize) -> Arc<str>) -> String {
        let share = |class: usize| diagnosis.probabilities().get(class).copied().unwrap_or(0.0);
        let class =
            if self.is_raised() { diagnosis.fault.unwrap_or(diagnosis.class) } else { diagnosis.class };
        let mut reason = format!("{} with a probability of {:.2}", self.class(class), share(class));
        if !self.is_raised() {
            return reason;
        }
        for (at, feature) in diagnosis.weighed().iter().enumerate() {
            let Some((place, aggregate, value)) = self.features().nth(*feature) else { continue };
            let joint = if at == 0 { ": " } else { ", " };
            // Writing into a string cannot fail.
            let _ = write!(reason, "{joint}{} {aggregate} is {}", series_of(place), Figure(value));
        }
        reason
    }

    /// Writes the alert and the rows that wait.
    pub(crate) fn save(&self, to: &mut dyn StateWriter) {
        self.alarm.save(to);
        (self.rows.features() as u32).save(to);
        self.rows.save(to);
        self.usual.iter().for_each(|usual| usual.save(to));
    }

    /// Restores what [`WindowDetector::save`] wrote. Rows of another model are not gone on with, and the alert is.
    pub(crate) fn restore(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let mut restored = self.clone();
        restored.restore_alert(from)?;
        let features = u32::load(from)?;
        if features as usize == restored.rows.features() {
            restored.rows.restore(from)?;
            // Another model may have had none.
            if let Some(usual) = restored.usual.as_mut().filter(|_| !from.rest().is_empty()) {
                usual.restore(from)?;
            }
        }
        *self = restored;
        Ok(())
    }

    /// Restores the alert alone.
    pub(crate) fn restore_alert(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.alarm.restore(from)
    }
}

/// For people.
impl fmt::Display for WindowDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = self.model.as_ref().map_or(&[][..], |model| &model.classes);
        write!(f, "{} features, {}", self.rows.features(), classes.join("/"))?;
        write!(f, ", above {}", Figure(self.above))?;
        match self.fill {
            (Fill::Nothing, _) => Ok(()),
            (fill, ms) => {
                let word = if fill == Fill::Hold { "hold" } else { "linear" };
                write!(f, ", fill {word} within {}", headwater_settings::format_duration(ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::detect::Parameters;

    /// The second feature is a leak from 10 on; what weighs it cannot tell.
    struct Mute;

    impl Classifier for Mute {
        fn features(&self) -> usize {
            2
        }

        fn classes(&self) -> usize {
            2
        }

        fn weighs(&self) -> bool {
            false
        }

        fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
            let share = (features[1] / 20.0).clamp(0.0, 1.0);
            probabilities.copy_from_slice(&[1.0 - share, share]);
        }
    }

    fn detector() -> WindowDetector {
        let model = TrainedModel {
            classifier: Rc::new(Mute),
            classes: vec!["normal".into(), "leak".into()],
            normal: Some(0),
            wants: None,
            bytes: 0,
            checksum: 1,
        };
        let names =
            [("*/flow", "mean"), ("*/flow", "max")].map(|(series, name)| (series.to_owned(), name.into()));
        let alarm = Alarm::build(&Parameters::new()).unwrap();
        WindowDetector::new(
            Some(model),
            (Some(0), 0.5, false),
            (vec![0, 1], names.to_vec()),
            (1, Fill::Nothing, 0),
            alarm,
        )
    }

    /// The reason of an alert after so many usual rows, with a restart before it.
    fn reason(usual: i64) -> String {
        let mut before = detector();
        for second in 0..usual {
            before.on_window(0, SteadyTime(second), &[3.0, 4.0]);
            assert!(before.poll().is_some_and(|judged| judged.transition == Transition::None));
        }
        let mut state = Vec::new();
        before.save(&mut |bytes: &[u8]| state.extend_from_slice(bytes));
        let mut own = detector();
        own.restore(&mut StateReader::new(&state)).unwrap();
        own.on_window(0, SteadyTime(usual), &[90.0, 18.0]);
        let judged = own.poll().unwrap();
        assert!(matches!(judged.transition, Transition::Raised { .. }));
        own.reason(&judged.diagnosis, |_| "p1/flow".into())
    }

    #[test]
    fn a_model_that_cannot_tell_what_weighs_is_explained_by_what_is_usual() {
        assert_eq!(reason(20), "leak with a probability of 0.90: p1/flow max is 18");
        assert_eq!(reason(0), "leak with a probability of 0.90", "nothing is usual yet");
    }
}
