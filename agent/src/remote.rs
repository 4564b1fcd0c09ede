//! A change of the config over MQTT: signed requests, what became of them, and what is kept.
//!
//! A request carries a text that lies over the config's file ([`headwater_settings::Overlay`]), and a signature by a secret
//! that the agent and its operator share. The broker is not trusted: it can hold back a request, and neither make nor
//! change nor repeat one. Whoever runs the agent decides what a request does (`reload/remote.rs`).

mod answer;
mod link;
mod request;
mod stored;

pub(crate) use answer::{RequestAnswer, RequestState};
pub(crate) use link::{RemoteLink, RemoteMessage};
pub(crate) use request::{RequestRefusal, SignedRequest, sign};
pub(crate) use stored::{StateFile, StoredRemote};

use headwater_mqtt::Settings;
use ring::hmac;

/// The longest text of a change (bytes).
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 10;

/// `[remote]`.
#[derive(Clone)]
pub struct RemoteSettings {
    /// The broker, with a client id of its own.
    pub(crate) broker: Settings,
    /// The agent's id.
    pub(crate) agent: String,
    /// Of the secret that the operator shares.
    pub(crate) key: hmac::Key,
    /// How far the time of a request may be from that of the agent (ms).
    pub(crate) within_ms: i64,
    /// The fingerprint of all that it was read from.
    pub(crate) print: u64,
}
