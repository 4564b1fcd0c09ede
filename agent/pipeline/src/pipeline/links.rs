//! Lost connections: while a source is down, silence does not count against its series.

use super::Pipeline;
use super::ids::{ChannelId, SourceId};
use headwater_kernel::time::Now;

impl Pipeline {
    /// A source has lost or regained its connection.
    pub fn on_link(&mut self, source: usize, is_up: bool, now: Now) {
        let Some(link) = self.sources.at_mut(SourceId::of(source)) else { return };
        if std::mem::replace(&mut link.is_down, !is_up) && is_up {
            // The silence starts here.
            for channel in self.channels.list.iter_mut() {
                if self
                    .directory
                    .sources(channel.series)
                    .is_none_or(|mut sources| sources.any(|of| of == source))
                {
                    channel.watching.touch(now.alive);
                }
            }
        }
    }

    /// The input has ended: no reading comes any more, and that is no silence of the sensors.
    pub fn on_end(&mut self, now: Now) {
        self.channels.list.iter_mut().for_each(|channel| channel.watching.end_silence());
        self.rearm(now);
    }

    /// Whether no reading can reach a channel, because every source of its series is down. Where the series' sources
    /// are unknown, every source must be down.
    pub(super) fn is_cut_off(&self, index: ChannelId) -> bool {
        if self.sources.iter().all(|source| !source.is_down) {
            return false;
        }
        let Some(channel) = self.channels.list.at(index) else { return false };
        let is_down =
            |source: usize| self.sources.at(SourceId::of(source)).is_some_and(|source| source.is_down);
        match self.directory.sources(channel.series) {
            Some(mut sources) => sources.all(is_down),
            None => self.sources.iter().all(|source| source.is_down),
        }
    }
}
