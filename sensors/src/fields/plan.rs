//! The fields and the time that a source wants of every payload.

use crate::text::TextRules;
use crate::time::TimeFormat;
use std::sync::Arc;

/// The wanted fields and the time, as paths.
pub(crate) struct Plan {
    /// `None`: every number.
    pub(super) wanted: Option<Vec<Arc<str>>>,
    pub(super) time: Option<Arc<str>>,
    pub(super) time_format: TimeFormat,
    /// What texts mean.
    pub(super) text: TextRules,
    /// Whether any of these paths has more than one level.
    pub(super) nested: bool,
    /// The most fields of one topic.
    pub(super) fields_max: usize,
}

impl Plan {
    /// `fields` and `time` are paths; `is_named`: values have names, else a payload is one value.
    pub(crate) fn new(
        is_named: bool,
        fields: &[String],
        (time, time_format): (Option<&str>, TimeFormat),
        text: TextRules,
        fields_max: usize,
    ) -> Self {
        let wanted: Option<Vec<Arc<str>>> = match (is_named, fields.is_empty()) {
            (false, _) => Some(vec![Arc::from("")]),
            (true, true) => None,
            (true, false) => Some(fields.iter().map(|path| Arc::from(path.as_str())).collect()),
        };
        let nested = wanted.iter().flatten().any(|path| path.contains('/'))
            || time.is_some_and(|path| path.contains('/'));
        Self { wanted, time: time.map(Arc::from), time_format, text, nested, fields_max }
    }

    /// The paths that are wanted; none if every number is.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Arc<str>> {
        self.wanted.iter().flatten()
    }
}
