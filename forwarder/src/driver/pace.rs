//! Limits the rate of backfill: a bucket for messages and one for bytes, each holding a second's worth.

use crate::SendRate;
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct RateLimiter {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl RateLimiter {
    pub(super) fn new(rate: SendRate) -> Self {
        let bucket = |per_s: u32| Bucket { per_s: f64::from(per_s), level: 0.0, at: None };
        Self { messages: rate.messages.map(bucket), bytes: rate.bytes.map(bucket) }
    }

    /// Whether a message may be sent now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.wait(now).is_none()
    }

    /// How long until a message may be sent.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let buckets = [&mut self.messages, &mut self.bytes].into_iter().flatten();
        buckets.filter_map(|bucket| bucket.wait(now)).max()
    }

    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        if let Some(bucket) = &mut self.messages {
            bucket.take(now, 1.0);
        }
        if let Some(bucket) = &mut self.bytes {
            bucket.take(now, bytes as f64);
        }
    }
}

/// A bucket that fills at its rate, up to a second's worth. It may go below zero, so that a message larger than
/// that can pass.
struct Bucket {
    per_s: f64,
    level: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = self.at.map_or(1.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.level = (self.level + passed * self.per_s).min(self.per_s);
        self.at = Some(now);
    }

    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.fill(now);
        (self.level < 1.0).then(|| Duration::from_secs_f64((1.0 - self.level) / self.per_s).max(MIN_WAIT))
    }

    fn take(&mut self, now: Instant, amount: f64) {
        self.fill(now);
        self.level -= amount;
    }
}

/// Shorter waits are not worth a timer.
const MIN_WAIT: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_limits_hold_over_time() {
        for (rate, size, expected) in [
            (SendRate { messages: Some(100), bytes: None }, 10, 1_100),
            (SendRate { messages: Some(100), bytes: Some(2_000) }, 100, 220),
            (SendRate { messages: None, bytes: Some(1_000) }, 5_000, 3),
        ] {
            let mut pace = RateLimiter::new(rate);
            let (start, mut sent) = (Instant::now(), 0);
            while Instant::now() < start + Duration::from_secs(10) {
                match pace.wait(Instant::now()) {
                    None => {
                        pace.sent(Instant::now(), size);
                        sent += 1;
                    }
                    Some(wait) => tokio::time::sleep(wait).await,
                }
            }
            assert!((expected - expected / 50..=expected + 1).contains(&sent), "{sent} of {expected}");
        }
        assert!(RateLimiter::new(SendRate::default()).is_due(Instant::now()));
    }
}
