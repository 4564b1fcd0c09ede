//! The engine's pulse: how often windows have been looked at, and what makes the next look come early.
//!
//! All that is looked at now and then hangs on this one timer, so that an agent with nothing to do wakes once in
//! [`REST`]. While something comes it looks every [`LOOK`].

use std::cell::Cell;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// The longest time between two looks while something comes: the wall clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// The longest time between two looks while nothing comes.
const REST: Duration = Duration::from_secs(15);

/// Counts the looks and waits between them.
pub(super) struct Ticker {
    ticks: Cell<u64>,
    wake: Notify,
    /// Wakes those who look at something now and then.
    looks: Notify,
    looked: Cell<Option<Instant>>,
    /// The longest rest: a watchdog may want more looks.
    rest: Duration,
    is_resting: Cell<bool>,
    /// Whether something has come since the last look, and whether nothing had before it.
    has_stirred: Cell<bool>,
    is_idle: Cell<bool>,
}

impl Default for Ticker {
    fn default() -> Self {
        Self::new(REST)
    }
}

impl Ticker {
    /// Rests for `rest_max` at the most.
    pub(super) fn new(rest_max: Duration) -> Self {
        Self {
            ticks: Cell::default(),
            wake: Notify::new(),
            looks: Notify::new(),
            looked: Cell::default(),
            rest: REST.min(rest_max),
            is_resting: Cell::default(),
            has_stirred: Cell::default(),
            is_idle: Cell::default(),
        }
    }

    /// How often windows have been looked at.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks.get()
    }

    /// Wakes the ticker, because a window may be due earlier.
    #[inline]
    pub(super) fn ring(&self) {
        self.wake.notify_one();
    }

    /// Whether nothing has come for a while.
    pub(super) fn is_resting(&self) -> bool {
        self.is_resting.get()
    }

    /// Something has come: a rest is over, if there was one, and this answers so.
    #[inline]
    pub(super) fn stir(&self) -> bool {
        self.has_stirred.set(true);
        let was_resting = self.is_resting.replace(false);
        if was_resting {
            self.is_idle.set(false);
            self.ring();
        }
        was_resting
    }

    /// Counts a look, and returns when the next one is due: when a window is (`due`), and [`LOOK`] after this one, or later if
    /// nothing comes and the agent `may_rest`.
    pub(super) async fn tick(&self, due: Option<Duration>, may_rest: bool) {
        self.ticks.set(self.ticks.get().wrapping_add(1));
        let now = Instant::now();
        if self.looked.get().is_none_or(|looked| now - looked >= LOOK) {
            self.looked.set(Some(now));
            self.is_idle.set(!self.has_stirred.replace(false));
            self.looks.notify_waiters();
        }
        let rests = may_rest && self.is_idle.get();
        let longest = if rests { self.rest } else { LOOK };
        self.is_resting.set(rests);
        tokio::select! {
            () = sleep(due.unwrap_or(longest).min(longest)) => {}
            () = self.wake.notified() => {}
        }
    }

    /// Returns at the next look, at least [`LOOK`] after the one before it.
    pub(super) async fn look(&self) {
        self.looks.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(ticker: &Ticker, may_rest: bool) -> Duration {
        let begun = Instant::now();
        ticker.tick(None, may_rest).await;
        begun.elapsed()
    }

    /// Who looks at something now and then is woken with the ticker, at its pace.
    #[tokio::test(start_paused = true)]
    async fn it_rests_while_nothing_comes_and_looks_at_once_when_something_does() {
        let ticker = Ticker::default();
        assert_eq!(waits(&ticker, false).await, LOOK, "the time is not known");
        assert_eq!(waits(&ticker, true).await, REST);
        assert!(ticker.stir());
        assert_eq!(waits(&ticker, true).await, Duration::ZERO, "something came");
        assert_eq!(waits(&ticker, true).await, LOOK);
        let (wait, ()) = tokio::join!(waits(&ticker, true), async {
            sleep(LOOK / 4).await;
            assert!(ticker.stir() && !ticker.stir());
        });
        assert_eq!(wait, LOOK / 4, "a rest is over when something comes");
        assert_eq!(waits(&ticker, true).await, LOOK, "and the next one begins after a look");
        let mut looks = 0;
        tokio::select! {
            biased;
            () = async { loop { ticker.look().await; looks += 1; } } => {}
            () = async { for _ in 0..12 { ticker.tick(Some(LOOK / 5), true).await; } } => {}
        }
        assert!((2..=3).contains(&looks), "{looks} looks, however often windows are due");
    }
}
