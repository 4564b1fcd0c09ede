//! Writes checkpoints, one at a time, on a thread where they may take their time.

use crate::blocking;
use crate::checkpoint::{Body, CheckpointFile, CheckpointWrite};
use crate::lock::DirLock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Makes a body durable; whether it is the last one.
type Write = dyn FnMut(Body, bool) -> io::Result<CheckpointWrite> + Send;

/// The file of the checkpoints.
pub(crate) struct CheckpointWriter {
    path: PathBuf,
    /// Taken by the thread that writes, which goes on also when nobody waits for it any more. As long as one does, the
    /// state directory is this program's.
    turn: Arc<Mutex<(Box<Write>, Option<DirLock>)>>,
}

impl CheckpointWriter {
    /// Writes to `path`, in the directory of the lock.
    pub(crate) fn new(path: PathBuf, lock: DirLock) -> Self {
        let mut file = CheckpointFile::new(path.clone());
        Self::with(path, Some(lock), move |body, is_last| file.write(body, is_last))
    }

    fn with(
        path: PathBuf,
        lock: Option<DirLock>,
        write: impl FnMut(Body, bool) -> io::Result<CheckpointWrite> + Send + 'static,
    ) -> Self {
        Self { path, turn: Arc::new(Mutex::new((Box::new(write), lock))) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a body after those that are being written; answers what it took.
    pub(super) async fn write(&self, body: Body, is_last: bool) -> io::Result<CheckpointWrite> {
        let mut turn = self.turn.clone().lock_owned().await;
        let work = move || {
            let (write, _) = &mut *turn;
            write(body, is_last)
        };
        blocking::run(work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::time::timeout;

    /// Two at once would write one file, which then is neither of them.
    #[tokio::test]
    async fn a_write_that_nobody_waits_for_any_more_still_comes_first() {
        let (go, wait) = mpsc::channel::<()>();
        let (wait, written) = (std::sync::Mutex::new(wait), Arc::new(std::sync::Mutex::new(Vec::new())));
        let log = written.clone();
        let writer = CheckpointWriter::with("state".into(), None, move |body, _| {
            let number = body.name().length;
            log.lock().unwrap().push(format!("begins {number}"));
            let _ = wait.lock().unwrap().recv();
            log.lock().unwrap().push(format!("ends {number}"));
            Ok(CheckpointWrite { bytes: 1, cost: 1, is_whole: true })
        });
        let given_up = timeout(Duration::from_millis(50), writer.write(Body::of(b"1"), false)).await;
        assert!(given_up.is_err(), "the disk takes its time");
        let given_up = timeout(Duration::from_millis(50), writer.write(Body::of(b"22"), false)).await;
        assert!(given_up.is_err(), "it waits for its turn");
        drop(go);
        assert_eq!(writer.write(Body::of(b"333"), false).await.unwrap().bytes, 1);
        let order = ["begins 1", "ends 1", "begins 3", "ends 3"];
        assert_eq!(*written.lock().unwrap(), order, "what never began is not written");
    }
}
