//! Timers of channels. A channel that needs an earlier timer gets a second entry, and its later entry is ignored.

use headwater_kernel::time::AgentTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Memory of one timer (bytes).
pub(super) const ENTRY_BYTES: usize = size_of::<Reverse<(AgentTime, u32)>>();

/// Channels by their due time.
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
    /// Sets a timer of a channel.
    pub(super) fn push(&mut self, due: AgentTime, channel: I) {
        self.heap.push(Reverse((due, channel)));
    }

    /// The next channel that is due by `now`, with the time of its timer.
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
