//! A connection for outputs that write messages in batches, such as files. The connection gathers messages; a
//! thread of its own writes them, because a write may block for any time.
//!
//! A message is acknowledged when its batch is written. A writer serves one connection after another: after an
//! error, the next connection waits until the writer has returned.
//!
//! Limits: a connection gathers up to [`BATCH_BYTES`] of lines while as much is being written, of [`WINDOW`] messages at
//! most. It writes a batch when half of these bytes are gathered, or when the oldest message has waited for the output's
//! linger time. So a backlog makes few large batches, and what comes alone makes a small one.

use crate::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, Encoder, Framing, NextEvents, Opened,
    OutputConnection, SendError, Tag,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::take;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, mpsc};
use std::time::Duration;
use tokio::sync::mpsc as async_mpsc;
use tokio::time::Instant;

/// Messages that may be on their way at a time: more than two batches of small ones.
const WINDOW: usize = 1 << 14;

/// Bytes of lines that may gather.
const BATCH_BYTES: usize = 1 << 20;

/// A disk that is full is tried again after this, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// Messages by the place where they are to be written. The output chooses and interprets its name.
pub(crate) type LineBatch = BTreeMap<String, PlacedLines>;

/// The messages for one place, as lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PlacedLines {
    /// The lines of all messages, with their line breaks.
    pub(crate) text: Vec<u8>,
    /// Each message, and where its lines end in the text (bytes).
    pub(crate) ends: Vec<(Tag, usize)>,
}

impl PlacedLines {
    pub(crate) fn tags(&self) -> impl Iterator<Item = Tag> {
        self.ends.iter().map(|(tag, _)| *tag)
    }
}

/// Writes batches. Each output of this kind implements it.
pub(crate) trait BatchWriter: Send {
    /// Writes messages, in order for each place. `Ok` means that every message is safe and its tag is in `written`.
    /// After an error, no part of the other messages remains.
    ///
    /// # Errors
    /// Why not all of them could be written.
    fn write(&mut self, batch: &LineBatch, written: &mut Vec<Tag>) -> Result<(), String>;

    /// A connection begins. Every file begins with `header`, which may be empty.
    fn begin(&mut self, header: &str);

    /// How long until [`BatchWriter::tend`] is to be called.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Does what is due by time.
    fn tend(&mut self) {}

    /// Nothing more comes.
    fn finish(&mut self) {}
}

/// Chooses the place of a message. `None`: the message has no place.
type PlaceOf = dyn Fn(&dyn Encoder, &Delivery) -> Option<String>;

/// A writer that outlives its connections.
pub(crate) struct BatchOutput {
    writer: Arc<Mutex<dyn BatchWriter>>,
    linger: Duration,
    retry: Rc<RefCell<Duration>>,
}

impl BatchOutput {
    pub(crate) fn new(writer: impl BatchWriter + 'static, linger: Duration) -> Self {
        Self { writer: Arc::new(Mutex::new(writer)), linger, retry: Rc::new(RefCell::new(RETRY_FIRST)) }
    }

    /// Opens a connection. `place` chooses where each message is written.
    ///
    /// # Errors
    /// The writer is still at work for an earlier connection, or the system gives no thread.
    pub(crate) fn open(
        &self,
        encoder: &Arc<dyn Encoder>,
        place: impl Fn(&dyn Encoder, &Delivery) -> Option<String> + 'static,
    ) -> Result<Opened, Disconnected> {
        if let Err(TryLockError::WouldBlock) = self.writer.try_lock() {
            let reason = "an earlier write has not returned; is the disk alive?".into();
            return Err(Disconnected { reason, wait: RETRY_LAST / 10 });
        }
        let (jobs, waiting) = mpsc::channel();
        let (done, answers) = async_mpsc::unbounded_channel();
        let (writer, header) = (self.writer.clone(), encoder.header());
        let thread = std::thread::Builder::new().name("output".into());
        let started = thread.spawn(move || {
            // A writer that panicked has left its files as a failed write does.
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.begin(&header);
            serve(&mut *writer, &waiting, &done);
        });
        started.map_err(|error| Disconnected { reason: error.to_string(), wait: RETRY_LAST })?;
        let gathered = Rc::new(RefCell::new(Gathered::default()));
        let (encoder, linger) = (encoder.clone(), self.linger);
        let sender =
            BatchConnection { gathered: gathered.clone(), jobs, linger, encoder, place: Box::new(place) };
        let events = BatchEvents { gathered, answers, is_new: true, retry: self.retry.clone() };
        Ok((Box::new(sender), Box::new(events)))
    }
}

