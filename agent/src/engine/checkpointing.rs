//! When checkpoints are written, and what becomes of them.
//!
//! One is written only once the messages made before it are acknowledged or in the buffer. It is written at every
//! interval, and earlier where something waits for it: a source that acknowledges only what is durable, or a window that
//! has been told of as often as the last checkpoint allows. A disk that takes none is in the status, a report says when
//! that begins and when it is over, and the log is not filled with it.

use super::Engine;
use super::checkpoint_pace::PaceMonitor;
use super::checkpoint_writer::CheckpointWriter;
use super::durable::Snapshot;
use super::journal_syncing::journal_share;
use super::log_throttle::LogThrottle;
use super::write_budget::WriteBudget;
use crate::checkpoint::CheckpointWrite;
use headwater_forwarder::SpoolPosition;
use headwater_kernel::time::AgentTime;
use headwater_pipeline::event::ReportCause;
use std::cell::RefCell;
use std::io;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// How long the messages before a checkpoint may take to be safe, before it is given up for the next one.
const SAFE_WITHIN: Duration = Duration::from_secs(30);

/// Where checkpoints go, and what became of them.
pub(super) struct Checkpointer {
    writer: CheckpointWriter,
    requested: Notify,
    trouble: RefCell<Trouble>,
    /// Whether the first checkpoint of the present config has been tried.
    has_first: watch::Sender<bool>,
    pub(super) pace: PaceMonitor,
}

/// Whether checkpoints can be written, and what was said of it.
#[derive(Default)]
struct Trouble {
    /// The reason why checkpoints cannot be written; `None`: they can.
    error: Option<String>,
    /// Whether a report has said so.
    reported: bool,
    throttle: LogThrottle,
}

/// Whether a failed checkpoint is logged, and whether it is reported.
struct Told {
    log: bool,
    report: bool,
}

impl Checkpointer {
    pub(super) fn new(writer: CheckpointWriter) -> Self {
        Self {
            writer,
            requested: Notify::new(),
            trouble: RefCell::default(),
            has_first: watch::Sender::new(false),
            pace: PaceMonitor::default(),
        }
    }

    /// Requests a checkpoint as soon as possible.
    pub(super) fn request(&self) {
        self.requested.notify_one();
    }

    /// From now on checkpoints are those of another config.
    pub(super) fn begin_config(&self) {
        self.has_first.send_replace(false);
    }

    /// The reason why checkpoints cannot be written.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.borrow();
        trouble.error.as_ref().map(|error| format!("checkpoints cannot be written: {error}"))
    }
}

impl Trouble {
    /// Whether a report is due: that it was otherwise has been told.
    fn on_written(&mut self) -> bool {
        self.error = None;
        std::mem::take(&mut self.reported)
    }

    /// A disk that takes a checkpoint now and then is reported at most as often as it is logged.
    fn on_failed(&mut self, error: &io::Error, now: AgentTime) -> Told {
        self.error = Some(error.to_string());
        let log = self.throttle.pass(now).is_some();
        let report = log && !self.reported;
        self.reported |= log;
        Told { log, report }
    }
}

impl Engine {
    /// Waits until the first checkpoint of the present config is written, or cannot be.
    pub(crate) async fn first_checkpoint(&self) {
        // The sender is here: an error cannot be.
        let _ = self.checkpointer.has_first.subscribe().wait_for(|has| *has).await;
    }

    /// Messages are held until [`Engine::checkpoint_forever`] has written its first checkpoint, which is the answer.
    pub(crate) fn first_snapshot(&self, next_ms: i64) -> Snapshot {
        let first = self.snapshot(Some(next_ms));
        self.outgoing.close();
        first
    }

    /// Writes the first checkpoint, then one at every interval and when asked to, for as long as it runs; never returns.
    pub(crate) async fn checkpoint_forever(&self, first: Snapshot, every_ms: i64, daily_writes: u64) {
        let share = if self.journal.is_synced() { journal_share(daily_writes) } else { 0 };
        let every = Duration::from_millis(every_ms.unsigned_abs());
        let mut budget = WriteBudget::new(every, daily_writes - share);
        if let Some(write) = self.write_when_safe(first).await {
            budget.on_written(write);
        }
        self.on_pace(&budget);
        self.outgoing.open();
        self.checkpointer.has_first.send_replace(true);
        let (mut unchanged, mut is_unchanged) = (None, false);
        loop {
            let requested = async {
                tokio::select! {
                    () = self.checkpointer.requested.notified() => {}
                    () = self.safety.durable_wanted(), if !self.journal.is_synced() => {}
                }
                sleep_until(budget.soonest()).await;
            };
            let due = async {
                // Where nothing comes no timer is set for it.
                while is_unchanged && Instant::now() < budget.due() {
                    self.look().await;
                }
                sleep_until(budget.due()).await;
            };
            tokio::select! {
                () = due => {}
                () = requested => {}
                () = self.journal_full() => {
                    if !self.journal.is_synced() {
                        self.shorten_journal(every_ms).await;
                        continue;
                    }
                }
            }
            budget.on_attempt();
            let totals = self.pipeline.borrow().totals();
            let handed_over = self.safety.handed_over();
            let state = (totals, handed_over, self.reporter.progress());
            is_unchanged = unchanged.as_ref() == Some(&state) && !self.follower.is_waiting();
            if is_unchanged {
                continue;
            }
            if let Some(write) = self.write_when_safe(self.snapshot(Some(every_ms))).await {
                unchanged = Some(state);
                budget.on_written(write);
                self.on_pace(&budget);
            }
        }
    }

