//! How fast sources deliver and outputs catch up: counts of the last half minute.

use headwater_kernel::time::AgentTime;
use std::cell::RefCell;
use std::collections::VecDeque;

/// The least time between two notes (ms).
const APART_MS: i64 = 5_000;

/// How far back the note to count from need be at the most (ms).
const SPAN_MS: i64 = 30_000;

/// The shortest time that says anything (ms).
const SHORTEST_MS: i64 = 1_000;

/// The counts of one moment.
struct Note {
    at: AgentTime,
    /// Readings that each source has brought.
    received: Vec<i64>,
    /// Messages that each output still has to get.
    waiting: Vec<u64>,
}

/// The counts of the last half minute.
#[derive(Default)]
pub(super) struct Trends(RefCell<VecDeque<Note>>);

impl Trends {
    /// Whether the last note is old enough for another one.
    pub(super) fn is_due(&self, now: AgentTime) -> bool {
        self.0.borrow().back().is_none_or(|last| now.since(last.at) >= APART_MS)
    }

    /// Notes the counts of a moment.
    pub(super) fn note(&self, at: AgentTime, received: Vec<i64>, waiting: Vec<u64>) {
        let mut notes = self.0.borrow_mut();
        notes.push_back(Note { at, received, waiting });
        while notes.get(1).is_some_and(|next| at.since(next.at) >= SPAN_MS) {
            notes.pop_front();
        }
    }

    /// Forgets all counts, because sources and outputs have other places now.
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// The readings of a source (1/s), given how many it has brought so far; `None`: not known yet.
    pub(super) fn rate(&self, source: usize, received: i64, now: AgentTime) -> Option<f64> {
        let (elapsed_ms, before) = self.before(now, |note| note.received.get(source).copied())?;
        // After a restart the journal may give back what came before; a count never falls otherwise.
        Some((received.saturating_sub(before).max(0)) as f64 * 1e3 / elapsed_ms as f64)
    }

    /// How long an output takes until nothing waits, if it goes on as it does (ms); `None`: nothing waits, or it does
    /// not get less.
    pub(super) fn drain_ms(&self, output: usize, waiting: u64, now: AgentTime) -> Option<u64> {
        let (elapsed_ms, before) = self.before(now, |note| note.waiting.get(output).copied())?;
        let fallen = before.checked_sub(waiting).filter(|fallen| *fallen > 0 && waiting > 0)?;
        Some((waiting as f64 * elapsed_ms as f64 / fallen as f64) as u64)
    }

    /// The oldest count that is worth comparing with, and how long ago it was (ms).
    fn before<T>(&self, now: AgentTime, count: impl Fn(&Note) -> Option<T>) -> Option<(i64, T)> {
        let notes = self.0.borrow();
        let oldest = notes.front()?;
        let elapsed_ms = now.since(oldest.at);
        (elapsed_ms >= SHORTEST_MS).then_some(elapsed_ms).zip(count(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_last_half_minute_says() {
        let trends = Trends::default();
        let at = AgentTime;
        assert_eq!((trends.rate(0, 5, at(0)), trends.drain_ms(0, 5, at(0))), (None, None));
        for second in 0..20 {
            let waiting = 1_000_u64.saturating_sub(10 * second as u64);
            trends.note(at(second * 5_000), vec![second * 50], vec![waiting, 7]);
        }
        // 95 s: the oldest note is of 65 s.
        let now = at(95_000);
        assert_eq!(trends.rate(0, 950, now), Some(10.0));
        assert_eq!(trends.rate(0, 0, now), Some(0.0), "never below nothing");
        assert_eq!(trends.rate(1, 0, now), None, "there is none");
        assert_eq!(trends.drain_ms(0, 810, now), Some(405_000), "870 before, 2 a second");
        assert_eq!(trends.drain_ms(0, 900, now), None, "more, not less");
        assert_eq!((trends.drain_ms(1, 7, now), trends.drain_ms(1, 0, now)), (None, None));
        assert_eq!(trends.0.borrow().len(), 7);
    }

    /// An agent at rest notes its counts less often; what it says then is of the last half minute all the same.
    #[test]
    fn notes_far_apart_count_from_the_last_that_is_old_enough() {
        let trends = Trends::default();
        for second in [0, 15, 30, 45, 46] {
            trends.note(AgentTime(second * 1_000), vec![0], vec![0]);
        }
        assert!(!trends.is_due(AgentTime(50_999)) && trends.is_due(AgentTime(51_000)));
        assert_eq!(trends.rate(0, 310, AgentTime(46_000)), Some(10.0), "31 s");
    }
}
