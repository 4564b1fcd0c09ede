//! Tries a detector's parameters over recordings, and says what the choice is worth on recordings not seen.
//!
//! Every parameter that has a default is tried at fractions and multiples of it; of `auto`, which has none, the
//! constants that decide how much evidence is enough. Recordings are in parts: the corpora, or five folds of a single
//! one. Windows of several corpora are never pooled, because the largest corpus would decide alone.
//!
//! A combination counts as better when the mean over the parts rises, no part loses more than 3 points, and none gains
//! more than 0.1 false alarms per 1,000 readings. What the choice is worth elsewhere is another question: for each part
//! a combination is chosen on the others alone, without a look at the one in use, and scored on the part. It is the
//! best one of those that keep to 0.35 false alarms per 1,000 readings on each of the others, or come near to the fewest.
//! Whatever is not tried, such as the views of `auto`, may have been made with all parts in sight.

use super::events::EventTally;
use super::nab::{PROFILES, Tally};
use super::{Contender, EvaluateError, Labelled};
use headwater_kernel::detect::{
    AnyDetector, AutoSettings, Parameter, ParameterKind, ParameterPresence, Parameters,
};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Folds of a single corpus.
const FOLDS: usize = 5;
/// What a default is multiplied with.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Combinations that are tried at most; with more parameters the later ones keep their defaults.
const COMBINATIONS_MAX: usize = 125;
/// What a part may lose [points], and gain in false alarms [per 1,000 readings], for the good of the others.
const LOSS_MAX: f64 = 3.0;
const FALSE_ALARMS_MORE: f64 = 0.1;
/// False alarms that are few [per 1,000 readings].
const FALSE_ALARMS_FEW: f64 = 0.35;
/// What is tried of `auto`: digits more or less, and factors.
const AUTO_TOGETHER: [f64; 5] = [-0.3, -0.15, 0.0, 0.15, 0.3];
const AUTO_ALONE: [f64; 3] = [-0.35, 0.0, 0.35];
const AUTO_WEARINESS: [f64; 3] = [0.5, 1.0, 2.0];
static AUTO_TRIED: LazyLock<Vec<AutoSettings>> = LazyLock::new(auto_tried);

/// What a sweep found. Scores are means over the parts, of the NAB standard score at the detector's own limit.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The best combination over all parts, as it is asked for.
    best: String,
    /// Its score.
    score: f64,
    /// The score of choosing on the other parts.
    left_out: f64,
    /// The score of the parameters as they were.
    before: f64,
    /// Combinations tried.
    tried: usize,
    parts: Vec<SweptPart>,
}

/// One part, as the detector is and with what was chosen on the others.
#[derive(Clone, Debug)]
struct SweptPart {
    name: String,
    before: Part,
    left_out: Part,
    chosen: String,
}

/// A detector on one part.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// `None`: there is nothing to find.
    score: Option<f64>,
    false_alarms: f64,
}

/// One combination, and what it does on each part.
struct Tried {
    name: String,
    parts: Vec<Part>,
}

/// Tries the parameters that were not given; tells `progress` how many combinations are tried, of how many. Recordings of
/// one corpus lie together.
///
/// # Errors
/// [`EvaluateError::Unfit`] when the contender cannot be built as it is.
pub fn sweep(
    contender: &Contender,
    recordings: &[Labelled],
    mut progress: impl FnMut(usize, usize),
) -> Result<Sweep, EvaluateError> {
    let (names, recordings): (Vec<String>, Vec<Vec<&Labelled>>) = parts(recordings).into_iter().unzip();
    let before = judged(contender, &recordings)?;
    let mut tried = vec![Tried { name: contender.name.clone(), parts: before.clone() }];
    let candidates = candidates(contender);
    for (done, candidate) in candidates.iter().enumerate() {
        progress(done, candidates.len());
        if candidate.detector().is_ok() {
            tried.push(Tried { name: candidate.name.clone(), parts: judged(candidate, &recordings)? });
        }
    }
    // Of equals the first one, which is the one in use.
    let better = tried.iter().rev().filter(|tried| spares_all(&before, &tried.parts));
    let better = better.max_by(|a, b| mean(&a.parts, None).total_cmp(&mean(&b.parts, None)));
    let mut swept = Vec::new();
    for (at, (name, before)) in names.into_iter().zip(&before).enumerate() {
        let others = best_without(&tried, at);
        if let Some((chosen, left_out)) = others.and_then(|tried| Some((&tried.name, tried.parts.get(at)?))) {
            swept.push(SweptPart { name, before: *before, left_out: *left_out, chosen: chosen.clone() });
        }
    }
    let left_out: Vec<Part> = swept.iter().map(|part| part.left_out).collect();
    Ok(Sweep {
        best: better.map_or_else(|| contender.name.clone(), |tried| tried.name.clone()),
        score: mean(better.map_or(&before, |tried| &tried.parts), None),
        left_out: mean(&left_out, None),
        before: mean(&before, None),
        tried: tried.len(),
        parts: swept,
    })
}

