//! One MQTT connection, 3.1.1 or 5, plain or TLS, over TCP or a websocket, behind one set of types.
//!
//! Sources and outputs build their own connections from the same keys ([`Settings::read`]). The packet codecs are
//! those of `rumqttc`, the loop around them is this crate's own: it bounds what comes before it is decoded, and sends
//! what has gathered in one write. It leaves three things to the caller: when to connect again ([`Backoff`] gives the
//! wait), to subscribe after [`MqttEvent::Connected`], and to keep unacknowledged messages.
//!
//! Limits: packets of [`MqttSession::packet_bytes_max`] in and [`PACKET_BYTES_MAX`] out, [`MqttSession::inflight`]
//! unacknowledged publishes, as many requests queued, topics of [`TOPIC_BYTES_MAX`].
//!
//! Deviation: QoS 2 is not offered; a message that comes with it ends the connection.

mod backoff;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "broker")]
mod broker;
mod client;
mod connection;
mod dialogue;
mod error;
mod event;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keep_alive;
mod paced_socket;
mod packet_ids;
mod packets;
mod read_pace;
mod settings;
mod topic_aliases;
mod transport;
mod url;
mod visit;
mod websocket;

pub use backoff::Backoff;
#[cfg(feature = "broker")]
pub use broker::Broker;
pub use client::Client;
pub use connection::{Connection, connect};
pub use error::{ClientError, ConnectError};
pub use event::{MqttEvent, Publish, Ticket};
pub use headwater_tls::Tls;
pub use settings::{Settings, Version};
pub use visit::Visit;

use bytes::Bytes;
use std::time::Duration;

/// The largest packet that MQTT can carry (bytes), all headers included.
pub const PACKET_BYTES_MAX: usize = 268_435_455 + 5;

/// The longest topic or filter that MQTT can carry (bytes).
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// The quality of service of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// 0: sent once, never acknowledged.
    AtMostOnce,
    /// 1: sent until acknowledged; repeats are possible.
    AtLeastOnce,
}

/// The message that the broker publishes when the connection is lost without a disconnect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// The settings of a connection that the program chooses; people choose [`Settings`].
#[derive(Clone, Debug)]
pub struct MqttSession {
    /// The default client id; [`Settings::client_id`] overrides it. Not empty.
    pub client_id: String,
    /// Whether the broker forgets subscriptions and waiting messages of an earlier connection.
    pub clean: bool,
    /// How long the broker keeps the session of a lost connection; MQTT 5 only (3.1.1 leaves it to the broker), and
    /// only if not `clean`.
    pub expiry: Duration,
    /// Whether incoming messages are acknowledged by [`Client::ack`] only, not on receipt.
    pub manual_acks: bool,
    /// The most unacknowledged publishes, and the most queued requests. At least 1.
    pub inflight: u16,
    /// The largest incoming packet (bytes); a larger one ends the connection ([`ConnectError::TooLarge`]).
    pub packet_bytes_max: usize,
    /// The last will.
    pub last_will: Option<Will>,
    /// How long messages may gather before they are read together, when they come fast; zero: not at all.
    pub latency: Duration,
}

impl MqttSession {
    /// A session that the broker forgets with the connection: for observers, and for messages that may be lost. Packets
    /// of 16 MiB at most come in.
    #[must_use]
    pub fn passing(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: 100,
            packet_bytes_max: 16 << 20,
            last_will: None,
            latency: Duration::ZERO,
        }
    }
}
