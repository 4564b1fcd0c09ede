//! What a format wants said to a sender, such as that it shall name its metrics again.

use crate::format::Reply;
use headwater_mqtt::{Client, Qos};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The time between two messages to one topic. A sender that does not understand is not talked to all the time.
const PAUSE: Duration = Duration::from_secs(10);

/// The most topics whose last message is remembered; more are not talked to.
const TOPICS_MAX: usize = 4_096;

/// The messages to senders.
#[derive(Default)]
pub(super) struct Replies {
    /// When the last one to each topic was sent.
    sent: HashMap<String, Instant>,
}

impl Replies {
    /// Publishes a reply, unless one to its topic was sent a moment ago. One that finds no room is wanted again with the
    /// next message.
    pub(super) fn publish(&mut self, reply: Reply, client: &Client) {
        if !self.is_due(&reply.topic, Instant::now()) {
            return;
        }
        tracing::debug!(topic = reply.topic, "said to a sender, as its payload wants it");
        let _ = client.try_publish(reply.topic, reply.payload.into(), Qos::AtMostOnce, false);
    }

    fn is_due(&mut self, topic: &str, now: Instant) -> bool {
        let is_recent = |sent: &Instant| now.duration_since(*sent) < PAUSE;
        if self.sent.get(topic).is_some_and(is_recent) {
            return false;
        }
        if self.sent.len() >= TOPICS_MAX {
            self.sent.retain(|_, sent| is_recent(sent));
        }
        if self.sent.len() >= TOPICS_MAX {
            return false;
        }
        self.sent.insert(topic.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_talked_to_now_and_then_and_never_too_many() {
        let (mut replies, start) = (Replies::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(replies.is_due("a", at(0)) && replies.is_due("b", at(0)));
        assert!(!replies.is_due("a", at(9)) && replies.is_due("a", at(10)));
        (0..TOPICS_MAX).for_each(|n| {
            replies.is_due(&n.to_string(), at(11));
        });
        assert!(!replies.is_due("c", at(12)) && replies.sent.len() == TOPICS_MAX);
        assert!(replies.is_due("c", at(30)));
    }
}
