//! The phases of the forwarder's end. Tasks wait for the phase that ends them.

use std::cell::Cell;
use tokio::sync::Notify;

/// A phase of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Running,
    /// Outputs send live messages and wait for the answers.
    Stopping,
    /// Outputs say farewell.
    Closing,
    /// Connections are cut.
    GaveUp,
}

/// The current phase, and the tasks that wait for a later one.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    phase: Cell<Phase>,
    came: Notify,
}

impl Ending {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.came.notify_waiters();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase.get() == Phase::Running
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.get() >= Phase::Stopping
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.phase.get() >= Phase::Closing
    }

    pub(crate) async fn stopped(&self) {
        self.reached(Phase::Stopping).await;
    }

    pub(crate) async fn closing(&self) {
        self.reached(Phase::Closing).await;
    }

    pub(crate) async fn gave_up(&self) {
        self.reached(Phase::GaveUp).await;
    }

    /// All tasks are on one thread: no phase can begin between the check and the wait.
    async fn reached(&self, phase: Phase) {
        while self.phase.get() < phase {
            self.came.notified().await;
        }
    }
}
