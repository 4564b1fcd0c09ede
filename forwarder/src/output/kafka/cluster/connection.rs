//! A connection to a cluster: one half gathers messages, the other sends them and hears what became of them.

use super::topic::KafkaTopicTemplate;
use super::{BYTES_MAX, WINDOW};
use crate::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, Encoder, Framing, MessageIdentity, NextEvents,
    OutputConnection, SendError, Tag,
};
use headwater_kafka::{KafkaError, Producer, ProducerAnswer, ProducerInbox, ProducerRecord};
use headwater_mqtt::Backoff;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Credentials that are refused are not tried again sooner.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// A message on its way, with the bytes of its key and value.
pub(super) type Sent = (Tag, usize);

/// What both halves know.
#[derive(Default)]
pub(super) struct KafkaFlight {
    is_up: Cell<bool>,
    is_closing: Cell<bool>,
    messages: Cell<usize>,
    bytes: Cell<usize>,
    closed: Notify,
}

impl KafkaFlight {
    fn sent(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
    }

    fn answered(&self, bytes: usize) {
        self.messages.set(self.messages.get().saturating_sub(1));
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }

    fn is_idle(&self) -> bool {
        self.messages.get() == 0
    }
}

/// The half that gathers.
pub(super) struct KafkaConnection {
    pub(super) inbox: Rc<ProducerInbox<Sent>>,
    pub(super) flight: Rc<KafkaFlight>,
    pub(super) encoder: Arc<dyn Encoder>,
    pub(super) topic: KafkaTopicTemplate,
}

impl OutputConnection for KafkaConnection {
    fn room(&self) -> usize {
        let flight = &self.flight;
        let takes = flight.is_up.get() && !flight.is_closing.get() && flight.bytes.get() < BYTES_MAX;
        if takes { WINDOW.saturating_sub(flight.messages.get()) } else { 0 }
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn is_idle(&self) -> bool {
        self.flight.is_idle()
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let Delivery { tag, ref message, .. } = delivery;
        let unfit = || SendError::Unfit("it does not say what it is".into());
        let address = self.encoder.address(message).ok_or_else(unfit)?;
        let topic = self.topic.topic(&address);
        let mut value = Vec::with_capacity(2 * message.body.len());
        let encoded = self.encoder.encode(&[message], Framing::Single, &mut value);
        encoded.map_err(|error| SendError::Unfit(format!("{topic}: {error}")))?;
        let mut headers = vec![("kind", address.kind.to_string())];
        if let Some(MessageIdentity { id, rev }) = self.encoder.identity(message) {
            headers.extend([("id", id), ("rev", rev.to_string())]);
        }
        // What an agent says of itself is in order, too.
        let key = if address.series.is_empty() { &address.agent } else { &address.series };
        let key = key.as_bytes().to_vec();
        let bytes = key.len() + value.len();
        self.flight.sent(bytes);
        self.inbox.push(ProducerRecord { tag: (tag, bytes), topic, key, value, headers });
        Ok(bytes)
    }

    fn close(&mut self) {
        self.flight.is_closing.set(true);
        self.flight.closed.notify_one();
    }
}

/// The half that sends and listens.
pub(super) struct KafkaEvents {
    pub(super) producer: Producer<Sent>,
    pub(super) flight: Rc<KafkaFlight>,
    pub(super) is_new: bool,
    pub(super) backoff: Rc<RefCell<Backoff>>,
}

impl ConnectionEvents for KafkaEvents {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            if let Err(error) = self.listen(&mut events).await {
                events.push(ConnectionEvent::Lost(self.lost(&error)));
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl KafkaEvents {
    async fn listen(&mut self, events: &mut Vec<ConnectionEvent>) -> Result<(), KafkaError> {
        if self.is_new {
            self.producer.connect().await?;
            self.is_new = false;
            self.flight.is_up.set(true);
            events.push(ConnectionEvent::Up);
            return Ok(());
        }
        loop {
            if self.flight.is_closing.get() && self.flight.is_idle() {
                return Err(KafkaError::Lost("said farewell".into()));
            }
            tokio::select! {
                answers = self.producer.next() => {
                    let answers = answers?;
                    self.backoff.borrow_mut().reset();
                    answers.into_iter().for_each(|answer| events.push(self.event(answer)));
                    return Ok(());
                }
                () = self.flight.closed.notified() => {}
            }
        }
    }

    fn event(&self, answer: ProducerAnswer<Sent>) -> ConnectionEvent {
        let (ProducerAnswer::Acked((_, bytes)) | ProducerAnswer::Refused { tag: (_, bytes), .. }) = &answer;
        self.flight.answered(*bytes);
        match answer {
            ProducerAnswer::Acked((tag, _)) => ConnectionEvent::Acked(tag),
            ProducerAnswer::Refused { tag: (tag, _), why } => ConnectionEvent::Refused { tag, why },
        }
    }

    fn lost(&self, error: &KafkaError) -> Disconnected {
        let wait = self.backoff.borrow_mut().next();
        let wait = if matches!(error, KafkaError::Refused(_)) { wait.max(REFUSED_WAIT) } else { wait };
        Disconnected { reason: error.to_string(), wait }
    }
}
