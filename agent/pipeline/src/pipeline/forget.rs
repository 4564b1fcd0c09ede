//! Series that have been silent for long give way when room is wanted, and not before.
//!
//! A series that is forgotten ends first: its windows are closed and told, its evidence too, and an alert that stands is
//! cleared, because nothing would ever clear it. Then its state goes, and its places in streams, pairs and groups. The
//! caller decides when, so that a journal can repeat it.

use super::bytes::{load_length, put, save_length};
use super::emitter::SeriesEmitter;
use super::ids::ChannelId;
use super::returns::Returns;
use super::stream::Stream;
use super::{Pipeline, SeriesHandle};
use crate::sections::SectionWriter;
use crate::sections::body::{self, StoredBody};
use crate::sections::unread::Unread;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{AgentTime, Now, Time};
use std::sync::Arc;

/// Silence is stored in steps of this part of `forget`, so that a series with readings does not change it in every
/// checkpoint.
const STEPS: i64 = 64;

/// What a checkpoint says of one channel: when its series had its last reading, and how far it was told of before.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredSilence {
    /// `None`: not known.
    pub(super) heard: Option<AgentTime>,
    pub(super) told_to: Time,
}

impl Pipeline {
    /// Whether the limit on series leaves no place for a new one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.directory.is_full()
    }

    /// How many series have been forgotten in this run, modulo 2^32.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.directory.generation()
    }

    /// Whether a handle stands for a series that has not been forgotten.
    #[must_use]
    pub fn knows(&self, series: SeriesHandle) -> bool {
        self.directory.knows(series)
    }

    /// The series that gives way if room is wanted now, with `of` among those of this source. `None`: none has been silent for
    /// long enough. Series that the config expects keep their places.
    pub fn most_silent(&mut self, of: Option<usize>, now: Now) -> Option<Arc<str>> {
        let Self { directory, streams, .. } = self;
        let is_expected = |name: &str| {
            streams.configs().any(|(_, config)| config.expect.iter().any(|known| **known == *name))
        };
        directory.most_silent(of, (now.alive, self.forget_ms), is_expected)
    }

    /// Forgets a series, because `source` wants room for another one. Returns whether it was known.
    pub fn forget(&mut self, source: usize, name: &str, now: Now) -> bool {
        let Some(id) = self.directory.find(name) else { return false };
        let channels: Vec<ChannelId> =
            self.streams.configs().filter_map(|(stream, _)| self.channels.find(stream, id)).collect();
        let ends = channels.iter().map(|index| self.end_series(*index, now));
        let told_to = ends.max().unwrap_or(Time::MIN);
        self.returns.note(name, told_to);
        for index in channels {
            self.channels.remove(index);
        }
        self.directory.forget(id);
        self.share_retention();
        self.count_forgotten(source);
        true
    }

    /// Tells what a channel still has to tell. Returns the time before which it may have been told of.
    fn end_series(&mut self, index: ChannelId, now: Now) -> Time {
        let (pairs, mut out) = self.pairs_with_emitter(now);
        let told_to = pairs.forget(index, &mut out).max(self.leave_groups(index, now));
        let Some(channel) = self.channels.list.at_mut(index) else { return told_to };
        let Some((stream, counts)) = self.streams.at_mut(channel.stream).map(Stream::parts) else {
            return told_to;
        };
        let series = self.directory.describe(channel.series);
        let (emitter, is_own) = (&mut self.emitter, channel.is_by_arrival());
        let mut out = SeriesEmitter { emitter, stream, series, now, is_own };
        let (left, own) = channel.forget(&mut out);
        left.count(counts);
        told_to.max(own)
    }

    /// Appends what is known of series that are gone, and of the silence of those that are not.
    pub(super) fn save_silence(&self, to: &mut impl SectionWriter) {
        let step = (self.forget_ms / STEPS).max(1);
        body::SILENCE.put(to, |to| {
            self.returns.save(to);
            save_length(to, self.channels.list.len());
            for channel in self.channels.list.iter() {
                let heard = self.directory.heard(channel.series);
                // Never earlier than it was.
                let heard =
                    heard.map(|AgentTime(ms)| AgentTime(ms.saturating_add(step - 1).div_euclid(step) * step));
                heard.unwrap_or(AgentTime::MIN).save(&mut put(to));
                channel.told_to.save(&mut put(to));
            }
        });
    }

    /// Reads what [`Pipeline::save_silence`] wrote, of each channel in their order; earlier versions wrote none.
    pub(super) fn load_silence(&mut self, stored: StoredBody<'_>, unread: &mut Unread) -> Vec<StoredSilence> {
        if stored.all(body::SILENCE).next().is_none() {
            return Vec::new();
        }
        let names_max = self.returns.names_max();
        let read = stored.one(body::SILENCE, unread, |from| {
            let returns = Returns::load(names_max, from)?;
            let channels = (0..load_length(from)?).map(|_| StoredSilence::load(from));
            Ok((returns, channels.collect::<Result<Vec<_>, _>>()?))
        });
        let Some((returns, channels)) = read else {
            // A series that comes back may tell again what it has told.
            self.emitter.revisions.lose_some();
            return Vec::new();
        };
        self.returns = returns;
        channels
    }
}

impl StoredSilence {
    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (heard, told_to) = (AgentTime::load(from)?, Time::load(from)?);
        Ok(Self { heard: Some(heard).filter(|heard| *heard != AgentTime::MIN), told_to })
    }
}

impl Default for StoredSilence {
    fn default() -> Self {
        Self { heard: None, told_to: Time::MIN }
    }
}
