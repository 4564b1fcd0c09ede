//! How a source stands with its acknowledgements, for the status.

use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// Numbers that a source keeps up to date, and that the agent reads when somebody asks.
#[derive(Debug, Default)]
pub struct AckFigures {
    /// Messages that are held: they have come, and are not acknowledged.
    pub held: Cell<usize>,
    /// The number of unacknowledged messages at which the broker stops; `None`: it has not stopped on this connection.
    pub window: Cell<Option<usize>>,
    /// Since when it stands still, and how long it stood before.
    stands: Cell<Option<Instant>>,
    stood: Cell<Duration>,
}

impl AckFigures {
    /// How long the broker has stood still since the start.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        self.stood.get() + self.stands.get().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// No connection: nothing is held, and nobody waits.
    pub(crate) fn reset(&self) {
        self.go_on();
        self.held.set(0);
        self.window.set(None);
    }

    /// Whether the broker stands still.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stands.get().is_some()
    }

    pub(crate) fn stop(&self) {
        self.stands.set(self.stands.get().or_else(|| Some(Instant::now())));
    }

    pub(crate) fn go_on(&self) {
        self.stood.set(self.stalled());
        self.stands.set(None);
    }
}
