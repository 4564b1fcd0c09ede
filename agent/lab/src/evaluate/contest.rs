//! Runs a detector with its parameters over a recording.

use super::{EvaluateError, Labelled};
use headwater_kernel::detect::{
    AnyDetector, Auto, AutoModel, AutoRows, AutoSettings, Detector, DetectorKind, Judgement, Judges, KINDS,
    Parameter, ParameterKind, Parameters, RowDetector, Rows, SERIES_MAX, Verdict,
};
use headwater_kernel::time::{Moment, SteadyTime, Time};
use headwater_settings::{nearest, parse_duration};

/// A detector to be evaluated.
#[derive(Clone, Debug)]
pub struct Contender {
    /// As given on the command line: `zscore:above=5`.
    pub name: String,
    pub(super) kind: &'static DetectorKind,
    pub(super) parameters: Parameters,
    /// Constants of `auto` to be tried; no other detector looks at them.
    pub(super) settings: &'static AutoSettings,
}

/// The judgements of a detector on every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The highest score of any column; 0 while learning.
    pub scores: Vec<f64>,
    /// The value of that column.
    pub values: Vec<f64>,
    /// Whether any column was anomalous, or a value impossible.
    pub flags: Vec<bool>,
}

impl Contender {
    /// All detectors that need no parameter.
    pub fn all() -> Vec<Self> {
        let needs_none = |kind: &&DetectorKind| kind.detector(&Parameters::new()).is_ok();
        let contender = |kind: &'static DetectorKind| Self {
            name: kind.name.to_owned(),
            kind,
            parameters: Parameters::new(),
            settings: &AutoSettings::DEFAULT,
        };
        KINDS.iter().filter(needs_none).map(contender).collect()
    }

    /// Reads `zscore:above=5,readings=100`; durations as in the config.
    ///
    /// # Errors
    /// [`EvaluateError::Unfit`] names what is unknown or wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, EvaluateError> {
        let (name, given) = text.split_once(':').unwrap_or((text, ""));
        let names = KINDS.iter().map(|kind| kind.name);
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let kind = kind.ok_or_else(|| unknown("detector", name, names))?;
        let mut parameters = Parameters::new();
        for pair in given.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = kind.parameters.iter().find(|parameter| parameter.name == key);
            let names = kind.parameters.iter().map(|parameter| parameter.name);
            let parameter = known.ok_or_else(|| unknown("parameter", key, names))?;
            let number = number_of(parameter, value)
                .ok_or_else(|| EvaluateError::Unfit(format!("`{text}`: `{value}` cannot be `{key}`")))?;
            parameters
                .set(parameter.name, number)
                .map_err(|error| EvaluateError::Unfit(format!("`{text}`: {error}")))?;
        }
        let contender = Self { name: text.to_owned(), kind, parameters, settings: &AutoSettings::DEFAULT };
        contender.detector()?;
        Ok(contender)
    }

    pub(super) fn detector(&self) -> Result<AnyDetector, EvaluateError> {
        let built = self.kind.detector(&self.parameters).map(|built| match built {
            AnyDetector::Auto(_) => AnyDetector::Auto(Auto::with(self.settings)),
            other => other,
        });
        built.map_err(|error| EvaluateError::Unfit(format!("`{}`: {error}", self.name)))
    }

    /// Runs it over a recording.
    ///
    /// # Errors
    /// [`EvaluateError::Unfit`] when the parameters do not fit together.
    pub fn judge(&self, recording: &Labelled) -> Result<Judged, EvaluateError> {
        let rows = recording.times.len();
        let mut judged =
            Judged { scores: vec![0.0; rows], values: vec![f64::NAN; rows], flags: vec![false; rows] };
        let series = recording.columns.len().min(SERIES_MAX);
        if series > 1
            && let Some(detector) = self.of_rows(series)?
        {
            judge_rows(detector, recording, &mut judged)?;
            return Ok(judged);
        }
        for column in &recording.columns {
            let mut detector = self.detector()?;
            for (row, (time, value)) in recording.times.iter().zip(column).enumerate() {
                let silent = detector
                    .due()
                    .filter(|due| due.0 < *time)
                    .and_then(|due| detector.on_tick(Moment::of_steady(due, 0)));
                let judgement = detector.push(Time(*time).into(), *value);
                judged.take(row, *value, silent.as_ref().unwrap_or(&judgement));
            }
        }
        Ok(judged)
    }

    /// The detector for rows of `series` series, where the kind has one.
    fn of_rows(&self, series: usize) -> Result<Option<RowDetector<Box<[AutoModel]>>>, EvaluateError> {
        if self.kind.judges != Judges::ValuesOrRows {
            return Ok(None);
        }
        let built = RowDetector::build(self.kind, &self.parameters, series).map(|built| match built {
            RowDetector::Auto(_) => {
                let models = (0..series).map(|_| AutoModel::new()).collect();
                RowDetector::Auto(AutoRows::with(self.settings, models))
            }
            other => other,
        });
        built.map(Some).map_err(|error| EvaluateError::Unfit(format!("`{}`: {error}", self.name)))
    }
}

