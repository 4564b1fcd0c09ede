//! Stopping: waiting messages are written to disk first, then outputs send and close. Nothing is awaited past the
//! deadline.

use super::Forwarder;
use crate::disk_writer;
use crate::ending::Phase;
use crate::segment_log::PositionsNote;
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Connected outputs have this long to acknowledge live messages before these are written to disk.
const GRACE: Duration = Duration::from_millis(500);

/// How long outputs go on sending when every message is on disk.
const SENDING: Duration = Duration::from_secs(1);

impl Forwarder {
    /// Writes every message that is not acknowledged to disk. The forwarder goes on afterwards. Returns whether
    /// all messages that were pushed before are acknowledged or on disk.
    pub async fn write_down(&self, deadline: Instant) -> bool {
        let position = self.position();
        let mut kept = std::pin::pin!(self.kept(&position));
        if self.shared.all_up() && timeout_at(self.grace(deadline), &mut kept).await.is_ok() {
            return true;
        }
        self.shared.hurry(true);
        let is_kept = timeout_at(deadline, kept).await.is_ok();
        self.shared.hurry(false);
        is_kept && timeout_at(deadline, disk_writer::sync_once(&self.shared)).await.is_ok()
    }

    /// Writes every message that is not acknowledged to disk, lets outputs send for a moment, announces the last
    /// presence and closes the connections. Push nothing afterwards. Returns whether every message that is not
    /// acknowledged is on disk.
    pub async fn stop(&self, deadline: Instant) -> bool {
        let (start, shared) = (Instant::now(), &self.shared);
        let total = deadline.saturating_duration_since(start);
        let by = |eighths: u32| start + total * eighths / 8;
        let super::Tasks { drivers, mut disk_writers } = std::mem::take(&mut *self.tasks.borrow_mut());
        let mut drivers: Vec<_> = drivers.into_iter().flatten().map(|driver| driver.task).collect();
        shared.enter(Phase::Stopping);
        let _ = timeout_at(self.grace(deadline), all_done(&mut drivers)).await;
        self.write_down(by(4)).await;
        let _ = timeout_at(by(5).min(Instant::now() + SENDING), all_done(&mut drivers)).await;
        shared.enter(Phase::Closing);
        let _ = timeout_at(by(6), all_done(&mut drivers)).await;
        shared.enter(Phase::GaveUp);
        let _ = timeout_at(by(7), all_done(&mut drivers)).await;
        // The disk has one writer. If it is stuck, nobody writes beside it.
        let ended = timeout_at(by(7), all_done(&mut disk_writers)).await.is_ok();
        let written = ended && timeout_at(deadline, disk_writer::write_all(shared)).await.unwrap_or(false);
        let last = async {
            disk_writer::sync_once(shared).await;
            if shared.disk_is_used() {
                disk_writer::settle_once(shared, PositionsNote::OfMessages).await;
            }
            shared.disk_thread.close().await;
        };
        let _ = timeout_at(deadline, last).await;
        written || !shared.spool.borrow_mut().has_unwritten()
    }

    /// Waits until a part of the forwarder ends although nobody has stopped it. Returns its name and how it ended.
    pub fn failed(&self) -> impl Future<Output = String> + 'static {
        let shared = self.shared.clone();
        async move { shared.failed().await }
    }

    fn grace(&self, deadline: Instant) -> Instant {
        let now = Instant::now();
        now + GRACE.min(deadline.saturating_duration_since(now) / 8)
    }
}

async fn all_done(tasks: &mut Vec<JoinHandle<()>>) {
    while let Some(task) = tasks.last_mut() {
        let _ = task.await;
        tasks.pop();
    }
}
