//! Server-sent events (HTML standard, 9.2): one bounded queue for each client.
//!
//! Who publishes never waits. A client whose queue is full reads too slowly: it loses its place, and may come again. A
//! comment every [`ALIVE_EVERY`] finds clients that are gone without a word.

use bytes::Bytes;
use std::fmt::Write as _;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The time between two comments.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The first bytes: a browser that loses the connection comes again after 2 s.
const BEGIN: &str = "retry: 2000\n\n";

/// An event as it goes over the wire; clones share its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEvent(Bytes);

/// The client has gone, or was dropped because it reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsEnded;

/// The end of a client's queue that is filled.
#[derive(Debug)]
pub struct EventSender(mpsc::Sender<Bytes>);

/// The other end: the body of a response.
#[derive(Debug)]
pub struct EventStream {
    queue: mpsc::Receiver<Bytes>,
    alive: Interval,
    has_begun: bool,
}

/// A client's queue of so many events.
#[must_use]
pub fn events(capacity: usize) -> (EventSender, EventStream) {
    let (sender, queue) = mpsc::channel(capacity.max(1));
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    alive.reset();
    (EventSender(sender), EventStream { queue, alive, has_begun: false })
}

impl ServerEvent {
    /// An event of this name. Each line of the data goes by itself, as the standard wants it.
    #[must_use]
    pub fn new(name: &str, data: &str) -> Self {
        let mut text = String::with_capacity(name.len() + data.len() + 24);
        let name = name.lines().next().unwrap_or_default();
        let _ = writeln!(text, "event: {name}");
        for line in data.split(['\n', '\r']) {
            let _ = writeln!(text, "data: {line}");
        }
        text.push('\n');
        Self(text.into())
    }
}

impl EventSender {
    /// Queues an event for the client.
    ///
    /// # Errors
    /// The client has gone, or its queue is full: drop this end, and the client loses its place.
    pub fn send(&self, event: &ServerEvent) -> Result<(), EventsEnded> {
        self.0.try_send(event.0.clone()).map_err(|_| EventsEnded)
    }

    /// Returns when the client has gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl EventStream {
    /// The next bytes; `None`: the sender is gone.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Poll::Ready(Some(Bytes::from_static(BEGIN.as_bytes())));
        }
        match self.queue.poll_recv(context) {
            Poll::Pending => self.alive.poll_tick(context).map(|_| Some(Bytes::from_static(b":\n\n"))),
            ready => ready,
        }
    }
}
