//! Publishes to an MQTT broker with QoS 1.
//!
//! A link is one connection: clean session, fresh client, so that nothing of an earlier one can interfere (the client
//! library drops what it holds when the broker has no session, and says so to nobody). One task publishes; packet ids
//! are given in the order of the requests, so a queue of tags tells which id is whose.
//!
//! Limits: `inflight` messages un-acknowledged, less one, counted from the oldest: the library gives ids in turn, and
//! one that is still in use would stall it.

mod poison;
mod probe;
mod tail;
mod topic;

use crate::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, Encoder, Framing, Message, NextEvents, Opened,
    Output, OutputConnection, OutputContext, OutputKind, Probing, Rate, SendError, Tag, Tail,
};
use headwater_mqtt::{
    Backoff, Client, ConnectError, Connection, Event, Qos, Session, Settings, Version, Will,
};
use headwater_settings::{Or, Table};
pub(crate) use poison::{PoisonGuard, Retry, Verdict};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use topic::TopicTemplate;

pub(crate) const KIND: OutputKind = OutputKind {
    name: "mqtt",
    formats: &["json", "cbor"],
    read,
    tail: Some(tail::address),
    sample: include_str!("sample.toml"),
};

const INFLIGHT: i64 = 1_000;

const ACK_TIMEOUT_MS: i64 = 30_000;

/// What the broker says when it is to be tried again later, rather than never.
const QUOTA: &str = "quota exceeded";

/// Nothing is expected to come in; this is for what a broker may say of itself.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// Announcements that may be on their way beside the messages.
const ANNOUNCEMENTS_MAX: u16 = 2;

/// What `trouble` says while messages go one at a time.
const ONE_AT_A_TIME: &str =
    "its broker closes the connection while messages are on their way, which go one at a time";

struct Mqtt {
    settings: Settings,
    topic: TopicTemplate,
    client_id: String,
    inflight: u16,
    ack_timeout: Duration,
    rate: Rate,
    backoff: Rc<RefCell<Backoff>>,
    guard: Rc<RefCell<PoisonGuard>>,
}

fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let settings = Settings::read(table);
    let topic = read_topic(table);
    let inflight = table.integer("inflight", 2..=60_000).given().unwrap_or(INFLIGHT);
    let ack_timeout = table.duration("ack_timeout", 1_000..=3_600_000).given().unwrap_or(ACK_TIMEOUT_MS);
    let rate = Rate::read(table);
    let OutputContext { agent, output } = context;
    let client_id = format!("headwater-{agent}-{output}");
    let seed = u64::from(crc32fast::hash(client_id.as_bytes())) ^ fastrand::u64(..);
    Some(Box::new(Mqtt {
        settings: settings?,
        topic: topic?,
        client_id,
        inflight: u16::try_from(inflight).unwrap_or(u16::MAX),
        ack_timeout: Duration::from_millis(ack_timeout.unsigned_abs()),
        rate,
        backoff: Rc::new(RefCell::new(Backoff::new(seed))),
        guard: Rc::new(RefCell::new(PoisonGuard::new())),
    }))
}

fn read_topic(table: &mut Table<'_>) -> Option<TopicTemplate> {
    let given = table.string("topic");
    let template = given.map_or_else(|| TopicTemplate::DEFAULT.to_owned(), |at| at.value);
    let topic = TopicTemplate::parse(&template);
    topic
        .map_err(|fix| table.refuse(table.place_of("topic"), format!("`topic` cannot be `{template}`"), fix))
        .ok()
}

