//! `headwater model`: what a model file is.

use super::{Failure, stdout};
use clap::{Args, Subcommand};
use headwater_lab::train::interval;
use headwater_model::ModelFile;
use headwater_settings::format_size;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Options of `model`.
#[derive(Debug, Args)]
pub(super) struct ModelOptions {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Says what a model was trained with, what it wants and how good it is
    Show {
        /// The model file
        file: PathBuf,
        /// Prints its card as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(options: &ModelOptions) -> Result<(), Failure> {
    let ModelCommand::Show { file, json } = &options.command;
    if crate::models::is_onnx(file) {
        return stdout::print(crate::models::describe_onnx(file).map_err(Failure::Other)?);
    }
    let (model, bytes) = read(file)?;
    let card = serde_json::to_string(&model.card).map_err(|error| Failure::Other(error.to_string()))?;
    stdout::print(if *json { card + "\n" } else { described(&model, bytes) })
}

fn read(path: &Path) -> Result<(ModelFile, u64), Failure> {
    let bytes = crate::models::read_bytes(path).map_err(Failure::Other)?;
    let model = ModelFile::read(&bytes);
    let model = model.map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    Ok((model, bytes.len() as u64))
}

/// For people.
fn described(model: &ModelFile, bytes: u64) -> String {
    let card = &model.card;
    let mut text = format!(
        "{} model, {} on disk, {} in memory\n",
        card.kind,
        format_size(bytes),
        format_size(model.numbers.heap_bytes() as u64)
    );
    let _ =
        writeln!(text, "trained with {} recordings, data {}, seed {}", card.recordings, card.data, card.seed);
    let _ = writeln!(text, "judges stream {}: {}", card.stream, card.window);
    let _ = writeln!(text, "over {}", card.over.join(", "));
    let _ = writeln!(text, "of each {}", card.aggregates.join(", "));
    for (class, rows) in card.classes.iter().zip(&card.rows) {
        let usual = if Some(class) == card.normal.as_ref() { " (normal)" } else { "" };
        let _ = writeln!(text, "class {class}{usual}: {rows} windows");
    }
    let _ = writeln!(text, "\nover {} folds, with the interval of the mean:", card.folds);
    for score in &card.scores {
        let _ = writeln!(text, "  {}: {}", score.name, interval(score));
    }
    text
}
