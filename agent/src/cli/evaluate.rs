//! `headwater evaluate`: detectors against labelled recordings.

use super::labelled::LabelledFiles;
use super::{Failure, stdout};
use clap::Args;
use headwater_lab::evaluate::{
    Contender, EvaluateError, Judged, Labelled, Score, as_json, as_table, load, sweep, sweep_table,
    write_scores,
};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::path::PathBuf;

/// A sweep says how far it is after so many combinations.
const SWEPT_SHOWN: usize = 5;

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateOptions {
    #[command(flatten)]
    files: LabelledFiles,
    /// A detector, with parameters if need be: `zscore:above=5,readings=100`; may be given more than once (default:
    /// all that need none)
    #[arg(long = "detector", value_name = "DETECTOR")]
    detectors: Vec<String>,
    /// Prints JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Writes the score of every reading of the one detector, as CSV files below this directory
    #[arg(long, value_name = "DIR")]
    scores: Option<PathBuf>,
    /// Tries each detector's parameters, or the constants of `auto`, and prints what the choice is worth: leaves one
    /// corpus out in turn, or a fold of a single one
    #[arg(long)]
    sweep: bool,
}

impl From<EvaluateError> for Failure {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Unfit(_) => Failure::Usage(format!("error: {error}")),
            EvaluateError::File { .. } => Failure::Other(error.to_string()),
        }
    }
}

pub(super) fn run(options: &EvaluateOptions) -> Result<(), Failure> {
    let contenders = contenders(options)?;
    let LabelledFiles { labels, corpus, .. } = &options.files;
    let mut recordings = load(labels, options.files.folder(), corpus)?;
    recordings.sort_by(|a, b| (&a.label.corpus, &a.name).cmp(&(&b.label.corpus, &b.name)));
    if options.sweep {
        return print_sweeps(&contenders, &recordings);
    }
    let mut outcomes = Vec::new();
    for corpus in recordings.chunk_by(|a, b| a.label.corpus == b.label.corpus) {
        let name = corpus.first().map_or("", |recording| recording.label.corpus.as_str());
        for contender in &contenders {
            let judged: Vec<Judged> =
                corpus.iter().map(|recording| contender.judge(recording)).collect::<Result<_, _>>()?;
            if let Some(directory) = &options.scores {
                for (recording, judged) in corpus.iter().zip(&judged) {
                    write_scores(directory, recording, judged)?;
                }
            }
            outcomes.push(Score::of(&contender.name, name, corpus, &judged));
        }
    }
    let text = if options.json { as_json(&outcomes) + "\n" } else { as_table(&outcomes) };
    stdout::print(text)
}

fn contenders(options: &EvaluateOptions) -> Result<Vec<Contender>, Failure> {
    let named: Vec<Contender> =
        options.detectors.iter().map(|text| Contender::parse(text)).collect::<Result<_, _>>()?;
    if options.scores.is_some() && named.len() != 1 {
        let text = "error: `--scores` writes the scores of one detector; name it with `--detector`";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(if named.is_empty() { Contender::all() } else { named })
}

fn print_sweeps(contenders: &[Contender], recordings: &[Labelled]) -> Result<(), Failure> {
    for contender in contenders {
        let progress = |done: usize, of: usize| {
            if done.is_multiple_of(SWEPT_SHOWN) {
                eprintln!("{}: {done} of {of} combinations tried", clean(&contender.name, LINE_BYTES_MAX));
            }
        };
        stdout::print(sweep_table(&contender.name, &sweep(contender, recordings, progress)?))?;
    }
    Ok(())
}