impl Output for Mqtt {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let publisher = Publisher { encoder: encoder.clone(), topic: self.topic.clone() };
        let last_will = gone.and_then(|gone| publisher.publication(gone, false).ok());
        let session = Session {
            client_id: self.client_id.clone(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: self.inflight + ANNOUNCEMENTS_MAX,
            packet_bytes_max: PACKET_BYTES_MAX,
            last_will: last_will.map(|(topic, payload)| Will {
                topic,
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: true,
            }),
        };
        let connected = headwater_mqtt::connect(&self.settings, &session);
        let (client, connection) = connected.map_err(|error| Disconnected {
            reason: error.to_string(),
            wait: self.backoff.borrow_mut().next(),
        })?;
        self.guard.borrow_mut().opened();
        let (guard, backoff) = (self.guard.clone(), self.backoff.clone());
        let flight = Rc::new(RefCell::new(Flight::new(connection.inflight())));
        let in_words = self.settings.version == Version::V5;
        let sender =
            MqttConnection { client, publisher, in_words, flight: flight.clone(), guard: guard.clone() };
        Ok((Box::new(sender), Box::new(MqttEvents { connection, flight, guard, backoff })))
    }

    fn ack_timeout(&self) -> Duration {
        self.ack_timeout
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn one_at_a_time(&self) -> Option<&'static str> {
        self.guard.borrow().is_on().then_some(ONE_AT_A_TIME)
    }

    fn probe<'a>(&'a self, encoder: &'a dyn Encoder) -> Probing<'a> {
        Box::pin(probe::round_trip(&self.settings, &self.topic, encoder))
    }

    fn tail(&self, encoder: &dyn Encoder, agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        let agent = agent.unwrap_or_else(|| encoder.agent());
        Ok(tail::follow(self.settings.clone(), self.topic.filter(Some(agent))))
    }
}

/// Says where and how messages are published.
struct Publisher {
    encoder: Arc<dyn Encoder>,
    topic: TopicTemplate,
}

impl Publisher {
    /// The topic and the payload of a message.
    ///
    /// # Errors
    /// Why it has none.
    fn publication(&self, message: &Message, backfill: bool) -> Result<(String, Vec<u8>), String> {
        let address = self.encoder.address(message).ok_or("it does not say what it is")?;
        let topic = self.topic.topic(&address, backfill);
        let mut payload = Vec::with_capacity(2 * message.body.len());
        match self.encoder.encode(&[message], Framing::Single, &mut payload) {
            Ok(()) => Ok((topic, payload)),
            Err(error) => Err(format!("{topic}: {error}")),
        }
    }
}

/// What is on its way.
struct Flight {
    up: bool,
    closing: bool,
    window: usize,
    packet_bytes_max: usize,
    /// Something was answered.
    useful: bool,
    /// A message was refused in words: what the broker does then is about that one.
    refused: bool,
    /// Requested, without an id yet.
    requested: VecDeque<Option<Sent>>,
    /// Sent and not acknowledged, by packet id.
    sent: Vec<Option<Option<Sent>>>,
    /// Ids in the order of sending; those in front of the oldest one in use are gone.
    order: VecDeque<u16>,
}

/// A message on its way.
struct Sent {
    tag: Tag,
    /// Where it may be refused; else empty.
    topic: String,
}

impl Flight {
    fn new(inflight: u16) -> Self {
        Self {
            up: false,
            closing: false,
            window: 1,
            packet_bytes_max: 0,
            useful: false,
            refused: false,
            requested: VecDeque::new(),
            sent: (0..=inflight).map(|_| None).collect(),
            order: VecDeque::new(),
        }
    }

    fn room(&self) -> usize {
        if !self.up || self.closing {
            return 0;
        }
        self.window.saturating_sub(self.requested.len() + self.order.len())
    }

    fn is_idle(&self) -> bool {
        self.requested.is_empty() && self.order.is_empty()
    }

    fn on_sent(&mut self, pkid: u16) {
        let sent = self.requested.pop_front().flatten();
        let at = usize::from(pkid);
        if at >= self.sent.len() {
            self.sent.resize_with(at + 1, || None);
        }
        if let Some(slot) = self.sent.get_mut(at) {
            *slot = Some(sent);
            self.order.push_back(pkid);
        }
    }

