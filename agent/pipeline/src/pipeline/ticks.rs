//! What closes without another reading, as its time comes.

use super::Pipeline;
use super::emitter::SeriesEmitter;
use super::ids::ChannelId;
use super::stream::Stream;
use headwater_kernel::time::{AgentTime, Now};

impl Pipeline {
    /// Closes everything that is due without another reading.
    pub fn on_tick(&mut self, now: Now) {
        while self.on_tick_part(now, usize::MAX) {}
    }

    /// The same for at most so many channels. Returns whether more is due; it comes before anything else, so that its events
    /// can be drained in parts and the state is that of one tick.
    pub fn on_tick_part(&mut self, now: Now, channels_max: usize) -> bool {
        if self.emitter.revisions.is_open() && now.synced {
            self.close_rev_base(now);
        }
        if self.emitter.later_cuts.is_open() && now.synced {
            self.close_cuts(now);
        }
        for _ in 0..channels_max {
            let Some(index) = self.channels.pop_due(now.alive) else {
                let (pairs, mut out) = self.pairs_with_emitter(now);
                pairs.on_tick(&mut out);
                return false;
            };
            self.close_due(index, now);
        }
        true
    }

    /// When [`Pipeline::on_tick`] is due next, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<AgentTime> {
        self.channels.timers.next().into_iter().chain(self.pairs.next()).min()
    }

    /// Closes whatever is due in a channel whose timer has fired, and sets its next timer.
    fn close_due(&mut self, index: ChannelId, now: Now) {
        let is_cut_off = self.is_cut_off(index);
        let Some(channel) = self.channels.list.at_mut(index) else { return };
        let Some((stream, counts)) = self.streams.at_mut(channel.stream).map(Stream::parts) else { return };
        let (series, labels) = self.directory.describe(channel.series);
        let is_own = channel.is_by_arrival();
        let (emitter, series) = (&mut self.emitter, (series, labels));
        let mut out = SeriesEmitter { emitter, stream, series, now, is_own };
        if is_cut_off {
            channel.watching.touch(now.alive);
        }
        channel.watching.judge_silence(&mut out);
        channel.close(&mut out).count(counts);
        let has_closed = !out.emitter.closed.is_empty();
        // Strictly later, so that one tick ends whatever the channel asks for.
        if let Some(due) = channel.arm(stream, now, now.alive.plus(1)) {
            self.channels.timers.push(due, index);
        }
        if has_closed {
            self.judge_windows(index, now);
        }
    }
}
