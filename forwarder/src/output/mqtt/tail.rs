//! Listens to what agents publish, for `headwater tail`.

use super::topic::TopicTemplate;
use crate::{Tail, Tailed, Tailing};
use headwater_mqtt::{Backoff, Client, Connection, MqttEvent, MqttSession, Qos, Settings};
use std::time::Duration;

/// A subscription that is made again whenever the connection is lost.
struct Subscription {
    settings: Settings,
    filter: String,
    connected: Option<(Client, Connection)>,
    backoff: Backoff,
    /// How long to wait before the next connection.
    wait: Duration,
}

/// Tails what agents publish under the default topics. `None`: all agents.
pub(super) fn address(url: &str, agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
    let topic = TopicTemplate::parse(TopicTemplate::DEFAULT)?;
    Ok(follow(Settings::parse_url(url)?, topic.filter(agent)))
}

/// Tails what is published under a filter.
pub(super) fn follow(settings: Settings, filter: String) -> Box<dyn Tail> {
    let backoff = Backoff::new(u64::from(std::process::id()));
    Box::new(Subscription { settings, filter, connected: None, backoff, wait: Duration::ZERO })
}

impl Tail for Subscription {
    fn next(&mut self) -> Tailing<'_> {
        Box::pin(self.read())
    }
}

impl Subscription {
    async fn read(&mut self) -> Result<Tailed, String> {
        tokio::time::sleep(self.wait).await;
        loop {
            let (client, connection) = match &mut self.connected {
                Some(connected) => connected,
                none => none.insert(connect(&self.settings)?),
            };
            match connection.poll().await {
                Ok(MqttEvent::Connected { .. }) => {
                    let filters = std::slice::from_ref(&self.filter);
                    client.try_subscribe(filters, Qos::AtLeastOnce).map_err(|error| error.to_string())?;
                    self.wait = Duration::ZERO;
                    return Ok(Tailed::Note(format!("listening to {}", self.filter)));
                }
                Ok(MqttEvent::Incoming(publish)) => {
                    let (place, payload) = (publish.topic().to_owned(), publish.payload.clone());
                    let backfill = TopicTemplate::is_backfill(&place);
                    return Ok(Tailed::Message { place, payload, backfill });
                }
                Ok(MqttEvent::Subscribed { refused }) if !refused.is_empty() => {
                    return Err(format!("the broker refuses the subscription to {}", self.filter));
                }
                Ok(_) => {}
                Err(error) => {
                    self.wait = self.backoff.after(connection);
                    self.connected = None;
                    return Ok(Tailed::Note(format!("no connection: {error}; trying again")));
                }
            }
        }
    }
}

fn connect(settings: &Settings) -> Result<(Client, Connection), String> {
    let session = MqttSession::passing(format!("headwater-tail-{}", std::process::id()));
    headwater_mqtt::connect(settings, &session).map_err(|error| error.to_string())
}
