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
    /// A publish of QoS 1 was sent with this packet id. Ids are assigned in the order of the requests.
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
    /// Our own disconnect has been sent. The next poll ends with an error when the broker has closed the connection.
    Disconnected,
    /// An event that needs no action, such as a keep-alive.
    Other,
}

/// An incoming message.
#[derive(Debug)]
pub struct Publish {
    pub(crate) topic: Bytes,
    /// Its content.
    pub payload: Bytes,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether the broker had retained it: an old value, sent because of a subscription.
    pub retain: bool,
    /// Whether it was sent before.
    pub dup: bool,
    pub(crate) pkid: u16,
}

/// Acknowledges a message later, without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) pkid: u16,
}

impl Ticket {
    /// The ticket of a QoS 1 message with this packet id.
    #[must_use]
    pub fn at_least_once(packet_id: u16) -> Self {
        Self { pkid: packet_id }
    }

    /// The message's packet id, unique among the messages that the broker waits for; 0 for QoS 0.
    #[must_use]
    pub fn packet_id(self) -> u16 {
        self.pkid
    }
}

impl Publish {
    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        // It was found to be UTF-8 when it was read.
        std::str::from_utf8(&self.topic).unwrap_or_default()
    }

    /// The bytes of its topic.
    #[must_use]
    pub fn topic_bytes(&self) -> &[u8] {
        &self.topic
    }

    /// The ticket for [`crate::Client::ack`].
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket { pkid: self.pkid }
    }
}
