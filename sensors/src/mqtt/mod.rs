//! `type = "mqtt"`: subscribes at a broker, 3.1.1 or 5.
//!
//! Each source has a client id of its own and a session that the broker keeps, so that with QoS 1 messages published
//! while the agent is away arrive when it is back. The source subscribes when the broker has no session, and once
//! after each start, because `topics` may have changed; a new subscription makes the broker send its retained
//! messages. The subscriptions of an earlier configuration stay in the session. When one of their messages comes, the
//! source replaces the session by a new one: once, and not before the backlog has had time to arrive.
//!
//! Limits: `[limits] payload`, beyond which a payload is counted and dropped. The broker's packets may be larger (16
//! MiB at least), because a connection that refuses a packet gets it again and again. A packet beyond even that is
//! counted once; if it comes again, the session is dropped with everything that waits in it.
//!
//! Deviation: QoS 2 is not offered.

mod ack_window;
mod config;
mod discovery;
mod in_hand;
mod probe;
mod replies;
mod requests;
mod session;
mod stall;
mod subscription;

pub(crate) use config::KIND;

use crate::source::stopped;
use crate::{
    DecodeConfig, Running, SafetyLevel, Sink, Source, SourceContext, SourceProbe, Stop, WindowProbe,
};
use headwater_mqtt::{Qos, Settings};
use requests::Request;
use std::time::Duration;
use subscription::Subscription;

/// One subscription at one broker, checked.
struct Mqtt {
    settings: Settings,
    client_id: String,
    filters: Vec<String>,
    qos: Qos,
    /// How safe a message must be to be acknowledged.
    ack: SafetyLevel,
    /// How long messages may gather when they come fast.
    latency: Duration,
    /// What it publishes by itself.
    publish: Vec<Request>,
    decode: DecodeConfig,
    context: SourceContext,
}

impl Source for Mqtt {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        let client_id = self.settings.client_id.as_ref().unwrap_or(&self.client_id);
        Some(self.settings.client_at_broker(client_id))
    }

    fn exclude(&mut self, address: &str, filters: &[String]) -> bool {
        self.decode.exclude(filters, self.settings.is_at(address))
    }

    fn is_durable(&self) -> bool {
        self.ack == SafetyLevel::Durable
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { Some(probe::listen(&self.settings, &self.filters).await) })
    }

    fn measure_window(&self) -> WindowProbe<'_> {
        Box::pin(async { if self.is_durable() { Some(probe::window(&self.settings).await) } else { None } })
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            Subscription::new(&self, sink).serve(stopped(stop)).await;
        })
    }
}
