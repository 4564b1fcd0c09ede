//! A short visit to a broker that tests whether it can be used: for `headwater self-test`.

use crate::{Client, ConnectError, Connection, MqttEvent, MqttSession, Qos, Settings, connect};
use bytes::Bytes;
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// How long a whole visit may take.
const WITHIN: Duration = Duration::from_secs(20);

/// A broker that says nothing for so long has nothing to say, or waits.
const SILENCE: Duration = Duration::from_secs(1);

/// A client id of its own.
fn client_id() -> String {
    format!("headwater-self-test-{}", std::process::id())
}

/// A connection under a client id of its own, so that a running agent keeps its session.
#[derive(Debug)]
pub struct Visit {
    client: Client,
    connection: Connection,
    /// The topic of a message that came during another wait.
    heard: Option<String>,
}

impl Visit {
    /// Runs a visit.
    ///
    /// # Errors
    /// Why the broker cannot be used, for people.
    pub async fn within_time<T>(
        settings: &Settings,
        visit: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, String> {
        let address = settings.address();
        match timeout(WITHIN, visit).await {
            Ok(visited) => visited.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{address}: no answer within {} s; is it a broker?", WITHIN.as_secs())),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// No connection.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        Self::connect_as(settings, MqttSession::passing(client_id())).await
    }

    /// Connects as a client that acknowledges nothing.
    ///
    /// # Errors
    /// No connection.
    pub async fn connect_to_hold(settings: &Settings) -> Result<Self, ConnectError> {
        let session = MqttSession { manual_acks: true, ..MqttSession::passing(client_id()) };
        Self::connect_as(settings, session).await
    }

    async fn connect_as(settings: &Settings, session: MqttSession) -> Result<Self, ConnectError> {
        let settings = Settings { client_id: None, ..settings.clone() };
        let connected = connect(&settings, &session);
        let (client, connection) = connected.map_err(|error| ConnectError::Refused(error.to_string()))?;
        let mut visit = Self { client, connection, heard: None };
        while !matches!(visit.connection.poll().await?, MqttEvent::Connected { .. }) {}
        Ok(visit)
    }

    /// The positions of the filters that the broker refuses to serve.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn subscribe(&mut self, filters: &[String]) -> Result<Vec<usize>, ConnectError> {
        let sent = self.client.try_subscribe(filters, Qos::AtLeastOnce);
        sent.map_err(|error| ConnectError::Refused(error.to_string()))?;
        loop {
            match self.connection.poll().await? {
                MqttEvent::Subscribed { refused } => return Ok(refused),
                event => self.keep(&event),
            }
        }
    }

    /// Publishes one message. Returns why the broker refuses it, or `None`.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn publish(&mut self, topic: &str, payload: Bytes) -> Result<Option<String>, ConnectError> {
        let sent = self.client.try_publish(topic.to_owned(), payload, Qos::AtLeastOnce, false);
        sent.map_err(|error| ConnectError::Refused(error.to_string()))?;
        loop {
            match self.connection.poll().await? {
                MqttEvent::Acked { refused, .. } => return Ok(refused),
                event => self.keep(&event),
            }
        }
    }

    /// The topic of the next message.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn message(&mut self) -> Result<String, ConnectError> {
        while self.heard.is_none() {
            let event = self.connection.poll().await?;
            self.keep(&event);
        }
        Ok(self.heard.take().unwrap_or_default())
    }

    /// The next message: its topic, its payload, and whether the broker had kept it.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn publication(&mut self) -> Result<(String, Bytes, bool), ConnectError> {
        loop {
            if let MqttEvent::Incoming(publish) = self.connection.poll().await? {
                return Ok((publish.topic().to_owned(), publish.payload.clone(), publish.retain));
            }
        }
    }

    /// Publishes so many messages without content to a topic that is subscribed to. Returns how many come back before the
    /// broker falls silent: of a client that acknowledges nothing, those that the broker sends before it waits.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn echo(&mut self, topic: &str, messages: usize) -> Result<usize, ConnectError> {
        let (mut left, mut back) = (messages, 0);
        loop {
            let publish = || self.client.try_publish(topic.to_owned(), Bytes::new(), Qos::AtLeastOnce, false);
            while left > 0 && publish().is_ok() {
                left -= 1;
            }
            match timeout(SILENCE, self.connection.poll()).await {
                Ok(event) => back += usize::from(matches!(event?, MqttEvent::Incoming(_))),
                Err(_) => return Ok(back),
            }
        }
    }

    fn keep(&mut self, event: &MqttEvent) {
        if let MqttEvent::Incoming(publish) = event {
            self.heard.get_or_insert_with(|| publish.topic().to_owned());
        }
    }
}
