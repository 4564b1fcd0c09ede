//! The windows of one series: where a reading belongs, and what closes when.
//!
//! Closing rules, for a window that ends at `e`:
//! 1. event time: the series has been seen at `e + lateness` or later;
//! 2. by arrival (readings are stamped with the agent's own time): the agent's time is `e` or later;
//! 3. silence: no reading for `idle` of the agent's time, and the agent's clock has reached `e`, or the
//!    device's clock must have by now. So an hour's window outlives a minute of silence in its middle, and
//!    a device whose clock is wrong still gets its windows closed.
//!
//! The caller polls until `None` after every reading and whenever [`Windows::due`] says so.
//! Cost: while readings stay in one window a comparison and the accumulator; else a look at the few open ones.

mod slots;
mod spec;

use crate::time::Time;
use crate::watermark::Watermark;
use crate::window::{Shape, Window};
use core::marker::PhantomData;
pub use slots::Slots;
pub use spec::Spec;

/// What accumulates the readings of one window or pane.
pub trait Pane: Clone {
    /// Takes one reading; times may come in any order.
    fn push(&mut self, time: Time, value: f64);
    /// Takes all that `later` has taken, as if it had come after what is here.
    fn merge(&mut self, later: &Self);
}

/// One open window.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<P> {
    window: Window,
    readings: u64,
    pane: P,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is in a window, and will be in what that window says when it closes.
    InWindow,
    /// Its window is closed. Refused.
    Late,
    /// No window can hold it: there is no room for another, or its time is at the end of time. Refused.
    NoRoom,
}

/// A closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed<P> {
    /// Its interval.
    pub window: Window,
    /// 0, and one more with every revision.
    pub rev: u32,
    /// How many readings it holds.
    pub readings: u64,
    /// How many of them no other closed window and no earlier revision has told of; their sum over all closed
    /// windows is the number of readings that were placed.
    pub settled: u64,
    /// What accumulated them.
    pub pane: P,
}

/// The windows of one series, over a storage that bounds how many there may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows<P, S> {
    slots: S,
    current: usize,
    watermark: Watermark,
    closed_to: Time,
    pane: PhantomData<P>,
}

impl<P: Pane, S: Slots<Slot<P>>> Default for Windows<P, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Pane, S: Slots<Slot<P>>> Windows<P, S> {
    /// Of a series that has not been seen.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: S::default(),
            current: 0,
            watermark: Watermark::new(),
            closed_to: Time::MIN,
            pane: PhantomData,
        }
    }

    /// Takes a reading of event time `time` that arrived at the agent's time `now`.
    #[inline]
    pub fn on_reading(
        &mut self,
        spec: &Spec,
        time: Time,
        value: f64,
        now: Time,
        new_pane: impl FnOnce() -> P,
    ) -> Placed {
        self.watermark.advance(time, now);
        if !spec.by_arrival {
            self.closed_to = self.closed_to.max(self.watermark.event.minus(spec.lateness_ms));
        }
        if let Some(slot) = self.slots.get_mut(self.current)
            && slot.window.contains(time)
            && slot.window.end > self.closed_to
        {
            slot.readings += 1;
            slot.pane.push(time, value);
            return Placed::InWindow;
        }
        self.place(spec, time, value, new_pane)
    }

    /// The next window that is to be closed by the agent's time `now`, in order of start.
    pub fn poll(&mut self, spec: &Spec, now: Time) -> Option<Closed<P>> {
        let end = self.slots.get(0)?.window.end;
        if end > self.frontier(spec, now) {
            return None;
        }
        self.closed_to = self.closed_to.max(end);
        self.current = self.current.saturating_sub(1);
        let Slot { window, readings, pane } = self.slots.remove(0)?;
        Some(Closed { window, rev: 0, readings, settled: readings, pane })
    }

    /// The agent's time at which [`Windows::poll`] may have something without another reading.
    #[must_use]
    pub fn due(&self, spec: &Spec) -> Option<Time> {
        let end = self.slots.get(0)?.window.end;
        if end <= self.closed_to {
            return Some(self.watermark.arrival);
        }
        if spec.by_arrival {
            return Some(end);
        }
        let by_device = self.watermark.arrival.plus(end.since(self.watermark.event));
        Some(self.watermark.silent_from(spec.idle_ms).max(end.min(by_device)))
    }

    /// How far the series has come.
    #[must_use]
    pub const fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// The open windows in order of start: interval, number of readings, accumulator.
    pub fn open(&self) -> impl Iterator<Item = (Window, u64, &P)> {
        (0..self.slots.len())
            .filter_map(|at| self.slots.get(at))
            .map(|slot| (slot.window, slot.readings, &slot.pane))
    }

    /// How many readings have been placed and not yet been settled by a closed window.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.open().map(|(_, readings, _)| readings).sum()
    }

    /// Windows that end here or before are to be closed.
    fn frontier(&self, spec: &Spec, now: Time) -> Time {
        let by_clock = if spec.by_arrival { Some(now) } else { self.watermark.carried_on(spec.idle_ms, now) };
        by_clock.map_or(self.closed_to, |time| time.max(self.closed_to))
    }

    #[inline(never)]
    fn place(&mut self, spec: &Spec, time: Time, value: f64, new_pane: impl FnOnce() -> P) -> Placed {
        let Shape::Tumbling(tumbling) = spec.shape else { return Placed::NoRoom };
        let Some(window) = tumbling.window_of(time) else { return Placed::NoRoom };
        if window.end <= self.closed_to {
            return Placed::Late;
        }
        // The newest windows are last, and most readings are new.
        let mut at = self.slots.len();
        while let Some(slot) = at.checked_sub(1).and_then(|before| self.slots.get(before)) {
            if slot.window.start <= window.start {
                break;
            }
            at -= 1;
        }
        let before = at.wrapping_sub(1);
        if let Some(slot) = self.slots.get_mut(before).filter(|slot| slot.window.start == window.start) {
            slot.readings += 1;
            slot.pane.push(time, value);
            self.current = before;
            return Placed::InWindow;
        }
        let mut pane = new_pane();
        pane.push(time, value);
        if self.slots.insert(at, Slot { window, readings: 1, pane }).is_err() {
            return Placed::NoRoom;
        }
        self.current = at;
        Placed::InWindow
    }
}

#[cfg(test)]
mod tests;
