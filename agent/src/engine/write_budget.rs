//! How often checkpoints are written: at an interval, earlier when asked to, and on the whole at most
//! `daily_writes` a day.
//!
//! Every byte costs the time in which `daily_writes` allows it. That debt is paid by waiting; up to [`CREDIT`] of it may
//! be open, so that a burst goes through at once and only a lasting load is slowed down. (The generic cell rate
//! algorithm, ITU-T I.371, Annex A.) It is spread and never stops: a checkpoint waits no longer than [`WAIT_MAX`], and what
//! is then above the budget is told.

use crate::checkpoint::CheckpointWrite;
use std::time::Duration;
use tokio::time::Instant;

/// The shortest time between two checkpoints that are requested.
const SPACING: Duration = Duration::from_millis(200);

/// The share of the day that a burst may write ahead.
const CREDIT: Duration = Duration::from_secs(3_600);

/// The longest time that a checkpoint waits for the budget, unless the interval is longer.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

const DAY: Duration = Duration::from_secs(86_400);

/// The weight of the newest checkpoint in what one costs.
const NEWEST: f64 = 0.0625;

/// The times when the next checkpoint may and must be written.
pub(super) struct WriteBudget {
    every: Duration,
    daily_writes: u64,
    last: Instant,
    paid: Instant,
    /// What a checkpoint costs with its share of the next whole one (bytes).
    cost: Option<f64>,
    /// Whether the last one was whole; `None`: there was none.
    was_whole: Option<bool>,
}

/// The pace of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// The interval of the config.
    pub(super) every: Duration,
    /// The interval that the budget allows in the long run, at least `every`; `None`: the cost is not known yet.
    pub(super) allowed: Option<Duration>,
    /// The bytes that checkpoints then write (bytes a day).
    pub(super) daily_bytes: Option<u64>,
}

impl WriteBudget {
    /// A budget of `daily_writes` bytes a day for a checkpoint at each interval `every`.
    pub(super) fn new(every: Duration, daily_writes: u64) -> Self {
        let now = Instant::now();
        Self { every, daily_writes, last: now, paid: now, cost: None, was_whole: None }
    }

    /// The time when a checkpoint is due.
    pub(super) fn due(&self) -> Instant {
        (self.last + self.every).max(self.affordable())
    }

    /// The earliest time for a checkpoint that is requested.
    pub(super) fn soonest(&self) -> Instant {
        (self.last + SPACING.min(self.every)).max(self.affordable())
    }

    /// Notes that a checkpoint is tried, or would be if anything had changed.
    pub(super) fn on_attempt(&mut self) {
        self.last = Instant::now();
    }

    /// One was.
    pub(super) fn on_written(&mut self, write: CheckpointWrite) {
        let now = Instant::now();
        self.last = now;
        let debt = self.paid.max(now) + self.time_for(write.bytes as f64);
        self.paid = debt.min(now + CREDIT + WAIT_MAX);
        // A whole one now and then is in the cost of the others.
        if !write.is_whole || self.was_whole == Some(true) {
            let cost = write.cost as f64;
            self.cost = Some(self.cost.map_or(cost, |known| known + NEWEST * (cost - known)));
        }
        self.was_whole = Some(write.is_whole);
    }

    /// The pace of checkpoints.
    pub(super) fn pace(&self) -> Pace {
        let allowed = |cost| self.time_for(cost).min(WAIT_MAX).max(self.every);
        let daily_bytes = |cost| (cost * DAY.as_secs_f64() / allowed(cost).as_secs_f64()) as u64;
        Pace { every: self.every, allowed: self.cost.map(allowed), daily_bytes: self.cost.map(daily_bytes) }
    }

    /// The time in which so many bytes may be written.
    fn time_for(&self, bytes: f64) -> Duration {
        DAY.mul_f64((bytes / self.daily_writes.max(1) as f64).min(1.0))
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

    fn whole(bytes: u64) -> CheckpointWrite {
        CheckpointWrite { bytes, cost: bytes, is_whole: true }
    }

    fn delta(bytes: u64) -> CheckpointWrite {
        CheckpointWrite { cost: bytes + bytes / 4, is_whole: false, ..whole(bytes) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_through_and_a_lasting_load_keeps_to_the_budget() {
        let mut budget = WriteBudget::new(Duration::from_secs(10), 86_400_000); // 1,000 bytes a second
        let start = Instant::now();
        assert_eq!((budget.due() - start, budget.soonest() - start), (Duration::from_secs(10), SPACING));
        let mut written = 0;
        while start.elapsed() < DAY {
            sleep_until(budget.soonest()).await;
            budget.on_attempt();
            budget.on_written(whole(10_000));
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

    /// However little may be written and however large a checkpoint is.
    #[tokio::test(start_paused = true)]
    async fn the_budget_spreads_and_never_stops() {
        for every in [10, 7_200] {
            let mut budget = WriteBudget::new(Duration::from_secs(every), 1 << 20);
            let start = Instant::now();
            for _ in 0..100 {
                let before = Instant::now();
                sleep_until(budget.due()).await;
                assert!(before.elapsed() <= WAIT_MAX.max(budget.every), "{:?}", before.elapsed());
                budget.on_attempt();
                budget.on_written(whole(100 << 20));
            }
            assert!(start.elapsed() >= WAIT_MAX * 98);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_what_checkpoints_cost_with_their_share_of_the_whole_ones() {
        let every = Duration::from_secs(10);
        let mut budget = WriteBudget::new(every, 86_400_000); // 1,000 bytes a second
        assert_eq!(budget.pace(), Pace { every, allowed: None, daily_bytes: None });
        budget.on_written(whole(500_000));
        assert_eq!(budget.pace().allowed, None, "one does not tell");
        budget.on_written(delta(4_000));
        assert_eq!(budget.pace(), Pace { every, allowed: Some(every), daily_bytes: Some(43_200_000) });
        for _ in 0..100 {
            budget.on_written(delta(16_000));
        }
        budget.on_written(whole(500_000));
        let allowed = budget.pace().allowed.unwrap().as_secs_f64();
        assert!((allowed - 20.0).abs() < 0.1, "{allowed}");
        // Without deltas, the whole ones are what they cost.
        for _ in 0..100 {
            budget.on_written(whole(500_000));
        }
        let allowed = budget.pace().allowed.unwrap().as_secs_f64();
        assert!((allowed - 500.0).abs() < 1.0, "{allowed}");
    }
}
