//! Series that the config expects, so that a detector of silence knows those that have never come.
//!
//! An expected series has its place and its channel from the start; its first source brings its labels. A glob has a
//! channel of its own under its own name, until a first series matches it.

use super::Pipeline;
use super::channel::Channel;
use super::emitter::SeriesEmitter;
use super::ids::{ChannelId, StreamId};
use crate::glob;
use headwater_kernel::time::{Now, Time};

impl Pipeline {
    /// Waits for the expected series that have not come yet, and sets all timers.
    pub fn expect_series(&mut self, now: Now) {
        let named = |(stream, config): (StreamId, &crate::config::StreamConfig)| {
            config.expect.iter().map(move |name| (stream, name.clone())).collect::<Vec<_>>()
        };
        let expected: Vec<(StreamId, String)> = self.streams.configs().flat_map(named).collect();
        for (stream, name) in expected {
            if is_glob(&name) && self.has_come(stream, &name) {
                continue;
            }
            let channel = self.expected_channel(stream, &name);
            if let Some(channel) = channel.and_then(|index| self.channels.list.at_mut(index)) {
                channel.watching.expect_reading(now);
            }
        }
        self.channels.list.ids().into_iter().for_each(|index| self.meet_expectations(index));
        self.rearm(now);
    }

    /// The channel of an expected series or glob; `None`: there is no place.
    fn expected_channel(&mut self, stream: StreamId, name: &str) -> Option<ChannelId> {
        let series = self.directory.restore(name, &[])?;
        if let Some(known) = self.channels.find(stream, series) {
            return Some(known);
        }
        let mut channel = Channel::new(stream, series, self.streams.config(stream)?, self.emitter.later_cuts);
        channel.by_arrival = true;
        let index = self.channels.add(channel)?;
        if !is_glob(name) {
            self.introduce_pairs(&[index]);
            self.join_groups(index);
        }
        self.share_retention();
        Some(index)
    }

    /// Whether a series has come that a glob matches.
    fn has_come(&self, stream: StreamId, glob: &str) -> bool {
        let of_stream = self.channels.list.iter().filter(|channel| channel.stream == stream);
        let mut names = of_stream.map(|channel| &**self.directory.describe(channel.series).0);
        names.any(|name| name != glob && glob::matches(glob, name))
    }

    /// Lets a channel end the wait of the globs that match its series.
    pub(super) fn meet_expectations(&mut self, index: ChannelId) {
        let Some(channel) = self.channels.list.at(index) else { return };
        let Some(config) = self.streams.config(channel.stream) else { return };
        let name = self.directory.describe(channel.series).0;
        let met = config
            .expect
            .iter()
            .filter(|glob| is_glob(glob) && ***glob != **name && glob::matches(glob, name));
        let found = met.filter_map(|glob| self.channels.find(channel.stream, self.directory.find(glob)?));
        let waits = |index: &ChannelId| {
            self.channels.list.at(*index).is_some_and(|channel| channel.watching.expects_reading())
        };
        let awaited: Vec<ChannelId> = found.filter(waits).collect();
        if let Some(channel) = self.channels.list.at_mut(index).filter(|_| !awaited.is_empty()) {
            channel.ends_wait_of = awaited.into();
        }
    }

    /// Ends the wait of globs: their first series has sent a reading.
    #[cold]
    pub(super) fn end_waits(&mut self, awaited: &[ChannelId], (time, value): (Time, f64), now: Now) {
        for index in awaited {
            let Some(channel) = self.channels.list.at_mut(*index) else { continue };
            let Some(stream) = self.streams.config(channel.stream) else { continue };
            let (emitter, series) = (&mut self.emitter, self.directory.describe(channel.series));
            let mut out = SeriesEmitter { emitter, stream, series, now, is_own: true };
            channel.watching.judge(time, value, &mut out);
            channel.watching.end_silence();
        }
    }
}

fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}
