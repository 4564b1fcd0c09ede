//! Writes checkpoints, one at a time, on a thread where they may take their time.

use crate::lock::DirLock;
use crate::{blocking, checkpoint};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Writes a body to the disk; answers the bytes written.
type Write = dyn Fn(&Path, &[u8]) -> io::Result<u64> + Send + Sync;

/// The file of the checkpoints.
pub(crate) struct CheckpointWriter {
    path: PathBuf,
    write: Arc<Write>,
    /// Taken by the thread that writes, which goes on also when nobody waits for it any more. As long as one does, the
    /// state directory is this program's.
    turn: Arc<Mutex<Option<DirLock>>>,
}

impl CheckpointWriter {
    /// Writes to `path`, in the directory of the lock.
    pub(crate) fn new(path: PathBuf, lock: DirLock) -> Self {
        Self::with(path, Some(lock), checkpoint::write)
    }

    fn with(
        path: PathBuf,
        lock: Option<DirLock>,
        write: impl Fn(&Path, &[u8]) -> io::Result<u64> + Send + Sync + 'static,
    ) -> Self {
        Self { path, write: Arc::new(write), turn: Arc::new(Mutex::new(lock)) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a body after those that are being written; answers it, for the next one, and the bytes written.
    pub(super) async fn write(&self, body: Vec<u8>) -> (Vec<u8>, io::Result<u64>) {
        let turn = self.turn.clone().lock_owned().await;
        let (write, path) = (self.write.clone(), self.path.clone());
        let work = move || {
            let result = write(&path, &body);
            drop(turn);
            (body, result)
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
        let writer = CheckpointWriter::with("state".into(), None, move |_, body| {
            log.lock().unwrap().push(format!("begins {body:?}"));
            let _ = wait.lock().unwrap().recv();
            log.lock().unwrap().push(format!("ends {body:?}"));
            Ok(1)
        });
        let given_up = timeout(Duration::from_millis(50), writer.write(vec![1])).await;
        assert!(given_up.is_err(), "the disk takes its time");
        let given_up = timeout(Duration::from_millis(50), writer.write(vec![2])).await;
        assert!(given_up.is_err(), "it waits for its turn");
        drop(go);
        assert_eq!(writer.write(vec![3]).await.1.unwrap(), 1);
        let order = ["begins [1]", "ends [1]", "begins [3]", "ends [3]"];
        assert_eq!(*written.lock().unwrap(), order, "what never began is not written");
    }
}
