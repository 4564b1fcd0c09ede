//! Restores the pipeline from the sections of a checkpoint; `state.rs` writes them and documents the format.
//!
//! A section that cannot be read is noted and costs only itself. Readings in windows that cannot be restored count as
//! `refused`, as they do when the config of their stream changes. A detector that cannot be restored learns anew,
//! under the alert that it had raised where that alert can be read.

use super::channel::{Channel, StoredChannel};
use super::filter::Filter;
use super::ids::StreamId;
use super::own_clock::OwnClock;
use super::revisions::Revisions;
use super::series_detectors::SLOT_VERSION;
use super::state::{load_counts, load_ledger, load_length, load_text, put, save_length, save_text};
use super::{Pipeline, Pressure};
use crate::account::{ReadingCounts, ReadingLedger};
use crate::config::{DetectorConfig, StreamConfig, WindowConfig};
use crate::plan::PaneLayout;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::{Unread, UnreadReason};
use headwater_kernel::detect::Alarm;
use headwater_kernel::series::windows_version;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::AgentTime;
use std::collections::hash_map::Entry;

/// The number of readings in windows that were lost, because the config has changed or the windows could not be read.
pub type LostReadings = i64;

/// The tag of a stream that has neither windows nor a filter.
const NO_WINDOWS: u8 = 31;

/// How the state of a stream's series is stored.
pub(super) struct StoredStream {
    fingerprint: String,
    /// The tag of the window or filter, and the version of its bytes.
    windows: (u8, u16),
    pub(super) layout: PaneLayout,
    detectors: Vec<StoredDetector>,
}

struct StoredDetector {
    fingerprint: String,
    versions: Versions,
}

/// The versions of a detector's stored parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// The version of the pipeline's part of an alert.
    pub(super) slot: u16,
    /// The version of the alarm's state.
    pub(super) alert: u16,
    /// The version of the detector's own state.
    pub(super) detector: u16,
}

/// A stream as it was saved, and which parts of its state can be used.
pub(super) struct SavedStream {
    /// The stream's id now, if the config still has it.
    index: Option<StreamId>,
    /// Whether windows and filters can be used, and why not; outer `None`: the config has changed.
    pub(super) windows: Option<Result<(), UnreadReason>>,
    pub(super) layout: PaneLayout,
    /// The accumulators that the stored layout lacks, with the reason.
    missing: Vec<(String, UnreadReason)>,
    /// For each saved detector: its index in the stream now, and which of its state can be used.
    pub(super) detectors: Vec<Option<(usize, GoesOn)>>,
}

/// Which parts of a detector's state can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    /// Everything.
    All,
    /// The alert; the detector learns anew.
    Alert(UnreadReason),
    /// Nothing.
    Nothing(UnreadReason),
}

impl Versions {
    pub(super) fn of(detector: u16) -> Self {
        Self { slot: SLOT_VERSION, alert: Alarm::VERSION, detector }
    }

    pub(super) fn save(self, to: &mut Vec<u8>) {
        [self.slot, self.alert, self.detector].iter().for_each(|version| version.save(&mut put(to)));
    }

    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { slot: State::load(from)?, alert: State::load(from)?, detector: State::load(from)? })
    }

    /// The parts that a detector of version `detector` can use.
    pub(super) fn usable(self, detector: u16) -> GoesOn {
        let own = Self::of(detector);
        let differs =
            |stored: u16, read: u16| (stored != read).then_some(UnreadReason::Version { stored, read });
        if let Some(why) = differs(self.slot, own.slot).or(differs(self.alert, own.alert)) {
            return GoesOn::Nothing(why);
        }
        differs(self.detector, own.detector).map_or(GoesOn::All, GoesOn::Alert)
    }
}

impl StoredStream {
    pub(super) fn of(stream: &StreamConfig) -> Self {
        let detector = |config: &DetectorConfig| StoredDetector {
            fingerprint: config.fingerprint.clone(),
            versions: Versions::of(config.version),
        };
        Self {
            fingerprint: stream.fingerprint(),
            windows: match &stream.window {
                WindowConfig::Cut(specs) => {
                    let shape = &specs.of(false).shape;
                    (shape.tag(), windows_version(shape))
                }
                WindowConfig::None(Some(filter)) => (Filter::tag(filter), Filter::VERSION),
                WindowConfig::None(None) => (NO_WINDOWS, 1),
            },
            layout: PaneLayout::of(&stream.plan.pane()),
            detectors: stream.detectors.iter().map(detector).collect(),
        }
    }

