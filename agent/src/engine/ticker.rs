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

    /// Something may be due earlier than was thought.
    #[inline]
    pub(super) fn ring(&self) {
        self.wake.notify_one();
    }

    /// Windows were looked at; returns when the next look is due, after `wait` at the latest.
    pub(super) async fn tick(&self, wait: Duration) {
        self.ticks.set(self.ticks.get().wrapping_add(1));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.wake.notified() => {}
        }
    }
}
