//! Publishes to an MQTT broker with QoS 1.
//!
//! Every connection has a clean session and a fresh client, so that nothing of an earlier connection can
//! interfere. One task publishes. Packet ids are given in the order of the requests, so a queue of tags tells which
//! message has which id.
//!
//! Limits: `inflight` messages are unacknowledged, or as many as the broker allows (MQTT 5).

mod barred;
mod batch;
mod config;
mod events;
mod flight;
mod home_assistant;
mod poison;
mod probe;
mod publication;
mod sparkplug;
mod tail;
mod topic;

use crate::catalogue::SharedCatalogue;
use crate::{
    Delivery, Disconnected, Encoder, Message, Opened, Output, OutputConnection, OutputKind, OutputProbing,
    Published, SendError, SendRate, Tag, Tail,
};
use batch::{BatchSettings, MESSAGES_MAX, OpenBatch, TopicBatches};
use events::MqttEvents;
use flight::{Flight, Sent};
use headwater_mqtt::{Backoff, Client, MqttSession, Qos, Settings, Version, Will};
use home_assistant::Announcer;
#[cfg(test)]
pub(crate) use poison::Verdict;
pub(crate) use poison::{PoisonGuard, Retry};
use publication::{Publication, Publisher};
use sparkplug::{Commands, EdgeNode, NodeName};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use topic::TopicTemplate;

pub(crate) const KIND: OutputKind = OutputKind {
    name: "mqtt",
    formats: &["json", "cbor", "cbor-short"],
    read: config::read,
    tail: Some(tail::address),
    sample: include_str!("sample.toml"),
};

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
    /// The agent as an edge node of Sparkplug; `None`: it is none.
    edge_node: Option<NodeName>,
    /// Counts the connections of the edge node.
    births: Cell<u8>,
    /// `None`: each message leaves by itself.
    batch: Option<BatchSettings>,
    /// The time over which live messages are spread.
    spread: Duration,
    backoff: Rc<RefCell<Backoff>>,
    guard: Rc<RefCell<PoisonGuard>>,
}

impl Output for Mqtt {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let publisher = Publisher {
            encoder: encoder.clone(),
            topic: self.topic.clone(),
            retains: self.retains,
            gathers: self.batch.is_some(),
        };
        let birth = self.births.get();
        self.births.set(birth.wrapping_add(1));
        let plain = |gone| {
            let Publication { topic, payload, .. } = publisher.publication(gone, false).ok()?;
            Some(Will { topic, payload: payload.into(), qos: Qos::AtLeastOnce, retain: true })
        };
        let last_will = match &self.edge_node {
            Some(name) => Some(name.last_will(birth)),
            None => gone.and_then(plain),
        };
        let session = MqttSession {
            client_id: self.client_id.clone(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: self.inflight + ANNOUNCEMENTS_MAX,
            packet_bytes_max: PACKET_BYTES_MAX,
            last_will,
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
        let commands = Commands::default();
        let edge_node = self.edge_node.clone().map(|name| EdgeNode::new(name, birth, commands.clone()));
        let sender = MqttConnection {
            client,
            publisher,
            edge_node,
            in_words,
            flight: flight.clone(),
            guard: guard.clone(),
            home_assistant,
            batches: self.batch.map(TopicBatches::new),
        };
        Ok((
            Box::new(sender),
            Box::new(MqttEvents {
                connection,
                inflight: self.inflight,
                flight,
                guard,
                backoff,
                found,
                commands,
            }),
        ))
    }

    fn ack_timeout(&self) -> Duration {
        // A batch is on its way once it is complete.
        self.ack_timeout + self.batch.map_or(Duration::ZERO, |batch| batch.wait)
    }

    fn rate(&self) -> SendRate {
        self.rate
    }

    fn spread(&self) -> Duration {
        self.spread
    }

    fn exclusive(&self) -> Option<String> {
        let client_id = self.settings.client_id.as_ref().unwrap_or(&self.client_id);
        Some(self.settings.client_at_broker(client_id))
    }

    fn formats(&self) -> Option<&'static [&'static str]> {
        self.edge_node.as_ref().map(|_| sparkplug::FORMATS)
    }