    /// What was sent with the id: a message, something else, or nothing.
    fn on_acked(&mut self, pkid: u16) -> Option<Option<Sent>> {
        let answered = self.sent.get_mut(usize::from(pkid)).and_then(Option::take);
        let in_use = |sent: &[Option<_>], pkid: u16| sent.get(usize::from(pkid)).is_some_and(Option::is_some);
        while self.order.front().is_some_and(|pkid| !in_use(&self.sent, *pkid)) {
            self.order.pop_front();
        }
        answered
    }
}

struct MqttConnection {
    client: Client,
    publisher: Publisher,
    /// The broker can refuse a message in words.
    in_words: bool,
    flight: Rc<RefCell<Flight>>,
    guard: Rc<RefCell<PoisonGuard>>,
}

impl OutputConnection for MqttConnection {
    fn room(&self) -> usize {
        let (flight, guard) = (self.flight.borrow(), self.guard.borrow());
        match flight.room() {
            room if !guard.is_on() => room,
            room if flight.is_idle() && !guard.is_due(Instant::now()) => room.min(1),
            _ => 0,
        }
    }

    fn window(&self) -> usize {
        if self.guard.borrow().is_on() { 1 } else { self.flight.borrow().window }
    }

    fn is_idle(&self) -> bool {
        self.flight.borrow().is_idle()
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let Delivery { backfill, ref message, .. } = delivery;
        let publication = self.publisher.publication(message, backfill).map_err(SendError::Unfit)?;
        self.fits(&publication.0, &publication.1)?;
        let delivery = self.guard.borrow_mut().put_off(delivery);
        delivery.map_or(Ok(0), |delivery| self.publish(delivery.tag, publication))
    }

    fn flush(&mut self, more: bool) -> Option<Duration> {
        if !self.guard.borrow().is_on() || !self.is_idle() {
            return None;
        }
        let retry = self.guard.borrow_mut().retry(Instant::now(), more);
        match retry {
            Retry::No => None,
            Retry::After(wait) => Some(wait),
            Retry::Now(Delivery { tag, backfill, message }) => {
                // What cannot be sent now comes again on the next connection.
                let publication = self.publisher.publication(&message, backfill);
                let _ = publication.map(|publication| self.publish(tag, publication));
                None
            }
        }
    }

    fn announce(&mut self, presence: &Message) -> Result<(), SendError> {
        if self.guard.borrow().is_on() && !self.is_idle() {
            return Err(SendError::Busy);
        }
        let (topic, payload) = self.publisher.publication(presence, false).map_err(SendError::Unfit)?;
        self.fits(&topic, &payload)?;
        self.request(None, (topic, payload), true)
    }

    fn close(&mut self) {
        self.flight.borrow_mut().closing = true;
        // Without room for a farewell the connection is dropped, and the last will speaks.
        let _ = self.client.try_disconnect();
    }
}

impl MqttConnection {
    /// Whether the broker takes so much.
    fn fits(&self, topic: &str, payload: &[u8]) -> Result<(), SendError> {
        let (flight, bytes) = (self.flight.borrow(), Client::publish_bytes_max(topic, payload));
        let max = flight.packet_bytes_max;
        if bytes > max && flight.up {
            let why = format!("{topic}: {bytes} bytes are more than the broker takes ({max})");
            return Err(SendError::Unfit(why));
        }
        Ok(())
    }

    fn publish(&self, tag: Tag, (topic, payload): (String, Vec<u8>)) -> Result<usize, SendError> {
        let bytes = payload.len();
        let is_named = self.in_words || self.guard.borrow().is_on();
        let name = if is_named { topic.clone() } else { String::new() };
        self.request(Some(Sent { tag, topic: name.clone() }), (topic, payload), false)?;
        self.guard.borrow_mut().sent(Instant::now(), &tag, &name, bytes);
        Ok(bytes)
    }

