//! A disk that takes no checkpoints: it is in the status, a report says when that begins and when it is over, and the log
//! is not filled with it.

use super::durable::Snapshot;
use super::{Brake, Engine};
use headwater_kernel::time::Time;
use std::io;
use std::path::Path;

/// Whether checkpoints can be written, and what was said of it.
#[derive(Default)]
pub(super) struct Checkpointing {
    /// Why not.
    error: Option<String>,
    /// Whether a report has said so.
    reported: bool,
    brake: Brake,
}

/// What is to be said.
struct Told {
    log: bool,
    report: bool,
}

impl Checkpointing {
    /// Whether a report is due: that it was otherwise has been told.
    fn on_written(&mut self) -> bool {
        self.error = None;
        std::mem::take(&mut self.reported)
    }

    /// A disk that takes a little now and then is told of no more often than a log line may be.
    fn on_failed(&mut self, error: &io::Error, now: Time) -> Told {
        self.error = Some(error.to_string());
        let log = self.brake.pass(now).is_some();
        let report = log && !self.reported;
        self.reported |= log;
        Told { log, report }
    }
}

impl Engine {
    /// As [`Engine::write`]; a disk that does not take it is told of: a report when that begins and when it is over, and
    /// a log line now and then.
    pub(crate) async fn write_or_tell(&self, snapshot: Snapshot, path: &Path) -> Option<u64> {
        match self.write(snapshot, path).await {
            Ok(bytes) => {
                if self.checkpointing.borrow_mut().on_written() {
                    tracing::info!("checkpoints can be written again");
                    self.report("disk", "checkpoints can be written again");
                }
                // Every message before it is safe, and the disk took something.
                self.forwarder.disk_is_good();
                Some(bytes)
            }
            Err(error) => {
                let Told { log, report } = self.checkpointing.borrow_mut().on_failed(&error, self.now().time);
                if log {
                    tracing::error!("cannot write the checkpoint {}: {error}", path.display());
                }
                if report {
                    self.report("disk", &format!("checkpoints cannot be written: {error}"));
                }
                None
            }
        }
    }

    /// What is wrong with the checkpoints.
    pub(crate) fn checkpoint_trouble(&self) -> Option<String> {
        let checkpointing = self.checkpointing.borrow();
        checkpointing.error.as_ref().map(|error| format!("checkpoints cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_takes_none_is_told_once_and_logged_now_and_then() {
        let mut checkpointing = Checkpointing::default();
        let error = || io::Error::from(io::ErrorKind::StorageFull);
        let told = (0..180).map(|second| checkpointing.on_failed(&error(), Time(second * 1_000)));
        let (logs, reports) = told.fold((0, 0), |(logs, reports), Told { log, report }| {
            (logs + i32::from(log), reports + i32::from(report))
        });
        assert_eq!((logs, reports), (3, 1));
        assert!(checkpointing.error.is_some());
        assert!(checkpointing.on_written() && checkpointing.error.is_none());
        // Now and then it takes one: that is said once a minute.
        let said = (180..240).filter(|second| {
            let report = checkpointing.on_failed(&error(), Time(second * 1_000)).report;
            report || checkpointing.on_written()
        });
        assert_eq!(said.count(), 2, "that it was over, and that it began again");
    }
}
