//! Tries a detector's parameters over recordings, and says what the choice is worth on recordings not seen.
//!
//! Every parameter that has a default is tried at fractions and multiples of it. Recordings are in parts: the corpora,
//! or five folds of a single one. A combination counts when the mean over the parts rises, no part loses more than 3
//! points, and none gains more than 0.1 false alarms per 1,000 readings. For each part the combination that is best
//! on the others is chosen and scored on the part: the mean of that is what the choice is worth elsewhere. Windows of
//! several corpora are never pooled, because the largest corpus would decide alone.

use super::events::EventTally;
use super::nab::{PROFILES, Tally};
use super::{Contender, EvaluateError, Labelled};
use headwater_kernel::detect::{Parameter, ParameterKind, ParameterPresence, Parameters};

/// Folds of a single corpus.
const FOLDS: usize = 5;
/// What a default is multiplied with.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Combinations that are tried at most; with more parameters the later ones keep their defaults.
const COMBINATIONS_MAX: usize = 125;
/// What a part may lose [points], and gain in false alarms [per 1,000 readings], for the good of the others.
const LOSS_MAX: f64 = 3.0;
const FALSE_ALARMS_MAX: f64 = 0.1;

/// What a sweep found. Scores are means over the parts, of the NAB standard score at the detector's own limit.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The best combination over all parts, as it is asked for.
    pub best: String,
    /// Its score.
    pub score: f64,
    /// The score of choosing on the other parts.
    pub left_out: f64,
    /// The score of the parameters as they were.
    pub before: f64,
    /// Combinations tried.
    pub tried: usize,
    /// Parts with windows.
    pub parts: usize,
}

/// A detector on one part.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// `None`: there is nothing to find.
    score: Option<f64>,
    false_alarms: f64,
}

/// Tries the parameters that were not given. Recordings of one corpus lie together.
///
/// # Errors
/// [`EvaluateError::Unfit`] when the contender cannot be built as it is.
pub fn sweep(contender: &Contender, recordings: &[Labelled]) -> Result<Sweep, EvaluateError> {
    let before = parts(contender, recordings)?;
    let mut tried = vec![(contender.name.clone(), before.clone())];
    for candidate in candidates(contender) {
        if candidate.detector().is_ok() {
            tried.push((candidate.name.clone(), parts(&candidate, recordings)?));
        }
    }
    let best = |but: Option<usize>| {
        let fair = tried.iter().filter(|(_, parts)| spares_all(&before, parts, but));
        fair.max_by(|a, b| mean(&a.1, but).total_cmp(&mean(&b.1, but)))
    };
    let (name, chosen) =
        best(None).ok_or_else(|| EvaluateError::Unfit(format!("`{}`: nothing to try", contender.name)))?;
    let left_out: Vec<Part> = (0..before.len())
        .filter_map(|part| best(Some(part)).and_then(|(_, parts)| parts.get(part)).copied())
        .collect();
    Ok(Sweep {
        best: name.clone(),
        score: mean(chosen, None),
        left_out: mean(&left_out, None),
        before: mean(&before, None),
        tried: tried.len(),
        parts: before.iter().filter(|part| part.score.is_some()).count(),
    })
}

fn parts(contender: &Contender, recordings: &[Labelled]) -> Result<Vec<Part>, EvaluateError> {
    let corpora: Vec<&[Labelled]> = recordings.chunk_by(|a, b| a.label.corpus == b.label.corpus).collect();
    let folds = if corpora.len() > 1 { 1 } else { FOLDS.min(recordings.len()) };
    let mut parts = Vec::new();
    for corpus in corpora {
        for fold in 0..folds {
            parts.push(part(contender, corpus.iter().skip(fold).step_by(folds))?);
        }
    }
    Ok(parts)
}

fn part<'r>(
    contender: &Contender,
    recordings: impl Iterator<Item = &'r Labelled>,
) -> Result<Part, EvaluateError> {
    let (mut tally, mut events) = (Tally::default(), EventTally::default());
    for recording in recordings {
        let judged = contender.judge(recording)?;
        tally += Tally::of(recording, &judged);
        events += EventTally::of(recording, &judged);
    }
    let score = PROFILES.first().filter(|_| events.windows > 0).map(|profile| tally.score(profile));
    Ok(Part { score, false_alarms: events.wrong_per_1000() })
}

/// The mean score, without one part.
fn mean(parts: &[Part], but: Option<usize>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (_, part) in parts.iter().enumerate().filter(|(part, _)| Some(*part) != but) {
        if let Some(score) = part.score {
            sum += score;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Whether no part pays for the others.
fn spares_all(before: &[Part], after: &[Part], but: Option<usize>) -> bool {
    let mut pairs = before.iter().zip(after).enumerate().filter(|(part, _)| Some(*part) != but);
    pairs.all(|(_, (before, after))| {
        let lost = before.score.zip(after.score).map_or(0.0, |(before, after)| before - after);
        lost <= LOSS_MAX && after.false_alarms - before.false_alarms <= FALSE_ALARMS_MAX
    })
}

/// All combinations of factors for the parameters that are free.
fn candidates(contender: &Contender) -> Vec<Contender> {
    let free = contender.kind.parameters.iter().filter_map(|parameter| match parameter.presence {
        ParameterPresence::Default(default)
            if default != 0.0 && contender.parameters.get(parameter.name).is_none() =>
        {
            Some((parameter, default))
        }
        _ => None,
    });
    let mut all = vec![contender.parameters.clone()];
    for (parameter, default) in free {
        if all.len() * FACTORS.len() > COMBINATIONS_MAX {
            break;
        }
        let each =
            |parameters: &Parameters| FACTORS.map(|factor| with(parameters, parameter, default * factor));
        all = all.iter().flat_map(each).collect();
    }
    let named = |parameters: Parameters| Contender {
        name: name(contender, &parameters),
        kind: contender.kind,
        parameters,
    };
    all.into_iter().map(named).collect()
}

fn with(parameters: &Parameters, parameter: &Parameter, value: f64) -> Parameters {
    let whole = matches!(parameter.kind, ParameterKind::Integer);
    // Lengths that must be odd stay odd.
    let value = if whole { 2.0 * (value / 2.0).floor() + 1.0 } else { value };
    let mut parameters = parameters.clone();
    // A value that cannot be set leaves the combination as it was, which is tried anyway.
    let _ = parameters.set(parameter.name, value);
    parameters
}

fn name(contender: &Contender, parameters: &Parameters) -> String {
    let given = contender.kind.parameters.iter().filter_map(|parameter| {
        let value = parameters.get(parameter.name)?;
        Some(match parameter.kind {
            ParameterKind::Duration => {
                format!("{}={}", parameter.name, headwater_settings::format_duration(value as i64))
            }
            _ => format!("{}={value}", parameter.name),
        })
    });
    let given: Vec<String> = given.collect();
    if given.is_empty() {
        contender.kind.name.to_owned()
    } else {
        format!("{}:{}", contender.kind.name, given.join(","))
    }
}
