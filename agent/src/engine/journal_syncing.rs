//! Makes durable what is in a journal that is to outlive the boot: `[buffer] sync` after it came at the latest, and at once
//! when a source waits for it. The thread that syncs is not the runtime's.
//!
//! A sync costs at least a page. All of them keep to their share of `daily_writes`, as checkpoints do to theirs: a burst
//! goes through, a lasting load is slowed down, and that is said.

use super::Engine;
use crate::blocking;
use crate::journal::PAGE_BYTES;
use crate::status::SyncStatus;
use headwater_forwarder::Sync;
use headwater_sensors::SafetyLevel;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Syncs that are asked for are at least so far apart.
const SPACING: Duration = Duration::from_millis(5);

/// What a burst may write ahead: an hour's share.
const CREDIT: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// The journal's share of `daily_writes`, where it is synced; the checkpoints have the other quarter.
pub(crate) fn journal_share(daily_writes: u64) -> u64 {
    daily_writes / 4 * 3
}

/// The syncs that the budget for writes allows, where each writes a page.
pub(crate) struct SyncRates {
    /// For long.
    pub(crate) per_second: f64,
    /// At once, after a quiet hour.
    pub(crate) at_once: f64,
}

impl SyncRates {
    pub(crate) fn of(daily_writes: u64) -> Self {
        let per_second = journal_share(daily_writes) as f64 / PAGE_BYTES as f64 / DAY.as_secs_f64();
        Self { per_second, at_once: per_second * CREDIT.as_secs_f64() }
    }
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

    /// The part of the credit that is used up, from 0 to 1.
    fn used(&self) -> f64 {
        (self.paid.saturating_duration_since(self.last).as_secs_f64() / CREDIT.as_secs_f64()).min(1.0)
    }

    /// The interval that the budget allows in the long run, if each sync writes so much (bytes).
    fn allowed(&self, bytes: u64) -> Duration {
        let share = bytes as f64 / self.daily_writes.max(1) as f64;
        self.every.max(DAY.mul_f64(share.min(1.0)))
    }
}

/// Syncs that use up the credit are a trouble from [`SHORT`] of it on, until they have used less than [`OVER`].
const SHORT: f64 = 0.75;
const OVER: f64 = 0.5;

/// What a sync writes is a mean over about so many.
const MEAN_OF: u64 = 16;

/// What is known of the syncs.
#[derive(Default)]
pub(super) struct SyncMonitor {
    is_short: Cell<bool>,
    every_ms: Cell<Option<u64>>,
    allowed_ms: Cell<Option<u64>>,
    /// What one writes (bytes).
    mean: Cell<u64>,
}

impl SyncMonitor {
    fn begin(&self, pace: &SyncPace) {
        self.every_ms.set(Some(millis(pace.every)));
    }

    /// There are none any more.
    fn end(&self) {
        self.every_ms.set(None);
        self.allowed_ms.set(None);
        self.is_short.set(false);
    }

    /// A sync begins, which writes so much (bytes). Returns whether something is news.
    fn on_sync(&self, bytes: u64, pace: &SyncPace) -> bool {
        let mean = match self.mean.get() {
            0 => bytes,
            mean => (mean * (MEAN_OF - 1) + bytes) / MEAN_OF,
        };
        self.mean.set(mean);
        self.allowed_ms.set(Some(millis(pace.allowed(mean))));
        let is_short = pace.used() > if self.is_short.get() { OVER } else { SHORT };
        let is_news = self.is_short.replace(is_short) != is_short;
        match self.trouble() {
            Some(trouble) if is_news => tracing::warn!("{trouble}"),
            None if is_news => tracing::info!("`daily_writes` allows the syncs of the journal again"),
            _ => {}
        }
        is_news
    }

    /// How often there is one; `None`: the journal is not synced.
    pub(super) fn status(&self) -> Option<SyncStatus> {
        let every_ms = self.every_ms.get()?;
        Some(SyncStatus { every_ms, allowed_ms: self.allowed_ms.get() })
    }

    /// What is wrong, with the way out.
    pub(super) fn trouble(&self) -> Option<String> {
        self.is_short.get().then(|| {
            "the journal is synced more often than `[buffer] daily_writes` allows for long; soon it will be less often, and \
             messages wait longer for their acknowledgement: raise `daily_writes` or `sync`, or the messages in flight that a \
             broker allows"
                .to_owned()
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Engine {
    /// Syncs what is in the journal, if it is to outlive the boot; never returns.
    pub(crate) async fn sync_journal_forever(&self, sync: Sync, daily_writes: u64) {
        if !self.journal.is_synced() {
            self.syncing.end();
            return std::future::pending().await;
        }
        let durable = self.safety.safe(SafetyLevel::Durable);
        let mut pace = SyncPace::new(sync, journal_share(daily_writes));
        self.syncing.begin(&pace);
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
            if self.syncing.on_sync(unsynced.bytes, pace) {
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
        let (start, monitor) = (Instant::now(), SyncMonitor::default());
        monitor.begin(&pace);
        assert_eq!((pace.due() - start, pace.soonest() - start), (Duration::from_secs(1), SPACING));
        let mut written = 0;
        while start.elapsed() < DAY {
            sleep_until(pace.due()).await;
            pace.on_sync(4_096);
            written += 4_096;
            let is_news = monitor.on_sync(4_096, &pace);
            assert!(!is_news || monitor.trouble().is_some() && start.elapsed() > Duration::from_secs(600));
        }
        assert!((86_000_000..91_000_000).contains(&written), "{written}");
        let allowed_ms = Some(4_096);
        assert_eq!(monitor.status(), Some(SyncStatus { every_ms: 1_000, allowed_ms }));
        assert!(monitor.trouble().is_some());
        advance(CREDIT).await;
        pace.on_sync(4_096);
        assert!(monitor.on_sync(4_096, &pace) && monitor.trouble().is_none());
        assert_eq!(pace.soonest() - Instant::now(), SPACING);
    }
}
