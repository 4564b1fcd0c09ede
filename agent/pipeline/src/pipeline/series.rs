//! The directory of series: by name, and by handle.

mod silence;

use super::ids::{ChannelId, EntryId, Id as _, IndexVec, SeriesId};
use crate::event::Labels;
use crate::unit;
use headwater_kernel::time::AgentTime;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The handle of a series of one source: a place, and how many series had been forgotten when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesHandle {
    entry: EntryId,
    generation: u32,
}

impl SeriesHandle {
    /// The number of its place, which no other series has at the same time.
    #[must_use]
    pub fn number(self) -> u32 {
        self.entry.index()
    }

    /// The handle as a number that no other handle of a run has.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.entry.index())
    }

    /// The handle of a number.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self { entry: EntryId::new(bits as u32), generation: (bits >> 32) as u32 }
    }
}

/// When a reading was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAt {
    /// At its event time (ms since the Unix epoch).
    Event(i64),
    /// On arrival; the reading has no event time.
    Arrival,
}

/// A series of one source.
pub(super) struct Entry {
    /// Index of the source.
    pub(super) source: usize,
    /// The channels that take its readings.
    pub(super) channels: Box<[ChannelId]>,
    /// How many series had been forgotten when it was made.
    generation: u32,
    /// The agent's time at its last reading.
    pub(super) heard: AgentTime,
}

/// The series of a source that no stream selects: they share a handle and take no place, and the first one's name stands
/// for all.
struct Unselected {
    name: Arc<str>,
    labels: Labels,
    handle: SeriesHandle,
}

/// A series, whatever its sources.
struct Series {
    name: Arc<str>,
    labels: Labels,
    /// Its handles by source.
    handles: Vec<(usize, SeriesHandle)>,
    /// The agent's time at the last reading that no present handle knows of; `None`: not known.
    heard: Option<AgentTime>,
}

/// The series of one source that a stream selects.
#[derive(Default)]
struct OfSource {
    /// How many it has named in this run.
    count: usize,
    /// Before this time none of them has been silent for long enough to be forgotten.
    none_before: Option<AgentTime>,
}

/// Memory of a series without name and labels (bytes): entry, handle, index by name, and the source's memory of its
/// topic.
pub(super) const SERIES_BYTES: usize = size_of::<Series>()
    + 2 * size_of::<Entry>()
    + 2 * size_of::<(Arc<str>, u32)>()
    + size_of::<(usize, SeriesHandle)>()
    + 128;

/// All series. Their number is bounded; series beyond the limit are refused.
pub(super) struct Directory {
    series_max: usize,
    /// Whether new series are refused.
    is_shut: bool,
    by_name: HashMap<Arc<str>, SeriesId>,
    series: IndexVec<SeriesId, Series>,
    entries: IndexVec<EntryId, Entry>,
    /// By source.
    unselected: BTreeMap<usize, Unselected>,
    by_source: BTreeMap<usize, OfSource>,
    /// How many series have been forgotten in this run, modulo 2^32.
    generation: u32,
    /// Before this time no series has been silent for long enough to be forgotten.
    none_before: Option<AgentTime>,
    /// The name and labels of a missing series.
    nameless: (Arc<str>, Labels),
    /// Grows with every change of which series there are, of what they are called and of who brings them.
    version: u64,
}

impl Directory {
    pub(super) fn new(series_max: usize) -> Self {
        Self {
            series_max,
            is_shut: false,
            by_name: HashMap::new(),
            series: IndexVec::default(),
            entries: IndexVec::default(),
            unselected: BTreeMap::new(),
            by_source: BTreeMap::new(),
            generation: 0,
            none_before: None,
            nameless: ("".into(), Arc::new([])),
            version: 0,
        }
    }

    /// Returns the handle of a source's series. A new series gets the channels that `resolve` finds. Its labels come
    /// from the first source that names it, its unit from the last one.
    pub(super) fn introduce(
        &mut self,
        source: usize,
        name: &str,
        labels: &[(String, String)],
        resolve: impl FnOnce(SeriesId) -> Box<[ChannelId]>,
    ) -> Option<SeriesHandle> {
        let handle = SeriesHandle { entry: self.entries.next_id()?, generation: self.generation };
        let (handle, entry) = self.introduce_as(handle, source, name, labels, resolve)?;
        if let Some(entry) = entry {
            self.entries.push(entry);
        }
        Some(handle)
    }

    /// The same, for a series that had this handle before the config was changed. Handles come in their order, before any
    /// other.
    pub(super) fn keep(
        &mut self,
        (handle, heard): (SeriesHandle, AgentTime),
        source: usize,
        (name, labels): (&str, &Labels),
        resolve: impl FnOnce(SeriesId) -> Box<[ChannelId]>,
    ) {
        if let Some((_, Some(entry))) = self.introduce_as(handle, source, name, labels, resolve) {
            self.entries.push_at(handle.entry, Entry { heard, ..entry });
        }
    }

