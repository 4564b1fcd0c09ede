//! Recordings with labels, as `evaluate` and `train` are told of them.

use clap::Args;
use std::path::{Path, PathBuf};

/// Options that name labelled recordings.
#[derive(Debug, Args)]
pub(super) struct LabelledFiles {
    /// The labels, as JSON: {"format":"anomaly-labels-1","series":{"FILE.csv":{"windows":[["2026-03-12T14:05:00Z",
    /// "2026-03-12T15:00:00Z"]]}}}, or rows such as [[900,950]], which count from 0. `"classes":["valve"]` beside `"windows"`
    /// names what went wrong in each, for `train`
    #[arg(long)]
    pub(super) labels: PathBuf,
    /// Where the recordings lie that the labels name (default: beside the labels)
    #[arg(long)]
    data: Option<PathBuf>,
    /// Only this corpus; may be given more than once
    #[arg(long)]
    pub(super) corpus: Vec<String>,
}

impl LabelledFiles {
    /// Where the recordings lie.
    pub(super) fn folder(&self) -> &Path {
        let beside = self.labels.parent().unwrap_or(Path::new("."));
        self.data.as_deref().unwrap_or(beside)
    }
}