    fn on_pace(&self, budget: &WriteBudget) {
        if self.checkpointer.pace.on_pace(budget.pace()) {
            self.on_status_changed();
        }
    }

    /// Writes a snapshot once the messages before it are safe; answers what it took.
    async fn write_when_safe(&self, snapshot: Snapshot) -> Option<CheckpointWrite> {
        if self.is_safe(&snapshot.position).await {
            return self.write_or_tell(snapshot).await;
        }
        tracing::warn!("no checkpoint: messages could neither be sent nor written to disk");
        self.on_checkpoint(snapshot.permit);
        None
    }

    /// As [`Engine::write`]. A failing disk is reported when the failure begins and when it is over, and it makes
    /// a log line now and then.
    async fn write_or_tell(&self, snapshot: Snapshot) -> Option<CheckpointWrite> {
        match self.write(snapshot).await {
            Ok(write) => {
                if self.checkpointer.trouble.borrow_mut().on_written() {
                    tracing::info!("checkpoints can be written again");
                    self.report(ReportCause::Disk, "checkpoints can be written again");
                }
                // Every message before it is safe, and the disk took something.
                self.forwarder().disk_is_good();
                Some(write)
            }
            Err(error) => {
                let Told { log, report } =
                    self.checkpointer.trouble.borrow_mut().on_failed(&error, self.now().alive);
                if log {
                    let path = self.checkpointer.writer.path().display();
                    tracing::error!("cannot write the checkpoint {path}: {error}");
                }
                if report {
                    self.report(ReportCause::Disk, &format!("checkpoints cannot be written: {error}"));
                }
                None
            }
        }
    }

    /// Writes a snapshot, and lets those know who wait for it; answers what it took.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn write(&self, snapshot: Snapshot) -> io::Result<CheckpointWrite> {
        let Snapshot { body, is_last, rev_limit, through, took, permit, segment, readings, .. } = snapshot;
        let start = Instant::now();
        tracing::debug!(bytes = body.name().length, "writing a checkpoint");
        let written = self.checkpointer.writer.write(body, is_last).await;
        self.on_checkpoint(permit);
        let write = written?;
        let CheckpointWrite { bytes, is_whole, .. } = write;
        let (taken_us, written_us) = (took.as_micros(), start.elapsed().as_micros());
        let (received, in_windows) = (readings.received, readings.in_windows);
        tracing::debug!(bytes, is_whole, taken_us, written_us, received, in_windows, "checkpoint written");
        self.checkpointer.pace.on_durable(self.now().alive);
        let mut pipeline = self.pipeline.borrow_mut();
        pipeline.on_durable(rev_limit);
        self.note_durable(segment, &pipeline);
        drop(pipeline);
        self.safety.on_durable(through);
        Ok(write)
    }

    pub(super) async fn is_safe(&self, position: &SpoolPosition) -> bool {
        timeout(SAFE_WITHIN, self.forwarder().kept(position)).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_none_is_told_once_and_logged_now_and_then() {
        let mut trouble = Trouble::default();
        let error = || io::Error::from(io::ErrorKind::StorageFull);
        let told = (0..180).map(|second| trouble.on_failed(&error(), AgentTime(second * 1_000)));
        let (logs, reports) = told.fold((0, 0), |(logs, reports), Told { log, report }| {
            (logs + i32::from(log), reports + i32::from(report))
        });
        assert_eq!((logs, reports), (3, 1));
        assert!(trouble.error.is_some());
        assert!(trouble.on_written() && trouble.error.is_none());
        // Now and then it takes one: that is said once a minute.
        let said = (180..240).filter(|second| {
            let report = trouble.on_failed(&error(), AgentTime(second * 1_000)).report;
            report || trouble.on_written()
        });
        assert_eq!(said.count(), 2, "that it was over, and that it began again");
    }
}
