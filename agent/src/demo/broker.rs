//! The demo's own broker: rumqttd on a free port of loopback, MQTT 3.1.1, in memory, gone with the process.
//!
//! rumqttd cannot be stopped and binds its port itself: it runs in threads until the process ends, and its port is
//! one that was free a moment before. It logs every lost connection as an error: silence its targets.
//!
//! Limits: [`CONNECTIONS_MAX`] clients, messages of [`PAYLOAD_BYTES_MAX`]; per topic filter it keeps about
//! [`SEGMENT_BYTES`] times [`SEGMENTS`] for slow subscribers.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Clients at a time.
const CONNECTIONS_MAX: usize = 100;

/// Bytes of one message.
const PAYLOAD_BYTES_MAX: usize = 256 << 10;

/// Bytes of one part of a topic filter's log.
const SEGMENT_BYTES: usize = 1 << 20;

/// Parts of a topic filter's log.
const SEGMENTS: usize = 4;

/// How often it is tried whether the broker listens, and the pause between (ms).
const KNOCKS: u32 = 200;
const KNOCK_EVERY_MS: u64 = 25;

/// Starts the broker and returns its port on 127.0.0.1, once it listens there.
///
/// # Errors
/// No free port, no thread, or the broker does not come up within five seconds.
pub(super) fn start() -> io::Result<u16> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut broker = Broker::new(config(address));
    std::thread::Builder::new().name("demo broker".to_owned()).spawn(move || {
        if let Err(error) = broker.start() {
            tracing::error!(%error, "the demo's broker ended");
        }
    })?;
    for _ in 0..KNOCKS {
        if listens(address) {
            return Ok(address.port());
        }
        std::thread::sleep(Duration::from_millis(KNOCK_EVERY_MS));
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the demo's broker does not come up; try again"))
}

/// Whether somebody else than ourselves answers: a knock at a free port may be given that very port to knock from.
fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok_and(|stream| stream.local_addr().is_ok_and(|own| own != address))
}

fn config(listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: PAYLOAD_BYTES_MAX,
        max_inflight_count: 500,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "demo".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: CONNECTIONS_MAX,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: SEGMENTS,
        ..RouterConfig::default()
    };
    Config { router, v4: Some(HashMap::from([("demo".to_owned(), server)])), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_mqtt::{Event, Qos, Session, Settings};

    fn session(id: &str) -> Session {
        Session::passing(id)
    }

    /// Retained and live messages reach a subscriber at QoS 1, on loopback.
    #[tokio::test]
    async fn a_message_goes_round() {
        let port = start().unwrap();
        let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}")).unwrap();
        let (publisher, mut out) = headwater_mqtt::connect(&settings, &session("publisher")).unwrap();
        publisher.try_publish("a/status".to_owned(), "kept".into(), Qos::AtLeastOnce, true).unwrap();
        let (subscriber, mut connection) =
            headwater_mqtt::connect(&settings, &session("subscriber")).unwrap();
        let mut seen = Vec::new();
        let everything = async {
            while seen.len() < 2 {
                tokio::select! {
                    event = out.poll() => {
                        event.unwrap();
                    }
                    event = connection.poll() => match event.unwrap() {
                        Event::Connected { .. } => subscriber.try_subscribe(&["a/#".to_owned()], Qos::AtLeastOnce).unwrap(),
                        Event::Subscribed { refused } => {
                            assert!(refused.is_empty());
                            publisher.try_publish("a/live".to_owned(), "new".into(), Qos::AtLeastOnce, false).unwrap();
                        }
                        Event::Incoming(publish) => seen.push((publish.topic().to_owned(), publish.payload.clone())),
                        _ => {}
                    },
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), everything).await.unwrap();
        seen.sort();
        assert_eq!(seen, [("a/live".to_owned(), "new".into()), ("a/status".to_owned(), "kept".into())]);
    }
}
