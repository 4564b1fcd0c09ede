//! The answer to a request: a JSON map, on `headwater/AGENT/config/status`.

use headwater_text::escape_json;
use serde::Serialize;

/// The longest reason (bytes).
const WHY_BYTES_MAX: usize = 8 << 10;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RequestState {
    /// It changes nothing.
    Refused,
    /// The agent runs with it, and goes back if an output does not stay.
    Trial,
    /// The agent runs with it.
    Kept,
    /// The agent has gone back.
    RolledBack,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RequestAnswer {
    /// Which; `None`: nobody who knows the secret has signed it.
    pub(crate) id: Option<String>,
    /// When it was signed [ms since the Unix epoch].
    #[serde(rename = "time")]
    pub(crate) time_ms: Option<i64>,
    /// What becomes of it.
    pub(crate) state: RequestState,
    /// Why, where it is refused or rolled back.
    pub(crate) why: Option<String>,
    /// When this was so [ms since the Unix epoch].
    #[serde(rename = "now")]
    pub(crate) now_ms: i64,
}

impl RequestAnswer {
    /// As JSON. What the reason quotes is cut and escaped.
    pub(crate) fn json(&self) -> String {
        let cut = |why: &String| {
            why.char_indices().take_while(|(at, _)| *at < WHY_BYTES_MAX).map(|(_, sign)| sign).collect()
        };
        let why = self.why.as_ref().map(cut);
        let json = serde_json::to_string(&Self { why, ..self.clone() }).unwrap_or_default();
        escape_json(&json).into_owned()
    }
}
