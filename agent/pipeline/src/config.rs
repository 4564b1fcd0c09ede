//! The checked config of streams: a [`StreamConfig`] never holds a bad value.

mod align;
mod counter;
mod detector;
mod evidence;
mod filter;
pub mod fingerprint;
mod group;
mod listing;
mod model;
mod normalise;
mod pair;
mod refuse;
mod stream;
mod summary;
mod window;
mod window_detector;

pub use detector::{DetectorConfig, On};
pub use evidence::EvidenceConfig;
pub use filter::{FilterConfig, Rule};
pub use group::{GroupConfig, GroupDetector, GroupJudge, place_among};
pub use model::ReadModel;
pub use normalise::Normalise;
pub use pair::{PairConfig, Pattern};
pub use stream::{NoValue, StreamConfig, Thinned, place_in};
pub use window::{OPEN_MAX, Specs, WindowConfig};
pub(crate) use window_detector::JudgedRow;
pub use window_detector::{TrainedModel, WantedRow, WindowDetector};

use headwater_settings::{At, Table};

/// `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The most series; further ones are refused and counted.
    pub series: usize,
    /// The most series that one message may bring anew.
    pub new_series: usize,
    /// How long a series must be silent before it may give way to another one (ms).
    pub forget_ms: i64,
    /// Bytes of one payload; larger ones are invalid.
    pub payload_bytes: usize,
    /// Memory for closed windows that wait for late readings, all series together (bytes).
    pub retained_bytes: usize,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Reads `[streams.NAME]`, in the order of the file. `sources` are the names that `from` may use; `models` reads the files
/// of models.
pub fn read_streams(root: &mut Table<'_>, sources: &[String], models: &ReadModel<'_>) -> Vec<StreamConfig> {
    let tables = root.named_tables("streams").into_iter();
    tables.filter_map(|(name, table)| stream::read(&name, table, sources, models)).collect()
}

/// Refuses an unknown name and suggests the nearest known one.
pub fn refuse_unknown(table: &Table<'_>, name: &At<String>, kind: &str, known: &[String]) {
    if known.contains(&name.value) {
        return;
    }
    let fix = match headwater_settings::nearest(&name.value, known.iter().map(String::as_str)) {
        Some(likely) => format!("did you mean `{likely}`?"),
        None if known.is_empty() => format!("there is no {kind} in this config"),
        None => format!("known: {}", known.join(", ")),
    };
    table.refuse(name.span.clone(), format!("there is no {kind} `{}`", name.value), fix);
}

/// Has no model.
///
/// # Errors
/// Always.
pub fn no_models(path: &std::path::Path) -> Result<Option<TrainedModel>, String> {
    Err(format!("{} cannot be read here", path.display()))
}

/// The streams of a config's text, and all mistakes in them.
#[cfg(test)]
fn parsed(text: &str) -> (Vec<StreamConfig>, String) {
    let document = headwater_settings::Document::parse(std::path::Path::new("t.toml"), text, |_| None);
    let streams = read_streams(&mut document.root(), &[], &no_models);
    (streams, document.render_all())
}
