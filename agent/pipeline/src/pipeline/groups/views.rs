//! Which groups there are, for those who announce them.

use super::Groups;
use crate::event::Labels;
use crate::pipeline::ids::StreamId;
use std::sync::Arc;

/// A group that has all its series.
pub(in crate::pipeline) struct GroupView<'g> {
    pub(in crate::pipeline) stream: StreamId,
    pub(in crate::pipeline) name: &'g Arc<str>,
    pub(in crate::pipeline) labels: &'g Labels,
    /// Index of its detector among the stream's.
    pub(in crate::pipeline) detector: usize,
    /// Whether its alert stands.
    pub(in crate::pipeline) stands: bool,
}

impl Groups {
    /// The groups that have all their series, in the order in which they came.
    pub(in crate::pipeline) fn views(&self) -> impl Iterator<Item = GroupView<'_>> {
        let mut known: Vec<_> = self.by_name.iter().map(|((stream, ..), index)| (*index, *stream)).collect();
        known.sort_unstable_by_key(|(index, _)| *index);
        known.into_iter().filter_map(|(index, stream)| {
            let group = self.groups.at(index)?;
            let stands = group.judge.as_ref()?.is_raised();
            let (name, labels, detector) = (&group.name, &group.labels, group.detector_index as usize);
            Some(GroupView { stream, name, labels, detector, stands })
        })
    }
}
