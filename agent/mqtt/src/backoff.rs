//! Waits before the next attempt: exponential with full jitter, so that a thousand agents that lost the same broker
//! do not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). Deviation: there is a
//! minimum, because a wait of zero would hammer a broker that refuses at once.

use crate::connection::Connection;
use crate::error::ConnectError;
use std::time::Duration;

const FLOOR_MS: u64 = 500;
const FIRST_MS: u64 = 1_000;
const LAST_MS: u64 = 60_000;

/// The waits before a connection that is made to find out for which message the broker closes it.
const SOON_MS: std::ops::RangeInclusive<u64> = 20..=60;

/// The longest wait after a connection on which a message was acknowledged.
const USEFUL_MS: u64 = 2_000;

/// After this many consecutive connections that were lost before they settled, a second client with the same id is
/// suspected.
const EARLY_MAX: u32 = 3;

/// The waits between attempts: up to 1 s, then up to 2 s, 4 s, … 60 s; never below half a second.
#[derive(Debug)]
pub struct Backoff {
    rng: fastrand::Rng,
    ceiling_ms: u64,
    lost_early: u32,
}

impl Backoff {
    /// The same seed gives the same waits; agents need different seeds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), ceiling_ms: FIRST_MS, lost_early: 0 }
    }

    /// A back-off with a random seed.
    #[must_use]
    pub fn by_chance() -> Self {
        Self::new(fastrand::u64(..))
    }

    /// The wait before the next attempt.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and nobody iterates over it")]
    pub fn next(&mut self) -> Duration {
        let wait = self.rng.u64(FLOOR_MS..=self.ceiling_ms);
        self.ceiling_ms = (self.ceiling_ms * 2).min(LAST_MS);
        Duration::from_millis(wait)
    }

    /// The wait before a connection that is made to find out for which message the broker, which takes others, closes it.
    pub fn soon(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(SOON_MS))
    }

    /// Starts again with short waits.
    pub fn reset(&mut self) {
        self.ceiling_ms = FIRST_MS;
        self.lost_early = 0;
    }

    /// The wait after `connection` ended; the shortest one if the connection had settled.
    pub fn after(&mut self, connection: &Connection) -> Duration {
        self.note(connection.was_connected(), connection.has_settled());
        self.next()
    }

    /// The wait after `connection` ended with messages in flight, which does not indicate a second client with the
    /// same id. A broker that took some of them (`useful`) is tried again sooner.
    pub fn after_sending(&mut self, connection: &Connection, useful: bool) -> Duration {
        if connection.has_settled() {
            self.reset();
        }
        self.lost_early = 0;
        if useful {
            self.ceiling_ms = self.ceiling_ms.min(USEFUL_MS);
        }
        self.next()
    }

    /// Describes the error for people. If connections are repeatedly cut right after they are made, it mentions a
    /// second client with the same id. Call it after [`Backoff::after`].
    #[must_use]
    pub fn explain(&self, error: &ConnectError, client_id: &str) -> String {
        if self.lost_early < EARLY_MAX || !matches!(error, ConnectError::Lost(_) | ConnectError::Closed(_)) {
            return error.to_string();
        }
        format!(
            "{error}, {} times right after connecting: is another client using the client id `{client_id}`? \
             Two agents need different ids",
            self.lost_early
        )
    }

    fn note(&mut self, connected: bool, settled: bool) {
        if settled {
            self.reset();
        } else if connected {
            self.lost_early = self.lost_early.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_within_their_bounds_and_repeat_with_the_seed() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..50).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
        let mut ceiling = FIRST_MS;
        for wait in waits(7) {
            assert!((FLOOR_MS..=ceiling).contains(&(wait.as_millis() as u64)), "{wait:?} of {ceiling}");
            ceiling = (ceiling * 2).min(LAST_MS);
        }
        assert!(waits(7).iter().any(|wait| wait.as_millis() > 30_000));
    }

    #[test]
    fn a_settled_connection_starts_afresh_and_three_early_losses_are_named() {
        let lost = ConnectError::Lost("gone".into());
        let mut backoff = Backoff::new(1);
        for _ in 0..3 {
            assert_eq!(backoff.explain(&lost, "me"), "gone");
            backoff.note(true, false);
            backoff.next();
        }
        assert!(backoff.explain(&lost, "me").contains("client id `me`"));
        assert_eq!(backoff.explain(&ConnectError::Unreachable("off".into()), "me"), "off");
        backoff.note(false, false);
        assert!(
            backoff.explain(&lost, "me").contains("3 times"),
            "a refused attempt in between changes nothing"
        );
        backoff.note(true, true);
        assert_eq!(backoff.explain(&lost, "me"), "gone");
        assert!(backoff.next() <= Duration::from_millis(FIRST_MS));
    }
}
