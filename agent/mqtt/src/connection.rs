//! The polled half of a connection.
//!
//! `rumqttc` reads up to ten packets at a time and yields them one by one; after an error it would yield the rest
//! only once it is connected again. Here they come first, then the error.

use crate::client::{Client, Inner};
use crate::error::{ClientError, ConnectError, Explainer, spaced};
use crate::event::MqttEvent;
use crate::{MqttSession, PACKET_BYTES_MAX, Settings, Version, Will};
use rumqttc::v5::mqttbytes::v5 as packets_v5;
use rumqttc::{NetworkOptions, Outgoing, Packet, TlsConfiguration, Transport};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// The time limit for name resolution, TCP, TLS and the broker's answer together, and for a write.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A connection that has lasted this long counts as good.
const SETTLED: Duration = Duration::from_secs(30);

/// A connection to a broker. Dropping it cuts the connection, and the broker publishes the last will.
pub struct Connection {
    wire: Wire,
    settings: Settings,
    client_id: String,
    inflight: u16,
    packet_bytes_in: usize,
    packet_bytes_out: usize,
    connected: bool,
    settling: Option<Pin<Box<Sleep>>>,
    settled: bool,
    failure: Option<ConnectError>,
}

enum Wire {
    V4(Box<rumqttc::EventLoop>),
    V5(Box<rumqttc::v5::EventLoop>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("broker", &self.settings.address()).finish_non_exhaustive()
    }
}

/// Prepares a connection; it uses the network only when it is polled.
///
/// # Errors
/// [`ClientError::Setup`] for an empty client id or no room for a single message.
pub fn connect(settings: &Settings, session: &MqttSession) -> Result<(Client, Connection), ClientError> {
    let client_id = settings.client_id.as_deref().unwrap_or(&session.client_id);
    if client_id.is_empty() || session.inflight == 0 {
        return Err(ClientError::Setup("a connection needs a client id and room for one message".into()));
    }
    let queue = usize::from(session.inflight);
    let (client, wire) = match settings.version {
        Version::V4 => {
            let (client, mut wire) =
                rumqttc::AsyncClient::new(options_v4(settings, session, client_id), queue);
            wire.set_network_options(network_options());
            (Inner::V4(client), Wire::V4(Box::new(wire)))
        }
        Version::V5 => {
            let (client, wire) =
                rumqttc::v5::AsyncClient::new(options_v5(settings, session, client_id), queue);
            (Inner::V5(client), Wire::V5(Box::new(wire)))
        }
    };
    let connection = Connection {
        wire,
        settings: settings.clone(),
        client_id: client_id.to_owned(),
        inflight: session.inflight,
        packet_bytes_in: session.packet_bytes_max,
        packet_bytes_out: PACKET_BYTES_MAX,
        connected: false,
        settling: None,
        settled: false,
        failure: None,
    };
    Ok((Client(client), connection))
}