    /// The handle of a source's series, and what it stands for if this one is new.
    fn introduce_as(
        &mut self,
        handle: SeriesHandle,
        source: usize,
        name: &str,
        labels: &[(String, String)],
        resolve: impl FnOnce(SeriesId) -> Box<[ChannelId]>,
    ) -> Option<(SeriesHandle, Option<Entry>)> {
        let known = self.by_name.get(name).copied();
        let id = match known {
            Some(id) => {
                self.learn_unit(id, labels);
                id
            }
            None if self.is_shut || self.series.len() >= self.series_max => return None,
            None => self.insert(name, labels)?,
        };
        let series = self.series.at_mut(id)?;
        if series.handles.is_empty() && series.labels.is_empty() && !labels.is_empty() {
            series.labels = labels.into();
            self.version += 1;
        }
        if let Some((_, handle)) = series.handles.iter().find(|(from, _)| *from == source) {
            return Some((*handle, None));
        }
        // Nearly all have one.
        series.handles.reserve_exact(1);
        series.handles.push((source, handle));
        self.version += 1;
        let own = self.by_source.entry(source).or_default();
        own.count += 1;
        if known.is_some() {
            own.none_before = None;
        }
        let channels = resolve(id);
        Some((handle, Some(Entry { source, channels, generation: handle.generation, heard: AgentTime::MIN })))
    }

    /// What a handle stands for; `None`: the series has been forgotten.
    pub(super) fn entry(&self, handle: SeriesHandle) -> Option<&Entry> {
        self.entries.get(handle.entry).filter(|entry| entry.generation == handle.generation)
    }

    /// Handles that are given from now on are none of those that `before` gave, nor does it know those that were not kept.
    pub(super) fn begin_after(&mut self, before: &Self) {
        self.generation = before.generation.wrapping_add(1);
    }

    /// A sender may say the unit of a series for the first time, or another one.
    fn learn_unit(&mut self, id: SeriesId, labels: &[(String, String)]) {
        let Some(series) = self.series.at_mut(id) else { return };
        if let Some(updated) = unit::updated(&series.labels, labels) {
            series.labels = updated;
            self.version += 1;
        }
    }

    /// Returns the handle of a source's series that no stream selects.
    pub(super) fn introduce_unselected(
        &mut self,
        source: usize,
        name: &str,
        labels: &[(String, String)],
    ) -> Option<SeriesHandle> {
        if let Some(known) = self.unselected.get(&source) {
            return Some(known.handle);
        }
        let (channels, generation) = (Box::default(), self.generation);
        let entry = self.entries.push(Entry { source, channels, generation, heard: AgentTime::MIN })?;
        let handle = SeriesHandle { entry, generation };
        self.unselected.insert(source, Unselected { name: name.into(), labels: labels.into(), handle });
        Some(handle)
    }

    /// How many series a source has named that a stream selects.
    pub(super) fn count_of(&self, source: usize) -> usize {
        self.by_source.get(&source).map_or(0, |own| own.count)
    }

    /// Sets whether new series are refused from now on.
    pub(super) fn shut(&mut self, is_shut: bool) {
        self.is_shut = is_shut;
    }

    fn insert(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesId> {
        let name: Arc<str> = name.into();
        let own = Series { name: name.clone(), labels: labels.into(), handles: Vec::new(), heard: None };
        let id = self.series.push(own)?;
        self.by_name.insert(name, id);
        self.version += 1;
        Some(id)
    }

    /// Restores a series, without any source. `None`: the limit is reached, or memory is short.
    pub(super) fn restore(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesId> {
        match self.by_name.get(name) {
            Some(id) => Some(*id),
            None if self.is_shut || self.series.len() >= self.series_max => None,
            None => self.insert(name, labels),
        }
    }

    /// What a handle stands for; a reading has come now, which may be a value that a broker had kept. `None`: the series
    /// has been forgotten.
    #[inline]
    pub(super) fn on_reading(
        &mut self,
        handle: SeriesHandle,
        now: AgentTime,
        is_replayed: bool,
    ) -> Option<&Entry> {
        let entry =
            self.entries.get_mut(handle.entry).filter(|entry| entry.generation == handle.generation)?;
        if !is_replayed {
            entry.heard = now;
        }
        Some(entry)
    }

    /// Whether a handle stands for a series that has not been forgotten.
    pub(super) fn knows(&self, handle: SeriesHandle) -> bool {
        self.entries.get(handle.entry).is_some_and(|entry| entry.generation == handle.generation)
    }

    /// One of the channels that take a series' readings; `None` past the last one.
    #[inline]
    pub(super) fn channel(&self, handle: SeriesHandle, place: usize) -> Option<ChannelId> {
        self.entries.get(handle.entry)?.channels.get(place).copied()
    }

    /// What every handle stands for, in their order: source, name and labels.
    pub(super) fn handles(&self) -> Vec<(SeriesHandle, usize, &Arc<str>, &Labels)> {
        let mut all = Vec::with_capacity(self.entries.len());
        for Series { name, labels, handles, .. } in self.series.iter() {
            all.extend(handles.iter().map(|(source, handle)| (*handle, *source, name, labels)));
        }
        all.extend(self.unselected.iter().map(|(source, own)| (own.handle, *source, &own.name, &own.labels)));
        all.sort_unstable_by_key(|(handle, ..)| handle.entry);
        all
    }

    /// All series, in the order in which they came.
    pub(super) fn ids(&self) -> impl Iterator<Item = SeriesId> {
        self.series.enumerate().map(|(id, _)| id)
    }

    /// The handles of a series.
    pub(super) fn handles_of(&self, id: SeriesId) -> Vec<SeriesHandle> {
        let handles = self.series.at(id).map(|series| series.handles.iter().map(|(_, handle)| *handle));
        handles.into_iter().flatten().collect()
    }

    /// A series by its name.
    pub(super) fn find(&self, name: &str) -> Option<SeriesId> {
        self.by_name.get(name).copied()
    }

    /// The sources of a series; `None`: no source has named it yet.
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

    /// Another number after every change of what [`Directory::describe`] and [`Directory::sources`] say.
    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
