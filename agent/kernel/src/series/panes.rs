//! Sliding windows: each reading enters one pane. Closing merges panes at a cost independent of their number.
//!
//! Source: the two-stacks queue, as in K. Tangwongsan, M. Hirzel and S. Schneider, DEBS 2017. Panes that closed
//! windows include are `fixed`. The older fixed panes are `flipped`: each holds the aggregate from itself to the last
//! flipped one. The others are plain, and their aggregate runs in the first slot. A window is the first flipped pane
//! merged with the running aggregate. When no flipped pane is left to drop, all fixed panes are flipped: three merges
//! per window on average.

use super::prior::later;
use super::{Arrival, Closed, NOWHERE, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::invariant::present;
use crate::time::Time;
use crate::window::{Sliding, Window};

/// The slot of the first retained window; the running aggregate is before it. The aggregate's window ends where the
/// last closed one did.
const BASE: usize = 1;

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    pub(super) fn place_sliding(
        &mut self,
        spec: &Spec,
        shape: &Sliding,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let Some(pane) = shape.pane_of(reading.time) else { return Placed::NoRoom };
        let cursor = self.cursor(shape);
        if self.slots.is_empty() {
            let window = Window { start: Time::MIN, end: Time::MIN };
            let empty = new_pane();
            return match self.slots.insert(0, Slot::new(window, empty.clone())) {
                Ok(()) => self.place_open(pane, reading, || empty),
                Err(_) => Placed::NoRoom,
            };
        }
        if pane.end > cursor {
            return self.place_open(pane, reading, new_pane);
        }
        let empty = new_pane();
        let last_end = pane.end.plus(shape.size_ms() - shape.every_ms());
        let closed = Window { start: pane.end, end: last_end.min(cursor) };
        let revised = self.revise_sliding(spec, shape, closed, reading, &empty);
        let mut placed = Placed::Late;
        if last_end > cursor {
            placed = self.place_fixed(pane, reading, cursor, empty);
        }
        if placed == Placed::InWindow || revised.is_some() {
            self.pass_on_sliding(spec, reading);
        }
        match (placed, revised.and_then(|at| self.slots.get_mut(at))) {
            (Placed::InWindow, _) | (_, None) => placed,
            (_, Some(slot)) => {
                slot.unreported += 1;
                Placed::Revised
            }
        }
    }

    /// The end of the next window to close; `first_end` is the end of the first pane.
    #[inline]
    pub(super) fn next_end_sliding(&self, shape: &Sliding, first_end: Time) -> Option<Time> {
        let told_to = self.slots.get(0)?.window.end;
        Some(first_end.max(told_to.plus(shape.every_ms())))
    }

    /// Windows that end here or before are closed and reported.
    fn cursor(&self, shape: &Sliding) -> Time {
        let told_to = self.slots.get(0).map_or(Time::MIN, |running| running.window.end);
        let first = self.slots.get(self.first_pane()).map(|slot| slot.window.end);
        let next = first.and_then(|end| self.next_end_sliding(shape, end));
        if next.is_some_and(|end| end <= self.closed_to) {
            return told_to;
        }
        Window::aligned(self.closed_to, shape.every_ms()).map_or(told_to, |window| window.start.max(told_to))
    }

    fn first_pane(&self) -> usize {
        BASE + usize::from(self.retained)
    }

    fn first_open(&self) -> usize {
        self.first_pane() + usize::from(self.fixed)
    }

    /// Places a reading in a pane that no closed window includes.
    fn place_open(
        &mut self,
        pane: Window,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        let at = self.position(self.first_open(), self.slots.len(), pane.start);
        let from = self.first_open();
        match self.before(at).filter(|slot| at > from && slot.window.start == pane.start) {
            Some(slot) => {
                slot.push(reading.time, reading.value);
                self.current = (at - 1) as u16;
                Placed::InWindow
            }
            None => self.open_at(BASE, at, pane, reading, new_pane),
        }
    }

    /// Places a late reading in a pane that windows still to close include.
    fn place_fixed(&mut self, pane: Window, reading: &Arrival<P::Value>, cursor: Time, empty: P) -> Placed {
        let (first, open) = (self.first_pane(), self.first_open());
        let after = self.position(first, open, pane.start);
        let there = after > first && self.before(after).is_some_and(|slot| slot.window.start == pane.start);
        let number = after - first - usize::from(there);
        if !there {
            // A new pane; if it is flipped, it includes everything that follows it there.
            let mut slot = Slot::new(pane, empty);
            let flipped = number < usize::from(self.flipped);
            if let Some(next) = self.slots.get(after).filter(|_| flipped) {
                slot.absorb(next);
                next.pane.prior().map(|prior| slot.pane.follow(prior));
            }
            if self.insert(BASE, after, slot).is_none() {
                return Placed::NoRoom;
            }
            self.fixed += 1;
            self.flipped += u16::from(flipped);
        }
        self.push_fixed(number, reading);
        if let Some(running) = present(self.slots.get_mut(0), "the running aggregate") {
            running.unreported += 1;
            running.window.end = running.window.end.max(cursor);
        }
        Placed::InWindow
    }

    /// Adds a reading to every aggregate that includes the fixed pane of this number.
    fn push_fixed(&mut self, number: usize, reading: &Arrival<P::Value>) {
        let first = self.first_pane();
        let flipped = number < usize::from(self.flipped);
        for at in if flipped { first..=first + number } else { first + number..=first + number } {
            if let Some(slot) = present(self.slots.get_mut(at), "a fixed pane") {
                slot.push(reading.time, reading.value);
            }
        }
        if flipped {
            if number + 1 < usize::from(self.flipped)
                && let Some(next) = self.slots.get_mut(first + number + 1)
            {
                next.pane.follow((reading.time, reading.value));
            }
            return;
        }
        if self.fixed == self.flipped + 1 {
            self.start_running(first + number);
        } else if let Some(running) = present(self.slots.get_mut(0), "the running aggregate") {
            running.push(reading.time, reading.value);
        }
    }

    /// Adds a late reading to the retained windows that include it: those that end from `ends.start` to `ends.end`.
    /// Returns the slot of the last one.
    fn revise_sliding(
        &mut self,
        spec: &Spec,
        shape: &Sliding,
        ends: Window,
        reading: &Arrival<P::Value>,
        empty: &P,
    ) -> Option<usize> {
        if spec.retain_ms <= 0 {
            return None;
        }
        // Newest first, so that where room is short the newest windows are revised.
        let (mut end, mut newest) = (ends.end, None);
        while end >= ends.start && end > self.forgotten_to && end.plus(spec.retain_ms) > self.closed_to {
            let window = Window { start: end.minus(shape.size_ms()), end };
            let at = self.position(BASE, self.first_pane(), window.start);
            let there = at > BASE && self.before(at).is_some_and(|slot| slot.window.start == window.start);
            let at = if there { Some(at - 1) } else { self.retain_late(spec, at, window, empty) };
            if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
                slot.push(reading.time, reading.value);
            }
            if let Some(at) = at {
                self.mark_dirty(spec, at, reading.now.alive);
                // Remembered by its end, because retaining and dropping windows moves the slot.
                newest = newest.or(Some(end));
            }
            end = end.minus(shape.every_ms());
        }
        let start = newest?.minus(shape.size_ms());
        self.position(BASE, self.first_pane(), start).checked_sub(1)
    }

    /// Retains a window that had no readings until this late one. Returns its place.
    fn retain_late(&mut self, spec: &Spec, at: usize, window: Window, empty: &P) -> Option<usize> {
        let at = self.retain_new(spec, BASE, at, window, || empty.clone())?;
        let before = at.checked_sub(1).filter(|before| *before >= BASE);
        let before = before.and_then(|before| self.slots.get(before)?.pane.last());
        let next = self.slots.get(at + 1).and_then(|next| next.pane.prior());
        let known =
            [before, next, self.prior].map(|reading| reading.filter(|(time, _)| *time < window.start));
        if let Some(prior) = known.into_iter().fold(None, later)
            && let Some(slot) = self.slots.get_mut(at)
        {
            slot.pane.follow(prior);
        }
        Some(at)
    }

    /// Makes a late reading the prior of the windows that begin after it.
    fn pass_on_sliding(&mut self, spec: &Spec, reading: &Arrival<P::Value>) {
        let (time, value, first) = (reading.time, reading.value, self.first_pane());
        for at in BASE..first {
            let later = self.slots.get_mut(at).filter(|slot| slot.window.start > time);
            if later.is_some_and(|slot| slot.pane.follow((time, value))) {
                self.mark_dirty(spec, at, reading.now.alive);
            }
        }
        let fixed = if self.fixed > 0 { self.slots.get_mut(first) } else { None };
        if fixed.as_ref().is_some_and(|pane| pane.window.start <= time) {
            return;
        }
        if let Some(pane) = fixed.filter(|_| self.flipped > 0) {
            pane.pane.follow((time, value));
        }
        self.keep_prior(Some((time, value)));
    }

    pub(super) fn close_sliding(&mut self, spec: &Spec, shape: &Sliding) -> Option<Closed<P>> {
        self.current = NOWHERE;
        let end = self.next_end(spec)?;
        self.closed_to = self.closed_to.max(end);
        let mut newly_reported = 0;
        while let Some(slot) = self.slots.get(self.first_open()).filter(|slot| slot.window.end <= end) {
            newly_reported += slot.readings;
            self.fix(self.first_open());
        }
        let running = present(self.slots.get_mut(0), "the running aggregate")?;
        running.window.end = end;
        newly_reported += core::mem::take(&mut running.unreported);
        let whole = self.aggregate(Window { start: end.minus(shape.size_ms()), end })?;
        if spec.retain_ms > 0 {
            self.retain(BASE, self.first_pane(), Slot { rev: 1, ..whole.clone() });
        } else {
            self.forgotten_to = self.forgotten_to.max(end);
        }
        self.drop_before(end.plus(shape.every_ms()).minus(shape.size_ms()));
        let Slot { window, readings, pane, .. } = whole;
        Some(Closed { window, named: window, rev: 0, readings, newly_reported, number: 0, pane })
    }

    /// The aggregate of all fixed panes.
    fn aggregate(&self, window: Window) -> Option<Slot<P>> {
        let running = present(self.slots.get(0), "the running aggregate")?;
        let first = present(self.slots.get(self.first_pane()), "the first fixed pane")?;
        let mut whole = Slot { window, rev: 0, unreported: 0, dirty: false, ..first.clone() };
        if self.flipped == 0 {
            (whole.readings, whole.pane) = (running.readings, running.pane.clone());
            self.prior.map(|prior| whole.pane.follow(prior));
        } else if self.fixed > self.flipped {
            whole.absorb(running);
        }
        Some(whole)
    }

    /// Adds the pane at `at`, the first open one, to the running aggregate.
    fn fix(&mut self, at: usize) {
        self.fixed += 1;
        if self.fixed == self.flipped + 1 {
            return self.start_running(at);
        }
        let Some(pane) = present(self.slots.get(at), "the pane to fix").cloned() else { return };
        if let Some(running) = present(self.slots.get_mut(0), "the running aggregate") {
            running.absorb(&pane);
        }
    }

    /// Starts the running aggregate with the pane at `at`, the only plain fixed one.
    fn start_running(&mut self, at: usize) {
        let Some(first) = present(self.slots.get(at), "the first fixed pane") else { return };
        let (readings, pane) = (first.readings, first.pane.clone());
        if let Some(running) = present(self.slots.get_mut(0), "the running aggregate") {
            (running.readings, running.pane) = (readings, pane);
        }
    }

    /// Drops the fixed panes that start before `start`.
    fn drop_before(&mut self, start: Time) {
        let first = self.first_pane();
        while self.fixed > 0 && self.slots.get(first).is_some_and(|slot| slot.window.start < start) {
            if self.flipped == 0 {
                self.flip();
            }
            let dropped = self.slots.remove(first);
            if self.flipped == 1 {
                self.keep_prior(dropped.and_then(|slot| slot.pane.last()));
            }
            self.fixed -= 1;
            self.flipped -= 1;
        }
    }

    /// Turns all fixed panes into suffix aggregates. Each gets its prior, because it no longer knows its own last reading.
    fn flip(&mut self) {
        let first = self.first_pane();
        let last = first + usize::from(self.fixed).saturating_sub(1);
        for at in (first..last).rev() {
            let prior = self.slots.get(at).and_then(|slot| slot.pane.last());
            if let (Some(next), Some(prior)) = (self.slots.get_mut(at + 1), prior) {
                next.pane.follow(prior);
            }
            let suffix = self.slots.get(at + 1).cloned();
            if let (Some(slot), Some(suffix)) = (self.slots.get_mut(at), suffix) {
                slot.absorb(&suffix);
            }
        }
        if let (Some(slot), Some(prior)) = (self.slots.get_mut(first), self.prior) {
            slot.pane.follow(prior);
        }
        self.flipped = self.fixed;
    }
}
