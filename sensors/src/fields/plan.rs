//! The fields and the time that a source wants of every payload.

use super::reason::RejectReason;
use crate::time::TimeFormat;
use std::sync::Arc;

/// The wanted fields and the time, as paths.
pub(crate) struct Plan {
    /// `None`: every number.
    pub(super) wanted: Option<Vec<Arc<str>>>,
    pub(super) time: Option<Arc<str>>,
    pub(super) time_format: TimeFormat,
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
        fields_max: usize,
    ) -> Self {
        let wanted: Option<Vec<Arc<str>>> = match (is_named, fields.is_empty()) {
            (false, _) => Some(vec![Arc::from("")]),
            (true, true) => None,
            (true, false) => Some(fields.iter().map(|path| Arc::from(path.as_str())).collect()),
        };
        let nested = wanted.iter().flatten().any(|path| path.contains('/'))
            || time.is_some_and(|path| path.contains('/'));
        Self { wanted, time: time.map(Arc::from), time_format, nested, fields_max }
    }

    /// The paths that are wanted; none if every number is.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Arc<str>> {
        self.wanted.iter().flatten()
    }

    pub(super) fn nothing(&self) -> RejectReason {
        const SHOWN_MAX: usize = 5;
        let wanted = self.wanted.as_deref().unwrap_or_default();
        let mut shown =
            wanted.iter().take(SHOWN_MAX).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        if wanted.len() > SHOWN_MAX {
            shown.push_str(", …");
        }
        RejectReason::Nothing { wanted: shown }
    }
}
