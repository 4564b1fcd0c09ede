//! The thread that works on the disk. It serves one job after another, so a slow disk delays only the jobs that
//! wait for it.

use crate::Lane;
use crate::opening::{OpenLog, Opening};
use crate::progress::Progress;
use crate::record::BufferRecord;
use crate::segment_log::{LaneBatches, LogEvent, PositionsNote, SegmentLog};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// Jobs that may wait. Each output has at most one, and so has each task of the disk writer.
const JOBS_MAX: usize = 64;

/// A job for the disk thread.
enum Job {
    Append {
        batches: LaneBatches,
        sync: bool,
        progress: Progress,
        reply: Reply<(LaneBatches, Result<(), String>)>,
    },
    Sync {
        reply: Reply<Result<(), String>>,
    },
    Read {
        lane: Lane,
        from: u64,
        reply: Reply<Result<Vec<BufferRecord>, String>>,
    },
    Settle {
        names: Vec<String>,
        progress: Progress,
        note: PositionsNote,
        before_ms: Option<i64>,
        reply: Reply<()>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}

type Reply<T> = oneshot::Sender<Answer<T>>;

/// The events that nobody has taken yet. Whoever takes an answer first takes them all, so that they are known in their order
/// before what was read after them, whatever task is first: what was read shows gaps where messages were merged.
type LogEvents = Arc<Mutex<Vec<LogEvent>>>;

/// The answer to a job, with the state of the buffer and the events that are not known yet.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    pub(crate) log_events: Vec<LogEvent>,
    /// Everything on disk (bytes).
    pub(crate) disk_bytes: u64,
    /// When the oldest message on disk was made [ms since the Unix epoch], if that is known.
    pub(crate) oldest_ms: Option<i64>,
    /// Whether no message is on disk.
    pub(crate) is_empty: bool,
}

/// A handle of the disk thread. The thread ends when the last handle is dropped and all jobs are done.
#[derive(Clone)]
pub(crate) struct DiskThread {
    jobs: mpsc::Sender<Job>,
    log_events: LogEvents,
    /// Closed when the thread ends, by a panic too.
    alive: watch::Receiver<()>,
    closed: Rc<Cell<bool>>,
}

/// Receives the buffer's content when it is open.
pub(crate) type WhenOpened = oneshot::Receiver<Answer<OpenLog>>;

impl DiskThread {
    /// Starts the thread. It opens the buffer first.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(opening: Opening) -> std::io::Result<(Self, WhenOpened)> {
        let (jobs, mut waiting) = mpsc::channel(JOBS_MAX);
        let (lives, alive) = watch::channel(());
        let (reply, opened) = oneshot::channel();
        let log_events = LogEvents::default();
        let events = log_events.clone();
        std::thread::Builder::new().name("buffer".into()).spawn(move || {
            let _lives = lives;
            let mut segment_log = open(opening, reply);
            while let Some(job) = waiting.blocking_recv() {
                if let Job::Close { reply } = job {
                    segment_log.close();
                    let _ = reply.send(());
                    return;
                }
                serve(&mut segment_log, job, &events);
            }
        })?;
        Ok((Self { jobs, log_events, alive, closed: Rc::default() }, opened))
    }

    /// Runs as a task on the caller's thread, so that a test owns the order of events. Opening takes `takes`.
    #[cfg(test)]
    pub(crate) fn start_local(opening: Opening, takes: std::time::Duration) -> (Self, WhenOpened) {
        let (jobs, mut waiting) = mpsc::channel(JOBS_MAX);
        let (lives, alive) = watch::channel(());
        let (reply, opened) = oneshot::channel();
        let log_events = LogEvents::default();
        let events = log_events.clone();
        tokio::task::spawn_local(async move {
            let _lives = lives;
            tokio::time::sleep(takes).await;
            let mut segment_log = open(opening, reply);
            while let Some(job) = waiting.recv().await {
                if let Job::Close { reply } = job {
                    segment_log.close();
                    let _ = reply.send(());
                    return;
                }
                serve(&mut segment_log, job, &events);
                tokio::task::yield_now().await;
            }
        });
        (Self { jobs, log_events, alive, closed: Rc::default() }, opened)
    }

    /// Calls [`SegmentLog::append`] and returns the batches. `None`: the disk thread has ended.
    pub(crate) async fn append(
        &self,
        batches: LaneBatches,
        sync: bool,
        progress: Progress,
    ) -> Option<Answer<(LaneBatches, Result<(), String>)>> {
        self.ask(|reply| Job::Append { batches, sync, progress, reply }).await
    }

    /// Calls [`SegmentLog::sync`].
    pub(crate) async fn sync(&self) -> Option<Answer<Result<(), String>>> {
        self.ask(|reply| Job::Sync { reply }).await
    }

    /// Calls [`SegmentLog::read`].
    pub(crate) async fn read(
        &self,
        lane: Lane,
        from: u64,
    ) -> Option<Answer<Result<Vec<BufferRecord>, String>>> {
        self.ask(|reply| Job::Read { lane, from, reply }).await
    }

    /// Calls [`SegmentLog::evict_older`], then [`SegmentLog::settle`].
    pub(crate) async fn settle(
        &self,
        names: Vec<String>,
        progress: Progress,
        note: PositionsNote,
        before_ms: Option<i64>,
    ) -> Option<Answer<()>> {
        self.ask(|reply| Job::Settle { names, progress, note, before_ms, reply }).await
    }

    /// Closes the store, after all earlier jobs.
    pub(crate) async fn close(&self) {
        self.closed.set(true);
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close { reply }).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Returns when the thread has ended although nobody has closed it.
    pub(crate) async fn died(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
        if self.closed.get() {
            std::future::pending().await
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Option<Answer<T>> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.ok()?;
        let mut answer = answer.await.ok()?;
        answer.log_events =
            std::mem::take(&mut self.log_events.lock().unwrap_or_else(PoisonError::into_inner));
        Some(answer)
    }
}

