//! Publishes to an MQTT broker with QoS 1.
//!
//! Every connection has a clean session and a fresh client, so that nothing of an earlier connection can
//! interfere. One task publishes. Packet ids are given in the order of the requests, so a queue of tags tells which
//! message has which id.
//!
//! Limits: `inflight` messages are unacknowledged, or as many as the broker allows (MQTT 5).

mod barred;
mod events;
mod flight;
mod home_assistant;
mod poison;
mod probe;
mod tail;
mod topic;

use crate::catalogue::SharedCatalogue;
use crate::{
    Delivery, Disconnected, Encoder, Framing, Message, Opened, Output, OutputConnection, OutputContext,
    OutputKind, OutputProbing, Published, SendError, SendRate, Tag, Tail,
};
use events::MqttEvents;
use flight::{Flight, Sent};
use headwater_mqtt::{Backoff, Client, MqttSession, Qos, Settings, Version, Will};
use headwater_settings::{Or, Table};
use home_assistant::Announcer;
#[cfg(test)]
pub(crate) use poison::Verdict;
pub(crate) use poison::{PoisonGuard, Retry};
use std::cell::RefCell;
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

/// The kind of the messages that a broker may keep.
const SUMMARY: &str = "summary";

const ACK_TIMEOUT_MS: i64 = 30_000;

/// Bound on incoming packets. Only what a broker says of itself comes in.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// Announcements that may be in flight beside the messages.
const ANNOUNCEMENTS_MAX: u16 = 2;

/// The reason in the status while messages go one at a time.
const ONE_AT_A_TIME: &str =
    "its broker closes the connection while messages are on their way, which go one at a time";

struct Mqtt {
    settings: Settings,
    topic: TopicTemplate,
    client_id: String,
    inflight: u16,
    ack_timeout: Duration,
    rate: SendRate,
    /// Whether the broker keeps the last live summary of each series.
    retains: bool,
    /// Whether Home Assistant is told what is sent, or that nothing is any more; `None`: neither.
    home_assistant: Option<bool>,
    backoff: Rc<RefCell<Backoff>>,
    guard: Rc<RefCell<PoisonGuard>>,
}

fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let settings = Settings::read(table);
    let topic = read_topic(table);
    let inflight = table.integer("inflight", 2..=60_000).given().unwrap_or(INFLIGHT);
    let ack_timeout = table.duration("ack_timeout", 1_000..=3_600_000).given().unwrap_or(ACK_TIMEOUT_MS);
    let rate = SendRate::read(table);
    let retains = table.boolean("retain").given().unwrap_or(false);
    let home_assistant = read_home_assistant(table, topic.as_ref());
    let OutputContext { agent, output } = context;
    // It says what it is: a source of the same name has another one.
    let client_id = format!("headwater-{agent}-output-{output}");
    let seed = u64::from(crc32fast::hash(client_id.as_bytes())) ^ fastrand::u64(..);
    Some(Box::new(Mqtt {
        settings: settings?,
        topic: topic?,
        client_id,
        inflight: u16::try_from(inflight).unwrap_or(u16::MAX),
        ack_timeout: Duration::from_millis(ack_timeout.unsigned_abs()),
        rate,
        retains,
        home_assistant,
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

fn read_home_assistant(table: &mut Table<'_>, topic: Option<&TopicTemplate>) -> Option<bool> {
    let wanted = table.boolean("home_assistant").given();
    if wanted == Some(true) && topic.is_some_and(|topic| !topic.has_one_series()) {
        let what = "Home Assistant reads one series from a topic, and here several share one";
        let fix = "write {stream} and {series} into the topic, or leave it out";
        table.refuse(table.place_of("topic"), what, fix);
    }
    wanted
}

impl Output for Mqtt {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let publisher =
            Publisher { encoder: encoder.clone(), topic: self.topic.clone(), retains: self.retains };
        let last_will = gone.and_then(|gone| publisher.publication(gone, false).ok());
        let session = MqttSession {
            client_id: self.client_id.clone(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: self.inflight + ANNOUNCEMENTS_MAX,
            packet_bytes_max: PACKET_BYTES_MAX,
            last_will: last_will.map(|Publication { topic, payload, .. }| Will {
                topic,
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: true,
            }),
            latency: Duration::ZERO,
        };
        let connected = headwater_mqtt::connect(&self.settings, &session);
        let (client, connection) = connected.map_err(|error| Disconnected {
            reason: error.to_string(),
            wait: self.backoff.borrow_mut().next(),
        })?;
        self.guard.borrow_mut().opened();
        let (guard, backoff) = (self.guard.clone(), self.backoff.clone());
        let flight = Rc::new(RefCell::new(Flight::new()));
        let in_words = self.settings.version == Version::V5;
        let found = Rc::new(RefCell::new(Vec::new()));
        let home_assistant = self
            .home_assistant
            .map(|is_on| Announcer::new(encoder.agent(), self.topic.clone(), is_on, found.clone()));
        let sender = MqttConnection {
            client,
            publisher,
            in_words,
            flight: flight.clone(),
            guard: guard.clone(),
            home_assistant,
        };
        Ok((
            Box::new(sender),
            Box::new(MqttEvents { connection, inflight: self.inflight, flight, guard, backoff, found }),
        ))
    }

    fn ack_timeout(&self) -> Duration {
        self.ack_timeout
    }

    fn rate(&self) -> SendRate {
        self.rate
    }

    fn exclusive(&self) -> Option<String> {
        let client_id = self.settings.client_id.as_ref().unwrap_or(&self.client_id);
        Some(self.settings.client_at_broker(client_id))
    }

    fn published(&self, agent: &str, kinds: &[&str]) -> Option<Published> {
        let mut filters = self.topic.own_filters(agent, kinds)?;
        if self.home_assistant == Some(true) {
            filters.push(home_assistant::own_filter(agent));
        }
        Some(Published { address: self.settings.address(), filters })
    }

    fn announces(&self) -> bool {
        self.home_assistant == Some(true)
    }

    fn one_at_a_time(&self) -> Option<&'static str> {
        self.guard.borrow().is_on().then_some(ONE_AT_A_TIME)
    }

    fn probe<'a>(&'a self, encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(probe::round_trip(&self.settings, &self.topic, encoder))
    }

    fn tail(&self, encoder: &dyn Encoder, agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        let agent = agent.unwrap_or_else(|| encoder.agent());
        Ok(tail::follow(self.settings.clone(), self.topic.filter(Some(agent))))
    }
}

/// Chooses the topic and the payload of messages.
struct Publisher {
    encoder: Arc<dyn Encoder>,
    topic: TopicTemplate,
    /// Whether the broker keeps the last live summary of each series.
    retains: bool,
}

/// The form of a message at the broker.
struct Publication {
    topic: String,
    payload: Vec<u8>,
    /// Whether the broker keeps it for those who subscribe later.
    retain: bool,
}

impl Publisher {
    /// The topic and the payload of a message.
    ///
    /// # Errors
    /// The message has no topic, or cannot be encoded.
    fn publication(&self, message: &Message, backfill: bool) -> Result<Publication, String> {
        let address = self.encoder.address(message).ok_or("it does not say what it is")?;
        let topic = self.topic.topic(&address, backfill);
        let mut payload = Vec::with_capacity(2 * message.body.len());
        match self.encoder.encode(&[message], Framing::Single, &mut payload) {
            Ok(()) => {
                let retain = self.retains && !backfill && address.kind == SUMMARY;
                Ok(Publication { topic, payload, retain })
            }
            Err(error) => Err(format!("{topic}: {error}")),
        }
    }
}

struct MqttConnection {
    client: Client,
    publisher: Publisher,
    /// Whether the broker can refuse a message with a reason (MQTT 5).
    in_words: bool,
    flight: Rc<RefCell<Flight>>,
    guard: Rc<RefCell<PoisonGuard>>,
    home_assistant: Option<Announcer>,
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
        self.fits(&publication)?;
        let (topic, bytes) = (&publication.topic, publication.payload.len());
        let bars = self.guard.borrow().bars(topic, bytes, Instant::now());
        bars.map_or(Ok(()), |why| Err(SendError::Unfit(why)))?;
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
                // The message comes again on the next connection.
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
        let publication = self.publisher.publication(presence, false).map_err(SendError::Unfit)?;
        self.fits(&publication)?;
        self.request(None, Publication { retain: true, ..publication })
    }

    fn announce_catalogue(&mut self, catalogue: &SharedCatalogue) {
        if self.guard.borrow().is_on() {
            return;
        }
        let Some(mut announcer) = self.home_assistant.take() else { return };
        announcer.take(catalogue);
        if announcer.subscribes() {
            let subscribed = self.client.try_subscribe(&[announcer.filter()], Qos::AtMostOnce);
            announcer.subscribed(subscribed.is_ok());
        }
        // Messages have half of the window, whatever there is to announce.
        while self.room() > self.window() / 2 {
            let Some((topic, payload)) = announcer.next() else { break };
            let publication = Publication { topic, payload, retain: true };
            // What does not fit is not announced: the messages themselves would say why.
            let _ = self.fits(&publication).and_then(|()| self.request(None, publication));
        }
        self.home_assistant = Some(announcer);
    }

    fn close(&mut self) {
        self.flight.borrow_mut().closing = true;
        // Without room for a farewell the connection is dropped, and the broker publishes the last will.
        let _ = self.client.try_disconnect();
    }
}

impl MqttConnection {
    /// Whether the broker takes a packet of this size.
    fn fits(&self, Publication { topic, payload, .. }: &Publication) -> Result<(), SendError> {
        let (flight, bytes) = (self.flight.borrow(), Client::publish_bytes_max(topic, payload));
        let max = flight.packet_bytes_max;
        if bytes > max && flight.up {
            let why = format!("{topic}: {bytes} bytes are more than the broker takes ({max})");
            return Err(SendError::Unfit(why));
        }
        Ok(())
    }

    fn publish(&self, tag: Tag, publication: Publication) -> Result<usize, SendError> {
        let bytes = publication.payload.len();
        let is_named = self.in_words || self.guard.borrow().is_on();
        let name = if is_named { publication.topic.clone() } else { String::new() };
        self.request(Some(Sent { tag, topic: name.clone() }), publication)?;
        self.guard.borrow_mut().sent(Instant::now(), &tag, &name, bytes);
        Ok(bytes)
    }

    fn request(
        &self,
        sent: Option<Sent>,
        Publication { topic, payload, retain }: Publication,
    ) -> Result<(), SendError> {
        match self.client.try_publish(topic, payload.into(), Qos::AtLeastOnce, retain) {
            Ok(()) => {
                self.flight.borrow_mut().requested.push_back(sent);
                Ok(())
            }
            Err(headwater_mqtt::ClientError::Unfit(why)) => Err(SendError::Unfit(why)),
            Err(_) => Err(SendError::Busy),
        }
    }
}
