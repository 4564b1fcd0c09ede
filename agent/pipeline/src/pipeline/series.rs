//! The series by name, and what each handle stands for.

use super::ids::{ChannelId, Id, IndexVec, SeriesId};
use crate::event::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// A series of a source, as the pipeline numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesHandle(pub u32);

impl Id for SeriesHandle {
    fn new(index: u32) -> Self {
        Self(index)
    }

    #[inline]
    fn index(self) -> u32 {
        self.0
    }
}

/// When a reading was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAt {
    /// At a time that it carries (ms since the Unix epoch).
    Event(i64),
    /// When it came in: it carries none.
    Arrival,
}

/// What a [`SeriesHandle`] stands for: one series of one source.
pub(super) struct Entry {
    /// Index of the source.
    pub(super) source: usize,
    /// The channels that take its readings.
    pub(super) channels: Box<[ChannelId]>,
}

/// A series, whichever sources it comes from.
struct Series {
    name: Arc<str>,
    labels: Labels,
    /// Its handle by source.
    handles: Vec<(usize, SeriesHandle)>,
}

/// What a series takes without its name and labels: its own entry, its handle, the index by name, and the source's
/// memory of its topic (bytes).
pub(super) const SERIES_BYTES: usize = size_of::<Series>()
    + 2 * size_of::<Entry>()
    + 2 * size_of::<(Arc<str>, u32)>()
    + size_of::<(usize, SeriesHandle)>()
    + 128;

/// All series. Their number is bounded; further ones are refused, never grown into.
pub(super) struct Directory {
    series_max: usize,
    /// Whether none is taken on that is not known.
    is_shut: bool,
    by_name: HashMap<Arc<str>, SeriesId>,
    series: IndexVec<SeriesId, Series>,
    entries: IndexVec<SeriesHandle, Entry>,
    /// Stands for what is not there.
    nameless: (Arc<str>, Labels),
}

impl Directory {
    pub(super) fn new(series_max: usize) -> Self {
        Self {
            series_max,
            is_shut: false,
            by_name: HashMap::new(),
            series: IndexVec::default(),
            entries: IndexVec::default(),
            nameless: ("".into(), Arc::new([])),
        }
    }

    /// The handle of a source's series; a new one gets the channels that `resolve` finds for it. The first source that
    /// names a series gives it its labels.
    pub(super) fn introduce(
        &mut self,
        source: usize,
        name: &str,
        labels: &[(String, String)],
        resolve: impl FnOnce(SeriesId) -> Box<[ChannelId]>,
    ) -> Option<SeriesHandle> {
        let known = self.by_name.get(name).copied();
        let id = match known {
            Some(id) => id,
            None if self.is_shut || self.series.len() >= self.series_max => return None,
            None => self.insert(name, labels)?,
        };
        let series = self.series.at_mut(id)?;
        if let Some((_, handle)) = series.handles.iter().find(|(from, _)| *from == source) {
            return Some(*handle);
        }
        let handle = self.entries.next_id()?;
        series.handles.push((source, handle));
        let channels = resolve(id);
        self.entries.push(Entry { source, channels });
        Some(handle)
    }

    /// Whether series that are not known yet are refused from now on.
    pub(super) fn shut(&mut self, is_shut: bool) {
        self.is_shut = is_shut;
    }

    fn insert(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesId> {
        let name: Arc<str> = name.into();
        let own = Series { name: name.clone(), labels: labels.into(), handles: Vec::new() };
        let id = self.series.push(own)?;
        self.by_name.insert(name, id);
        Some(id)
    }

    /// A series as it was known before, without any source yet. `None`: the limit is reached, or memory is short.
    pub(super) fn restore(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesId> {
        match self.by_name.get(name) {
            Some(id) => Some(*id),
            None if self.is_shut || self.series.len() >= self.series_max => None,
            None => self.insert(name, labels),
        }
    }

    #[inline]
    pub(super) fn entry(&self, handle: SeriesHandle) -> Option<&Entry> {
        self.entries.at(handle)
    }

    /// One of the channels that take a series' readings; `None` past the last one.
    #[inline]
    pub(super) fn channel(&self, handle: SeriesHandle, place: usize) -> Option<ChannelId> {
        self.entry(handle)?.channels.get(place).copied()
    }

    /// A series by its name.
    pub(super) fn find(&self, name: &str) -> Option<SeriesId> {
        self.by_name.get(name).copied()
    }

    /// The sources that have a series; `None`: none has named it yet.
    pub(super) fn sources(&self, id: SeriesId) -> Option<impl Iterator<Item = usize>> {
        let handles = &self.series.at(id)?.handles;
        (!handles.is_empty()).then(|| handles.iter().map(|(source, _)| *source))
    }

    /// Name and labels of a series.
    pub(super) fn describe(&self, id: SeriesId) -> (&Arc<str>, &Labels) {
        self.series
            .at(id)
            .map_or((&self.nameless.0, &self.nameless.1), |series| (&series.name, &series.labels))
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }
}
