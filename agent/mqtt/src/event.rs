//! The events of a connection.

use crate::Qos;
use bytes::Bytes;

/// An event of a connection.
#[derive(Debug)]
pub enum MqttEvent {
    /// The broker accepted the connection.
    Connected {
        /// Whether it still knows this client's subscriptions; if not, subscribe again.
        session_present: bool,
    },
    /// A message arrived.
    Incoming(Publish),
    /// A publish of QoS 1 or 2 was sent with this packet id. Ids are assigned in the order of the requests.
    Sent {
        /// The packet id, until it is acknowledged.
        pkid: u16,
    },
    /// The broker took responsibility for a publish, or refused it.
    Acked {
        /// The packet id.
        pkid: u16,
        /// Why the broker will never accept it (MQTT 5 only).
        refused: Option<String>,
    },
    /// The broker answered a subscription.
    Subscribed {
        /// Positions of the refused filters, as given to [`crate::Client::try_subscribe`].
        refused: Vec<usize>,
    },
    /// Our own disconnect has been sent: drop the connection.
    Disconnected,
    /// An event that needs no action, such as a keep-alive.
    Other,
}

/// An incoming message.
#[derive(Debug)]
pub struct Publish {
    topic: Topic,
    /// Its content.
    pub payload: Bytes,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether the broker had retained it: an old value, sent because of a subscription.
    pub retain: bool,
    /// Whether it was sent before.
    pub dup: bool,
    pkid: u16,
}

/// The form of each protocol version, so that nothing is copied.
#[derive(Debug)]
enum Topic {
    Text(String),
    Bytes(Bytes),
}

/// Acknowledges a message later, without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) pkid: u16,
    pub(crate) qos: Qos,
}

impl Ticket {
    /// The ticket of a QoS 1 message with this packet id.
    #[must_use]
    pub fn at_least_once(packet_id: u16) -> Self {
        Self { pkid: packet_id, qos: Qos::AtLeastOnce }
    }

    /// The message's packet id, unique among the messages that the broker waits for; 0 for QoS 0.
    #[must_use]
    pub fn packet_id(self) -> u16 {
        self.pkid
    }
}

impl Publish {
    /// Its topic; empty if it was not UTF-8, which MQTT forbids.
    #[must_use]
    pub fn topic(&self) -> &str {
        match &self.topic {
            Topic::Text(text) => text,
            Topic::Bytes(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        }
    }

    /// The ticket for [`crate::Client::ack`].
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket { pkid: self.pkid, qos: self.qos }
    }
}

impl From<rumqttc::Publish> for Publish {
    fn from(publish: rumqttc::Publish) -> Self {
        let rumqttc::Publish { dup, qos, retain, topic, pkid, payload } = publish;
        Self { topic: Topic::Text(topic), payload, qos: qos.into(), retain, dup, pkid }
    }
}

impl From<rumqttc::v5::mqttbytes::v5::Publish> for Publish {
    fn from(publish: rumqttc::v5::mqttbytes::v5::Publish) -> Self {
        let rumqttc::v5::mqttbytes::v5::Publish { dup, qos, retain, topic, pkid, payload, .. } = publish;
        Self { topic: Topic::Bytes(topic), payload, qos: qos.into(), retain, dup, pkid }
    }
}

macro_rules! qos_both_ways {
    ($theirs:ty) => {
        impl From<Qos> for $theirs {
            fn from(qos: Qos) -> Self {
                match qos {
                    Qos::AtMostOnce => Self::AtMostOnce,
                    Qos::AtLeastOnce => Self::AtLeastOnce,
                    Qos::ExactlyOnce => Self::ExactlyOnce,
                }
            }
        }

        impl From<$theirs> for Qos {
            fn from(qos: $theirs) -> Self {
                match qos {
                    <$theirs>::AtMostOnce => Self::AtMostOnce,
                    <$theirs>::AtLeastOnce => Self::AtLeastOnce,
                    <$theirs>::ExactlyOnce => Self::ExactlyOnce,
                }
            }
        }
    };
}

qos_both_ways!(rumqttc::QoS);
qos_both_ways!(rumqttc::v5::mqttbytes::QoS);
