//! Session windows: they grow with their readings, and two of them merge when a reading bridges the gap.
//!
//! Windows of a series never overlap. Where growing or merging would exceed the maximum length, the earlier window ends
//! where the later one begins.
//!
//! That holds of windows that were emitted, too. One that grows keeps the interval that names it, and is revised. One
//! whose readings another takes is retracted: a slot without readings stays until that is told. Where a late reading
//! comes just before a window that was emitted, its name is retracted, because it begins with its start.

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
        if let Some(own) = self.session_before(at).filter(|own| self.session(*own).contains(time)) {
            let placed = self.join(spec, own, reading);
            self.grow(shape, own, gap_end);
            return placed;
        }
        let mut end = gap_end;
        if let Some(next) = self.session_from(at).filter(|next| self.session(*next).start < gap_end) {
            let window = self.session(next);
            let fits = time >= self.forgotten_to && window.end.since(time) <= shape.max_ms();
            if fits && self.start_at(next, time) {
                // A name that is retracted stands between.
                let at = self.session_from(at).unwrap_or(next);
                return self.join(spec, at, reading);
            }
            end = window.start;
        }
        let window = Window { start: time, end };
        if at < usize::from(self.retained) || end <= self.closed_to || time < self.forgotten_to {
            return self.open_late(spec, at, window, reading, new_pane);
        }
        let placed = self.open_at(0, at, window, reading, new_pane);
        self.current = NOWHERE;
        placed
    }

    /// The last session before the slot at `at`.
    fn session_before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|at| self.is_session(*at))
    }

    /// The first session from the slot at `at` on.
    fn session_from(&self, at: usize) -> Option<usize> {
        (at..self.slots.len()).find(|at| self.is_session(*at))
    }

    fn is_session(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|slot| !slot.is_retracted())
    }

    /// The interval of the session at `at`.
    fn session(&self, at: usize) -> Window {
        self.slots.get(at).map_or(Window { start: Time::MAX, end: Time::MAX }, |slot| slot.window)
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

    /// Lets the session at `at` start earlier. One that was emitted gets another name, and its own is retracted. Returns
    /// whether there was room.
    fn start_at(&mut self, at: usize, start: Time) -> bool {
        let Some(slot) = present(self.slots.get_mut(at), "the session to start earlier") else {
            return false;
        };
        let (named, was_told) = (slot.named(), slot.rev > 0);
        if !was_told {
            slot.window.start = start;
            return true;
        }
        let retracted = Slot { window: named, readings: 0, unreported: 0, dirty: true, ..slot.clone() };
        if self.insert_in_room(at + 1, retracted).is_err() {
            return false;
        }
        self.retained += 1;
        self.current = NOWHERE;
        if let Some(slot) = self.slots.get_mut(at) {
            (slot.window.start, slot.rev, slot.named_ms) = (start, 0, 0);
        }
        true
    }

    /// Extends the window at `at` to `gap_end`, and merges the windows that follow if that is allowed.
    fn grow(&mut self, shape: &SessionWindow, at: usize, gap_end: Time) {
        let Some(slot) = present(self.slots.get_mut(at), "the session to extend") else { return };
        let end_max = slot.window.start.plus(shape.max_ms());
        slot.window.end = slot.window.end.max(gap_end.min(end_max));
        loop {
            let end = self.session(at).end;
            let next = self.session_from(at + 1).filter(|next| self.session(*next).start < end);
            let Some(next) = next else { return };
            if self.session(next).end > end_max {
                let next_start = self.session(next).start;
                return self.end_at(at, next_start);
            }
            self.absorb_next(at, next);
        }
    }

    /// Takes the readings of the session at `from` over into the one at `at`.
    fn absorb_next(&mut self, at: usize, from: usize) {
        let border = usize::from(self.retained);
        let (is_closed, was_closed) = (at < border, from < border);
        let Some(mut next) = present(self.slots.remove(from), "the next session") else { return };
        self.current = NOWHERE;
        if let Some(slot) = present(self.slots.get_mut(at), "the session that absorbs the next") {
            slot.absorb(&next);
            // No summary has reported a reading of an open window.
            slot.unreported += if is_closed && !was_closed { next.readings } else { next.unreported };
            slot.window.end = slot.window.end.max(next.window.end);
        }
        if next.rev == 0 {
            self.retained -= u16::from(was_closed);
            return;
        }
        (next.window, next.readings, next.unreported, next.dirty) = (next.named(), 0, 0, true);
        let is_kept = self.insert_in_room(from, next).is_ok();
        debug_assert!(is_kept, "there is room for what was here");
    }

    fn end_at(&mut self, at: usize, end: Time) {
        if let Some(slot) = present(self.slots.get_mut(at), "the session to end") {
            slot.window.end = end;
        }
    }
}
