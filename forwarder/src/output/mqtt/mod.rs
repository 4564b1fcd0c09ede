//! Publishes to an MQTT broker with QoS 1.
//!
//! A link is one connection: clean session, fresh client, so that nothing of an earlier one can interfere (the client
//! library drops what it holds when the broker has no session, and says so to nobody). One task publishes; packet ids
//! are given in the order of the requests, so a queue of tags tells which id is whose.
//!
//! Limits: `inflight` messages un-acknowledged, less one, counted from the oldest: the library gives ids in turn, and
//! one that is still in use would stall it.

use crate::link::Heard;
use crate::{
    Ended, Link, LinkEvent, LinkEvents, Opened, Output, OutputKind, Packet, Rate, SendError, Surroundings,
    Tag,
};
use headwater_mqtt::{
    Backoff, Client, ConnectError, Connection, Event, Qos, Session, Settings, Version, Will,
};
use headwater_settings::{Or, Table};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const KIND: OutputKind = OutputKind { name: "mqtt", read, sample: include_str!("sample.toml") };

const INFLIGHT: i64 = 1_000;

const ACK_TIMEOUT_MS: i64 = 30_000;

/// What the broker says when it is to be tried again later, rather than never.
const QUOTA: &str = "quota exceeded";

/// Nothing is expected to come in; this is for what a broker may say of itself.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// Packets without a tag, status messages, that may be on their way beside the others.
const UNTAGGED_MAX: u16 = 2;

struct Mqtt {
    settings: Settings,
    client_id: String,
    inflight: u16,
    ack_timeout: Duration,
    rate: Rate,
    backoff: Rc<RefCell<Backoff>>,
}

fn read(table: &mut Table<'_>, surroundings: &Surroundings) -> Option<Box<dyn Output>> {
    let settings = Settings::read(table);
    let inflight = table.integer("inflight", 2..=60_000).given().unwrap_or(INFLIGHT);
    let ack_timeout = table.duration("ack_timeout", 1_000..=3_600_000).given().unwrap_or(ACK_TIMEOUT_MS);
    let rate = Rate::read(table);
    let Surroundings { agent, output, .. } = surroundings;
    let client_id = format!("headwater-{agent}-{output}");
    let seed = u64::from(crc32fast::hash(client_id.as_bytes())) ^ fastrand::u64(..);
    Some(Box::new(Mqtt {
        settings: settings?,
        client_id,
        inflight: u16::try_from(inflight).unwrap_or(u16::MAX),
        ack_timeout: Duration::from_millis(ack_timeout.unsigned_abs()),
        rate,
        backoff: Rc::new(RefCell::new(Backoff::new(seed))),
    }))
}

