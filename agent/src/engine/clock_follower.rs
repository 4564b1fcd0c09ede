//! What follows from the clock: windows that end, reports, corrections, and whether what is held may go.
//!
//! Held messages were made before the time is known. They go once a checkpoint has been tried that says so: after a crash
//! the same messages leave with the same times, and what went out without them is remembered.

use super::Engine;
use crate::clock::{Change, Correction};
use headwater_kernel::time::Now;
use headwater_pipeline::event::{ClockSet, Event, ReportCause};
use std::cell::Cell;

/// Whether held messages may leave, and how often that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permit {
    number: u32,
    may_go: bool,
}

/// Decides whether held messages leave.
#[derive(Debug)]
pub(super) struct ClockFollower {
    permit: Cell<Permit>,
    /// Whether held messages leave now.
    released: Cell<bool>,
}

/// The action that a given or withdrawn permit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consequence {
    /// Nothing: the permit was the same before.
    None,
    /// A checkpoint that says so.
    AskForCheckpoint,
    /// Held messages stay from now on.
    Hold,
}

impl ClockFollower {
    /// A follower for an agent whose time is known or not. The first checkpoint lets messages leave.
    pub(super) fn new(synced: bool) -> Self {
        Self { permit: Cell::new(Permit { number: 0, may_go: synced }), released: Cell::new(false) }
    }

    /// The permit that a checkpoint taken now holds.
    pub(super) fn permit(&self) -> Permit {
        self.permit.get()
    }

    /// Whether held messages wait for a checkpoint.
    pub(super) fn is_waiting(&self) -> bool {
        self.permit.get().may_go && !self.released.get()
    }

    fn set(&self, may_go: bool) -> Consequence {
        let Permit { number, may_go: before } = self.permit.get();
        if before == may_go {
            return Consequence::None;
        }
        self.permit.set(Permit { number: number.wrapping_add(1), may_go });
        if may_go {
            return Consequence::AskForCheckpoint;
        }
        if self.released.replace(false) { Consequence::Hold } else { Consequence::None }
    }

    /// Notes that a checkpoint with this permit was tried. Returns whether held messages leave from now on.
    fn on_checkpoint(&self, permit: Permit) -> bool {
        permit.may_go && permit == self.permit.get() && !self.released.replace(true)
    }
}

impl Engine {
    /// Reads the clocks, and corrects all that depends on them.
    pub(super) fn look_at_clock(&self) {
        let before = self.now();
        match self.clock.look() {
            Some(Change::Set { by_ms } | Change::Moved { by_ms }) => self.on_step(before, by_ms),
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

    fn let_go(&self, may_go: bool) {
        match self.follower.set(may_go) {
            Consequence::None => {}
            Consequence::AskForCheckpoint => self.checkpointer.request(),
            Consequence::Hold => self.forwarder().release(false),
        }
    }

    /// Notes that a checkpoint with this permit was tried.
    pub(super) fn on_checkpoint(&self, permit: Permit) {
        if !self.follower.on_checkpoint(permit) {
            return;
        }
        self.forwarder().release(true);
        if !self.clock.is_synced() {
            tracing::warn!("the time is not known: messages go out with times since this boot");
        }
    }

    /// Corrects all that depends on the clock after it was set.
    fn on_step(&self, before: Now, by_ms: i64) {
        self.end_segment();
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

    /// Reports that messages that were sent have other times.
    pub(super) fn correct(&self, correction: &Correction) {
        let now = self.now();
        let set = {
            let pipeline = self.pipeline.borrow();
            ClockSet {
                agent: pipeline.agent().clone(),
                time: pipeline.own_time(now.time),
                boot: correction.boot.clone(),
                offset_ms: correction.offset_ms,
                estimated: correction.estimated,
            }
        };
        self.outgoing.send(Event::Clock(set), now.time);
    }

    fn report_clock(&self, text: &str) {
        tracing::warn!("{text}");
        self.report(ReportCause::Clock, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_goes_with_the_checkpoint_that_says_so() {
        let follower = ClockFollower::new(false);
        let before = follower.permit();
        assert!(!follower.on_checkpoint(before), "the time is not known");
        assert_eq!(follower.set(true), Consequence::AskForCheckpoint);
        assert!(follower.is_waiting() && !follower.on_checkpoint(before), "one of before");
        // The time changes while that checkpoint is written: it is the next one that counts.
        let first = follower.permit();
        assert_eq!(
            (follower.set(false), follower.set(true)),
            (Consequence::None, Consequence::AskForCheckpoint)
        );
        assert!(!follower.on_checkpoint(first) && follower.on_checkpoint(follower.permit()));
        assert!(!follower.is_waiting() && !follower.on_checkpoint(follower.permit()), "it goes already");
        assert_eq!((follower.set(true), follower.set(false)), (Consequence::None, Consequence::Hold));
        assert!(ClockFollower::new(true).is_waiting());
    }
}
