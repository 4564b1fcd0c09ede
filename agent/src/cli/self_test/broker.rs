//! A broker: can it be reached, does it take what we publish and give it back.

use super::Finding;
use bytes::Bytes;
use headwater_mqtt::{Settings, Visit};
use headwater_settings::{Or, Table};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What is published, for whoever may see it.
const PAYLOAD: &[u8] = b"{\"v\":1,\"kind\":\"self-test\"}";

/// How long to wait for somebody else's message.
const LISTEN: Duration = Duration::from_secs(2);

/// The connection of an output's table, if it is one to a broker; under a client id of its own.
pub(super) fn settings(table: &mut Table<'_>) -> Option<Settings> {
    let kind = table.string("type").given()?;
    let mut settings = if kind == "mqtt" { Settings::read(table)? } else { return None };
    settings.client_id = None;
    Some(settings)
}

/// Publishes one message and waits for it to come back.
pub(super) async fn round_trip(settings: &Settings, topic: &str) -> Finding {
    let address = settings.address();
    let tried = Visit::within_time(settings, async {
        let mut visit = Visit::connect(settings).await?;
        let may_listen = visit.subscribe(&[topic.to_owned()]).await?.is_empty();
        let start = Instant::now();
        if let Some(why) = visit.publish(topic, Bytes::from_static(PAYLOAD)).await? {
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
                Finding::Good(format!(
                    "{address}: {topic} there and back in {} ms",
                    start.elapsed().as_millis()
                ))
            }
            Err(_) => Finding::Bad(format!(
                "{address}: acknowledges {topic} and drops it; check the broker's access rules for this user"
            )),
        })
    });
    tried.await.unwrap_or_else(Finding::Bad)
}
