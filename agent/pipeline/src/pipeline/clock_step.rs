//! Handles clock steps; the rest of the pipeline never sees them.
//!
//! Waiting times and durations use the agent's steady time, which never steps, so they continue. Windows and filters
//! of series that are stamped with the clock itself end here and start afresh. All timers are set again, because a
//! window may end at a time of the clock.

use super::Pipeline;
use super::emitter::SeriesEmitter;
use super::ids::ChannelId;
use super::stream::Stream;
use crate::event::BootId;
use headwater_kernel::time::{Now, Time};

/// The correction of the clock between two runs.
#[derive(Clone, Debug)]
pub struct ClockGap {
    /// The last moment that is known of the run before.
    pub before: Now,
    /// The time from that moment to the start (ms).
    pub ms: i64,
    /// The present boot, if its time is not known.
    pub boot: Option<BootId>,
}

impl Pipeline {
    /// Handles a step of the clock by `ms` at `before`. Its times belong to `boot` from now on, if their true value
    /// is unknown. Windows of readings that are stamped with the clock end here, on the clock as it was before.
    pub fn on_clock_step(&mut self, before: Now, ms: i64, boot: Option<BootId>) {
        self.step(&ClockGap { before, ms, boot }, before.time);
    }

    /// The same between two runs. After a crash the run before has gone on behind the last moment that is known of it, and
    /// may have told its windows whole: they keep their ends, so that no window has two ids.
    pub(super) fn on_clock_gap(&mut self, gap: &ClockGap, after_crash: bool) {
        self.step(gap, if after_crash { Time::MAX } else { gap.before.time });
    }

    /// Windows of readings that are stamped with the clock end at `until` at the latest.
    fn step(&mut self, &ClockGap { before, ms, ref boot }: &ClockGap, until: Time) {
        self.channels.list.ids().into_iter().for_each(|index| self.end_channel(index, before, ms, until));
        self.correct_cuts(ms);
        self.groups.correct(&self.channels.list, ms);
        let (pairs, mut out) = self.pairs_with_emitter(before);
        pairs.end_stamped(until, &mut out);
        let now = Now { time: before.time.plus(ms), ..before };
        self.emitter.own_clock.step(before.time, now.time, boot.clone());
        self.rearm(now);
    }

    /// Gives alerts of earlier boots their true time where `offset_of` a boot is known (ms). A boot is forgotten in
    /// the end, and its alerts must still clear under the ids they have.
    pub fn place_alerts(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        self.channels.list.iter_mut().for_each(|channel| channel.watching.place_alerts(offset_of));
        self.groups.place_alerts(offset_of);
    }

    /// Sets the boot that the agent's own times belong to; `None`: they are true.
    pub fn stamp_with(&mut self, boot: Option<BootId>) {
        self.emitter.own_clock.boot = boot;
    }

    fn end_channel(&mut self, index: ChannelId, before: Now, ms: i64, until: Time) {
        let channel = self.channels.list.at_mut(index).filter(|channel| channel.is_by_arrival());
        let Some(channel) = channel else { return };
        let Some((stream, counts)) = self.streams.at_mut(channel.stream).map(Stream::parts) else { return };
        let series = self.directory.describe(channel.series);
        let emitter = &mut self.emitter;
        let mut out = SeriesEmitter { emitter, stream, series, now: before, is_own: true };
        channel.end(&mut out, until).count(counts);
        channel.watching.correct(ms);
        if !self.emitter.closed.is_empty() {
            self.judge_windows(index, before);
        }
    }
}
