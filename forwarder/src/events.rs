//! What the forwarder tells the agent.

use crate::Lane;
use std::collections::VecDeque;

/// Events that wait for the agent. Past this number, the oldest event that tells of no loss is dropped.
const WAITING_MAX: usize = 256;

/// An event that the agent should report. Outputs are named by their place in the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwarderEvent {
    /// An output can take messages.
    Up {
        /// Which.
        output: usize,
    },
    /// The output has acknowledged a message, for the first time since it came up.
    Answered {
        /// Which.
        output: usize,
    },
    /// The output is down, or is down for another reason than before.
    Down {
        /// Which.
        output: usize,
        /// Why.
        reason: String,
    },
    /// Messages were given up.
    Evicted {
        /// Of this lane.
        lane: Lane,
        /// How many.
        count: u64,
        /// The first of them was made then [ms since the Unix epoch].
        from_ms: i64,
        /// The last of them was made then.
        to_ms: i64,
        /// Why.
        why: DropReason,
    },
    /// Messages were merged into coarser ones: detail is lost, no message.
    Compacted {
        /// How many messages are gone.
        count: u64,
    },
    /// A part of the buffer cannot be read; it is set aside.
    Damaged {
        /// Messages lost by it, at least.
        count: u64,
        /// What is wrong, and where it is now.
        what: String,
    },
    /// An output will never take these messages.
    Refused {
        /// Which output.
        output: usize,
        /// Of this lane.
        lane: Lane,
        /// How many.
        count: u64,
        /// The place of the last one, and the reason.
        what: String,
    },
    /// The disk takes nothing: messages are kept in memory only.
    DiskBad {
        /// Why.
        reason: String,
    },
    /// The disk takes messages again.
    DiskGood,
    /// More than `daily_writes` have been written today.
    WornOut {
        /// How many (bytes).
        bytes: u64,
    },
}

/// Why messages were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The buffer is at its bound.
    Full,
    /// They were older than `max_age`.
    Age,
    /// Memory was full, and the disk could not take them in time.
    Memory,
    /// Somebody removed them while the program was stopped.
    Cleared,
}

/// Events on their way to the agent. Losses of one kind that follow each other become one.
#[derive(Debug, Default)]
pub(crate) struct Events(VecDeque<ForwarderEvent>);

impl Events {
    pub(crate) fn push(&mut self, event: ForwarderEvent) {
        if self.0.iter_mut().rev().any(|earlier| merge(earlier, &event)) {
            return;
        }
        if self.0.len() >= WAITING_MAX {
            let tells_of_loss = |event: &ForwarderEvent| {
                matches!(
                    event,
                    ForwarderEvent::Evicted { .. }
                        | ForwarderEvent::Compacted { .. }
                        | ForwarderEvent::Damaged { .. }
                        | ForwarderEvent::Refused { .. }
                )
            };
            let least = self.0.iter().position(|event| !tells_of_loss(event)).unwrap_or(0);
            self.0.remove(least);
        }
        self.0.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<ForwarderEvent> {
        self.0.pop_front()
    }
}

/// Adds a loss to an earlier one of its kind; whether it did.
fn merge(earlier: &mut ForwarderEvent, event: &ForwarderEvent) -> bool {
    match (earlier, event) {
        (
            ForwarderEvent::Evicted { lane, count, from_ms, to_ms, why },
            ForwarderEvent::Evicted { lane: lane2, count: count2, from_ms: from2, to_ms: to2, why: why2 },
        ) if lane == lane2 && why == why2 => {
            *count += count2;
            (*from_ms, *to_ms) = ((*from_ms).min(*from2), (*to_ms).max(*to2));
            true
        }
        (
            ForwarderEvent::Refused { output, lane, count, what },
            ForwarderEvent::Refused { output: output2, lane: lane2, count: count2, what: what2 },
        ) if output == output2 && lane == lane2 => {
            *count += count2;
            what.clone_from(what2);
            true
        }
        (ForwarderEvent::Compacted { count }, ForwarderEvent::Compacted { count: count2 }) => {
            *count += count2;
            true
        }
        (ForwarderEvent::Damaged { count, what }, ForwarderEvent::Damaged { count: count2, what: what2 })
            if what == what2 =>
        {
            *count += count2;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_and_the_list_is_bounded() {
        let shed = |lane, count, from_ms| ForwarderEvent::Evicted {
            lane,
            count,
            from_ms,
            to_ms: from_ms + 5,
            why: DropReason::Full,
        };
        let mut events = Events::default();
        events.push(shed(Lane::Data, 2, 100));
        for n in 0..1_000 {
            events.push(ForwarderEvent::Down { output: n, reason: String::new() });
            events.push(shed(Lane::Data, 1, 50));
            events.push(shed(Lane::Alert, 1, 0));
            events.push(ForwarderEvent::Compacted { count: 2 });
        }
        assert_eq!(
            events.pop(),
            Some(ForwarderEvent::Evicted {
                lane: Lane::Data,
                count: 1_002,
                from_ms: 50,
                to_ms: 105,
                why: DropReason::Full
            })
        );
        assert!(events.0.len() < WAITING_MAX);
        assert!(events.0.contains(&shed(Lane::Alert, 1_000, 0)));
        assert!(events.0.contains(&ForwarderEvent::Compacted { count: 2_000 }));
    }
}
