//! One MQTT connection, 3.1.1 or 5, plain or TLS, behind one set of types.
//!
//! Sources and outputs each build their own from the same keys ([`Settings::read`]). `rumqttc` speaks the protocol;
//! this crate hides its two APIs, says in words why a connection failed, sets what must be set (TCP_NODELAY, packet
//! limits, an explicit TLS provider) and leaves three things to the caller: when to connect again ([`Backoff`] says
//! how long to wait), subscribing after [`MqttEvent::Connected`], and keeping what has not been acknowledged.
//!
//! Limits: packets of [`MqttSession::packet_bytes_max`] in and [`PACKET_BYTES_MAX`] out, [`MqttSession::inflight`]
//! un-acknowledged publishes, as many requests queued, topics of [`TOPIC_BYTES_MAX`].

mod backoff;
#[cfg(feature = "broker")]
mod broker;
mod client;
mod connection;
mod error;
mod event;
mod settings;
mod tls;
mod url;
mod visit;

pub use backoff::Backoff;
#[cfg(feature = "broker")]
pub use broker::Broker;
pub use client::Client;
pub use connection::{Connection, connect};
pub use error::{ClientError, ConnectError};
pub use event::{MqttEvent, Publish, Ticket};
pub use settings::{Settings, Version};
pub use tls::Tls;
pub use visit::Visit;

use bytes::Bytes;
use std::time::Duration;

/// The largest packet that MQTT can carry (bytes), all headers included.
pub const PACKET_BYTES_MAX: usize = 268_435_455 + 5;

/// The longest topic or filter that MQTT can carry (bytes).
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// How hard both sides try to deliver a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// 0: sent once, never acknowledged.
    AtMostOnce,
    /// 1: sent until acknowledged; repeats are possible.
    AtLeastOnce,
    /// 2: four packets a message, no repeats while the session lasts.
    ExactlyOnce,
}

/// What the broker publishes when the connection is lost without a farewell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// How hard the broker tries.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// What one user of a connection needs of it, beside the [`Settings`] that people write.
#[derive(Clone, Debug)]
pub struct MqttSession {
    /// Unless [`Settings::client_id`] names another. Not empty.
    pub client_id: String,
    /// Whether the broker forgets subscriptions and waiting messages of an earlier connection.
    pub clean: bool,
    /// How long the broker keeps the session of a lost connection; MQTT 5 only (3.1.1 leaves it to the broker), and
    /// only if not `clean`.
    pub expiry: Duration,
    /// Whether incoming messages are acknowledged by [`Client::ack`] only, not on receipt.
    pub manual_acks: bool,
    /// Publishes that may be un-acknowledged at a time, and requests that may wait in the queue. At least 1.
    pub inflight: u16,
    /// The largest incoming packet (bytes); a larger one ends the connection ([`ConnectError::TooLarge`]).
    pub packet_bytes_max: usize,
    /// The last will.
    pub last_will: Option<Will>,
}

impl MqttSession {
    /// One that the broker forgets with the connection: for those who look, or publish what may be lost.
    #[must_use]
    pub fn passing(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            clean: true,
            expiry: Duration::ZERO,
            manual_acks: false,
            inflight: 100,
            packet_bytes_max: PACKET_BYTES_MAX,
            last_will: None,
        }
    }
}
