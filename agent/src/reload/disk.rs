//! Writes files of the state directory one after another, on another thread: nothing that runs waits for the disk.

use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// How long somebody waits for what is to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be written, in this order.
#[derive(Default)]
pub(super) struct DiskQueue {
    last: Option<JoinHandle<()>>,
}

impl DiskQueue {
    /// Has something written after all that came before.
    pub(super) fn push(&mut self, write: impl FnOnce() + Send + 'static) {
        let before = self.last.take();
        self.last = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let _ = spawn_blocking(write).await;
        }));
    }

    /// The same, and waits for it. `None`: the disk does not take it in time, but may later.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, written) = tokio::sync::oneshot::channel();
        self.push(move || _ = sender.send(write()));
        timeout(PATIENCE, written).await.ok()?.ok()
    }

    /// Waits until all is written, for some seconds at most.
    pub(super) async fn finish(&mut self) {
        if let Some(last) = &mut self.last
            && timeout(PATIENCE, last).await.is_ok()
        {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn what_is_written_keeps_its_order_and_nobody_waits_for_ever() {
        let (mut queue, written) = (DiskQueue::default(), Arc::new(Mutex::new(Vec::new())));
        for number in 0..5 {
            let written = written.clone();
            queue.push(move || written.lock().unwrap().push(number));
        }
        let all = written.clone();
        assert_eq!(queue.run(move || all.lock().unwrap().len()).await, Some(5));
        assert_eq!(*written.lock().unwrap(), [0, 1, 2, 3, 4]);
        queue.finish().await;
        tokio::time::pause();
        let (release, stuck) = std::sync::mpsc::channel::<()>();
        queue.push(move || _ = stuck.recv());
        // Time goes on by itself only while no thread works.
        let (taken, ()) = tokio::join!(queue.run(|| ()), tokio::time::advance(2 * PATIENCE));
        assert_eq!(taken, None);
        drop(release);
    }
}
