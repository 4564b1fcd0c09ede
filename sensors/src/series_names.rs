//! What is known of a source's series before it runs.

/// The possible names of a source's series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesNames {
    /// Every name matches one of these; `*` stands for any text.
    Patterns(Vec<String>),
    /// Only the readings name the series.
    Unknown,
}
