//! A broker: can it be reached, does it take what we publish, does it give what we ask for.

use super::Finding;
use bytes::Bytes;
use headwater_mqtt::{Client, ConnectError, Connection, Event, Qos, Session, Settings};
use headwater_sensors::Template;
use headwater_settings::{Or, Table};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// For one broker, everything together.
const WITHIN: Duration = Duration::from_secs(20);

/// How long to wait for somebody else's message.
const LISTEN: Duration = Duration::from_secs(2);

/// The connection of a source's or output's table, if it is one to a broker; under a client id of its own.
pub(super) fn settings(table: &mut Table<'_>) -> Option<Settings> {
    let kind = table.string("type").given()?;
    let mut settings = if kind == "mqtt" { Settings::read(table)? } else { return None };
    settings.client_id = None;
    Some(settings)
}

/// Subscribes to what a source subscribes to, and listens for a moment.
pub(super) async fn listen(settings: &Settings, topics: &[String]) -> Finding {
    let filters = topics.iter().filter_map(|topic| Template::parse(topic).ok());
    let filters = filters.map(|template| template.filter().to_owned()).collect::<Vec<_>>();
    let address = settings.address();
    bounded(&address, async {
        let mut visit = Visit::connect(settings).await?;
        let refused = visit.subscribe(&filters).await?;
        if !refused.is_empty() {
            let named = refused.iter().filter_map(|at| filters.get(*at)).cloned().collect::<Vec<_>>();
            return Ok(Finding::Bad(format!(
                "{address}: refuses the subscription to {}; check the broker's access rules",
                named.join(", ")
            )));
        }
        let subscribed = format!("{address}: subscribed to {}", filters.join(", "));
        Ok(match timeout(LISTEN, visit.message()).await {
            Ok(topic) => Finding::Good(format!("{subscribed}; heard {}", topic?)),
            Err(_) => Finding::Note(format!(
                "{subscribed}; nothing came within {} s: does anybody publish there?",
                LISTEN.as_secs()
            )),
        })
    })
    .await
}

/// Publishes one message and waits for it to come back.
pub(super) async fn round_trip(settings: &Settings, topic: &str) -> Finding {
    let address = settings.address();
    bounded(&address, async {
        let mut visit = Visit::connect(settings).await?;
        let may_listen = visit.subscribe(&[topic.to_owned()]).await?.is_empty();
        let start = Instant::now();
        if let Some(why) = visit.publish(topic).await? {
            return Ok(Finding::Bad(format!(
                "{address}: refuses {topic}, {why}; check the broker's access rules for this user"
            )));
        }
        let acked = start.elapsed().as_millis();
        if !may_listen {
            return Ok(Finding::Good(format!(
                "{address}: {topic} acknowledged after {acked} ms (this user may not subscribe, which the agent never does)"
            )));
        }
        Ok(match timeout(LISTEN, visit.message()).await {
            Ok(back) => {
                back?;
                Finding::Good(format!("{address}: {topic} there and back in {} ms", start.elapsed().as_millis()))
            }
            Err(_) => Finding::Bad(format!(
                "{address}: acknowledges {topic} and drops it; check the broker's access rules for this user"
            )),
        })
    })
    .await
}

async fn bounded(address: &str, visit: impl Future<Output = Result<Finding, ConnectError>>) -> Finding {
    match timeout(WITHIN, visit).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(error)) => Finding::Bad(error.to_string()),
        Err(_) => {
            Finding::Bad(format!("{address}: no answer within {} s; is it a broker?", WITHIN.as_secs()))
        }
    }
}

/// One connection, held for as long as the test takes.
struct Visit {
    client: Client,
    connection: Connection,
    /// What came in while something else was waited for.
    heard: Option<String>,
}

impl Visit {
    async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        let session = Session::passing(format!("headwater-self-test-{}", std::process::id()));
        let connected = headwater_mqtt::connect(settings, &session);
        let (client, connection) = connected.map_err(|error| ConnectError::Refused(error.to_string()))?;
        let mut visit = Self { client, connection, heard: None };
        while !matches!(visit.connection.poll().await?, Event::Connected { .. }) {}
        Ok(visit)
    }

    /// The positions of the filters that the broker will not serve.
    async fn subscribe(&mut self, filters: &[String]) -> Result<Vec<usize>, ConnectError> {
        let asked = self.client.try_subscribe(filters, Qos::AtLeastOnce);
        asked.map_err(|error| ConnectError::Refused(error.to_string()))?;
        loop {
            match self.connection.poll().await? {
                Event::Subscribed { refused } => return Ok(refused),
                event => self.keep(&event),
            }
        }
    }

    /// Why the broker will not have it; `None`: it does.
    async fn publish(&mut self, topic: &str) -> Result<Option<String>, ConnectError> {
        let payload = Bytes::from_static(b"{\"v\":1,\"kind\":\"self-test\"}");
        let asked = self.client.try_publish(topic.to_owned(), payload, Qos::AtLeastOnce, false);
        asked.map_err(|error| ConnectError::Refused(error.to_string()))?;
        loop {
            match self.connection.poll().await? {
                Event::Acked { refused, .. } => return Ok(refused),
                event => self.keep(&event),
            }
        }
    }

    /// The topic of the next message.
    async fn message(&mut self) -> Result<String, ConnectError> {
        while self.heard.is_none() {
            let event = self.connection.poll().await?;
            self.keep(&event);
        }
        Ok(self.heard.take().unwrap_or_default())
    }

    fn keep(&mut self, event: &Event) {
        if let Event::Incoming(publish) = event {
            self.heard.get_or_insert_with(|| publish.topic().to_owned());
        }
    }
}
