//! Detectors against labelled recordings: what they find, what they make up, and how late they are.
//!
//! Labels are a JSON file of the format `anomaly-labels-1`: per recording its columns, the rows at the start that
//! are never scored, and the windows `[first_row, last_row]` in which something is wrong. A row of several columns
//! is judged by one detector per column and scores what the worst of them says; `half-space` and `auto` see the row
//! as one, as in the running agent's groups.
//!
//! | module | does |
//! |---|---|
//! | `labels` | reads labels and recordings |
//! | `contest` | runs a detector over a recording |
//! | `nab` | the score of the Numenta Anomaly Benchmark |
//! | `events` | events found, made up, and the delay |
//! | `result` | all of that for one detector and one corpus; as a table, as JSON, as CSV |
//! | `sweep` | tries parameters, and leaves one corpus out in turn |

mod contest;
mod events;
mod labels;
mod nab;
mod result;
mod sweep;

pub use contest::{Contender, Judged};
pub(crate) use events::EventTally;
pub(crate) use labels::{Label, ReadingRows, read_labels};
pub use labels::{Labelled, load};
pub use result::{Score, as_json, as_table, write_scores};
pub use sweep::{Sweep, sweep, sweep_table};

/// The reason why recordings cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A mistake in labels, a recording or a parameter, with the way out.
    #[error("{0}")]
    Unfit(String),
    /// A file that cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        cause: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
