//! The session of a source at its broker.

use headwater_mqtt::MqttSession;
use std::time::Duration;

/// How long the broker keeps the session (MQTT 5; with 3.1.1 the broker decides).
const SESSION_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

/// The smallest limit on packets, whatever `[limits] payload` says (bytes).
const PACKET_BYTES_MIN: usize = 16 << 20;

/// The size of a topic and a packet's own fields (bytes).
const HEADER_BYTES_MAX: usize = 64 << 10;

/// The session of a client; `payload_bytes_max` is the agent's own limit.
pub(super) fn session(
    client_id: &str,
    payload_bytes_max: usize,
    clean: bool,
    manual_acks: bool,
    latency: Duration,
) -> MqttSession {
    MqttSession {
        client_id: client_id.to_owned(),
        clean,
        expiry: SESSION_EXPIRY,
        manual_acks,
        // Only subscriptions and what the source asks for go out.
        inflight: 10,
        packet_bytes_max: (payload_bytes_max + HEADER_BYTES_MAX).max(PACKET_BYTES_MIN),
        last_will: None,
        latency,
    }
}