/// A table: each part as the detector is, and with what was chosen on the other parts.
pub fn sweep_table(detector: &str, sweep: &Sweep) -> String {
    let parts = &sweep.parts;
    let width = parts.iter().map(|part| part.name.len()).max().unwrap_or(0).max("part".len());
    let mut text = format!("{detector}: {} combinations on {} parts\n", sweep.tried, parts.len());
    let _ = writeln!(
        text,
        "  {:width$}  as it is  false/1000  left out  false/1000  chosen on the others",
        "part"
    );
    let score = |part: &Part| part.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.1}"));
    for SweptPart { name, before, left_out, chosen } in parts {
        let (name, was, is) = (clean(name, LINE_BYTES_MAX), score(before), score(left_out));
        let (false_was, false_is) = (before.false_alarms, left_out.false_alarms);
        let _ =
            writeln!(text, "  {name:width$}  {was:>8}  {false_was:10.2}  {is:>8}  {false_is:10.2}  {chosen}");
    }
    let false_alarms =
        |of: fn(&SweptPart) -> f64| parts.iter().map(of).sum::<f64>() / parts.len().max(1) as f64;
    let was = false_alarms(|part| part.before.false_alarms);
    let is = false_alarms(|part| part.left_out.false_alarms);
    let (before, left_out) = (sweep.before, sweep.left_out);
    let _ = writeln!(text, "  {:width$}  {before:8.1}  {was:10.2}  {left_out:8.1}  {is:10.2}", "mean");
    let _ = writeln!(text, "  best on all parts: {:.1} with {}", sweep.score, sweep.best);
    text
}

/// The parts by name: corpora, or folds of a single one.
fn parts(recordings: &[Labelled]) -> Vec<(String, Vec<&Labelled>)> {
    let corpora: Vec<&[Labelled]> = recordings.chunk_by(|a, b| a.label.corpus == b.label.corpus).collect();
    let folds = if corpora.len() > 1 { 1 } else { FOLDS.min(recordings.len()) };
    let mut parts = Vec::new();
    for corpus in corpora {
        let name = corpus.first().map_or("", |recording| recording.label.corpus.as_str());
        for fold in 0..folds {
            let name = if folds > 1 { format!("{name} {}/{folds}", fold + 1) } else { name.to_owned() };
            parts.push((name, corpus.iter().skip(fold).step_by(folds).collect()));
        }
    }
    parts
}

fn judged(contender: &Contender, parts: &[Vec<&Labelled>]) -> Result<Vec<Part>, EvaluateError> {
    parts.iter().map(|part| judge(contender, part)).collect()
}

fn judge(contender: &Contender, recordings: &[&Labelled]) -> Result<Part, EvaluateError> {
    let (mut tally, mut events) = (Tally::default(), EventTally::default());
    for recording in recordings {
        let judged = contender.judge(recording)?;
        tally += Tally::of(recording, &judged);
        events += EventTally::of(recording, &judged);
    }
    let score = PROFILES.first().filter(|_| events.windows > 0).map(|profile| tally.score(profile));
    Ok(Part { score, false_alarms: events.wrong_per_1000() })
}

