//! `headwater train`: labelled recordings in, a model out.

use super::labelled::LabelledFiles;
use super::replay::{chosen_source, origin_of};
use super::{Failure, checked, stdout, unreadable};
use clap::{Args, ValueEnum};
use headwater_lab::train::{ModelKind, RowRecipe, TrainError, TrainOptions, TrainingFiles, gather, train};
use headwater_pipeline::config::{GroupConfig, GroupJudge, StreamConfig, WindowConfig};
use std::path::{Path, PathBuf};

/// Options of `train`.
#[derive(Debug, Args)]
pub(super) struct TrainArguments {
    #[command(flatten)]
    files: LabelledFiles,
    /// The stream of the config whose windows the model is to judge
    #[arg(long)]
    stream: String,
    /// The series of a row, as `over` of a detector names them; once for each (default: `over` of the stream's detector
    /// of type `model`)
    #[arg(long = "over", value_name = "PATTERN")]
    over: Vec<String>,
    /// The kind of model
    #[arg(long, value_enum)]
    model: ModelWord,
    /// The parts of a cross-validation, each judged by a model that was trained with the others: recordings, or
    /// stretches of time of a single one
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=1000))]
    folds: u16,
    /// Writes the model here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draws the confusion, and the PR and ROC curves of each fold, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Makes another forest
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Reads the recordings as if they came from this source (default: the first with payloads)
    #[arg(long)]
    source: Option<String>,
    /// Prints JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// The word for a kind of model.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModelWord {
    /// Logistic regression: quick, small, and says by which features
    Logistic,
    /// A linear support vector machine
    Svm,
    /// A random forest: takes features of any shape, and more memory
    Forest,
}

impl From<ModelWord> for ModelKind {
    fn from(word: ModelWord) -> Self {
        match word {
            ModelWord::Logistic => Self::Logistic,
            ModelWord::Svm => Self::Svm,
            ModelWord::Forest => Self::Forest,
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Unfit(text) => Self::Usage(format!("error: {text}")),
            TrainError::Labels(error) => error.into(),
            TrainError::Replay(error) => error.into(),
        }
    }
}

pub(super) fn run(config_path: &Path, arguments: &TrainArguments) -> Result<(), Failure> {
    // The model may not be there yet.
    let read = crate::config::load_with(config_path, &|_| Ok(None));
    let (config, document) = read.map_err(|error| unreadable(config_path, &error))?;
    let config = checked((config, &document))?;
    let source = chosen_source(&config, arguments.source.as_deref())?;
    let origin = origin_of(&config, source)?;
    let stream = find_stream(&config.streams, &arguments.stream)?;
    let recipe = recipe(stream, arguments)?;
    let options = TrainOptions {
        kind: arguments.model.into(),
        folds: usize::from(arguments.folds),
        seed: arguments.seed,
        window: stream.window_fingerprint(),
    };
    // No detector, because rows are all that is wanted.
    let own = StreamConfig { detectors: Vec::new(), groups: Vec::new(), ..stream.clone() };
    let pipeline =
        || crate::supervise::pipeline(&config.agent.id, &config.sources, vec![own.clone()], config.limits);
    let LabelledFiles { labels, corpus, .. } = &arguments.files;
    let files = TrainingFiles { labels, folder: arguments.files.folder(), corpora: corpus };
    let data = gather(files, &origin, &recipe, pipeline)?;
    let (model, report) = train(&data, &recipe, &options)?;
    let picture = arguments.plot.as_ref().map(|path| (path, report.as_svg().into_bytes()));
    for (path, bytes) in arguments.out.as_ref().map(|path| (path, model.write())).into_iter().chain(picture) {
        let written = std::fs::write(path, bytes);
        written.map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display())))?;
    }
    stdout::print(if arguments.json { report.as_json() + "\n" } else { report.as_text() })
}

fn find_stream<'s>(streams: &'s [StreamConfig], name: &str) -> Result<&'s StreamConfig, Failure> {
    let found = streams.iter().find(|stream| *stream.name == *name);
    found.ok_or_else(|| {
        let names = streams.iter().map(|stream| &*stream.name);
        let fix = headwater_settings::nearest(name, names.clone()).map_or_else(
            || format!("known: {}", names.collect::<Vec<_>>().join(", ")),
            |likely| format!("did you mean `{likely}`?"),
        );
        Failure::Usage(format!("error: there is no stream `{name}`; {fix}"))
    })
}

/// What makes a row.
fn recipe(stream: &StreamConfig, arguments: &TrainArguments) -> Result<RowRecipe, Failure> {
    let usage = |text: String| Failure::Usage(format!("error: {text}"));
    if matches!(stream.window, WindowConfig::None(_)) {
        return Err(usage(format!("stream `{}` has no windows, and a model judges windows", stream.name)));
    }
    let judge = |group: &GroupConfig| match &group.judge {
        GroupJudge::Windows(detector) => Some((group.patterns.clone(), detector.fill())),
        GroupJudge::Readings(_) => None,
    };
    let own = stream.groups.iter().find_map(judge);
    let (fill, fill_within_ms) = own.as_ref().map_or(stream.fill, |(_, fill)| *fill);
    let over =
        if arguments.over.is_empty() { own.map(|(over, _)| over) } else { Some(arguments.over.clone()) };
    let over = over.ok_or_else(|| {
        let name = &stream.name;
        usage(format!(
            "name the series of a row, by --over, or by a detector of type `model` of stream `{name}`"
        ))
    })?;
    Ok(RowRecipe {
        stream: stream.name.to_string(),
        over,
        aggregates: stream.plan.names().map(str::to_owned).collect(),
        fill,
        fill_within_ms,
    })
}