    fn published(&self, agent: &str, kinds: &[&str]) -> Option<Published> {
        if let Some(node) = &self.edge_node {
            return Some(Published { address: self.settings.address(), filters: vec![node.filter()] });
        }
        let mut filters = self.topic.own_filters(agent, kinds)?;
        if self.home_assistant == Some(true) {
            filters.push(home_assistant::own_filter(agent));
        }
        Some(Published { address: self.settings.address(), filters })
    }

    fn broker(&self) -> Option<&Settings> {
        Some(&self.settings)
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
        if self.edge_node.is_some() {
            return Err("it is Sparkplug, which hosts and sources of `format = \"sparkplug\"` read".into());
        }
        let agent = agent.unwrap_or_else(|| encoder.agent());
        Ok(tail::follow(self.settings.clone(), self.topic.filter(Some(agent))))
    }
}

struct MqttConnection {
    client: Client,
    publisher: Publisher,
    edge_node: Option<EdgeNode>,
    /// Whether the broker can refuse a message with a reason (MQTT 5).
    in_words: bool,
    flight: Rc<RefCell<Flight>>,
    guard: Rc<RefCell<PoisonGuard>>,
    home_assistant: Option<Announcer>,
    /// What is gathered; `None`: each message leaves by itself.
    batches: Option<TopicBatches>,
}

impl OutputConnection for MqttConnection {
    fn room(&self) -> usize {
        let (flight, guard) = (self.flight.borrow(), self.guard.borrow());
        match (flight.room(), &self.batches) {
            (0, _) => 0,
            (_, Some(batches)) if !guard.is_on() => MESSAGES_MAX.saturating_sub(batches.messages()),
            (room, _) if !guard.is_on() => room,
            (room, _) if flight.is_idle() && !guard.is_due(Instant::now()) => room.min(1),
            _ => 0,
        }
    }

    fn window(&self) -> usize {
        match &self.batches {
            _ if self.guard.borrow().is_on() => 1,
            Some(_) => MESSAGES_MAX,
            None => self.flight.borrow().window,
        }
    }

    fn is_idle(&self) -> bool {
        self.flight.borrow().is_idle() && self.batches.as_ref().is_none_or(|batches| batches.messages() == 0)
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let Delivery { backfill, ref message, .. } = delivery;
        let mut publication = self.publication(message, backfill)?;
        self.fits(&publication)?;
        let batch = publication.batch.take();
        let (topic, bytes) = (&publication.topic, publication.payload.len());
        let bars = self.guard.borrow().bars(topic, bytes, Instant::now());
        bars.map_or(Ok(()), |why| Err(SendError::Unfit(why)))?;
        let delivery = self.guard.borrow_mut().put_off(delivery);
        let Some(delivery) = delivery else { return Ok(0) };
        match batch.filter(|topic| self.gathers(topic, bytes)) {
            Some(topic) => Ok(self.gather(topic, delivery, bytes)),
            None => self.publish(delivery.tag, publication),
        }
    }

    fn flush(&mut self, more: bool) -> Option<Duration> {
        if let Some(wait) = self.flush_batches(more) {
            return Some(wait);
        }
        if !self.guard.borrow().is_on() || !self.is_idle() {
            return None;
        }
        let retry = self.guard.borrow_mut().retry(Instant::now(), more);
        match retry {
            Retry::No => None,
            Retry::After(wait) => Some(wait),
            Retry::Now(Delivery { tag, backfill, message }) => {
                // The message comes again on the next connection.
                let publication = self.publication(&message, backfill);
                let _ = publication.map(|publication| self.publish(tag, publication));
                None
            }
        }
    }

    fn announce(&mut self, presence: &Message) -> Result<(), SendError> {
        if self.guard.borrow().is_on() && !self.is_idle() {
            return Err(SendError::Busy);
        }
        if self.edge_node.is_some() {
            return self.announce_node(presence.made_ms);
        }
        let publication = self.publisher.publication(presence, false).map_err(SendError::Unfit)?;
        self.fits(&publication)?;
        self.request(None, Publication { retain: true, ..publication })
    }

