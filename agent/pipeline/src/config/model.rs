//! `type = "model"` of `[[streams.NAME.detectors]]`: a trained model that judges the windows of several series.
//!
//! Files are read by whoever calls [`super::read_streams`], because the pipeline does no I/O.

use super::window::WindowConfig;
use super::window_detector::{TrainedModel, WantedRow, WindowDetector};
use crate::plan::AggregatePlan;
use headwater_kernel::detect::Alarm;
use headwater_kernel::model::{FEATURES_MAX, Fill};
use headwater_kernel::window::{SPAN_MAX_MS, Shape};
use headwater_settings::{At, Or, Table, nearest};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest gap that is filled, where none is given (ms).
const FILL_WITHIN_MS: i64 = 10 * super::MINUTE;

/// What a stream fills that says nothing of it.
pub(super) const NO_FILL: (Fill, i64) = (Fill::Nothing, FILL_WITHIN_MS);

/// What its keys mean.
const NOTES: [(&str, &str); 4] = [
    ("file", "the model, as `headwater train` writes it, or an ONNX file in a build that runs them"),
    ("above", "an alert where something is wrong with more than this probability"),
    ("predictions", "whether every judgement is a message of kind `prediction`"),
    ("normal", "the class of windows with which nothing is wrong (default: what the file says)"),
];

/// Reads a model file; `None`: it is yet to be trained. The error says what is wrong and the way out.
pub type ReadModel<'r> = dyn Fn(&Path) -> Result<Option<TrainedModel>, String> + 'r;

/// What a detector of windows gets from its stream.
#[derive(Clone, Copy)]
pub(super) struct ModelStream<'s> {
    pub(super) window: Option<&'s WindowConfig>,
    /// The shape of the windows, in one line.
    pub(super) shape: &'s str,
    pub(super) plan: Option<&'s AggregatePlan>,
    pub(super) models: &'s ReadModel<'s>,
    /// What is filled, where the detector says nothing of it.
    pub(super) fill: (Fill, i64),
}

/// The keys of a model, without those of every detector.
pub(super) struct ModelKeys {
    file: Option<At<PathBuf>>,
    fill: (Fill, i64),
    normal: Option<At<String>>,
    above: f64,
    predictions: bool,
}

impl ModelKeys {
    pub(super) fn read(table: &mut Table<'_>, of_stream: (Fill, i64)) -> Self {
        NOTES.iter().for_each(|(key, meaning)| table.note(key, meaning));
        let file = table.path_to("file");
        if file.is_none() {
            table.missing("file", "add `file = \"pump.model\"`, which `headwater train` writes");
        }
        Self {
            file,
            fill: read_fill(table, of_stream),
            normal: table.string("normal"),
            above: table.number("above", 0.0..=1.0).value_or(0.5),
            predictions: table.boolean("predictions").value_or(false),
        }
    }
}

/// Reads what takes the place of a missing window, and the longest gap that is filled (ms), of a stream or of a detector.
pub(super) fn read_fill(table: &mut Table<'_>, otherwise: (Fill, i64)) -> (Fill, i64) {
    let what = "what takes the place of a window that a model misses: the one before it, or the line between those around it";
    table.note("fill", what);
    table.note("fill_within", "the longest gap that is filled, from window to window");
    let fills = [("hold", Fill::Hold), ("linear", Fill::Linear)];
    let fill = table.choice("fill", &fills).value_or(otherwise.0);
    (fill, table.duration("fill_within", 1..=SPAN_MAX_MS).value_or(otherwise.1))
}

