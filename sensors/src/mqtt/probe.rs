//! Tests whether the broker can be reached, accepts the subscriptions, and has messages for them; and how many it sends
//! before it waits for an acknowledgement.

use crate::{AckLimit, Finding};
use headwater_mqtt::{Settings, Visit};
use std::time::Duration;
use tokio::time::timeout;

/// How long to wait for a message.
const LISTEN: Duration = Duration::from_secs(2);

/// Subscribes to the source's filters under a client id of its own, and listens for a moment.
pub(super) async fn listen(settings: &Settings, filters: &[String]) -> Finding {
    let visit = async {
        let mut visit = Visit::connect(settings).await?;
        let refused = visit.subscribe(filters).await?;
        if !refused.is_empty() {
            return Ok((refused, None));
        }
        let heard = timeout(LISTEN, visit.message()).await.ok().transpose()?;
        Ok((refused, heard))
    };
    let address = settings.address();
    let subscribed = format!("{address}: subscribed to {}", filters.join(", "));
    match Visit::within_time(settings, visit).await {
        Err(why) => Finding::Fails(why),
        Ok((refused, _)) if !refused.is_empty() => {
            let named = refused.iter().filter_map(|at| filters.get(*at)).cloned().collect::<Vec<_>>();
            Finding::Fails(format!(
                "{address}: refuses the subscription to {}; check the broker's access rules",
                named.join(", ")
            ))
        }
        Ok((_, Some(topic))) => Finding::Works(format!("{subscribed}; heard {topic}")),
        Ok((_, None)) => Finding::Note(format!(
            "{subscribed}; nothing came within {} s: does anybody publish there?",
            LISTEN.as_secs()
        )),
    }
}

/// More than brokers usually send at once, and no more than mosquitto keeps for a client.
const MESSAGES: usize = 1_000;

/// Publishes messages without content to a topic of its own, and acknowledges none of those that come back.
pub(super) async fn window(settings: &Settings) -> AckLimit {
    let topic = format!("headwater-self-test/{}", std::process::id());
    let visit = async {
        let mut visit = Visit::connect_to_hold(settings).await?;
        let refused = visit.subscribe(std::slice::from_ref(&topic)).await?;
        if refused.is_empty() { visit.echo(&topic, MESSAGES).await } else { Ok(0) }
    };
    match Visit::within_time(settings, visit).await {
        Err(why) => AckLimit::Unknown(why),
        Ok(0) => {
            let address = settings.address();
            AckLimit::Unknown(format!(
                "{address}: this user may not publish and read {topic}, which a test would need"
            ))
        }
        Ok(MESSAGES..) => AckLimit::AtLeast(MESSAGES),
        Ok(messages) => AckLimit::Messages(messages),
    }
}
