//! How often checkpoints are written: at an interval, earlier when asked to, and on the whole at most
//! `daily_writes` a day.
//!
//! Every byte costs the time in which `daily_writes` allows it. That debt is paid by waiting; up to [`CREDIT`] of it may
//! be open, so that a burst goes through at once and only a lasting load is slowed down. (The generic cell rate
//! algorithm, ITU-T I.371, Annex A.)

use std::time::Duration;
use tokio::time::Instant;

/// Checkpoints that are asked for are at least so far apart.
const SPACING: Duration = Duration::from_millis(200);

/// What a burst may write ahead: an hour's share.
const CREDIT: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// When the next checkpoint may be written, and when it has to be.
pub(super) struct WriteBudget {
    every: Duration,
    daily_writes: u64,
    last: Instant,
    paid: Instant,
}

impl WriteBudget {
    /// One checkpoint `every` so often, `daily_writes` bytes a day.
    pub(super) fn new(every: Duration, daily_writes: u64) -> Self {
        let now = Instant::now();
        Self { every, daily_writes, last: now, paid: now }
    }

    /// When a checkpoint is due.
    pub(super) fn due(&self) -> Instant {
        (self.last + self.every).max(self.affordable())
    }

    /// When a checkpoint that is asked for may be written.
    pub(super) fn soonest(&self) -> Instant {
        (self.last + SPACING.min(self.every)).max(self.affordable())
    }

    /// A checkpoint is being written, or would be if anything had changed.
    pub(super) fn on_attempt(&mut self) {
        self.last = Instant::now();
    }

    /// One was.
    pub(super) fn on_written(&mut self, bytes: u64) {
        let now = Instant::now();
        let share = bytes as f64 / self.daily_writes.max(1) as f64;
        self.paid = self.paid.max(now) + DAY.mul_f64(share.min(1.0));
        self.last = now;
    }

    fn affordable(&self) -> Instant {
        // Instants have no minus infinity.
        self.paid.checked_sub(CREDIT).unwrap_or(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, sleep_until};

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_and_a_lasting_load_keeps_to_the_budget() {
        let mut budget = WriteBudget::new(Duration::from_secs(10), 86_400_000); // 1,000 bytes a second
        let start = Instant::now();
        assert_eq!((budget.due() - start, budget.soonest() - start), (Duration::from_secs(10), SPACING));
        let mut written = 0;
        while start.elapsed() < DAY {
            sleep_until(budget.soonest()).await;
            budget.on_attempt();
            budget.on_written(10_000);
            written += 10_000;
            if written == 1_000_000 {
                assert!(start.elapsed() < Duration::from_secs(30), "100 in a row");
            }
        }
        let most = 86_400_000 + 3_600_000;
        assert!((most - 100_000..most + 100_000).contains(&written), "{written}");
        advance(CREDIT).await;
        budget.on_attempt();
        assert_eq!(budget.soonest() - Instant::now(), SPACING, "a quiet hour gives credit again");
    }
}
