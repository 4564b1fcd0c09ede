//! Losses on their way to a report. A report is a message too: where memory is full it takes the place of another, and
//! where the broker refuses everything it is refused as well. One for each loss would bring about the next loss, for ever.
//!
//! So losses of one kind are gathered for a second and told, and as long as they go on, told again after twice as long,
//! up to [`WAIT_LAST`]. No loss goes unreported: the agent reports pending ones when it stops.

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
    /// Messages were merged into coarser ones: no loss, but as endless.
    Thinned,
    /// An output, by its place, will not have them.
    Refused(usize),
    /// Parts of the buffer cannot be read.
    Damaged,
}

/// Losses of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) kind: Kind,
    /// Messages.
    pub(super) count: u64,
    /// So often.
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
    /// Adds one.
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
                    // There has been none for a while.
                    entry.wait = WAIT_FIRST;
                }
                entry.due = entry.due.max(now + WAIT_FIRST);
                entry.pending = Some(loss);
            }
        }
    }

    /// When the next one is to be told.
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

    /// All that is pending.
    pub(super) fn take_all(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0).into_iter().filter_map(|entry| entry.pending).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each report costs a message, which is a loss: an hour of that is a few reports that name every message.
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