    fn announce_catalogue(&mut self, catalogue: &SharedCatalogue) {
        if self.guard.borrow().is_on() {
            return;
        }
        // What is left for lack of room comes with the next message, or the next answer.
        let _ = self.give_birth();
        let Some(mut announcer) = self.home_assistant.take() else { return };
        announcer.take(catalogue);
        if announcer.subscribes() {
            let subscribed = self.client.try_subscribe(&[announcer.filter()], Qos::AtMostOnce);
            announcer.subscribed(subscribed.is_ok());
        }
        // Messages have half of the window, whatever there is to announce.
        let has_room = |flight: &Flight| flight.room() > flight.window / 2;
        while has_room(&self.flight.borrow()) {
            let Some((topic, payload)) = announcer.next() else { break };
            let publication = Publication { topic, payload, retain: true, batch: None };
            // What does not fit is not announced: the messages themselves would say why.
            let _ = self.fits(&publication).and_then(|()| self.request(None, publication));
        }
        self.home_assistant = Some(announcer);
    }

    fn close(&mut self) {
        self.farewell();
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

    /// Whether a message for a batch with this topic waits for others.
    fn gathers(&self, topic: &str, bytes: usize) -> bool {
        let packet_bytes_max = self.flight.borrow().packet_bytes_max;
        self.batches.is_some()
            && !self.guard.borrow().is_on()
            && TopicBatches::takes(topic, bytes, packet_bytes_max)
    }

    fn gather(&mut self, topic: String, delivery: Delivery, bytes: usize) -> usize {
        let packet_bytes_max = self.flight.borrow().packet_bytes_max;
        let batches = self.batches.as_mut();
        let full = batches.and_then(|batches| batches.add(topic, delivery, bytes, packet_bytes_max));
        if let Some(full) = full {
            self.publish_batch(full);
        }
        bytes
    }

    /// Publishes the batches that are due, or all, as far as there is room. Returns how soon the next one is due.
    fn flush_batches(&mut self, all: bool) -> Option<Duration> {
        let now = Instant::now();
        while self.flight.borrow().room() > 0
            && let Some(batch) = self.batches.as_mut().and_then(|batches| batches.due(now, all))
        {
            self.publish_batch(batch);
        }
        // Without room an acknowledgement comes first.
        self.batches.as_ref().filter(|_| self.flight.borrow().room() > 0)?.wait(now)
    }

    /// Every message of it was encoded before, and there is room: if it cannot leave, its messages come again on the next
    /// connection, as those that are not acknowledged do.
    fn publish_batch(&mut self, batch: OpenBatch) {
        let Some(payload) =
            self.batches.as_ref().map(|batches| batches.payload(&batch, &*self.publisher.encoder))
        else {
            return;
        };
        let mut tags = batch.deliveries.iter().map(|delivery| delivery.tag);
        let (Ok(payload), Some(tag)) = (payload, tags.next()) else {
            debug_assert!(false, "each of its messages was encoded alone");
            return;
        };
        let name = if self.in_words { batch.topic.clone() } else { String::new() };
        let (others, bytes) = (tags.collect(), payload.len());
        let publication = Publication { topic: batch.topic, payload, retain: false, batch: None };
        if self.request(Some(Sent { tag, others, topic: name.clone() }), publication).is_ok() {
            self.guard.borrow_mut().sent(Instant::now(), &tag, &name, bytes);
        }
    }

    fn publish(&mut self, tag: Tag, publication: Publication) -> Result<usize, SendError> {
        let bytes = publication.payload.len();
        let is_named = self.in_words || self.guard.borrow().is_on();
        let name = if is_named { publication.topic.clone() } else { String::new() };
        self.request(Some(Sent { tag, others: Vec::new(), topic: name.clone() }), publication)?;
        self.guard.borrow_mut().sent(Instant::now(), &tag, &name, bytes);
        Ok(bytes)
    }

    fn request(
        &mut self,
        sent: Option<Sent>,
        Publication { topic, mut payload, retain, .. }: Publication,
    ) -> Result<(), SendError> {
        self.edge_node.iter().for_each(|node| node.put_sequence(&mut payload));
        match self.client.try_publish(topic, payload.into(), Qos::AtLeastOnce, retain) {
            Ok(()) => {
                self.flight.borrow_mut().requested.push_back(sent);
                self.edge_node.iter_mut().for_each(EdgeNode::sent);
                Ok(())
            }
            Err(headwater_mqtt::ClientError::Unfit(why)) => Err(SendError::Unfit(why)),
            Err(_) => Err(SendError::Busy),
        }
    }
}