impl Connection {
    /// Waits for the next event. After an error the connection is useless: drop it, wait, and [`connect`] again,
    /// which forgets queued requests and unacknowledged messages. Dropping the future loses nothing as long as the
    /// broker reads what is written to it.
    ///
    /// # Errors
    /// Why the connection could not be made, or ended.
    pub async fn poll(&mut self) -> Result<MqttEvent, ConnectError> {
        loop {
            if let Some(event) = self.poll_buffered() {
                return Ok(event);
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let heard = match &mut self.wire {
                Wire::V4(wire) => match beside(wire.poll(), &mut self.settling, &mut self.settled).await {
                    Ok(event) => self.on_v4(event),
                    Err(error) => self.on_failure(self.explainer().v4(&error)),
                },
                Wire::V5(wire) => match beside(wire.poll(), &mut self.settling, &mut self.settled).await {
                    Ok(event) => self.on_v5(event),
                    Err(error) => self.on_failure(self.explainer().v5(&error)),
                },
            };
            if let Some(event) = heard {
                return Ok(event);
            }
        }
    }

    /// An event that has been read already, without waiting; `None`: only [`Connection::poll`] can tell.
    pub fn poll_buffered(&mut self) -> Option<MqttEvent> {
        loop {
            let heard = match &mut self.wire {
                Wire::V4(wire) => {
                    let event = wire.state.events.pop_front()?;
                    self.on_v4(event)
                }
                Wire::V5(wire) => {
                    let event = wire.state.events.pop_front()?;
                    self.on_v5(event)
                }
            };
            if heard.is_some() {
                return heard;
            }
        }
    }

    /// The client id in use.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The most unacknowledged publishes: the number requested, or a smaller one that the broker (MQTT 5) announced.
    /// Keep one less in flight: `rumqttc` assigns packet ids in turn, and a full turn may hit one that the broker has
    /// not acknowledged yet.
    #[must_use]
    pub fn inflight(&self) -> u16 {
        self.inflight
    }

    /// The largest packet that the broker accepts (bytes); a larger one would end the connection.
    #[must_use]
    pub fn packet_bytes_max(&self) -> usize {
        self.packet_bytes_out
    }

    /// Whether the broker accepted the connection.
    #[must_use]
    pub fn was_connected(&self) -> bool {
        self.connected
    }

    /// Whether the connection has lasted half a minute.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.settled
    }

    fn explainer(&self) -> Explainer<'_> {
        Explainer {
            settings: &self.settings,
            client_id: &self.client_id,
            packet_bytes_max: self.packet_bytes_in,
            connected: self.connected,
        }
    }

    fn on_failure(&mut self, failure: ConnectError) -> Option<MqttEvent> {
        self.failure = Some(failure);
        None
    }

    fn on_connected(&mut self, session_present: bool) -> MqttEvent {
        self.connected = true;
        self.settling = Some(Box::pin(tokio::time::sleep(SETTLED)));
        MqttEvent::Connected { session_present }
    }

    fn on_v4(&mut self, event: rumqttc::Event) -> Option<MqttEvent> {
        let packet = match event {
            rumqttc::Event::Incoming(packet) => packet,
            rumqttc::Event::Outgoing(outgoing) => return of_outgoing(&outgoing),
        };
        Some(match packet {
            Packet::Publish(publish) => MqttEvent::Incoming(publish.into()),
            Packet::PubAck(ack) => MqttEvent::Acked { pkid: ack.pkid, refused: None },
            Packet::PubComp(done) => MqttEvent::Acked { pkid: done.pkid, refused: None },
            Packet::ConnAck(ack) => self.on_connected(ack.session_present),
            Packet::SubAck(ack) => {
                let refused = |code: &_| !matches!(code, rumqttc::SubscribeReasonCode::Success(_));
                MqttEvent::Subscribed { refused: positions(&ack.return_codes, refused) }
            }
            _ => MqttEvent::Other,
        })
    }

    fn on_v5(&mut self, event: rumqttc::v5::Event) -> Option<MqttEvent> {
        use packets_v5::Packet;
        let packet = match event {
            rumqttc::v5::Event::Incoming(packet) => packet,
            rumqttc::v5::Event::Outgoing(outgoing) => return of_outgoing(&outgoing),
        };
        Some(match packet {
            Packet::Publish(publish) => MqttEvent::Incoming(publish.into()),
            Packet::PubAck(ack) => MqttEvent::Acked { pkid: ack.pkid, refused: refusal(ack.reason) },
            Packet::PubComp(done) => MqttEvent::Acked { pkid: done.pkid, refused: None },
            Packet::ConnAck(ack) => {
                if let Some(said) = &ack.properties {
                    self.inflight = said.receive_max.unwrap_or(self.inflight).min(self.inflight);
                    let bytes = said.max_packet_size.and_then(|bytes| usize::try_from(bytes).ok());
                    self.packet_bytes_out = bytes.unwrap_or(PACKET_BYTES_MAX);
                }
                self.on_connected(ack.session_present)
            }
            Packet::SubAck(ack) => {
                let refused = |code: &_| !matches!(code, packets_v5::SubscribeReasonCode::Success(_));
                MqttEvent::Subscribed { refused: positions(&ack.return_codes, refused) }
            }
            _ => MqttEvent::Other,
        })
    }
}