/// Builds the detector; `None`: there is a mistake.
pub(super) fn build(
    table: &Table<'_>,
    keys: ModelKeys,
    patterns: &At<Vec<At<String>>>,
    alarm: Alarm,
    stream: ModelStream<'_>,
) -> Option<WindowDetector> {
    let ModelKeys { file, fill: (fill, fill_within_ms), normal, above, predictions } = keys;
    let is_windowed = check_windows(table, patterns, stream.window);
    let (path, plan) = (file?, stream.plan?);
    let read = (stream.models)(&path.value);
    let model = read.map_err(|why| table.refuse(path.span.clone(), why, file_fix(&path.value))).ok()?;
    if model.is_some() {
        // Another model under the same name is a change that a reload sees.
        table.note_file("file", &path.value);
    }
    if !is_windowed {
        return None;
    }
    let refuse =
        |what: String| table.refuse(path.span.clone(), what, "train the model again, or change the stream");
    let aggregates: Vec<String> = match model.as_ref().and_then(|model| model.wants.as_ref()) {
        Some(wants) => {
            misfit(wants, patterns, (stream.shape, plan)).map(refuse).map_or(Some(()), |()| None)?;
            wants.aggregates.clone()
        }
        None => plan.names().map(str::to_owned).collect(),
    };
    if aggregates.len() * patterns.value.len() > FEATURES_MAX {
        let features = aggregates.len() * patterns.value.len();
        refuse(format!("a row would have {features} features, and a model takes {FEATURES_MAX}"));
        return None;
    }
    if let Some(model) = &model {
        let (makes, wants) = (aggregates.len() * patterns.value.len(), model.classifier.features());
        if makes != wants {
            refuse(format!(
                "the model wants {wants} features, and the stream makes {makes}: {} of each of {} series",
                aggregates.join(", "),
                patterns.value.len()
            ));
            return None;
        }
    }
    let normal = match (normal, &model) {
        (Some(named), Some(model)) => Some(find_class(table, &named, &model.classes)?),
        (_, model) => model.as_ref().and_then(|model| model.normal),
    };
    if let (None, Some(model)) = (normal, model.as_ref().filter(|model| model.wants.is_none())) {
        let what =
            "neither the file nor the stream says which class is that of windows with which nothing is wrong";
        let fix = format!(
            "add `normal = \"{}\"`, or another of: {}",
            model.classes.first().map_or("", |c| c),
            model.classes.join(", ")
        );
        table.refuse(path.span.clone(), what, fix);
        return None;
    }
    let places = aggregates.iter().filter_map(|name| plan.names().position(|known| known == name)).collect();
    let names = patterns.value.iter().flat_map(|series| {
        aggregates.iter().map(move |aggregate| (series.value.clone(), Arc::from(aggregate.as_str())))
    });
    let rows = (patterns.value.len(), fill, fill_within_ms);
    Some(WindowDetector::new(model, (normal, above, predictions), (places, names.collect()), rows, alarm))
}

/// Whether the windows of several series end together.
fn check_windows(table: &Table<'_>, patterns: &At<Vec<At<String>>>, window: Option<&WindowConfig>) -> bool {
    let span = table.place_of("type");
    match window {
        None => false,
        Some(WindowConfig::None(_)) => {
            table.refuse(span, "a model judges windows, and the stream has none", "give the stream a window");
            false
        }
        Some(WindowConfig::Cut(specs)) => {
            let is_shared = matches!(specs.of(false).shape, Shape::Tumbling(_) | Shape::Sliding(_));
            let fits = is_shared || patterns.value.len() == 1;
            if !fits {
                let what = "windows of several series are a row if they end together, and these do not";
                table.refuse(span, what, "use a tumbling or sliding window, or one series in `over`");
            }
            fits
        }
    }
}

/// The first difference between what the model was trained with and what the stream makes.
fn misfit(
    wants: &WantedRow,
    patterns: &At<Vec<At<String>>>,
    (window, plan): (&str, &AggregatePlan),
) -> Option<String> {
    let own: Vec<&str> = patterns.value.iter().map(|pattern| pattern.value.as_str()).collect();
    if own.len() != wants.over.len() {
        return Some(format!(
            "the model was trained over {} series ({}), and `over` has {}",
            wants.over.len(),
            wants.over.join(", "),
            own.len()
        ));
    }
    // Other devices have other names, and their last level says what is measured.
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    if let Some((own, wanted)) = own.iter().zip(&wants.over).find(|(own, wanted)| last(own) != last(wanted)) {
        return Some(format!("`over` has `{own}` where the model was trained with `{wanted}`"));
    }
    let names: Vec<&str> = plan.names().collect();
    if let Some(lacking) = wants.aggregates.iter().find(|wanted| !names.contains(&wanted.as_str())) {
        return Some(format!(
            "the model was trained with `{lacking}`, and the stream's `aggregates` are {}",
            names.join(", ")
        ));
    }
    (window != wants.window).then(|| {
        format!("the model was trained with windows `{}`, and the stream's are `{window}`", wants.window)
    })
}

fn find_class(table: &Table<'_>, named: &At<String>, classes: &[Arc<str>]) -> Option<usize> {
    let found = classes.iter().position(|class| **class == *named.value);
    if found.is_none() {
        let fix = nearest(&named.value, classes.iter().map(|class| &**class)).map_or_else(
            || format!("its classes: {}", classes.join(", ")),
            |like| format!("did you mean `{like}`?"),
        );
        table.refuse(named.span.clone(), format!("the model has no class `{}`", named.value), fix);
    }
    found
}

fn file_fix(path: &Path) -> String {
    format!(
        "`headwater train --out {}` writes a model, `headwater model show` says what one is",
        path.display()
    )
}