enum BatchJob {
    Write(LineBatch),
    Finish,
}

/// The result of a job.
struct BatchResult {
    written: Vec<Tag>,
    error: Option<String>,
    is_last: bool,
}

fn serve(
    writer: &mut dyn BatchWriter,
    waiting: &mpsc::Receiver<BatchJob>,
    done: &async_mpsc::UnboundedSender<BatchResult>,
) {
    loop {
        let job = match writer.due() {
            None => waiting.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => waiting.recv_timeout(due),
        };
        let (mut written, mut error, mut is_last) = (Vec::new(), None, false);
        match job {
            Ok(BatchJob::Write(batch)) => error = writer.write(&batch, &mut written).err(),
            Ok(BatchJob::Finish) => {
                writer.finish();
                is_last = true;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                writer.tend();
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        let ends = is_last || error.is_some();
        if done.send(BatchResult { written, error, is_last }).is_err() || ends {
            return;
        }
    }
}

/// Messages that are gathered, and the state of those that are being written.
#[derive(Default)]
struct Gathered {
    up: bool,
    closing: bool,
    batch: LineBatch,
    /// The lines of the batch (bytes).
    bytes: usize,
    /// When the first of them was gathered.
    since: Option<Instant>,
    /// Messages that are not acknowledged, gathered or being written.
    in_flight: usize,
    writing: bool,
}

struct BatchConnection {
    gathered: Rc<RefCell<Gathered>>,
    jobs: mpsc::Sender<BatchJob>,
    linger: Duration,
    encoder: Arc<dyn Encoder>,
    place: Box<PlaceOf>,
}

impl OutputConnection for BatchConnection {
    fn room(&self) -> usize {
        let gathered = self.gathered.borrow();
        let takes = gathered.up && !gathered.closing && gathered.bytes < BATCH_BYTES;
        if takes { WINDOW.saturating_sub(gathered.in_flight) } else { 0 }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn is_idle(&self) -> bool {
        self.gathered.borrow().in_flight == 0
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let unfit = |why: &str| SendError::Unfit(why.to_owned());
        let place = (self.place)(&*self.encoder, &delivery).ok_or_else(|| unfit("it has no place"))?;
        let mut gathered = self.gathered.borrow_mut();
        let lines = gathered.batch.entry(place).or_default();
        let before = lines.text.len();
        if let Err(error) = self.encoder.encode(&[&delivery.message], Framing::Lines, &mut lines.text) {
            lines.text.truncate(before);
            return Err(SendError::Unfit(error.to_string()));
        }
        lines.ends.push((delivery.tag, lines.text.len()));
        let bytes = lines.text.len() - before;
        gathered.since.get_or_insert_with(Instant::now);
        gathered.bytes += bytes;
        gathered.in_flight += 1;
        Ok(bytes)
    }

    fn flush(&mut self, more: bool) -> Option<Duration> {
        let mut gathered = self.gathered.borrow_mut();
        let waited = gathered.since.filter(|_| !gathered.writing)?.elapsed();
        let is_full = more || gathered.bytes >= BATCH_BYTES / 2;
        if !is_full && waited < self.linger {
            return Some(self.linger - waited);
        }
        self.submit(&mut gathered);
        None
    }

    fn close(&mut self) {
        let mut gathered = self.gathered.borrow_mut();
        gathered.closing = true;
        self.submit(&mut gathered);
        // Where the thread is gone, the other half says so.
        let _ = self.jobs.send(BatchJob::Finish);
    }
}

impl BatchConnection {
    fn submit(&self, gathered: &mut Gathered) {
        let batch = take(&mut gathered.batch);
        (gathered.bytes, gathered.since) = (0, None);
        if !batch.is_empty() {
            gathered.writing = true;
            let _ = self.jobs.send(BatchJob::Write(batch));
        }
    }
}

struct BatchEvents {
    gathered: Rc<RefCell<Gathered>>,
    answers: async_mpsc::UnboundedReceiver<BatchResult>,
    is_new: bool,
    retry: Rc<RefCell<Duration>>,
}

impl ConnectionEvents for BatchEvents {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            if take(&mut self.is_new) {
                self.gathered.borrow_mut().up = true;
                events.push(ConnectionEvent::Up);
            } else {
                let answer = self.answers.recv().await;
                self.on_answer(answer, &mut events);
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl BatchEvents {
    fn on_answer(&self, answer: Option<BatchResult>, events: &mut Vec<ConnectionEvent>) {
        let Some(BatchResult { written, error, is_last }) = answer else {
            return events.push(ConnectionEvent::Panicked);
        };
        let mut gathered = self.gathered.borrow_mut();
        gathered.in_flight = gathered.in_flight.saturating_sub(written.len());
        gathered.writing = false;
        let mut retry = self.retry.borrow_mut();
        if !written.is_empty() {
            *retry = RETRY_FIRST;
        }
        events.extend(written.into_iter().map(ConnectionEvent::Acked));
        let reason = error.or_else(|| is_last.then(|| "said farewell".to_owned()));
        if let Some(reason) = reason {
            events.push(ConnectionEvent::Lost(Disconnected { reason, wait: *retry }));
            *retry = (*retry * 2).min(RETRY_LAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output_set::OutputSet;
    use crate::testing::Lines;
    use crate::{Lane, Message};

    const LINE: usize = 300;

    /// Notes the size of each batch (bytes).
    struct Noted(Arc<Mutex<Vec<usize>>>);

    impl BatchWriter for Noted {
        fn begin(&mut self, _: &str) {}

        fn write(&mut self, batch: &LineBatch, written: &mut Vec<Tag>) -> Result<(), String> {
            self.0.lock().unwrap().push(batch.values().map(|lines| lines.text.len()).sum());
            written.extend(batch.values().flat_map(PlacedLines::tags));
            Ok(())
        }
    }

    fn delivery(seq: u64, body: &'static str) -> Delivery {
        let tag = Tag { lane: Lane::Data, seq, owed: OutputSet::bit(0) };
        Delivery { tag, backfill: true, message: Message { lane: Lane::Data, made_ms: 0, body: body.into() } }
    }

    /// Sends so many messages as a driver does; the sizes of the batches that they were written in (bytes).
    async fn batches_of(count: u64, linger: Duration) -> Vec<usize> {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let output = BatchOutput::new(Noted(sizes.clone()), linger);
        let encoder: Arc<dyn Encoder> = Arc::new(Lines { bytes: LINE });
        let (mut sender, mut events) = output.open(&encoder, |_, _| Some("place".into())).unwrap();
        let (mut sent, mut acked) = (0, Vec::new());
        while (acked.len() as u64) < count {
            let news;
            let next = tokio::time::timeout(Duration::from_secs(30), events.next(Vec::new()));
            (events, news) = next.await.expect("an answer");
            acked.extend(news.into_iter().filter_map(|event| match event {
                ConnectionEvent::Acked(tag) => Some(tag.seq),
                _ => None,
            }));
            while sent < count && sender.room() > 0 {
                sender.send(delivery(sent, "b")).unwrap();
                sent += 1;
            }
            if let Some(wait) = sender.flush(sent < count) {
                tokio::time::sleep(wait).await;
                assert_eq!(sender.flush(false), None);
            }
        }
        assert!(sender.is_idle() && acked.into_iter().eq(0..count), "each once, in order");
        sizes.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_backlog_makes_few_large_batches_and_what_comes_alone_is_not_held_up() {
        let linger = Duration::from_millis(500);
        let sizes = batches_of(50_000, linger).await;
        assert_eq!(sizes.iter().sum::<usize>(), 50_000 * LINE);
        let large = |size: &usize| (BATCH_BYTES / 2..BATCH_BYTES + LINE).contains(size);
        assert!(sizes.iter().rev().skip(1).all(large), "{sizes:?}");
        assert_eq!(batches_of(3, Duration::from_millis(50)).await, [3 * LINE]);
    }

    #[test]
    fn a_message_that_cannot_be_written_leaves_nothing_in_its_batch() {
        let output = BatchOutput::new(Noted(Arc::default()), Duration::ZERO);
        let encoder: Arc<dyn Encoder> = Arc::new(Lines { bytes: LINE });
        let gathered = Rc::new(RefCell::new(Gathered { up: true, ..Gathered::default() }));
        let mut sender = BatchConnection {
            gathered: gathered.clone(),
            jobs: mpsc::channel().0,
            linger: output.linger,
            encoder,
            place: Box::new(|_, _| Some("place".into())),
        };
        for (seq, body) in [(0, "b"), (1, ""), (2, "b")] {
            assert_eq!(sender.send(delivery(seq, body)).is_err(), body.is_empty());
        }
        let lines = &gathered.borrow().batch["place"];
        assert_eq!((lines.text.len(), lines.ends.len()), (2 * LINE, 2));
        assert_eq!(gathered.borrow().in_flight, 2);
    }
}
