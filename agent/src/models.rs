//! Reads the files of trained models.

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

/// The bytes of a model file, if there are not too many.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut bytes = Vec::new();
    let read = file.take(MODEL_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read {shown}: {error}"))?;
    if bytes.len() as u64 > MODEL_BYTES_MAX {
        return Err(format!(
            "{shown} is larger than {}, the most that a model may be",
            format_size(MODEL_BYTES_MAX)
        ));
    }
    Ok(bytes)
}
