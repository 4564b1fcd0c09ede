//! The engine's pulse: how often windows have been looked at, and what makes the next look come early.

use std::cell::Cell;
use std::time::Duration;
use tokio::sync::Notify;

/// Counts the looks and waits between them.
#[derive(Default)]
pub(super) struct Ticker {
    ticks: Cell<u64>,
    wake: Notify,
}

impl Ticker {
    /// How often windows have been looked at: at least once a second while all is well.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks.get()
    }

    /// Wakes the ticker, because a window may be due earlier.
    #[inline]
    pub(super) fn ring(&self) {
        self.wake.notify_one();
    }

    /// Counts a look, and returns when the next one is due, after `wait` at the latest.
    pub(super) async fn tick(&self, wait: Duration) {
        self.ticks.set(self.ticks.get().wrapping_add(1));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.wake.notified() => {}
        }
    }
}
