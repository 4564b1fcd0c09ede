//! What the engine does when the clocks say something new.

use super::Engine;
use crate::clock::{Change, Correction};
use crate::event::{BootId, Cause, ClockSet, Event};
use headwater_kernel::time::Now;

/// Whether what is held may go, and how often that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permit {
    pub(super) number: u32,
    pub(super) may_go: bool,
}

impl Engine {
    /// Looks at the clocks, and lets everything follow that must.
    pub(super) fn look_at_clock(&self) {
        let before = self.now();
        match self.clock.look() {
            Some(Change::Set { by_ms } | Change::Moved { by_ms }) => self.on_moved(before, by_ms),
            Some(Change::Followed { by_ms }) => {
                self.report_clock(&format!("the clock was set by {by_ms} ms; the agent follows slowly"));
            }
            Some(Change::Doubted { by_ms }) => {
                let text = format!(
                    "the clock was set by {by_ms} ms, to before this program was built: the agent goes on as before"
                );
                self.report_clock(&text);
            }
            None => {}
        }
        if !self.clock.is_synced() {
            let connected = self.forwarder().status().outputs.iter().any(|output| output.up);
            self.let_go(self.clock.is_over(connected));
        }
    }

    /// What is held may go, or not: once a checkpoint has been tried that says so. After a crash the same messages leave
    /// with the same times, and what went out without them is remembered.
    pub(super) fn let_go(&self, may_go: bool) {
        let Permit { number, may_go: before } = self.permit.get();
        if before != may_go {
            self.permit.set(Permit { number: number.wrapping_add(1), may_go });
            if may_go { self.checkpointer.requests.request() } else { self.release(false) }
        }
    }

    /// Whether what is held waits for a checkpoint.
    pub(super) fn is_letting_go(&self) -> bool {
        self.permit.get().may_go && !self.released.get()
    }

    /// A checkpoint was written, or could not be, that says so.
    pub(super) fn on_checkpoint(&self, permit: Permit) {
        if permit.may_go && permit == self.permit.get() {
            self.release(true);
        }
    }

    /// The agent's timeline has moved, and with it what is stamped with it.
    fn on_moved(&self, before: Now, by_ms: i64) {
        {
            let mut pipeline = self.pipeline.borrow_mut();
            pipeline.on_clock_step(before, by_ms, None);
            self.forward(&mut pipeline);
        }
        if !before.synced {
            // The times of what is held have changed: none of it goes before that is durable.
            self.let_go(false);
            self.let_go(true);
        }
        self.clock.settle().iter().for_each(|correction| self.correct(correction));
        let text = if before.synced {
            format!("the clock was set by {by_ms} ms")
        } else {
            format!("the time is known: what was made since this boot moves by {by_ms} ms")
        };
        self.report_clock(&text);
    }

    /// Tells that messages that went out have other times.
    pub(super) fn correct(&self, correction: &Correction) {
        let now = self.now();
        let set = {
            let pipeline = self.pipeline.borrow();
            ClockSet {
                agent: pipeline.agent().clone(),
                time: pipeline.own_time(now.time),
                boot: BootId::from(correction.boot.as_str()),
                offset_ms: correction.offset_ms,
                estimated: correction.estimated,
            }
        };
        self.outgoing.send(Event::Clock(set), now.time);
    }

    fn release(&self, released: bool) {
        if self.released.replace(released) != released {
            self.forwarder().release(released);
            if released && !self.clock.is_synced() {
                tracing::warn!("the time is not known: messages go out with times since this boot");
            }
        }
    }

    fn report_clock(&self, text: &str) {
        tracing::warn!("{text}");
        self.report(Cause::Clock, text);
    }
}