    pub(super) fn save(&self, name: &str, to: &mut Vec<u8>) {
        save_text(to, name);
        save_text(to, &self.fingerprint);
        self.windows.0.save(&mut put(to));
        self.windows.1.save(&mut put(to));
        self.layout.save(to);
        save_length(to, self.detectors.len());
        for detector in &self.detectors {
            save_text(to, &detector.fingerprint);
            detector.versions.save(to);
        }
    }

    fn load<'a>(from: &mut StateReader<'a>) -> Result<(&'a str, Self), Corrupt> {
        let (name, fingerprint) = (load_text(from)?, load_text(from)?.to_owned());
        let windows = (State::load(from)?, State::load(from)?);
        let layout = PaneLayout::load(from)?;
        let mut detectors = Vec::new();
        for _ in 0..load_length(from)? {
            let fingerprint = load_text(from)?.to_owned();
            detectors.push(StoredDetector { fingerprint, versions: Versions::load(from)? });
        }
        Ok((name, Self { fingerprint, windows, layout, detectors }))
    }

    /// The parts that a stream with this config can use.
    fn match_config(self, (index, config): (StreamId, &StreamConfig)) -> SavedStream {
        let now = Self::of(config);
        let is_same = self.fingerprint == now.fingerprint && self.windows.0 == now.windows.0;
        let (stored, read) = (self.windows.1, now.windows.1);
        let windows = if stored == read { Ok(()) } else { Err(UnreadReason::Version { stored, read }) };
        let missing = self.layout.missing(&now.layout).into_iter().map(|part| {
            let why = part
                .stored
                .map_or(UnreadReason::Absent, |stored| UnreadReason::Version { stored, read: part.read });
            (format!("{} in open windows", part.name), why)
        });
        let detector = |stored: &StoredDetector| {
            let of = |config: &DetectorConfig| config.fingerprint == stored.fingerprint;
            let at = config.detectors.iter().position(of)?;
            Some((at, stored.versions.usable(config.detectors.get(at)?.version)))
        };
        SavedStream {
            index: Some(index),
            windows: is_same.then_some(windows),
            missing: missing.collect(),
            detectors: self.detectors.iter().map(detector).collect(),
            layout: self.layout,
        }
    }

    /// No part: the stream no longer exists.
    fn without_stream(self) -> SavedStream {
        SavedStream {
            index: None,
            windows: None,
            missing: Vec::new(),
            detectors: self.detectors.iter().map(|_| None).collect(),
            layout: self.layout,
        }
    }
}

impl Pipeline {
    /// Restores what [`Pipeline::save`] wrote, as far as it can be read. The pipeline must be new, and
    /// [`Pipeline::resume`] must follow. Silence counts from `since` on, because readings may have been missed while
    /// the agent was away. `look` is called before every series and returns the memory pressure if it has changed.
    /// Returns `None` if even the accounts are lost.
    pub fn restore_within(
        &mut self,
        since: AgentTime,
        stored: StoredBody<'_>,
        look: impl Fn() -> Option<Pressure>,
        unread: &mut Unread,
    ) -> Option<LostReadings> {
        match stored.one(body::REVISIONS, unread, Revisions::load) {
            Some(revisions) => self.emitter.revisions = revisions,
            None => self.emitter.revisions.lose_all(),
        }
        self.emitter.suppressed = stored.one(body::SUPPRESSED, unread, i64::load).unwrap_or(0);
        self.emitter.own_clock = stored.one(body::TIMESTAMPS, unread, OwnClock::load).unwrap_or_default();
        let accounts =
            stored.one(body::ACCOUNTS, unread, |from| Ok((load_ledger(from)?, load_counts(from)?)));
        let is_known = accounts.is_some();
        if let Some((ledger, retired)) = accounts {
            self.retired = retired;
            self.restore_accounts(ledger);
        }
        let saved: Vec<SavedStream> =
            stored.all(body::STREAM).map(|section| self.saved_stream(section, unread)).collect();
        for section in stored.all(body::CHANNEL) {
            if let Some(pressure) = look() {
                self.on_pressure(pressure);
            }
            let restored =
                body::CHANNEL.read(section, |from| self.restore_channel(&saved, since, from, unread));
            let goes_on = restored.map_err(|why| unread.part("a series", "starts anew", why));
            if goes_on != Ok(true) {
                self.emitter.revisions.lose_some();
            }
        }
        self.groups.restore(&self.streams, stored, unread);
        self.introduce_pairs(0);
        if !self.pairs.restore(&self.streams, &self.directory, since, stored, unread) {
            self.emitter.revisions.lose_some();
        }
        self.share_retention();
        let given_up = self.reconcile_readings(is_known);
        is_known.then_some(given_up)
    }

