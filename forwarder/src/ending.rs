//! How far the end of the forwarder has come, and who waits for it.

use std::cell::Cell;
use tokio::sync::Notify;

/// How far the end has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Running,
    /// Outputs send what is live and wait for the answers.
    Stopping,
    /// Outputs say farewell.
    Closing,
    /// Connections are cut.
    GaveUp,
}

/// Each phase ends those tasks that have nothing to do in it.
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

    /// All on one thread: nothing can happen between the look and the wait.
    async fn reached(&self, phase: Phase) {
        while self.phase.get() < phase {
            self.came.notified().await;
        }
    }
}
