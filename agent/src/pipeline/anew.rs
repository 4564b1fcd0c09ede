//! What a change of the agent's timeline means for what is stamped with it: windows end and begin anew.

use super::emitter::SeriesEmitter;
use super::timers::Timers;
use super::{Now, Pipeline};
use crate::event::BootId;

/// Whether the true time is known now, and the boots whose ids stay all the same: events of theirs went out before.
pub(super) type Known<'a> = Option<&'a [BootId]>;

impl Pipeline {
    /// The agent's timeline has moved by `ms` since `before`; from now on its times are those of `boot`, if it is not
    /// known what they are worth. Windows of readings that are stamped with it end here, as on the timeline before. `told`:
    /// boots whose ids stay, although the time is known.
    pub(crate) fn begin_anew(&mut self, before: Now, ms: i64, boot: Option<BootId>, told: &[BootId]) {
        self.timers = Timers::default();
        let known = boot.is_none().then_some(told);
        for index in 0..self.channels.len() {
            self.end_channel(index, before, (ms, known));
        }
        let Self { groups, channels, emitter, .. } = self;
        groups.begin_anew(channels, ms, &emitter.own_clock, known);
        let (pairs, mut out) = self.pairs_with_emitter(before);
        pairs.begin_anew(ms, &mut out);
        let now = before.time.plus(ms);
        self.emitter.own_clock.step(before.time, now, boot);
        for (index, channel) in (0_u32..).zip(&mut self.channels) {
            let stream = self.streams.get(channel.stream as usize);
            if let Some(due) = stream.and_then(|stream| channel.arm(stream, now)) {
                self.timers.push(due, index);
            }
        }
    }

    /// What the agent's own times are worth from now on.
    pub(crate) fn stamp_with(&mut self, boot: Option<BootId>) {
        self.emitter.own_clock.boot = boot;
    }

    fn end_channel(&mut self, index: usize, before: Now, (ms, known): (i64, Known<'_>)) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(stream) = self.streams.get(channel.stream as usize) else { return };
        let Some(counts) = self.stream_counts.get_mut(channel.stream as usize) else { return };
        let (series, labels) = self.directory.describe(channel.series);
        let is_own = channel.is_by_arrival();
        let (emitter, series) = (&mut self.emitter, (series, labels));
        let mut out = SeriesEmitter { emitter, stream, series, now: before, is_own };
        channel.begin_anew((ms, known), &mut out).count(counts);
    }
}
