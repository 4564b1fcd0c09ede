//! The polled half of a connection.
//!
//! Requests gather until the connection is polled and nothing that was read is left; then they leave in one write.
//! What was read before an end comes first, then the error.

use crate::client::{Client, RequestQueue};
use crate::dialogue::Dialogue;
use crate::error::{ClientError, ConnectError, Explainer, Fault};
use crate::event::MqttEvent;
use crate::frame::FrameLimits;
use crate::keep_alive::{DueAction, KeepAlive};
use crate::paced_socket::ReadPause;
use crate::packets::{self, Welcome};
use crate::read_pace::ReadPace;
use crate::transport::{Answered, ByteStream, READ_BYTES, TIMEOUT, open};
use crate::{MqttSession, PACKET_BYTES_MAX, Settings};
use bytes::BytesMut;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep};

/// Reads in a row before other tasks of the thread have their turn: a broker that sends without end, and nothing that is
/// handed over, holds nobody up.
const READS_MAX: u32 = 2;

/// A connection that has lasted this long counts as good.
const SETTLED: Duration = Duration::from_secs(30);

/// A connection to a broker. Dropping it cuts the connection, and the broker publishes the last will.
pub struct Connection {
    settings: Settings,
    session: MqttSession,
    client_id: String,
    limits: FrameLimits,
    queue: Rc<RefCell<RequestQueue>>,
    link: Link,
    connected_at: Option<Instant>,
    /// Why the connection has ended, until what was read before is told.
    fault: Option<Fault>,
}

/// A call of [`Connection::poll`]. A request made after it has ended, often by the very task, need not wake anybody.
struct Polling(Rc<RefCell<RequestQueue>>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.borrow_mut().stop_waiting();
    }
}

/// How far the connection has come.
enum Link {
    Connecting(Pin<Box<dyn Future<Output = Result<Answered, Fault>> + Send>>),
    Open(Box<OpenLink>),
    Ended,
}

/// An accepted connection.
struct OpenLink {
    dialogue: Dialogue,
    stream: Box<dyn ByteStream>,
    keep_alive: KeepAlive,
    /// Whether the stream may hold back what it took: TLS gathers.
    unflushed: bool,
    /// The end of the time limit for a write that waits.
    write_limit: Option<Pin<Box<Sleep>>>,
    /// How often it was read since others had their turn.
    reads: u32,
    pace: ReadPace,
    pause: ReadPause,
    /// Whether something was read that the pace does not know of.
    has_read: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("broker", &self.settings.address()).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.queue.borrow_mut().close();
    }
}

/// Prepares a connection; it uses the network only when it is polled.
///
/// # Errors
/// [`ClientError::Setup`] for an empty client id, no room for a single message, or what does not fit into a packet.
pub fn connect(settings: &Settings, session: &MqttSession) -> Result<(Client, Connection), ClientError> {
    let client_id = settings.client_id.as_deref().unwrap_or(&session.client_id);
    if client_id.is_empty() || session.inflight == 0 {
        return Err(ClientError::Setup("a connection needs a client id and room for one message".into()));
    }
    let hello = packets::hello(settings, session, client_id)?;
    let limits = FrameLimits { version: settings.version, packet_bytes_max: session.packet_bytes_max };
    let queue = Rc::new(RefCell::new(RequestQueue::new(session.inflight)));
    let connection = Connection {
        settings: settings.clone(),
        session: session.clone(),
        client_id: client_id.to_owned(),
        limits,
        queue: queue.clone(),
        link: Link::Connecting(Box::pin(open(settings.clone(), limits, hello))),
        connected_at: None,
        fault: None,
    };
    Ok((Client(queue), connection))
}

impl Connection {
    /// Waits for the next event. After an error the connection is useless: drop it, wait, and [`connect`] again,
    /// which forgets queued requests and unacknowledged messages. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the connection could not be made, or ended.
    pub async fn poll(&mut self) -> Result<MqttEvent, ConnectError> {
        let _polling = Polling(self.queue.clone());
        poll_fn(|context| self.poll_event(context)).await
    }

