//! The form of a message at a broker.

use super::topic::TopicTemplate;
use crate::{Encoder, Framing, Message, MessageAddress};
use std::sync::Arc;

/// The kind of the messages that a broker may keep.
const SUMMARY: &str = "summary";

/// The kinds of the messages that batches are made of.
const BATCHED: [&str; 2] = [SUMMARY, "reading"];

/// Chooses the topic and the payload of messages.
pub(super) struct Publisher {
    pub(super) encoder: Arc<dyn Encoder>,
    pub(super) topic: TopicTemplate,
    /// Whether the broker keeps the last live summary of each series.
    pub(super) retains: bool,
    /// Whether messages are gathered in batches.
    pub(super) gathers: bool,
}

/// The form of a message at the broker.
pub(super) struct Publication {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether the broker keeps it for those who subscribe later.
    pub(super) retain: bool,
    /// The topic of the batches that it may be part of.
    pub(super) batch: Option<String>,
}

impl Publisher {
    /// The topic and the payload of a message.
    ///
    /// # Errors
    /// The message has no topic, or cannot be encoded.
    pub(super) fn publication(&self, message: &Message, backfill: bool) -> Result<Publication, String> {
        let address = self.encoder.address(message).ok_or("it does not say what it is")?;
        let topic = self.topic.topic(&address, backfill);
        let mut payload = Vec::with_capacity(2 * message.body.len());
        match self.encoder.encode(&[message], Framing::Single, &mut payload) {
            Ok(()) => {
                let retain = self.retains && !backfill && address.kind == SUMMARY;
                let is_batched =
                    self.gathers && BATCHED.contains(&&*address.kind) && !message.lane.is_alert();
                let batch = is_batched.then(|| {
                    let of_all = MessageAddress { series: "".into(), ..address };
                    self.topic.topic(&of_all, backfill)
                });
                Ok(Publication { topic, payload, retain, batch })
            }
            Err(error) => Err(format!("{topic}: {error}")),
        }
    }
}
