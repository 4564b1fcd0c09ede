//! What the tasks that work on the disk wait for, so that none looks now and then whether there is something to do.

use std::cell::Cell;
use tokio::sync::Notify;

/// Whether there is something to sync, and whether the disk is used.
#[derive(Default)]
pub(crate) struct DiskSignals {
    is_dirty: Cell<bool>,
    dirtied: Notify,
    is_used: Cell<bool>,
    used: Notify,
}

impl DiskSignals {
    /// Notes whether messages are written and not synced.
    pub(crate) fn set_dirty(&self, is_dirty: bool) {
        self.is_dirty.set(is_dirty);
        if is_dirty {
            self.dirtied.notify_one();
        }
    }

    /// Whether messages were written and not synced; now they are about to be.
    pub(crate) fn take_dirty(&self) -> bool {
        self.is_dirty.take()
    }

    /// Returns when messages are written and not synced.
    pub(crate) async fn dirtied(&self) {
        self.dirtied.notified().await;
    }

    /// Notes whether messages are on the disk.
    pub(crate) fn set_used(&self, is_used: bool) {
        self.is_used.set(is_used);
        if is_used {
            self.used.notify_one();
        }
    }

    /// Returns when messages are on the disk.
    pub(crate) async fn used(&self) {
        while !self.is_used.get() {
            self.used.notified().await;
        }
    }
}
