//! Session windows: they grow with their readings, and two of them merge when a reading bridges the gap.
//!
//! Windows of a series never overlap. Where growing or merging would exceed the maximum length, or reach into a
//! window that was emitted already, the earlier window ends where the later one begins.

use super::{Arrival, NOWHERE, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::invariant::present;
use crate::time::Time;
use crate::window::{SessionWindow, Window};

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    pub(super) fn place_session(
        &mut self,
        spec: &Spec,
        shape: &SessionWindow,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let time = reading.time;
        let Some(gap_end) = time.0.checked_add(shape.gap_ms()).map(Time) else { return Placed::NoRoom };
        let at = self.position(0, self.slots.len(), time);
        if self.before(at).is_some_and(|slot| slot.window.contains(time)) {
            let placed = self.join(spec, at - 1, reading);
            self.grow(shape, at - 1, gap_end);
            return placed;
        }
        let mut end = gap_end;
        if let Some(next) = self.slots.get_mut(at).filter(|next| next.window.start < gap_end) {
            if next.rev == 0 && time >= self.forgotten_to && next.window.end.since(time) <= shape.max_ms() {
                next.window.start = time;
                return self.join(spec, at, reading);
            }
            end = next.window.start;
        }
        let window = Window { start: time, end };
        if at < usize::from(self.retained) || end <= self.closed_to || time < self.forgotten_to {
            return self.open_late(spec, at, window, reading, new_pane);
        }
        let placed = self.open_at(0, at, window, reading, new_pane);
        self.current = NOWHERE;
        placed
    }

    /// Adds a reading to the window at `at`, open or closed.
    fn join(&mut self, spec: &Spec, at: usize, reading: &Arrival<P::Value>) -> Placed {
        if at < usize::from(self.retained) {
            return self.revise(spec, at, reading);
        }
        let slot = present(self.slots.get_mut(at), "the session to join");
        let Some(slot) = slot else { return Placed::NoRoom };
        slot.push(reading.time, reading.value);
        Placed::InWindow
    }

    /// Extends the window at `at` to `gap_end`, and merges the windows that follow if that is allowed.
    fn grow(&mut self, shape: &SessionWindow, at: usize, gap_end: Time) {
        let slot = present(self.slots.get_mut(at), "the session to extend");
        let Some(slot) = slot.filter(|slot| slot.rev == 0) else { return };
        let end_max = slot.window.start.plus(shape.max_ms());
        slot.window.end = slot.window.end.max(gap_end.min(end_max));
        loop {
            let end = self.slots.get(at).map_or(Time::MIN, |slot| slot.window.end);
            let Some(next) = self.slots.get(at + 1).filter(|next| next.window.start < end) else { return };
            let border = usize::from(self.retained);
            let one_side = (at < border) == (at + 1 < border);
            if next.rev > 0 || !one_side || next.window.end > end_max {
                let next_start = next.window.start;
                return self.end_at(at, next_start);
            }
            self.absorb_next(at);
        }
    }

    fn absorb_next(&mut self, at: usize) {
        let Some(next) = present(self.slots.remove(at + 1), "the next session") else { return };
        if at < usize::from(self.retained) {
            self.retained -= 1;
        }
        if let Some(slot) = present(self.slots.get_mut(at), "the session that absorbs the next") {
            slot.absorb(&next);
            slot.unreported += next.unreported;
            slot.window.end = slot.window.end.max(next.window.end);
        }
    }

    fn end_at(&mut self, at: usize, end: Time) {
        if let Some(slot) = present(self.slots.get_mut(at), "the session to end") {
            slot.window.end = end;
        }
    }
}