/// The best combination on all parts but one.
fn best_without(tried: &[Tried], but: usize) -> Option<&Tried> {
    let worst = |tried: &Tried| {
        let others = tried.parts.iter().enumerate().filter(|(part, _)| *part != but);
        others.map(|(_, part)| part.false_alarms).fold(0.0, f64::max)
    };
    let fewest = tried.iter().map(worst).fold(f64::INFINITY, f64::min);
    let few = FALSE_ALARMS_FEW.max(fewest + FALSE_ALARMS_MORE);
    let quiet = tried.iter().rev().filter(|tried| worst(tried) <= few);
    quiet.max_by(|a, b| mean(&a.parts, Some(but)).total_cmp(&mean(&b.parts, Some(but))))
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
fn spares_all(before: &[Part], after: &[Part]) -> bool {
    before.iter().zip(after).all(|(before, after)| {
        let lost = before.score.zip(after.score).map_or(0.0, |(before, after)| before - after);
        lost <= LOSS_MAX && after.false_alarms - before.false_alarms <= FALSE_ALARMS_MORE
    })
}

/// All combinations of what is tried of `auto`.
fn auto_tried() -> Vec<AutoSettings> {
    let AutoSettings { together, alone, weariness } = AutoSettings::DEFAULT;
    let mut all = Vec::new();
    for factor in AUTO_WEARINESS {
        for alone in AUTO_ALONE.map(|more| alone + more) {
            let each =
                |more: f64| AutoSettings { together: together + more, alone, weariness: weariness * factor };
            all.extend(AUTO_TOGETHER.map(each));
        }
    }
    all
}

/// The combinations of `auto`.
fn auto_candidates(contender: &Contender) -> Vec<Contender> {
    let named = |settings: &'static AutoSettings| {
        let AutoSettings { together, alone, weariness } = settings;
        Contender {
            name: format!("together {together:.2}, alone {alone:.2}, weariness {weariness:.2}"),
            settings,
            ..contender.clone()
        }
    };
    AUTO_TRIED.iter().map(named).collect()
}

/// All combinations of factors for the parameters that are free.
fn candidates(contender: &Contender) -> Vec<Contender> {
    if let Ok(AnyDetector::Auto(_)) = contender.detector() {
        return auto_candidates(contender);
    }
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
        parameters,
        ..contender.clone()
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

#[cfg(test)]
mod tests {
    use super::{Part, Tried, best_without};

    fn tried(name: &str, parts: &[(f64, f64)]) -> Tried {
        let part =
            |(score, false_alarms): &(f64, f64)| Part { score: Some(*score), false_alarms: *false_alarms };
        Tried { name: name.to_owned(), parts: parts.iter().map(part).collect() }
    }

    #[test]
    fn a_part_has_no_say_in_what_is_chosen_for_it() {
        let all = [
            tried("in use", &[(50.0, 0.1), (50.0, 0.1), (50.0, 0.1)]),
            tried("good on the first", &[(99.0, 0.1), (40.0, 0.1), (40.0, 0.1)]),
            tried("loud", &[(60.0, 0.1), (70.0, 0.1), (90.0, 0.9)]),
            tried("equal", &[(0.0, 0.1), (50.0, 0.1), (50.0, 0.1)]),
        ];
        let chosen = |but: usize| best_without(&all, but).map(|tried| tried.name.as_str());
        assert_eq!(
            [0, 1, 2].map(chosen),
            [Some("in use"), Some("good on the first"), Some("good on the first")]
        );
        // Where all are loud, the quietest and what is nearly as quiet.
        let loud = [tried("a", &[(0.0, 0.0), (10.0, 2.0)]), tried("b", &[(0.0, 0.0), (90.0, 2.2)])];
        assert_eq!(best_without(&loud, 0).map(|tried| tried.name.as_str()), Some("a"));
        assert_eq!(best_without(&loud[1..], 0).map(|tried| tried.name.as_str()), Some("b"));
    }
}