    /// An event that has been read already, without waiting; `None`: only [`Connection::poll`] can tell.
    pub fn poll_buffered(&mut self) -> Option<MqttEvent> {
        let Link::Open(link) = &mut self.link else { return None };
        match link.dialogue.next_event() {
            Ok(event) => event,
            Err(fault) => {
                // It came before whatever else has ended the connection.
                self.end(fault);
                None
            }
        }
    }

    /// The client id in use.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The most unacknowledged publishes: the number requested, or a smaller one that the broker (MQTT 5) announced.
    #[must_use]
    pub fn inflight(&self) -> u16 {
        self.dialogue().map_or(self.session.inflight, Dialogue::inflight_max)
    }

    /// The largest packet that the broker accepts (bytes); a larger publish is refused here.
    #[must_use]
    pub fn packet_bytes_max(&self) -> usize {
        self.dialogue().map_or(PACKET_BYTES_MAX, |dialogue| dialogue.packet_bytes_out)
    }

    /// Whether the broker accepted the connection.
    #[must_use]
    pub fn was_connected(&self) -> bool {
        self.connected_at.is_some()
    }

    /// Whether the connection has lasted half a minute.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.connected_at.is_some_and(|at| at.elapsed() >= SETTLED)
    }

    fn dialogue(&self) -> Option<&Dialogue> {
        match &self.link {
            Link::Open(link) => Some(&link.dialogue),
            _ => None,
        }
    }

    fn end(&mut self, fault: Fault) {
        self.link = Link::Ended;
        self.fault = Some(fault);
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<MqttEvent, ConnectError>> {
        loop {
            if let Some(event) = self.poll_buffered() {
                return Poll::Ready(Ok(event));
            }
            if let Some(fault) = self.fault.take() {
                self.link = Link::Ended;
                return Poll::Ready(Err(self.explained(&fault)));
            }
            match &mut self.link {
                Link::Connecting(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(answered) => match self.on_answer(answered) {
                        Ok(connected) => return Poll::Ready(Ok(connected)),
                        Err(fault) => self.end(fault),
                    },
                    Err(fault) => self.end(fault),
                },
                Link::Open(link) => {
                    if let Err(fault) = ready!(link.poll_progress(&self.queue, context)) {
                        self.fault = Some(fault);
                    }
                }
                Link::Ended => return Poll::Ready(Err(self.explained(&Fault::Closed))),
            }
        }
    }

    fn on_answer(&mut self, answered: Answered) -> Result<MqttEvent, Fault> {
        let Answered { stream, answer, input, pause } = answered;
        let welcome = packets::welcome(self.settings.version, answer)?;
        self.on_welcome((stream, pause), input, &welcome);
        Ok(MqttEvent::Connected { session_present: welcome.session_present })
    }

    fn on_welcome(
        &mut self,
        (stream, pause): (Box<dyn ByteStream>, ReadPause),
        input: BytesMut,
        welcome: &Welcome,
    ) {
        let MqttSession { manual_acks, inflight, latency, .. } = self.session;
        self.link = Link::Open(Box::new(OpenLink {
            dialogue: Dialogue::new(self.limits, manual_acks, inflight, welcome, input),
            stream,
            keep_alive: KeepAlive::new(welcome.keep_alive.unwrap_or(self.settings.keep_alive)),
            unflushed: false,
            write_limit: None,
            reads: 0,
            pace: ReadPace::new(latency),
            pause,
            has_read: false,
        }));
        self.connected_at = Some(Instant::now());
    }

    fn explained(&self, fault: &Fault) -> ConnectError {
        let explainer = Explainer {
            settings: &self.settings,
            client_id: &self.client_id,
            packet_bytes_max: self.session.packet_bytes_max,
            connected: self.was_connected(),
        };
        explainer.explain(fault)
    }
}

