//! Probes a broker with a message there and back, for `headwater self-test`.

use super::topic::TopicTemplate;
use crate::{Encoder, ProbeResult};
use bytes::Bytes;
use headwater_mqtt::{ConnectError, Settings, Visit};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The payload, with an explanation for whoever may see it.
const PAYLOAD: &[u8] = b"{\"v\":1,\"kind\":\"self-test\"}";

/// How long to wait for the message to come back.
const LISTEN: Duration = Duration::from_secs(2);

/// Publishes one message and waits for it to come back, under a client id of its own.
pub(super) async fn round_trip(
    settings: &Settings,
    topic: &TopicTemplate,
    encoder: &dyn Encoder,
) -> Option<ProbeResult> {
    let topic = topic.filter(Some(encoder.agent())).replace('#', "self-test");
    let tried = Visit::within_time(settings, visit(settings, &topic));
    Some(tried.await.unwrap_or_else(ProbeResult::Bad))
}

async fn visit(settings: &Settings, topic: &str) -> Result<ProbeResult, ConnectError> {
    let address = settings.address();
    let mut visit = Visit::connect(settings).await?;
    let may_listen = visit.subscribe(&[topic.to_owned()]).await?.is_empty();
    let start = Instant::now();
    if let Some(why) = visit.publish(topic, Bytes::from_static(PAYLOAD)).await? {
        let fix = "check the broker's access rules for this user";
        return Ok(ProbeResult::Bad(format!("{address}: refuses {topic}, {why}; {fix}")));
    }
    let acked = start.elapsed().as_millis();
    if !may_listen {
        let remark = "(this user may not subscribe, which the agent never does)";
        return Ok(ProbeResult::Good(format!("{address}: {topic} acknowledged after {acked} ms {remark}")));
    }
    Ok(match timeout(LISTEN, visit.message()).await {
        Ok(back) => {
            back?;
            let elapsed = start.elapsed().as_millis();
            ProbeResult::Good(format!("{address}: {topic} there and back in {elapsed} ms"))
        }
        Err(_) => ProbeResult::Bad(format!(
            "{address}: acknowledges {topic} and drops it; check the broker's access rules for this user"
        )),
    })
}
