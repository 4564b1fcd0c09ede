//! `headwater replay`: the engine over recorded data, in virtual time.

use super::{Failure, load, stdout};
use crate::config::{Config, SourceConfig};
use clap::Args;
use headwater_lab::plot::Plot;
use headwater_lab::replay::{RecordingOrigin, ReplayError, replay};
use headwater_sensors::SourceContext;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Options of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    /// Recordings: .csv with a header, or .jsonl with a payload a line
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Read them as if they came from this source (default: the first with payloads)
    #[arg(long)]
    source: Option<String>,
    /// Draws the series, their windows and alerts into this file, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Unfit(_) => Self::Usage(format!("error: {error}")),
            ReplayError::Other(text) => Self::Other(text),
            ReplayError::Unwritten(error) => stdout::unwritten(error),
        }
    }
}

pub(super) fn run(config_path: &Path, options: &ReplayOptions) -> Result<(), Failure> {
    let config = load(config_path)?;
    let source = chosen_source(&config, options.source.as_deref())?;
    let origin = origin_of(&config, source)?;
    let plot = options.plot.as_ref().map(|_| Plot::new(&title(&options.files), &config.streams));
    let pipeline =
        crate::supervise::pipeline(&config.agent.id, &config.sources, config.streams, config.limits);
    let out = BufWriter::new(std::io::stdout().lock());
    let plot = replay(&options.files, &origin, pipeline, plot, out)?;
    match plot.zip(options.plot.as_ref()) {
        None => Ok(()),
        Some((plot, path)) => std::fs::write(path, plot.svg())
            .map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display()))),
    }
}

/// What recordings need to come from a source of the config.
pub(super) fn origin_of(config: &Config, source: usize) -> Result<RecordingOrigin, Failure> {
    let chosen = config.sources.get(source);
    let chosen = chosen.ok_or_else(|| Failure::Usage("the config has no source".to_owned()))?;
    let Some(decode) = chosen.source.payloads().cloned() else {
        let fix = "choose a source with payloads, by --source";
        return Err(Failure::Usage(format!("error: source `{}` reads no recordings; {fix}", chosen.name)));
    };
    let context = SourceContext {
        agent: config.agent.id.clone(),
        source: chosen.name.clone(),
        payload_bytes_max: config.limits.payload_bytes,
        series_max: config.limits.series,
    };
    Ok(RecordingOrigin { source, decode, context })
}

/// What the picture is of: the files' names.
fn title(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    names.collect::<Vec<_>>().join(", ")
}

/// The source that a name chooses; without one the first with payloads.
pub(super) fn chosen_source(config: &Config, name: Option<&str>) -> Result<usize, Failure> {
    let Some(name) = name else {
        let has_payloads = |source: &SourceConfig| source.source.payloads().is_some();
        return Ok(config.sources.iter().position(has_payloads).unwrap_or(0));
    };
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let fix = headwater_settings::nearest(name, names.iter().copied()).map_or_else(
            || format!("known: {}", names.join(", ")),
            |likely| format!("did you mean `{likely}`?"),
        );
        Failure::Usage(format!("error: there is no source `{name}`; {fix}"))
    })
}