impl OpenLink {
    /// Writes, reads and keeps alive until there may be an event.
    fn poll_progress(
        &mut self,
        queue: &RefCell<RequestQueue>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        self.note_pace();
        loop {
            let is_full = self.dialogue.take_requests(&mut queue.borrow_mut())?;
            let written = self.poll_write(context);
            if let Poll::Ready(Err(error)) = written {
                // The broker's reason may be there.
                let _ = self.poll_read(context);
                return Poll::Ready(Err(error.into()));
            }
            if self.dialogue.has_notices() {
                return Poll::Ready(Ok(()));
            }
            if is_full && written.is_ready() {
                continue;
            }
            if self.dialogue.is_leaving() {
                if written.is_pending() {
                    return self.poll_limit(context);
                }
                // The broker closes the connection. Closed here, with something unread, TCP would reset it, and the broker
                // could lose what it has not read yet: acknowledgements and the disconnect (RFC 1122, 4.2.2.13).
                return loop {
                    match ready!(self.poll_read(context)) {
                        Ok(0) => break Poll::Ready(Err(Fault::Closed)),
                        Ok(_) => self.dialogue.input.clear(),
                        Err(error) => break Poll::Ready(Err(error.into())),
                    }
                };
            }
            if let Poll::Ready(read) = self.poll_read(context) {
                return Poll::Ready(match read {
                    Ok(0) => Err(Fault::Closed),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.into()),
                });
            }
            if let Poll::Ready(late) = self.poll_limit(context) {
                return Poll::Ready(late);
            }
            match self.keep_alive.poll_due(context) {
                Poll::Ready(DueAction::GiveUp) => return Poll::Ready(Err(Fault::Silent)),
                Poll::Ready(DueAction::Ping) => self.dialogue.ping(),
                Poll::Pending => break,
            }
        }
        queue.borrow_mut().wait(context);
        Poll::Pending
    }

    /// What was read is used, and not acknowledged yet: the pace tells how soon to read again.
    fn note_pace(&mut self) {
        if std::mem::take(&mut self.has_read) {
            let (messages, unacked) = self.dialogue.take_read();
            self.pause.set(self.pace.on_read(Instant::now(), messages, unacked));
        }
    }

    /// Writes what there is; ready when nothing is left.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.dialogue.output.is_empty() {
            let write = pin!(self.stream.write_buf(&mut self.dialogue.output)).poll(context);
            match write {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => self.on_written(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.wait_to_write(),
            }
        }
        if self.unflushed {
            let flush = pin!(self.stream.flush()).poll(context);
            match flush {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return self.wait_to_write(),
            }
            self.unflushed = false;
            self.write_limit = None;
            self.dialogue.on_written();
        }
        Poll::Ready(Ok(()))
    }

    fn on_written(&mut self) {
        self.unflushed = true;
        self.keep_alive.on_sent();
        if self.write_limit.take().is_some() {
            // It had taken nothing for a while, so that the broker's side has made room.
            self.keep_alive.on_heard();
        }
    }

    fn wait_to_write(&mut self) -> Poll<io::Result<()>> {
        self.write_limit.get_or_insert_with(|| Box::pin(sleep(TIMEOUT)));
        Poll::Pending
    }

    /// Ready when the broker has taken nothing for too long.
    fn poll_limit(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match &mut self.write_limit {
            Some(limit) => limit.as_mut().poll(context).map(|()| Err(Fault::Silent)),
            None => Poll::Pending,
        }
    }

    /// Reads once; ready with the number of bytes, 0 at the end. After [`READS_MAX`] reads others have their turn.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.reads == READS_MAX {
            self.reads = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let input = &mut self.dialogue.input;
        if input.capacity() - input.len() < READ_BYTES / 2 {
            input.reserve(READ_BYTES);
        }
        let Poll::Ready(read) = pin!(self.stream.read_buf(input)).poll(context) else {
            self.reads = 0;
            return Poll::Pending;
        };
        self.reads += 1;
        self.has_read = true;
        let read = read?;
        self.keep_alive.on_heard();
        Poll::Ready(Ok(read))
    }
}

#[cfg(test)]
mod tests;
