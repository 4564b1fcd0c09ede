//! Retained windows: late readings gather in closed windows and are emitted as revisions.

use super::{Arrival, Closed, NOWHERE, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::invariant::present;
use crate::time::{AgentTime, Now};
use crate::window::Window;

/// How often a revision above the limit is checked again, at least (ms).
const WAIT_MS: i64 = 1_000;

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// Adds a late reading to the retained window at `at`.
    pub(super) fn revise(&mut self, spec: &Spec, at: usize, reading: &Arrival<P::Value>) -> Placed {
        let slot = present(self.slots.get_mut(at), "the window to revise");
        let Some(slot) = slot else { return Placed::Late };
        slot.push(reading.time, reading.value);
        slot.unreported += 1;
        self.mark_dirty(spec, at, reading.now.alive);
        self.pass_on(spec, 0, at, reading);
        Placed::Revised
    }

    /// Notes a pending revision of the window at `at`.
    pub(super) fn mark_dirty(&mut self, spec: &Spec, at: usize, now: AgentTime) {
        if let Some(slot) = present(self.slots.get_mut(at), "the window to revise") {
            slot.dirty = true;
            self.revise_at = self.revise_at.min(now.plus(spec.gather_ms));
        }
    }

    /// Opens a window that had no readings until this late one; it counts as closed.
    pub(super) fn open_late(
        &mut self,
        spec: &Spec,
        at: usize,
        window: Window,
        reading: &Arrival<P::Value>,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        if window.start < self.forgotten_to {
            return Placed::Late;
        }
        let Some(at) = self.retain_new(spec, 0, at, window, new_pane) else { return Placed::Late };
        self.give_prior(0, at);
        self.revise(spec, at, reading)
    }

    /// Retains a new closed window, still empty, if age and room allow it. Returns its place.
    pub(super) fn retain_new(
        &mut self,
        spec: &Spec,
        base: usize,
        at: usize,
        window: Window,
        new_pane: impl FnOnce() -> P,
    ) -> Option<usize> {
        let kept = spec.retain_ms > 0 && window.end > self.forgotten_to;
        if !kept || window.end.plus(spec.retain_ms) <= self.closed_to {
            return None;
        }
        self.retain(base, at.min(base + usize::from(self.retained)), Slot::new(window, new_pane()))
    }

    /// Retains a closed window. The oldest ones make room, but never for an older one.
    pub(super) fn retain(&mut self, base: usize, at: usize, slot: Slot<P>) -> Option<usize> {
        let end = slot.window.end;
        let at = if at > base {
            self.insert(base, at, slot)
        } else {
            self.insert_in_room(at, slot).ok().map(|()| at)
        };
        self.current = NOWHERE;
        match at {
            Some(_) => self.retained += 1,
            None => self.forgotten_to = self.forgotten_to.max(end),
        }
        at
    }

    /// Evicts the oldest retained window without a pending revision. Returns its place.
    pub(super) fn evict(&mut self, base: usize) -> Option<usize> {
        let mut retained = base..base + usize::from(self.retained);
        let at = retained.find(|at| self.slots.get(*at).is_some_and(|slot| !slot.dirty))?;
        self.forget(base, at);
        Some(at)
    }

    /// Retains the newest closed windows whose sizes add up to `bytes`, and those with a pending revision.
    pub fn retain_at_most(&mut self, spec: &Spec, bytes: usize, size: impl Fn(&P) -> usize) {
        let base = Self::base(spec);
        let mut left = bytes;
        for at in (base..base + usize::from(self.retained)).rev() {
            let Some(slot) = present(self.slots.get(at), "a retained window") else { continue };
            let taken = size_of::<Slot<P>>() + size(&slot.pane);
            match left.checked_sub(taken) {
                Some(less) => left = less,
                None => {
                    left = 0;
                    if !slot.dirty {
                        self.forget(base, at);
                    }
                }
            }
        }
    }

    /// The next revision that is due, after expired windows are dropped.
    pub(super) fn poll_retained(&mut self, spec: &Spec, now: Now) -> Option<Closed<P>> {
        let (base, aged_to) = (Self::base(spec), self.aged_to(spec, now));
        while self.retained > 0 {
            let oldest = present(self.slots.get(base), "a retained window")?;
            if oldest.window.end.plus(spec.retain_ms) > aged_to {
                break;
            }
            if oldest.dirty {
                return self.emit_revision(base);
            }
            self.forget(base, base);
        }
        if now.alive < self.revise_at {
            return None;
        }
        let retained =
            || (base..base + usize::from(self.retained)).filter_map(|at| Some((at, self.slots.get(at)?)));
        // A session that grew again is told when it ends.
        let frontier = self.frontier(spec, now);
        let is_due = |slot: &Slot<P>| slot.dirty && slot.rev <= spec.rev_max && slot.window.end <= frontier;
        let dirty = retained().find(|(_, slot)| is_due(slot)).map(|(at, _)| at);
        if dirty.is_none() {
            let waits = retained().any(|(_, slot)| slot.dirty);
            self.revise_at = if waits { now.alive.plus(spec.gather_ms.max(WAIT_MS)) } else { AgentTime::MAX };
        }
        self.emit_revision(dirty?)
    }

    fn forget(&mut self, base: usize, at: usize) {
        self.current = NOWHERE;
        if let Some(slot) = present(self.slots.remove(at), "the window to forget") {
            self.retained -= 1;
            self.forgotten_to = self.forgotten_to.max(slot.window.end);
            // Sliding windows overlap the next ones; their panes are what goes.
            if base == 0 && !slot.is_retracted() {
                self.keep_prior(slot.pane.last());
            }
        }
        if self.retained == 0 {
            self.revise_at = AgentTime::MAX;
        }
    }

    fn emit_revision(&mut self, at: usize) -> Option<Closed<P>> {
        let slot = present(self.slots.get_mut(at), "the window to revise")?;
        if slot.is_retracted() {
            let slot = self.slots.remove(at)?;
            self.retained -= 1;
            self.current = NOWHERE;
            let Slot { window, rev, pane, .. } = slot;
            return Some(Closed {
                window,
                named: window,
                rev,
                readings: 0,
                newly_reported: 0,
                number: 0,
                pane,
            });
        }
        let (rev, newly_reported) = (slot.rev, core::mem::take(&mut slot.unreported));
        if slot.named_ms == 0 {
            slot.named_ms = slot.window.length_ms();
        }
        slot.rev += 1;
        slot.dirty = false;
        Some(Closed {
            window: slot.window,
            named: slot.named(),
            rev,
            readings: slot.readings,
            newly_reported,
            number: 0,
            pane: slot.pane.clone(),
        })
    }
}