/// Waits for `poll`, and notes when the connection has settled; `poll` is never dropped half-way.
async fn beside<T>(
    poll: impl Future<Output = T>,
    settling: &mut Option<Pin<Box<Sleep>>>,
    settled: &mut bool,
) -> T {
    let mut poll = pin!(poll);
    poll_fn(|context: &mut Context<'_>| -> Poll<T> {
        if settling.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready()) {
            *settling = None;
            *settled = true;
        }
        poll.as_mut().poll(context)
    })
    .await
}

/// Our own acknowledgements are too many to be events.
fn of_outgoing(outgoing: &Outgoing) -> Option<MqttEvent> {
    match outgoing {
        Outgoing::Publish(pkid) if *pkid != 0 => Some(MqttEvent::Sent { pkid: *pkid }),
        Outgoing::Disconnect => Some(MqttEvent::Disconnected),
        _ => None,
    }
}

fn positions<T>(codes: &[T], refused: impl Fn(&T) -> bool) -> Vec<usize> {
    codes.iter().enumerate().filter(|(_, code)| refused(code)).map(|(position, _)| position).collect()
}

fn refusal(reason: packets_v5::PubAckReason) -> Option<String> {
    use packets_v5::PubAckReason::{NoMatchingSubscribers, Success};
    (!matches!(reason, Success | NoMatchingSubscribers)).then(|| spaced(&format!("{reason:?}")))
}

fn network_options() -> NetworkOptions {
    let mut options = NetworkOptions::new();
    // With Nagle's algorithm, acknowledgements wait for one another: 22,000 messages/s instead of 329,000.
    options.set_tcp_nodelay(true);
    options.set_connection_timeout(TIMEOUT.as_secs());
    options
}

fn transport(settings: &Settings) -> Transport {
    match &settings.tls {
        Some(tls) => Transport::tls_with_config(TlsConfiguration::Rustls(tls.config.clone())),
        None => Transport::tcp(),
    }
}

fn options_v4(settings: &Settings, session: &MqttSession, client_id: &str) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(client_id, &settings.host, settings.port);
    options
        .set_transport(transport(settings))
        .set_keep_alive(settings.keep_alive)
        .set_clean_session(session.clean)
        .set_manual_acks(session.manual_acks)
        .set_inflight(session.inflight)
        .set_max_packet_size(session.packet_bytes_max, PACKET_BYTES_MAX);
    if let Some(user) = &settings.username {
        options.set_credentials(user, settings.password.as_ref().map_or("", |password| password.reveal()));
    }
    if let Some(Will { topic, payload, qos, retain }) = &session.last_will {
        options.set_last_will(rumqttc::LastWill::new(topic, payload.clone(), (*qos).into(), *retain));
    }
    options
}

fn options_v5(settings: &Settings, session: &MqttSession, client_id: &str) -> rumqttc::v5::MqttOptions {
    let mut options = rumqttc::v5::MqttOptions::new(client_id, &settings.host, settings.port);
    options
        .set_transport(transport(settings))
        .set_keep_alive(settings.keep_alive)
        .set_clean_start(session.clean)
        .set_manual_acks(session.manual_acks)
        .set_outgoing_inflight_upper_limit(session.inflight)
        .set_connection_timeout(TIMEOUT.as_secs())
        .set_network_options(network_options())
        .set_max_packet_size(Some(u32::try_from(session.packet_bytes_max).unwrap_or(u32::MAX)));
    if !session.clean {
        options
            .set_session_expiry_interval(Some(u32::try_from(session.expiry.as_secs()).unwrap_or(u32::MAX)));
    }
    if let Some(user) = &settings.username {
        options.set_credentials(user, settings.password.as_ref().map_or("", |password| password.reveal()));
    }
    if let Some(Will { topic, payload, qos, retain }) = &session.last_will {
        options.set_last_will(packets_v5::LastWill::new(
            topic,
            payload.clone(),
            (*qos).into(),
            *retain,
            None,
        ));
    }
    options
}
