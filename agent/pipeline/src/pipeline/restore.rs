//! Restores the pipeline from the sections of a checkpoint; `state.rs` writes them and documents the format.
//!
//! A section that cannot be read is noted and costs only itself. Readings in windows that cannot be restored count as
//! `refused`, as they do when the config of their stream changes. A detector that cannot be restored learns anew,
//! under the alert that it had raised where that alert can be read.

use super::bytes::{load_counts, load_ledger, load_length, load_text};
use super::channel::Channel;
use super::cuts::{LaterCuts, StoredCuts};
use super::forget::StoredSilence;
use super::own_clock::OwnClock;
use super::revisions::Revisions;
use super::saved::{SavedStream, StoredChannel, StoredStream};
use super::{Pipeline, Pressure};
use crate::account::{ReadingCounts, ReadingLedger};
use crate::plan::PaneLayout;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::Unread;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::AgentTime;

/// The number of readings in windows that were lost, because the config has changed or the windows could not be read.
pub type LostReadings = i64;

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
        let cuts = self.load_cuts(stored, unread);
        let silence = self.load_silence(stored, unread);
        for (number, section) in stored.all(body::CHANNEL).enumerate() {
            if let Some(pressure) = look() {
                self.on_pressure(pressure);
            }
            let restored = body::CHANNEL.read(section, |from| {
                let own = (&cuts, silence.get(number).copied().unwrap_or_default(), number);
                self.restore_channel(&saved, own, since, from, unread)
            });
            let goes_on = restored.map_err(|why| {
                self.emitter.later_cuts.lose_windows();
                unread.part("a series", "starts anew", why)
            });
            if goes_on != Ok(true) {
                self.emitter.revisions.lose_some();
            }
        }
        self.groups.restore(&self.streams, stored, unread);
        self.introduce_pairs(&self.channels.list.ids());
        if !self.pairs.restore(&self.streams, &self.directory, since, stored, unread) {
            self.emitter.revisions.lose_some();
        }
        self.share_retention();
        let given_up = self.reconcile_readings(is_known);
        is_known.then_some(given_up)
    }

    /// Retires the counts of streams and sources that the config no longer has.
    fn restore_accounts(&mut self, ledger: ReadingLedger) {
        if self
            .streams
            .configs()
            .any(|(_, stream)| ledger.streams.iter().all(|(name, _)| **name != *stream.name))
        {
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
            match self.streams.iter_mut().find(|stream| *stream.config.name == *name) {
                Some(stream) => stream.counts = counts,
                None => self.retired = self.retired.plus(&counts),
            }
        }
    }

    /// Matches a saved stream with the config.
    fn saved_stream(&mut self, section: (u16, StateReader<'_>), unread: &mut Unread) -> SavedStream {
        let read = body::STREAM.read(section, StoredStream::load);
        let Ok((name, stored)) = read.map_err(|why| unread.part("a stream", "starts anew", why)) else {
            // Its series have a section each, and nothing says how to read them.
            self.emitter.later_cuts.lose_windows();
            return SavedStream {
                index: None,
                windows: None,
                layout: PaneLayout::default(),
                missing: Vec::new(),
                detectors: Vec::new(),
            };
        };
        match self.streams.find(name) {
            Some(known) => stored.match_config(known),
            None => stored.without_stream(),
        }
    }

    /// Restores a channel. Returns whether its windows were restored.
    fn restore_channel(
        &mut self,
        saved: &[SavedStream],
        (cuts, silence, number): (&StoredCuts, StoredSilence, usize),
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
        let known = saved.index.and_then(|index| Some((index, self.streams.config(index)?)));
        let Some((index, config)) = known else { return Ok(false) };
        let Some(id) = self.directory.restore(series, &labels) else {
            self.emitter.later_cuts.lose_windows();
            return Ok(false);
        };
        if self.channels.find(index, id).is_some() {
            return Err(Corrupt);
        }
        let mut channel = Channel::new(index, id, config, LaterCuts::default());
        channel.told_to = silence.told_to;
        self.directory.set_heard(id, silence.heard);
        channel.completeness = self.restored_completeness((cuts, number), config, series);
        let goes_on = channel.restore_windows(config, since, saved, &stored, unread);
        if !goes_on {
            channel.completeness.lose_windows();
        }
        if goes_on && channel.has_windows() {
            for (what, why) in &saved.missing {
                unread.of_series(what, &config.name, "are left out", *why);
            }
        }
        channel.watching.restore(config, since, saved, &stored, unread);
        let index = self.channels.add(channel).ok_or(Corrupt)?;
        self.join_groups(index);
        Ok(goes_on)
    }

    /// Sets `in_windows` to the readings that are really in windows, and counts the rest as refused. Without an
    /// account of the past, the account begins with the readings in windows.
    fn reconcile_readings(&mut self, is_known: bool) -> LostReadings {
        let mut given_up = std::mem::take(&mut self.retired.in_windows);
        self.retired.refused += given_up;
        for (index, stream) in self.streams.enumerate_mut() {
            let (stream, counts) = stream.parts();
            let own = self.channels.list.iter().filter(|channel| channel.stream == index);
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
