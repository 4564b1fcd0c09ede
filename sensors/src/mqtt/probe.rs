//! Tests whether the broker can be reached, accepts the subscriptions, and has messages for them.

use crate::Finding;
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
