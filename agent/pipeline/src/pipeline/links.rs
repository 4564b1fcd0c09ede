//! Sources that are cut off: no silence of theirs counts against a series, because nothing can come.

use super::Pipeline;
use super::ids::{ChannelId, SourceId};
use headwater_kernel::time::Now;

impl Pipeline {
    /// A source has lost its connection, or has one again.
    pub fn on_link(&mut self, source: usize, is_up: bool, now: Now) {
        let Some(link) = self.sources.at_mut(SourceId::of(source)) else { return };
        if std::mem::replace(&mut link.is_down, !is_up) && is_up {
            // The silence starts here.
            for channel in self.channels.iter_mut() {
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

    /// Whether nothing can come for a channel: every source of its series is down; every source at all, where it is not
    /// known yet which has it.
    pub(super) fn is_cut_off(&self, index: ChannelId) -> bool {
        if self.sources.iter().all(|source| !source.is_down) {
            return false;
        }
        let Some(channel) = self.channels.at(index) else { return false };
        let is_down =
            |source: usize| self.sources.at(SourceId::of(source)).is_some_and(|source| source.is_down);
        match self.directory.sources(channel.series) {
            Some(mut sources) => sources.all(is_down),
            None => self.sources.iter().all(|source| source.is_down),
        }
    }
}
