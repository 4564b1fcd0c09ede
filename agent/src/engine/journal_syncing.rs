//! Makes durable what is in a journal that is to outlive the boot: `[buffer] sync` after it came at the latest, and at once
//! when a source waits for it. The thread that syncs is not the runtime's.
//!
//! A sync costs at least a page. All of them keep to their share of `daily_writes`, as checkpoints do to theirs: a burst
//! goes through, a lasting load is slowed down, and that is said.

use super::Engine;
use crate::blocking;
use headwater_forwarder::Sync;
use headwater_sensors::SafetyLevel;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Syncs that are asked for are at least so far apart.
const SPACING: Duration = Duration::from_millis(20);

/// What a burst may write ahead: an hour's share.
const CREDIT: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// The journal's share of `daily_writes`, where it is synced; the checkpoints have the other quarter.
pub(super) fn journal_share(daily_writes: u64) -> u64 {
    daily_writes / 4 * 3
}

/// When the next sync is due, and when it may be.
struct SyncPace {
    every: Duration,
    daily_writes: u64,
    last: Instant,
    paid: Instant,
}

impl SyncPace {
    fn new(sync: Sync, daily_writes: u64) -> Self {
        let every = match sync {
            Sync::Always => Duration::ZERO,
            Sync::Every(ms) => Duration::from_millis(ms),
        };
        let now = Instant::now();
        Self { every, daily_writes, last: now, paid: now }
    }

    fn due(&self) -> Instant {
        (self.last + self.every).max(self.affordable())
    }

    fn soonest(&self) -> Instant {
        (self.last + SPACING.min(self.every)).max(self.affordable())
    }

    fn affordable(&self) -> Instant {
        // Instants have no minus infinity.
        self.paid.checked_sub(CREDIT).unwrap_or(self.last)
    }

    /// So much is written (bytes).
    fn on_sync(&mut self, bytes: u64) {
        self.last = Instant::now();
        let share = (bytes as f64 / self.daily_writes.max(1) as f64).min(1.0);
        self.paid = self.paid.max(self.last) + DAY.mul_f64(share);
    }

    /// Whether the budget makes the next one late by more than the interval.
    fn is_short(&self) -> bool {
        self.affordable() > self.last + 2 * self.every.max(SPACING)
    }
}

/// What is known of the syncs.
#[derive(Default)]
pub(super) struct SyncMonitor {
    is_short: Cell<bool>,
}

impl SyncMonitor {
    /// What is wrong, with the way out.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        self.is_short.get().then_some(
            "`[buffer] daily_writes` allows the journal to be synced less often than `sync` asks for, so that messages \
             wait longer for their acknowledgement: raise one of the two",
        )
    }
}

impl Engine {
    /// Syncs what is in the journal, if it is to outlive the boot; never returns.
    pub(crate) async fn sync_journal_forever(&self, sync: Sync, daily_writes: u64) {
        if !self.journal.is_synced() {
            return std::future::pending().await;
        }
        let durable = self.safety.safe(SafetyLevel::Durable);
        let mut pace = SyncPace::new(sync, journal_share(daily_writes));
        loop {
            if self.safety.handed_over() == *durable.borrow() {
                self.journal.has_receipt().await;
                continue;
            }
            let wanted = async {
                self.safety.durable_wanted().await;
                sleep_until(pace.soonest()).await;
            };
            let is_wanted = tokio::select! {
                () = sleep_until(pace.due()) => false,
                () = wanted => true,
            };
            if !self.journal.is_reachable() {
                // Only a checkpoint makes it durable.
                if is_wanted {
                    self.checkpointer.request();
                }
                sleep(pace.every.max(SPACING)).await;
                continue;
            }
            self.sync_journal(&mut pace).await;
        }
    }

    async fn sync_journal(&self, pace: &mut SyncPace) {
        self.settle();
        let through = self.safety.handed_over();
        if let Some(unsynced) = self.journal.take_unsynced() {
            pace.on_sync(unsynced.bytes);
            if self.syncing.is_short.replace(pace.is_short()) != pace.is_short() {
                self.on_status_changed();
            }
            let sync = move || {
                let result = unsynced.sync();
                (unsynced, result)
            };
            let (unsynced, result) = blocking::run(sync).await;
            if let Err(error) = result {
                // Whether anything of it is on the disk is not known from here on.
                self.journal.fail(&error);
                self.checkpointer.request();
                return;
            }
            self.journal.on_synced(&unsynced);
        }
        self.safety.on_durable(through);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn syncs_keep_to_the_interval_and_a_lasting_load_to_the_budget() {
        let mut pace = SyncPace::new(Sync::Every(1_000), 86_400_000); // 1,000 bytes a second
        let start = Instant::now();
        assert_eq!((pace.due() - start, pace.soonest() - start), (Duration::from_secs(1), SPACING));
        let mut written = 0;
        while start.elapsed() < DAY {
            sleep_until(pace.due()).await;
            pace.on_sync(4_096);
            written += 4_096;
            assert!(start.elapsed() > Duration::from_secs(1_000) || !pace.is_short());
        }
        assert!((86_000_000..91_000_000).contains(&written), "{written}");
        assert!(pace.is_short());
        advance(CREDIT).await;
        pace.on_sync(4_096);
        assert!(!pace.is_short());
        assert_eq!(pace.soonest() - Instant::now(), SPACING);
    }
}