    fn request(
        &self,
        sent: Option<Sent>,
        (topic, payload): (String, Vec<u8>),
        retain: bool,
    ) -> Result<(), SendError> {
        match self.client.try_publish(topic, payload.into(), Qos::AtLeastOnce, retain) {
            Ok(()) => {
                self.flight.borrow_mut().requested.push_back(sent);
                Ok(())
            }
            Err(headwater_mqtt::Error::Unfit(why)) => Err(SendError::Unfit(why)),
            Err(_) => Err(SendError::Busy),
        }
    }
}

struct MqttEvents {
    connection: Connection,
    flight: Rc<RefCell<Flight>>,
    guard: Rc<RefCell<PoisonGuard>>,
    backoff: Rc<RefCell<Backoff>>,
}

impl ConnectionEvents for MqttEvents {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            while events.is_empty() {
                match self.connection.poll().await {
                    Ok(event) => events.extend(self.on_event(event)),
                    Err(error) => self.on_end(&error, &mut events),
                }
                while let Some(event) = self.connection.poll_buffered() {
                    events.extend(self.on_event(event));
                }
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl MqttEvents {
    /// The connection is gone. Closed by the broker with messages on their way, one of these may be why.
    fn on_end(&self, error: &ConnectError, events: &mut Vec<ConnectionEvent>) {
        let mut ended = self.ended(error);
        let flight = self.flight.borrow();
        if matches!(error, ConnectError::Closed(_)) && !flight.is_idle() && !flight.closing {
            let Verdict { refused, remark } = self.guard.borrow_mut().closed(&ended.reason);
            events.extend(refused.map(|(tag, why)| ConnectionEvent::Refused { tag, why }));
            ended.reason.push_str(&remark);
        }
        events.push(ConnectionEvent::Lost(ended));
    }

    fn ended(&self, error: &ConnectError) -> Disconnected {
        let (flight, mut backoff) = (self.flight.borrow(), self.backoff.borrow_mut());
        if !flight.is_idle() || flight.refused {
            let wait = backoff.after_sending(&self.connection, flight.useful);
            return Disconnected { reason: error.to_string(), wait };
        }
        let wait = backoff.after(&self.connection);
        Disconnected { reason: backoff.explain(error, self.connection.client_id()), wait }
    }

    fn on_event(&mut self, event: Event) -> Option<ConnectionEvent> {
        let mut flight = self.flight.borrow_mut();
        match event {
            Event::Connected { .. } => {
                flight.up = true;
                let inflight = usize::from(self.connection.inflight());
                flight.window = inflight.saturating_sub(1).max(1);
                flight.packet_bytes_max = self.connection.packet_bytes_max();
                Some(ConnectionEvent::Up)
            }
            Event::Sent { pkid } => {
                flight.on_sent(pkid);
                None
            }
            Event::Acked { pkid, refused } => {
                let answered = flight.on_acked(pkid)?;
                flight.useful = true;
                flight.refused |= refused.is_some();
                drop(flight);
                Some(self.on_answer(answered, refused))
            }
            Event::Disconnected => {
                let wait = self.backoff.borrow_mut().next();
                Some(ConnectionEvent::Lost(Disconnected { reason: "said farewell".into(), wait }))
            }
            _ => None,
        }
    }

    fn on_answer(&self, answered: Option<Sent>, refused: Option<String>) -> ConnectionEvent {
        let Some(Sent { tag, topic }) = answered else { return ConnectionEvent::Answered };
        if refused.as_deref() == Some(QUOTA) {
            let wait = self.backoff.borrow_mut().next();
            return ConnectionEvent::Lost(Disconnected { reason: format!("the broker says: {QUOTA}"), wait });
        }
        self.guard.borrow_mut().answered(Instant::now(), &tag, refused.is_none());
        match refused {
            None => ConnectionEvent::Acked(tag),
            Some(why) => ConnectionEvent::Refused { tag, why: format!("{topic}: {why}") },
        }
    }
}
