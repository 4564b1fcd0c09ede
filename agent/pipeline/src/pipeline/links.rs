//! Lost connections: while a source is down, silence does not count against its series.

use super::Pipeline;
use super::ids::{ChannelId, SourceId};
use headwater_kernel::time::Now;

impl Pipeline {
    /// A source has lost or regained its connection.
    pub fn on_link(&mut self, source: usize, is_up: bool, now: Now) {
        let Some(link) = self.sources.at(SourceId::of(source)) else { return };
        if is_up && link.is_down {
            // The silence of what nothing could reach starts here.
            let all = self.channels.list.ids().into_iter();
            let cut_off: Vec<ChannelId> = all.filter(|index| self.is_cut_off(*index)).collect();
            for index in cut_off {
                if let Some(channel) = self.channels.list.at_mut(index) {
                    channel.watching.touch(now.alive);
                }
            }
        }
        if let Some(link) = self.sources.at_mut(SourceId::of(source)) {
            link.is_down = !is_up;
        }
    }

    /// The input has ended: no reading comes any more, and that is no silence of the sensors.
    pub fn on_end(&mut self, now: Now) {
        self.channels.list.iter_mut().for_each(|channel| channel.watching.end_silence());
        self.rearm(now);
    }

    /// Whether no reading can reach a channel, because every source of its series is down. Where the series' sources
    /// are unknown, every source that its stream selects must be down.
    pub(super) fn is_cut_off(&self, index: ChannelId) -> bool {
        if self.sources.iter().all(|source| !source.is_down) {
            return false;
        }
        let Some(channel) = self.channels.list.at(index) else { return false };
        let is_down =
            |source: usize| self.sources.at(SourceId::of(source)).is_some_and(|source| source.is_down);
        match self.directory.sources(channel.series) {
            Some(mut sources) => sources.all(is_down),
            None => {
                let stream = self.streams.config(channel.stream);
                let mut known = (0..self.sources.len())
                    .filter(|source| stream.is_none_or(|stream| stream.takes_from(*source)));
                known.all(is_down)
            }
        }
    }
}
