//! Spreads live messages that come together evenly over some time, where the receiver asks for that.
//!
//! The first goes at once. Each pause is the time that is left, divided by the messages that wait, so that what comes
//! meanwhile goes faster, and what comes alone does not wait.

use std::time::Duration;
use tokio::time::Instant;

/// The pace of one output's live messages.
pub(super) struct Spread {
    over: Duration,
    /// When all that came together is to be sent; `None`: nothing waits.
    end: Option<Instant>,
    /// When the next one goes.
    next: Instant,
}

impl Spread {
    /// Zero: all go at once.
    pub(super) fn new(over: Duration) -> Self {
        Self { over, end: None, next: Instant::now() }
    }

    /// How long the next of so many messages has to wait; `None`: it goes now.
    pub(super) fn wait(&mut self, now: Instant, waiting: u64) -> Option<Duration> {
        if waiting == 0 || self.over.is_zero() {
            self.end = None;
            return None;
        }
        if self.end.is_none() {
            (self.end, self.next) = (Some(now + self.over), now);
        }
        Some(self.next.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// One was sent, and so many wait.
    pub(super) fn sent(&mut self, waiting: u64) {
        if let Some(end) = self.end {
            let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
            self.next += end.saturating_duration_since(self.next) / waiting.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When messages go that come together (ms).
    async fn times(over_ms: u64, count: u64) -> Vec<u128> {
        let (start, mut spread) = (Instant::now(), Spread::new(Duration::from_millis(over_ms)));
        let mut times = Vec::new();
        for left in (0..count).rev() {
            while let Some(wait) = spread.wait(Instant::now(), left + 1) {
                tokio::time::sleep(wait).await;
            }
            times.push(start.elapsed().as_millis());
            spread.sent(left);
        }
        assert_eq!(spread.wait(Instant::now(), 0), None);
        times
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_is_spread_and_what_comes_alone_goes_at_once() {
        assert_eq!(times(1_000, 1).await, [0]);
        assert_eq!(times(1_000, 4).await, [0, 250, 500, 750]);
        assert!(times(0, 1_000).await.iter().all(|time| *time == 0));
        let many = times(2_000, 10_000).await;
        assert!(many.last().is_some_and(|last| (1_900..=2_001).contains(last)), "{:?}", many.last());
        assert!(many.iter().filter(|time| **time <= 1_000).count() < 5_200);
    }
}
