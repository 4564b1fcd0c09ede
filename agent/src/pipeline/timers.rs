//! When which channel wants to be looked at again. A channel that wants an earlier look stands here once more; its later
//! entry is then passed over.

use headwater_kernel::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a channel on the timers takes (bytes).
pub(super) const ENTRY_BYTES: usize = size_of::<Reverse<(Time, u32)>>();

/// Channels by the time they are due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Time, u32)>>,
}

impl Timers {
    /// The channel shall be looked at when it is `due`.
    pub(super) fn push(&mut self, due: Time, channel: u32) {
        self.heap.push(Reverse((due, channel)));
    }

    /// A channel that is due by `now`, and the time that it stood here for.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Time, u32)> {
        let Reverse((due, _)) = self.heap.peek()?;
        if *due > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The earliest time that any channel is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }
}