    /// Retires the counts of streams and sources that the config no longer has.
    fn restore_accounts(&mut self, ledger: ReadingLedger) {
        if self.streams.iter().any(|stream| ledger.streams.iter().all(|(name, _)| **name != *stream.name)) {
            // The stream may have existed before, and been absent for a while.
            self.emitter.revisions.lose_some();
        }
        for (name, intake) in ledger.sources {
            let known = self.sources.iter_mut().find(|source| source.entry.name == name);
            match known.map(|source| &mut source.counts) {
                Some(place) => *place = intake,
                None => self.retired = self.retired.plus(&intake.beside_streams()),
            }
        }
        for (name, counts) in ledger.streams {
            let known = self.streams.enumerate().find(|(_, stream)| *stream.name == *name);
            match known.and_then(|(index, _)| self.stream_counts.at_mut(index)) {
                Some(place) => *place = counts,
                None => self.retired = self.retired.plus(&counts),
            }
        }
    }

    /// Matches a saved stream with the config.
    fn saved_stream(&self, section: (u16, StateReader<'_>), unread: &mut Unread) -> SavedStream {
        let read = body::STREAM.read(section, StoredStream::load);
        let Ok((name, stored)) = read.map_err(|why| unread.part("a stream", "starts anew", why)) else {
            // Its series have a section each, and nothing says how to read them.
            return SavedStream {
                index: None,
                windows: None,
                layout: PaneLayout::default(),
                missing: Vec::new(),
                detectors: Vec::new(),
            };
        };
        let known = self.streams.enumerate().find(|(_, stream)| *stream.name == *name);
        match known {
            Some(known) => stored.match_config(known),
            None => stored.without_stream(),
        }
    }

    /// Restores a channel. Returns whether its windows were restored.
    fn restore_channel(
        &mut self,
        saved: &[SavedStream],
        since: AgentTime,
        from: &mut StateReader<'_>,
        unread: &mut Unread,
    ) -> Result<bool, Corrupt> {
        let saved = saved.get(load_length(from)?).ok_or(Corrupt)?;
        let series = load_text(from)?;
        let mut labels = Vec::new();
        for _ in 0..load_length(from)? {
            labels.push((load_text(from)?.to_owned(), load_text(from)?.to_owned()));
        }
        let stored = StoredChannel::load(saved.detectors.len(), from)?;
        let known = saved.index.and_then(|index| Some((index, self.streams.at(index)?)));
        let Some((index, config)) = known else { return Ok(false) };
        let Some(id) = self.directory.restore(series, &labels) else { return Ok(false) };
        let place = self.channels.next_id().ok_or(Corrupt)?;
        match self.places.entry((index, id)) {
            Entry::Vacant(own) => own.insert(place),
            Entry::Occupied(_) => return Err(Corrupt),
        };
        let mut channel = Channel::new(index, id, config);
        let goes_on = channel.restore_windows(config, since, saved, &stored, unread);
        if goes_on && channel.has_windows() {
            for (what, why) in &saved.missing {
                unread.of_series(what, &config.name, "are left out", *why);
            }
        }
        channel.watching.restore(config, since, saved, &stored, unread);
        self.channels.push(channel);
        self.join_groups(place);
        Ok(goes_on)
    }

    /// Sets `in_windows` to the readings that are really in windows, and counts the rest as refused. Without an
    /// account of the past, the account begins with the readings in windows.
    fn reconcile_readings(&mut self, is_known: bool) -> LostReadings {
        let mut given_up = std::mem::take(&mut self.retired.in_windows);
        self.retired.refused += given_up;
        for ((index, stream), counts) in self.streams.enumerate().zip(self.stream_counts.iter_mut()) {
            let own = self.channels.iter().filter(|channel| channel.stream == index);
            let present: i64 = own.map(|channel| channel.readings(stream)).sum();
            if !is_known {
                *counts =
                    ReadingCounts { received: present, in_windows: present, ..ReadingCounts::default() };
                continue;
            }
            let missing = counts.in_windows - present;
            counts.in_windows = present;
            counts.refused += missing;
            given_up += missing;
        }
        given_up
    }
}

/// Notes a detector of one series or group that was not fully restored.
pub(super) fn note_detector(goes_on: GoesOn, name: &str, stream: &str, unread: &mut Unread) {
    if let GoesOn::Alert(why) | GoesOn::Nothing(why) = goes_on {
        unread.of_series(&format!("detector `{name}`"), stream, "starts anew", why);
    }
}
