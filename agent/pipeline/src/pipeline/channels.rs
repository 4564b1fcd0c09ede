//! All channels: each is found by its index, by its stream and series, or by its timer.

use super::channel::Channel;
use super::cuts::LaterCuts;
use super::ids::{ChannelId, IndexVec, SeriesId, StreamId};
use super::stream::Streams;
use super::timers::{self, Timers};
use crate::config::StreamConfig;
use headwater_kernel::time::{AgentTime, Now};
use std::collections::HashMap;

/// Memory of one channel, without windows and detectors (bytes).
pub(super) const BYTES: usize =
    size_of::<Channel>() + timers::ENTRY_BYTES + 2 * size_of::<((u32, u32), u32)>();

/// The channels of all series.
#[derive(Default)]
pub(super) struct Channels {
    pub(super) list: IndexVec<ChannelId, Channel>,
    places: HashMap<(StreamId, SeriesId), ChannelId>,
    pub(super) timers: Timers<ChannelId>,
}

impl Channels {
    /// The channel of a series in a stream, if there is one.
    pub(super) fn find(&self, stream: StreamId, series: SeriesId) -> Option<ChannelId> {
        self.places.get(&(stream, series)).copied()
    }

    /// The channel of a series in a stream; a new one, if there is none, which is noted in `new`.
    pub(super) fn introduce(
        &mut self,
        stream: StreamId,
        series: SeriesId,
        config: &StreamConfig,
        later_cuts: LaterCuts,
        new: &mut Vec<ChannelId>,
    ) -> Option<ChannelId> {
        if let Some(known) = self.find(stream, series) {
            return Some(known);
        }
        let added = self.add(Channel::new(stream, series, config, later_cuts))?;
        new.push(added);
        Some(added)
    }

    /// The channels of a source's series, one in each stream that selects it; new ones are noted in `new`.
    pub(super) fn of_series(
        &mut self,
        (source, name): (usize, &str),
        id: SeriesId,
        (streams, later_cuts): (&Streams, LaterCuts),
        new: &mut Vec<ChannelId>,
    ) -> Box<[ChannelId]> {
        let takes = streams.configs().filter(|(_, config)| config.selects(source, name));
        takes.filter_map(|(index, config)| self.introduce(index, id, config, later_cuts, new)).collect()
    }

    /// Removes a channel. Its timers ring once more, for nobody or for the next one of its index.
    pub(super) fn remove(&mut self, index: ChannelId) {
        if let Some(channel) = self.list.remove(index) {
            self.places.remove(&(channel.stream, channel.series));
        }
    }

    /// Adds the channel of a series that its stream has none of.
    pub(super) fn add(&mut self, channel: Channel) -> Option<ChannelId> {
        let place = (channel.stream, channel.series);
        let index = self.list.push(channel)?;
        self.places.insert(place, index);
        Some(index)
    }

    /// The next channel whose timer has fired by `now`.
    pub(super) fn pop_due(&mut self, now: AgentTime) -> Option<ChannelId> {
        while let Some((due, index)) = self.timers.pop_due(now) {
            if self.list.get_mut(index).is_some_and(|channel| channel.disarm(due)) {
                return Some(index);
            }
        }
        None
    }

    /// Sets the timers of all channels, as of `now`.
    pub(super) fn rearm(&mut self, streams: &Streams, now: Now) {
        self.timers = Timers::default();
        for (index, channel) in self.list.enumerate_mut() {
            let config = streams.config(channel.stream);
            if let Some(due) = config.and_then(|config| channel.rearm(config, now)) {
                self.timers.push(due, index);
            }
        }
    }
}
