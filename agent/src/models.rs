//! Reads the files of trained models: those of `headwater train`, and ONNX files in a build that runs them.

#[cfg(feature = "onnx")]
mod onnx;

use headwater_model::{MODEL_BYTES_MAX, ModelFile};
use headwater_pipeline::config::{TrainedModel, WantedRow};
use headwater_settings::format_size;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;

/// Reads a model for the pipeline.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read(path: &Path) -> Result<Option<TrainedModel>, String> {
    let bytes = read_bytes(path)?;
    if is_onnx(path) {
        return read_onnx(path, &bytes).map(Some);
    }
    let model = ModelFile::read(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    let card = &model.card;
    Ok(Some(TrainedModel {
        classes: card.classes.iter().map(|class| class.as_str().into()).collect(),
        normal: model.normal(),
        wants: Some(WantedRow {
            over: card.over.clone(),
            aggregates: card.aggregates.clone(),
            window: card.window.clone(),
        }),
        bytes: model.numbers.heap_bytes(),
        checksum: crc32fast::hash(&bytes),
        classifier: Rc::new(model),
    }))
}

/// Whether a file is one of ONNX, by its name.
pub(crate) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("onnx"))
}

#[cfg(feature = "onnx")]
fn read_onnx(path: &Path, bytes: &[u8]) -> Result<TrainedModel, String> {
    onnx::read(path, bytes)
}

#[cfg(not(feature = "onnx"))]
fn read_onnx(path: &Path, _: &[u8]) -> Result<TrainedModel, String> {
    Err(without_onnx(path))
}

/// What an ONNX file is, for people.
///
/// # Errors
/// Why it does not run here.
pub(crate) fn describe_onnx(path: &Path) -> Result<String, String> {
    #[cfg(feature = "onnx")]
    return onnx::described(&read_bytes(path)?).map_err(|why| format!("{}: {why}", path.display()));
    #[cfg(not(feature = "onnx"))]
    Err(without_onnx(path))
}

#[cfg(not(feature = "onnx"))]
fn without_onnx(path: &Path) -> String {
    format!(
        "{}: this build runs no ONNX files; build one that does (`cargo build --release --features onnx`), or train a \
         model with `headwater train`",
        path.display()
    )
}

/// The largest file of a kind that is read [bytes].
fn bytes_max(path: &Path) -> u64 {
    #[cfg(feature = "onnx")]
    if is_onnx(path) {
        return onnx::BYTES_MAX;
    }
    let _ = path;
    MODEL_BYTES_MAX
}

/// The bytes of a model file, if there are not too many.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let max = bytes_max(path);
    let too_large =
        || format!("{shown} is larger than {}, the most that a model of its kind may be", format_size(max));
    // A file that is too large is not read to its end.
    if file.metadata().is_ok_and(|file| file.len() > max) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() as u64 > max {
        return Err(too_large());
    }
    Ok(bytes)
}
