//! Tumbling and count windows: places readings, and closes the first window.

use super::{Arrival, Closed, NOWHERE, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::invariant::present;
use crate::time::Time;
use crate::window::{Count, Shape, Tumbling, Window};

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    pub(super) fn place_tumbling(
        &mut self,
        spec: &Spec,
        shape: &Tumbling,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let Some(window) = shape.window_of(reading.time) else { return Placed::NoRoom };
        let at = self.position(0, self.slots.len(), window.start);
        let (closed, open) = (at <= usize::from(self.retained), window.end > self.closed_to);
        match self.before(at).filter(|slot| slot.window.start == window.start) {
            Some(_) if closed => self.revise(spec, at - 1, reading),
            Some(slot) => {
                slot.push(reading.time, reading.value);
                self.current = (at - 1) as u16;
                Placed::InWindow
            }
            None if open => self.open_at(0, at, window, reading, new_pane),
            None => self.open_late(spec, at, window, reading, new_pane),
        }
    }

    pub(super) fn place_count(
        &mut self,
        shape: &Count,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let Some(end) = reading.time.0.checked_add(1).map(Time) else { return Placed::NoRoom };
        let window = Window { start: reading.time, end };
        let at = self.slots.len();
        let Some(slot) = self.before(at).filter(|slot| slot.readings < shape.size()) else {
            let placed = self.open_at(0, at, window, reading, new_pane);
            self.current = NOWHERE;
            return placed;
        };
        slot.push(reading.time, reading.value);
        slot.window.start = slot.window.start.min(window.start);
        slot.window.end = slot.window.end.max(window.end);
        Placed::InWindow
    }

    /// Opens a window at `at` with its first reading.
    pub(super) fn open_at(
        &mut self,
        base: usize,
        at: usize,
        window: Window,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let mut slot = Slot::new(window, new_pane());
        slot.push(reading.time, reading.value);
        match self.insert(base, at, slot) {
            Some(at) => {
                self.current = at as u16;
                Placed::InWindow
            }
            None => Placed::NoRoom,
        }
    }

    /// Closes the first open window, and retains it if it may be revised.
    pub(super) fn close_first(&mut self, spec: &Spec) -> Option<Closed<P>> {
        self.current = NOWHERE;
        let at = usize::from(self.retained);
        if matches!(spec.shape, Shape::Count(_)) {
            self.give_prior(0, at);
            let closed = present(self.slots.remove(at), "the count window to close").map(Closed::of)?;
            self.keep_prior(closed.pane.last());
            self.counted += 1;
            return Some(Closed { number: self.counted - 1, ..closed });
        }
        self.give_prior(0, at);
        let slot = present(self.slots.get_mut(at), "the window to close")?;
        self.closed_to = self.closed_to.max(slot.window.end);
        if spec.retain_ms > 0 {
            let closed = Closed::of(slot.clone());
            (slot.rev, slot.unreported, slot.named_ms) = (1, 0, slot.window.length_ms());
            self.retained += 1;
            return Some(closed);
        }
        self.forgotten_to = self.forgotten_to.max(slot.window.end);
        let closed = self.slots.remove(at).map(Closed::of)?;
        self.keep_prior(closed.pane.last());
        Some(closed)
    }

    /// The slot before `at`.
    pub(super) fn before(&mut self, at: usize) -> Option<&mut Slot<P>> {
        self.slots.get_mut(at.checked_sub(1)?)
    }

    /// The first slot of `from..to` that starts after `start`. The newest are last, and most readings are new.
    pub(super) fn position(&self, from: usize, to: usize, start: Time) -> usize {
        let after = |at| self.slots.get(at).is_none_or(|slot| slot.window.start > start);
        let (mut low, mut high) = (from, to);
        if low < high && !after(high - 1) {
            return high;
        }
        while low < high {
            let middle = low.midpoint(high);
            if after(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// Inserts a slot; if there is no room, evicts the oldest retained window without a pending revision. Returns its
    /// place.
    pub(super) fn insert(&mut self, base: usize, at: usize, slot: Slot<P>) -> Option<usize> {
        self.current = NOWHERE;
        let Err(slot) = self.insert_in_room(at, slot) else { return Some(at) };
        let evicted = self.evict(base)?;
        let at = if evicted < at { at - 1 } else { at };
        self.insert_in_room(at, slot).ok().map(|()| at)
    }

    /// Inserts a slot if there is room. There is never room for more slots than can be numbered.
    pub(super) fn insert_in_room(&mut self, at: usize, slot: Slot<P>) -> Result<(), Slot<P>> {
        if self.slots.len() < usize::from(NOWHERE) { self.slots.insert(at, slot) } else { Err(slot) }
    }
}

impl<P> Closed<P> {
    /// A window that closes for the first time.
    fn of(slot: Slot<P>) -> Self {
        let Slot { window, readings, pane, .. } = slot;
        Self { window, named: window, rev: 0, readings, newly_reported: readings, number: 0, pane }
    }
}
