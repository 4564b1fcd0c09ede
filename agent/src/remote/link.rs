//! The connection on which requests come and answers go: one of its own, so that it does not change with sources and outputs.
//!
//! A request that comes while the agent is away is lost, unless the broker retains it: a late one would be refused by its
//! time. The last answer is retained, and is said again on every connection.

use super::answer::RequestAnswer;
use super::{RemoteSettings, TEXT_BYTES_MAX};
use bytes::Bytes;
use headwater_mqtt::{Backoff, Client, Connection, MqttEvent, MqttSession, Qos};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The largest packet that comes in (bytes): each byte of a text may take six in JSON.
const PACKET_BYTES_MAX: usize = 6 * TEXT_BYTES_MAX + 4096;

/// The most answers that are in flight.
const INFLIGHT: u16 = 16;

/// A message on the topic of requests.
pub(crate) struct RemoteMessage {
    /// What it says.
    pub(crate) payload: Bytes,
    /// Whether the broker has kept it for who comes later.
    pub(crate) is_retained: bool,
}

/// The connection, made again whenever it is lost.
pub(crate) struct RemoteLink {
    settings: RemoteSettings,
    connected: Option<(Client, Connection)>,
    backoff: Backoff,
    /// When the next connection is made.
    next: Instant,
    /// The last answer that is retained, as JSON.
    standing: Option<Bytes>,
    /// Whether the log knows that the connection was lost.
    is_lost: bool,
}

impl RemoteLink {
    /// A link that has not connected yet.
    pub(crate) fn new(settings: RemoteSettings) -> Self {
        let seed = settings.print ^ u64::from(std::process::id());
        let (backoff, next) = (Backoff::new(seed), Instant::now());
        Self { settings, connected: None, backoff, next, standing: None, is_lost: false }
    }

    /// What it was made of.
    pub(crate) fn settings(&self) -> &RemoteSettings {
        &self.settings
    }

    /// Waits for the next message. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> RemoteMessage {
        loop {
            sleep_until(self.next).await;
            let Some((client, connection)) = &mut self.connected else {
                self.connect();
                continue;
            };
            match connection.poll().await {
                Ok(MqttEvent::Connected { .. }) => {
                    let filter = topic(&self.settings.agent, "set");
                    let _ = client.try_subscribe(&[filter], Qos::AtLeastOnce);
                    self.say_standing();
                }
                Ok(MqttEvent::Subscribed { refused }) => self.subscribed(refused.is_empty()),
                Ok(MqttEvent::Incoming(publish)) => {
                    let is_retained = publish.retain;
                    return RemoteMessage { payload: publish.payload, is_retained };
                }
                Ok(_) => {}
                Err(error) => {
                    self.next = Instant::now() + self.backoff.after(connection);
                    self.connected = None;
                    self.lost(&error.to_string());
                }
            }
        }
    }

    /// Answers, and keeps the answer at the broker and for later connections.
    pub(crate) fn stand(&mut self, answer: &RequestAnswer) {
        self.standing = Some(answer.json().into());
        self.say_standing();
    }

    /// Answers whoever listens now.
    pub(crate) fn say(&mut self, answer: &RequestAnswer) {
        self.publish(answer.json().into(), false);
    }

    fn say_standing(&mut self) {
        if let Some(standing) = self.standing.clone() {
            self.publish(standing, true);
        }
    }

    fn publish(&mut self, payload: Bytes, retain: bool) {
        if let Some((client, connection)) = &self.connected
            && connection.was_connected()
        {
            let topic = topic(&self.settings.agent, "status");
            // Without room it is said on the next connection.
            let _ = client.try_publish(topic, payload, Qos::AtLeastOnce, retain);
        }
    }

    fn connect(&mut self) {
        let mut session = MqttSession::passing("headwater");
        (session.inflight, session.packet_bytes_max) = (INFLIGHT, PACKET_BYTES_MAX);
        match headwater_mqtt::connect(&self.settings.broker, &session) {
            Ok(connected) => self.connected = Some(connected),
            Err(error) => {
                self.next = Instant::now() + Duration::from_secs(60);
                self.lost(&error.to_string());
            }
        }
    }

    fn subscribed(&mut self, is_allowed: bool) {
        let (topic, broker) = (topic(&self.settings.agent, "set"), self.settings.broker.address());
        if is_allowed {
            tracing::info!(topic, broker, "listening for remote changes of the config");
            self.is_lost = false;
        } else {
            tracing::error!(
                topic,
                broker,
                "the broker refuses the subscription to remote changes of the config"
            );
        }
    }

    /// One line for each time.
    fn lost(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_lost, true) {
            let why = clean(why, LINE_BYTES_MAX);
            tracing::warn!("no remote change of the config can come: {why}; trying again");
        }
    }
}

fn topic(agent: &str, what: &str) -> String {
    format!("headwater/{agent}/config/{what}")
}
