//! What a series usually lags, so that the agent's clock can close the windows of one that falls silent.
//!
//! The lag is learned where a reading leaves the window of the one before it: from the time by which that one came after
//! its window's end, and from the new one's own delay. A longer one counts at once, and shrinks by an eighth with every
//! such reading that has a shorter one. So an outage whose readings come late is forgotten after some windows. After the
//! agent was away it is unknown until a reading comes, and the clock closes nothing.

use super::{Arrival, Pane, Slot, Slots, Spec, Windows};
use crate::time::{Now, Time};
use crate::window::{SPAN_MAX_MS, Shape};

/// The lag of a series of which nothing is known (ms); every other one is shorter.
pub(super) const UNKNOWN_MS: i64 = SPAN_MAX_MS;

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// Whether the agent's clock closes windows.
    pub(super) fn has_clock(&self, spec: &Spec, now: Now) -> bool {
        spec.by_clock
            && now.synced
            && self.lag_ms < UNKNOWN_MS
            && !spec.by_arrival
            && !matches!(spec.shape, Shape::Count(_))
    }

    /// How long after a window's end the agent's clock closes it (ms).
    pub(super) fn waits_ms(&self, spec: &Spec) -> i64 {
        spec.lateness_ms.saturating_add(self.lag_ms)
    }

    /// The event time that has come, without any silence: windows that end here or before close.
    #[inline]
    pub(super) fn come(&self, spec: &Spec, now: Now) -> Time {
        if spec.by_arrival {
            return now.time;
        }
        let by_event = self.watermark.event.minus(spec.lateness_ms);
        if self.has_clock(spec, now) { by_event.max(now.time.minus(self.waits_ms(spec))) } else { by_event }
    }

    pub(super) fn learn_lag(&mut self, spec: &Spec, reading: &Arrival<P::Value>) {
        let now = reading.now;
        if !spec.by_clock || !now.synced {
            return;
        }
        let left = self.slots.get(usize::from(self.current)).filter(|slot| slot.window.end <= reading.time);
        let overrun_ms = left.map_or(0, |slot| reading.before.since(now.alive_at(slot.window.end)));
        let delay_ms = now.time.since(reading.time);
        let past_ms = if self.lag_ms < UNKNOWN_MS { self.lag_ms - self.lag_ms / 8 } else { 0 };
        self.lag_ms = past_ms.max(overrun_ms).max(delay_ms).min(UNKNOWN_MS - 1);
    }
}
