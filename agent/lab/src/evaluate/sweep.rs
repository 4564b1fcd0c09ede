//! Tries a detector's parameters over recordings, k-fold, so that the best is not tuned to one.
//!
//! Every parameter that has a default is tried at fractions and multiples of it. For each fold of recordings the
//! combination that is best on the others is chosen and scored on the fold: the sum is what the choice is worth on
//! recordings that it has not seen.

use super::nab::{PROFILES, Tally};
use super::{Contender, EvaluateError, Labelled};
use headwater_kernel::detect::{Parameter, ParameterKind, ParameterPresence, Parameters};

/// Folds of recordings.
const FOLDS: usize = 5;
/// What a default is multiplied with.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Combinations that are tried at most; with more parameters the later ones keep their defaults.
const COMBINATIONS_MAX: usize = 125;

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The best combination over all recordings, as it is asked for.
    pub best: String,
    /// Its NAB standard score at the detector's own limit.
    pub score: f64,
    /// The score of choosing on other recordings than those that are scored.
    pub folded: f64,
    /// The score of the parameters as they were.
    pub before: f64,
    /// Combinations tried.
    pub tried: usize,
}

/// Tries the parameters that were not given.
///
/// # Errors
/// [`EvaluateError::Unfit`] when the contender cannot be built as it is.
pub fn sweep(contender: &Contender, recordings: &[Labelled]) -> Result<Sweep, EvaluateError> {
    let tallies = |contender: &Contender| -> Result<Vec<Tally>, EvaluateError> {
        recordings.iter().map(|recording| Ok(Tally::of(recording, &contender.judge(recording)?))).collect()
    };
    let before = score(&tallies(contender)?, |_| true);
    let mut tried: Vec<(Contender, Vec<Tally>)> = Vec::new();
    for candidate in candidates(contender) {
        if candidate.detector().is_ok() {
            let tallied = tallies(&candidate)?;
            tried.push((candidate, tallied));
        }
    }
    let best = |wanted: &dyn Fn(usize) -> bool| {
        tried.iter().max_by(|a, b| score(&a.1, wanted).total_cmp(&score(&b.1, wanted)))
    };
    let mut unseen = Tally::default();
    for fold in 0..FOLDS {
        let Some((_, chosen)) = best(&|index| index % FOLDS != fold) else { continue };
        chosen.iter().skip(fold).step_by(FOLDS).for_each(|tally| unseen += *tally);
    }
    let chosen = best(&|_| true)
        .ok_or_else(|| EvaluateError::Unfit(format!("`{}`: nothing to try", contender.name)))?;
    Ok(Sweep {
        best: chosen.0.name.clone(),
        score: score(&chosen.1, |_| true),
        folded: PROFILES.first().map_or(0.0, |profile| unseen.score(profile)),
        before,
        tried: tried.len(),
    })
}

fn score(tallies: &[Tally], wanted: impl Fn(usize) -> bool) -> f64 {
    let mut sum = Tally::default();
    let picked = tallies.iter().enumerate().filter(|(index, _)| wanted(*index));
    picked.for_each(|(_, tally)| sum += *tally);
    PROFILES.first().map_or(0.0, |profile| sum.score(profile))
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