fn open(opening: Opening, reply: Reply<OpenLog>) -> SegmentLog {
    let (mut segment_log, opened) = opening.run();
    let log_events = segment_log.take_events();
    answer(&segment_log, reply, opened, log_events);
    segment_log
}

fn serve(segment_log: &mut SegmentLog, job: Job, events: &LogEvents) {
    let publish = |segment_log: &mut SegmentLog| {
        let log_events = segment_log.take_events();
        events.lock().unwrap_or_else(PoisonError::into_inner).extend(log_events);
    };
    match job {
        Job::Append { batches, sync, progress, reply } => {
            let result = segment_log.append(&batches, sync, &progress);
            publish(segment_log);
            answer(segment_log, reply, (batches, result), Vec::new());
        }
        Job::Sync { reply } => {
            let result = segment_log.sync();
            publish(segment_log);
            answer(segment_log, reply, result, Vec::new());
        }
        Job::Read { lane, from, reply } => {
            let records = segment_log.read(lane, from);
            publish(segment_log);
            answer(segment_log, reply, records, Vec::new());
        }
        Job::Settle { names, progress, note, before_ms, reply } => {
            if let Some(before_ms) = before_ms {
                segment_log.evict_older(before_ms, &progress);
            }
            segment_log.settle(&names, &progress, note);
            publish(segment_log);
            answer(segment_log, reply, (), Vec::new());
        }
        // The thread's own loop serves it.
        Job::Close { .. } => {}
    }
}

fn answer<T>(segment_log: &SegmentLog, reply: Reply<T>, value: T, log_events: Vec<LogEvent>) {
    let (disk_bytes, is_empty) = (segment_log.bytes(), segment_log.is_empty());
    let oldest_ms = segment_log.oldest_ms();
    // The asking task may be gone: then the program ends.
    let _ = reply.send(Answer { value, log_events, disk_bytes, oldest_ms, is_empty });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output_set::OutputSet;
    use crate::store::memory::MemoryStore;
    use crate::{BufferConfig, Message, PerLane};
    use std::time::Duration;

    /// The task that reads is woken before the one that writes: it knows of what was evicted before its messages were read.
    #[tokio::test]
    async fn who_takes_an_answer_first_knows_what_happened_before_it() {
        let run = async {
            let record = |seq: u64| {
                let message = Message { lane: Lane::Data, made_ms: 0, body: vec![b'b'; 1_000].into() };
                BufferRecord { seq, owed: OutputSet::bit(0), message }
            };
            let opening = Opening {
                store: Box::new(MemoryStore::default()),
                config: BufferConfig { max_size: 64 << 10, ..BufferConfig::default() },
                compactor: None,
                outputs: vec!["cloud".into()],
            };
            let (disk, opened) = DiskThread::start_local(opening, Duration::ZERO);
            assert!(opened.await.unwrap().log_events.is_empty());
            for seqs in [0..10, 10..20] {
                let batches = PerLane::from_fn(|lane| {
                    if lane == Lane::Data { seqs.clone().map(record).collect() } else { Vec::new() }
                });
                disk.append(batches, true, Progress::new(1)).await.unwrap().value.1.unwrap();
            }
            let names = vec!["cloud".to_owned()];
            let settle = disk.settle(names, Progress::new(1), PositionsNote::Later, Some(1));
            let read = async {
                tokio::task::yield_now().await;
                disk.read(Lane::Data, 0).await.unwrap()
            };
            let (mut settle, mut read) = (std::pin::pin!(settle), std::pin::pin!(read));
            std::future::poll_fn(|context| {
                assert!(settle.as_mut().poll(context).is_pending(), "it is asked");
                std::task::Poll::Ready(())
            })
            .await;
            let read = read.as_mut().await;
            assert!(matches!(&*read.log_events, [LogEvent::Evicted { .. }]), "{:?}", read.log_events);
            assert!(settle.await.unwrap().log_events.is_empty());
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }
}