/// Judges as the agent does: reading by reading, joined by time; columns beyond the limit are ignored.
fn judge_rows(
    mut detector: RowDetector<Box<[AutoModel]>>,
    recording: &Labelled,
    judged: &mut Judged,
) -> Result<(), EvaluateError> {
    let rows = Rows::new(recording.columns.len().min(SERIES_MAX), 0);
    let mut rows = rows.map_err(|error| EvaluateError::Unfit(format!("`{}`: {error}", recording.name)))?;
    for (at, time) in recording.times.iter().enumerate() {
        for (member, column) in recording.columns.iter().enumerate() {
            let value = column.get(at).copied().unwrap_or(f64::NAN);
            if let Some(row) = rows.on_reading(member, SteadyTime(*time), value) {
                let judgement = detector.push_row(Time(*time).into(), row.values());
                let most = row.values().get(detector.most(row.values())).copied();
                judged.take(at, most.unwrap_or(f64::NAN), &judgement);
            }
        }
    }
    Ok(())
}

impl Judged {
    fn take(&mut self, row: usize, value: f64, judgement: &Judgement) {
        let anomalous = match judgement.verdict {
            Verdict::Anomalous(_) => true,
            // A value that a range refuses.
            Verdict::Invalid => value.is_finite(),
            Verdict::Normal(_) | Verdict::Learning => false,
        };
        let score = judgement.score().unwrap_or_else(|| f64::from(u8::from(anomalous)));
        let places = (self.scores.get_mut(row), self.values.get_mut(row), self.flags.get_mut(row));
        if let (Some(highest), Some(of), Some(flag)) = places {
            if score > *highest || of.is_nan() {
                (*highest, *of) = (score.max(*highest), value);
            }
            *flag |= anomalous;
        }
    }
}

fn number_of(parameter: &Parameter, text: &str) -> Option<f64> {
    match parameter.kind {
        ParameterKind::Duration => parse_duration(text).map(|ms| ms as f64),
        ParameterKind::Number | ParameterKind::Integer => text.parse().ok(),
        ParameterKind::Flag => text.parse::<bool>().ok().map(f64::from),
        ParameterKind::Choice(words) => {
            let place = words.iter().position(|word| *word == text)?;
            u32::try_from(place).ok().map(f64::from)
        }
    }
}

fn unknown(what: &str, word: &str, known: impl Iterator<Item = &'static str> + Clone) -> EvaluateError {
    let fix = nearest(word, known.clone()).map_or_else(
        || format!("known: {}", known.collect::<Vec<_>>().join(", ")),
        |likely| format!("did you mean `{likely}`?"),
    );
    EvaluateError::Unfit(format!("there is no {what} `{word}`; {fix}"))
}

#[cfg(test)]
mod tests {
    use super::Contender;

    #[test]
    fn detectors_are_named_with_their_parameters() {
        let zscore = Contender::parse("zscore:above=5,readings=100").unwrap();
        assert_eq!(
            (zscore.parameters.get("above"), zscore.parameters.get("readings")),
            (Some(5.0), Some(100.0))
        );
        assert_eq!(Contender::parse("seasonal:period=1h").unwrap().parameters.get("period"), Some(3.6e6));
        let refused = |text: &str| Contender::parse(text).unwrap_err().to_string();
        assert_eq!(refused("zscor"), "there is no detector `zscor`; did you mean `zscore`?");
        assert_eq!(refused("zscore:abov=5"), "there is no parameter `abov`; did you mean `above`?");
        assert_eq!(refused("zscore:above=x"), "`zscore:above=x`: `x` cannot be `above`");
        assert_eq!(
            refused("hampel:readings=4"),
            "`hampel:readings=4`: `readings` must be an odd number from 3 to 61"
        );
        assert_eq!(refused("stuck"), "`stuck`: `after` is missing");
        let all: Vec<_> = Contender::all().into_iter().map(|contender| contender.name).collect();
        assert!(all.contains(&"auto".to_owned()) && !all.contains(&"threshold".to_owned()));
    }
}