impl Output for Mqtt {
    fn open(&mut self, will: Option<&Packet>) -> Result<Opened, Ended> {
        let session = Session {
            client_id: self.client_id.clone(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: self.inflight + UNTAGGED_MAX,
            packet_bytes_max: PACKET_BYTES_MAX,
            last_will: will.cloned().map(|Packet { topic, payload, retain }| Will {
                topic,
                payload,
                qos: Qos::AtLeastOnce,
                retain,
            }),
        };
        let connected = headwater_mqtt::connect(&self.settings, &session);
        let (client, connection) = connected.map_err(|error| Ended {
            reason: error.to_string(),
            wait: self.backoff.borrow_mut().next(),
            by_peer: false,
        })?;
        let flight = Rc::new(RefCell::new(Flight::new(connection.inflight())));
        let in_words = self.settings.version == Version::V5;
        let link = MqttLink { client, in_words, flight: flight.clone() };
        let events = MqttEvents { connection, flight, backoff: self.backoff.clone() };
        Ok((Box::new(link), Box::new(events)))
    }

    fn ack_timeout(&self) -> Duration {
        self.ack_timeout
    }

    fn rate(&self) -> Rate {
        self.rate
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
    /// Where the broker can refuse it in words; else empty.
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

struct MqttLink {
    client: Client,
    /// The broker can refuse a message in words.
    in_words: bool,
    flight: Rc<RefCell<Flight>>,
}

impl Link for MqttLink {
    fn room(&self) -> usize {
        self.flight.borrow().room()
    }

    fn window(&self) -> usize {
        self.flight.borrow().window
    }

    fn send(&mut self, tag: Option<Tag>, packet: Packet) -> Result<(), SendError> {
        let mut flight = self.flight.borrow_mut();
        let Packet { topic, payload, retain } = packet;
        let bytes = Client::publish_bytes_max(&topic, &payload);
        if bytes > flight.packet_bytes_max && flight.up {
            let max = flight.packet_bytes_max;
            return Err(SendError::Unfit(format!("{bytes} bytes are more than the broker takes ({max})")));
        }
        let sent =
            tag.map(|tag| Sent { tag, topic: if self.in_words { topic.clone() } else { String::new() } });
        match self.client.try_publish(topic, payload, Qos::AtLeastOnce, retain) {
            Ok(()) => {
                flight.requested.push_back(sent);
                Ok(())
            }
            Err(headwater_mqtt::Error::Unfit(why)) => Err(SendError::Unfit(why)),
            Err(_) => Err(SendError::Busy),
        }
    }

    fn close(&mut self) {
        self.flight.borrow_mut().closing = true;
        // Without room for a farewell the link is dropped, and the last will speaks.
        let _ = self.client.try_disconnect();
    }
}

struct MqttEvents {
    connection: Connection,
    flight: Rc<RefCell<Flight>>,
    backoff: Rc<RefCell<Backoff>>,
}

impl LinkEvents for MqttEvents {
    fn next(mut self: Box<Self>, mut events: Vec<LinkEvent>) -> Heard {
        Box::pin(async move {
            while events.is_empty() {
                match self.connection.poll().await {
                    Ok(event) => events.extend(self.on_event(event)),
                    Err(error) => {
                        events.push(LinkEvent::Lost(self.ended(&error)));
                    }
                }
                while let Some(event) = self.connection.poll_buffered() {
                    events.extend(self.on_event(event));
                }
            }
            (self as Box<dyn LinkEvents>, events)
        })
    }
}

impl MqttEvents {
    fn ended(&self, error: &ConnectError) -> Ended {
        let (flight, mut backoff) = (self.flight.borrow(), self.backoff.borrow_mut());
        let by_peer = matches!(error, ConnectError::Closed(_));
        if !flight.is_idle() || flight.refused {
            let wait = backoff.after_sending(&self.connection, flight.useful);
            return Ended { reason: error.to_string(), wait, by_peer };
        }
        let wait = backoff.after(&self.connection);
        Ended { reason: backoff.explain(error, self.connection.client_id()), wait, by_peer }
    }

    fn on_event(&mut self, event: Event) -> Option<LinkEvent> {
        let mut flight = self.flight.borrow_mut();
        match event {
            Event::Connected { .. } => {
                flight.up = true;
                let inflight = usize::from(self.connection.inflight());
                flight.window = inflight.saturating_sub(1).max(1);
                flight.packet_bytes_max = self.connection.packet_bytes_max();
                Some(LinkEvent::Up)
            }
            Event::Sent { pkid } => {
                flight.on_sent(pkid);
                None
            }
            Event::Acked { pkid, refused } => {
                let answered = flight.on_acked(pkid)?;
                flight.useful = true;
                flight.refused |= refused.is_some();
                let Some(Sent { tag, topic }) = answered else { return Some(LinkEvent::Answered) };
                Some(match refused {
                    None => LinkEvent::Acked(tag),
                    Some(why) if why == QUOTA => {
                        let wait = self.backoff.borrow_mut().next();
                        LinkEvent::Lost(Ended {
                            reason: format!("the broker says: {why}"),
                            wait,
                            by_peer: false,
                        })
                    }
                    Some(why) => LinkEvent::Refused { tag, why: format!("{topic}: {why}") },
                })
            }
            Event::Disconnected => {
                let wait = self.backoff.borrow_mut().next();
                Some(LinkEvent::Lost(Ended { reason: "said farewell".into(), wait, by_peer: false }))
            }
            _ => None,
        }
    }
}
