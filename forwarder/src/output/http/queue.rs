//! Messages that gather until they are sent together: the half of a connection that the driver gives them to.

use super::trial::HttpEntry;
use crate::{Delivery, Encoder, Framing, OutputConnection, SendError};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Messages that may be on their way at a time, gathered ones included. While one request is on its way, three quarters of
/// this, which backfill may take, have room for another whole one, which so waits for nothing.
const WINDOW: usize = 4 * BATCH_MAX;

/// The messages of a request, and the bytes of their text at most.
pub(super) const BATCH_MAX: usize = 1_000;
pub(super) const BATCH_BYTES_MAX: usize = 256 << 10;

/// Gathered messages, and how the connection stands.
#[derive(Default)]
pub(super) struct HttpQueue {
    state: RefCell<QueueState>,
    changed: Notify,
}

#[derive(Default)]
struct QueueState {
    entries: Vec<HttpEntry>,
    bytes: usize,
    /// When the first of them was gathered.
    since: Option<Instant>,
    /// Whether they have gathered long enough.
    is_due: bool,
    /// Messages without an answer, gathered ones included.
    in_flight: usize,
    is_up: bool,
    is_closing: bool,
}

impl HttpQueue {
    /// The server can be reached.
    pub(super) fn up(&self) {
        self.state.borrow_mut().is_up = true;
    }

    /// So many messages have an answer.
    pub(super) fn answered(&self, count: usize) {
        let mut state = self.state.borrow_mut();
        state.in_flight = state.in_flight.saturating_sub(count);
    }

    /// Waits for messages that are due, and takes as many as fit into a request; `None`: no more will come.
    pub(super) async fn take(&self, bytes_max: usize) -> Option<Vec<HttpEntry>> {
        loop {
            if let Some(taken) = self.take_due(bytes_max) {
                return Some(taken);
            }
            if self.state.borrow().is_closing {
                return None;
            }
            self.changed.notified().await;
        }
    }

    fn take_due(&self, bytes_max: usize) -> Option<Vec<HttpEntry>> {
        let mut state = self.state.borrow_mut();
        if state.entries.is_empty() || !(state.is_due || state.is_closing) {
            return None;
        }
        let (mut count, mut bytes) = (0, 0);
        for entry in state.entries.iter().take(BATCH_MAX) {
            // One that is too large goes alone.
            if count > 0 && bytes + entry.line.len() > bytes_max {
                break;
            }
            count += 1;
            bytes += entry.line.len();
        }
        let rest = state.entries.split_off(count);
        let taken = std::mem::replace(&mut state.entries, rest);
        state.bytes = state.bytes.saturating_sub(bytes);
        if state.entries.is_empty() {
            state.since = None;
        }
        // A rest gathers on while the request is on its way, so that the next one is no small one.
        state.is_due = state.entries.len() >= BATCH_MAX || state.bytes >= bytes_max;
        Some(taken)
    }
}

/// The half of a connection that sends.
pub(super) struct HttpSender {
    pub(super) queue: Rc<HttpQueue>,
    pub(super) encoder: Arc<dyn Encoder>,
    /// How long messages may gather.
    pub(super) linger: Duration,
}

impl OutputConnection for HttpSender {
    fn room(&self) -> usize {
        let state = self.queue.state.borrow();
        let takes = state.is_up && !state.is_closing && state.bytes < 2 * BATCH_BYTES_MAX;
        if takes { WINDOW.saturating_sub(state.in_flight) } else { 0 }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn is_idle(&self) -> bool {
        self.queue.state.borrow().in_flight == 0
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let mut line = Vec::with_capacity(delivery.message.body.len());
        let encoded = self.encoder.encode(&[&delivery.message], Framing::Single, &mut line);
        encoded.map_err(|error| SendError::Unfit(error.to_string()))?;
        let (mut state, bytes) = (self.queue.state.borrow_mut(), line.len());
        state.since.get_or_insert_with(Instant::now);
        state.bytes += bytes;
        state.in_flight += 1;
        state.entries.push(HttpEntry { tag: delivery.tag, line });
        Ok(bytes)
    }

    fn flush(&mut self, more: bool) -> Option<Duration> {
        let mut state = self.queue.state.borrow_mut();
        let waited = state.since.filter(|_| !state.is_due)?.elapsed();
        let is_full = more || state.entries.len() >= BATCH_MAX || state.bytes >= BATCH_BYTES_MAX;
        if !is_full && waited < self.linger {
            return Some(self.linger - waited);
        }
        state.is_due = true;
        self.queue.changed.notify_one();
        None
    }

    fn close(&mut self) {
        self.queue.state.borrow_mut().is_closing = true;
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lane;
    use crate::output_set::OutputSet;

    #[test]
    fn a_rest_gathers_until_it_makes_a_whole_request() {
        let queue = HttpQueue::default();
        let push = |count: u64| {
            let mut state = queue.state.borrow_mut();
            for seq in 0..count {
                let tag = crate::Tag { lane: Lane::Data, seq, owed: OutputSet::default() };
                state.entries.push(HttpEntry { tag, line: vec![b'x'; 100] });
                state.bytes += 100;
            }
            state.is_due = true;
        };
        let taken = |bytes_max: usize| queue.take_due(bytes_max).map(|taken| taken.len());
        push(1_500);
        assert_eq!(taken(BATCH_BYTES_MAX), Some(BATCH_MAX));
        assert_eq!(taken(BATCH_BYTES_MAX), None, "500 wait for others");
        push(600);
        assert_eq!(taken(BATCH_BYTES_MAX), Some(BATCH_MAX));
        // A server that takes little gets what waits without a pause.
        push(100);
        assert_eq!((taken(10_000), taken(10_000), taken(10_000)), (Some(100), Some(100), None));
    }
}
