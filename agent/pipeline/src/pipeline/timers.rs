//! When which channel wants to be looked at again. A channel that wants an earlier look stands here once more; its later
//! entry is then passed over.

use headwater_kernel::time::AgentTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a channel on the timers takes (bytes).
pub(super) const ENTRY_BYTES: usize = size_of::<Reverse<(AgentTime, u32)>>();

/// Channels by the time they are due.
#[derive(Debug)]
pub(super) struct Timers<I> {
    heap: BinaryHeap<Reverse<(AgentTime, I)>>,
}

impl<I: Ord> Default for Timers<I> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new() }
    }
}

impl<I: Ord> Timers<I> {
    /// The channel shall be looked at when it is `due`.
    pub(super) fn push(&mut self, due: AgentTime, channel: I) {
        self.heap.push(Reverse((due, channel)));
    }

    /// A channel that is due by `now`, and the time that it stood here for.
    pub(super) fn pop_due(&mut self, now: AgentTime) -> Option<(AgentTime, I)> {
        let Reverse((due, _)) = self.heap.peek()?;
        if *due > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The earliest time that any channel is due.
    pub(super) fn next(&self) -> Option<AgentTime> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}
