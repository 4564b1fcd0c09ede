//! How long messages gather before they are read, where they come fast.
//!
//! A wake-up costs more than a message. Where at least [`FEW`] messages usually come within the latency that is allowed,
//! the connection lets them gather, reads them together, and acknowledges them in one write. The first message after a
//! silence is never waited for.
//!
//! A broker sends only so many messages that are not acknowledged (mosquitto: 20), queues the rest, and drops what its
//! queue has no room for. So a pause is only as long as three quarters of the most that it has ever sent without an
//! acknowledgement take to come. Fewer than all of them: a broker that stops at its limit looks like one that has less to
//! send, and shorter pauses then find the true rate again. Now and then one pause is as long as the latency allows, to
//! find out whether the broker sends more.

use std::time::Duration;
use tokio::time::Instant;

/// Fewer messages are not worth a pause.
const FEW: f64 = 3.0;

/// A timer is off by up to this much, and shorter pauses are none.
const TIMER: Duration = Duration::from_millis(1);

/// The limit of a broker that has not shown another one.
const USUAL_LIMIT: u32 = 20;

/// The part of the limit that may gather.
const SHARE: f64 = 0.75;

/// One pause in so many finds out whether the broker sends more.
const PROBE_EVERY: u32 = 64;

/// The usual time between two messages is a mean over about so many.
const USUAL_OF: f64 = 16.0;

/// The pace of one connection.
#[derive(Debug)]
pub(crate) struct ReadPace {
    latency: Duration,
    /// When messages were read last.
    last: Option<Instant>,
    /// The usual time between two messages (s).
    gap: f64,
    /// The most messages that the broker has sent without an acknowledgement.
    unacked_most: u32,
    reads: u32,
}

impl ReadPace {
    /// Adds `latency` to a message at most; zero: nothing gathers.
    pub(crate) fn new(latency: Duration) -> Self {
        Self { latency, last: None, gap: f64::INFINITY, unacked_most: USUAL_LIMIT, reads: 0 }
    }

    /// Notes what was read now: so many messages, after which so many are unacknowledged. Returns how long to wait before
    /// the next read; zero: until something comes.
    pub(crate) fn on_read(&mut self, now: Instant, messages: u32, unacked: u32) -> Duration {
        if self.latency.is_zero() || messages == 0 {
            return Duration::ZERO;
        }
        self.note_gap(now, f64::from(messages));
        self.unacked_most = self.unacked_most.max(unacked);
        let latency = self.latency.as_secs_f64();
        if latency < FEW * self.gap {
            return Duration::ZERO;
        }
        self.reads = self.reads.wrapping_add(1);
        let is_limited = unacked > 0 && !self.reads.is_multiple_of(PROBE_EVERY);
        let most = if is_limited { f64::from(self.unacked_most) * SHARE } else { f64::INFINITY };
        let pause = Duration::from_secs_f64(latency.min(self.gap * most));
        // The timer may end it later by as much.
        pause.checked_sub(TIMER).filter(|pause| *pause >= TIMER).unwrap_or_default()
    }

    fn note_gap(&mut self, now: Instant, messages: f64) {
        let Some(last) = self.last.replace(now) else { return };
        let gap = (now - last).as_secs_f64() / messages;
        let weight = if self.gap.is_finite() { messages / (messages + USUAL_OF) } else { 1.0 };
        // Of the first ones nothing is usual yet.
        let usual = if self.gap.is_finite() { self.gap } else { 0.0 };
        self.gap = usual + (gap - usual) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(5);

    /// A broker that sends so many messages a second, of which so many are unacknowledged at most, for a second. Returns
    /// how often it is read, and the most messages that wait for it at once.
    fn second(rate: f64, limit: f64) -> (u32, f64) {
        let (mut pace, begun) = (ReadPace::new(LATENCY), Instant::now());
        let (mut now, mut sent, mut reads, mut longest) = (0.0, 0.0, 0, 0.0_f64);
        while now < 1.0 {
            let due = (now * rate).floor();
            let messages = (due - sent).min(limit);
            sent += messages;
            longest = longest.max(due - sent);
            reads += u32::from(messages > 0.0);
            let at = begun + Duration::from_secs_f64(now);
            let pause = pace.on_read(at, messages as u32, messages as u32);
            assert!(pause + TIMER <= LATENCY);
            let waits = if pause.is_zero() { 0.0 } else { (pause + TIMER).as_secs_f64() };
            now += waits.max(0.000_05);
        }
        (reads, longest)
    }

    #[test]
    fn fast_messages_gather_and_slow_ones_are_read_at_once() {
        assert_eq!(second(100.0, 20.0).0, 99, "one by one");
        let (reads, queued) = second(2_000.0, 20.0);
        assert!(reads < 230 && queued == 0.0, "{reads} reads, {queued} in the broker's queue");
        let (reads, _) = second(10_000.0, 1_000.0);
        assert!(reads < 400, "{reads}");
    }

    /// Whatever the rate, a broker with a low limit has to queue hardly more than comes in one pause.
    #[test]
    fn a_low_limit_of_the_broker_holds_up_nothing() {
        for (rate, limit) in
            [(2_000.0, 20.0), (4_000.0, 20.0), (10_000.0, 20.0), (50_000.0, 20.0), (8_000.0, 25.0)]
        {
            let (_, queued) = second(rate, limit);
            assert!(queued <= rate * 0.006 + 40.0, "{queued} of {rate} a second wait in the broker's queue");
        }
    }

    #[test]
    fn what_comes_after_a_silence_is_read_at_once() {
        let (mut pace, mut now) = (ReadPace::new(LATENCY), Instant::now());
        for _ in 0..100 {
            now += Duration::from_millis(2);
            pace.on_read(now, 20, 0);
        }
        assert_eq!(pace.on_read(now + Duration::from_millis(2), 20, 0), LATENCY - TIMER);
        assert_eq!(pace.on_read(now + Duration::from_secs(1), 1, 0), Duration::ZERO);
        let mut none = ReadPace::new(Duration::ZERO);
        assert!((0..100).all(|_| none.on_read(now, 100, 0).is_zero()));
    }
}
