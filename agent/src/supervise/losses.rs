//! Losses on their way to a report. A report is a message too. Where memory is full, a report takes the place of another
//! message; where the broker refuses everything, it refuses the report as well. A report of each loss would thus cause
//! the next loss, for ever.
//!
//! Losses of one kind are therefore gathered for a second and reported together. While they go on, each report waits
//! twice as long as the one before, up to [`WAIT_LAST`]. The agent reports the pending losses when it stops.

use headwater_forwarder::{DropReason, Lane};
use std::time::Duration;
use tokio::time::Instant;

const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LAST: Duration = Duration::from_secs(600);

/// What losses have in common that are told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages gave way.
    Shed(Lane, DropReason),
    /// Messages were merged into coarser ones. That is no loss, but it can go on as long as one.
    Thinned,
    /// The output at this place of the config has refused messages.
    Refused(usize),
    /// Parts of the buffer cannot be read.
    Damaged,
}

/// Losses of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) kind: Kind,
    /// How many messages were lost.
    pub(super) count: u64,
    /// How many events told of them.
    pub(super) times: u64,
    /// When the first and the last of them were made [ms since the Unix epoch].
    pub(super) made_ms: (i64, i64),
    /// The description of the last of them.
    pub(super) what: String,
}

/// Losses that are not told yet; at most one entry for each kind.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    pending: Option<Loss>,
    kind: Kind,
    wait: Duration,
    due: Instant,
}

impl Losses {
    /// Adds a loss.
    pub(super) fn add(&mut self, loss: Loss, now: Instant) {
        let known = self.0.iter_mut().find(|entry| entry.kind == loss.kind);
        let Some(entry) = known else {
            let (kind, wait, due) = (loss.kind, WAIT_FIRST, now + WAIT_FIRST);
            return self.0.push(Entry { pending: Some(loss), kind, wait, due });
        };
        match &mut entry.pending {
            Some(pending) => {
                pending.count += loss.count;
                pending.times += loss.times;
                pending.made_ms.0 = pending.made_ms.0.min(loss.made_ms.0);
                pending.made_ms.1 = pending.made_ms.1.max(loss.made_ms.1);
                pending.what = loss.what;
            }
            None => {
                if now > entry.due + entry.wait {
                    // No loss of this kind has happened for a while.
                    entry.wait = WAIT_FIRST;
                }
                entry.due = entry.due.max(now + WAIT_FIRST);
                entry.pending = Some(loss);
            }
        }
    }

    /// When the next report is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter(|entry| entry.pending.is_some()).map(|entry| entry.due).min()
    }

    /// The losses that are due for a report.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Loss> {
        let entry = self.0.iter_mut().find(|entry| entry.pending.is_some() && entry.due <= now)?;
        entry.wait = (entry.wait * 2).min(WAIT_LAST);
        entry.due = now + entry.wait;
        entry.pending.take()
    }

    /// All pending losses.
    pub(super) fn take_all(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0).into_iter().filter_map(|entry| entry.pending).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each report causes a loss here. An hour of that makes a few reports, and they name every message.
    #[test]
    fn reports_that_cost_what_they_report_become_few() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        let loss = |at: u64| Loss {
            kind: Kind::Shed(Lane::Data, DropReason::Memory),
            count: 1,
            times: 1,
            made_ms: (at as i64, at as i64),
            what: String::new(),
        };
        losses.add(loss(0), start);
        let (mut told, mut count) = (0, 0);
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            while let Some(due) = losses.take_due(now) {
                (told, count) = (told + 1, count + due.count);
                losses.add(loss(second), now);
            }
        }
        assert!((5..20).contains(&told), "{told} reports");
        assert_eq!(count, told);
        // After a quiet spell the next loss is reported at once.
        let now = start + Duration::from_secs(100_000);
        let rest = losses.take_due(now).unwrap();
        assert_eq!(rest.count, 1);
        let later = now + 3 * WAIT_LAST;
        losses.add(loss(1), later);
        losses.add(loss(5), later);
        assert_eq!(losses.due(), Some(later + WAIT_FIRST));
        let both = losses.take_due(later + WAIT_FIRST).unwrap();
        assert_eq!((both.count, both.made_ms), (2, (1, 5)));
        losses.add(Loss { kind: Kind::Refused(1), ..loss(9) }, later);
        losses.add(Loss { kind: Kind::Refused(2), ..loss(9) }, later);
        assert_eq!(losses.take_all().len(), 2);
    }
}
