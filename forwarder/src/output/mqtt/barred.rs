//! The topics for which a broker has closed connections: what is sent to them later is refused without another attempt.
//!
//! A broker may close the connection for a topic that is too long, too deep or not allowed, and every window makes
//! another message for it. The second message that does so bars its topic. A size may be the reason too: messages of less than half of it are still tried.
//!
//! Limits: [`TOPICS_MAX`] topics, by a hash; past them the one that is free first is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

const TOPICS_MAX: usize = 4_096;

/// How long the second message bars its topic. The time doubles with each further message that closes connections.
const FIRST: Duration = Duration::from_secs(600);
const LAST: Duration = Duration::from_secs(86_400);

/// The topics, by their hashes.
#[derive(Default)]
pub(super) struct BarredTopics {
    seed: RandomState,
    topics: HashMap<u64, Barred>,
}

struct Barred {
    until: Instant,
    /// How long the next message bars it.
    next: Duration,
    /// The size of the smallest message that closed a connection (bytes).
    bytes: usize,
}

impl BarredTopics {
    /// Notes that a message of this size has closed connections.
    pub(super) fn note(&mut self, topic: &str, bytes: usize, now: Instant) {
        let hash = self.seed.hash_one(topic);
        if self.topics.len() >= TOPICS_MAX && !self.topics.contains_key(&hash) {
            let first = self.topics.iter().min_by_key(|(_, barred)| barred.until).map(|(hash, _)| *hash);
            first.and_then(|first| self.topics.remove(&first));
        }
        match self.topics.entry(hash) {
            Entry::Vacant(new) => {
                new.insert(Barred { until: now, next: FIRST, bytes });
            }
            Entry::Occupied(mut known) => {
                let Barred { until, next, bytes: least } = known.get_mut();
                (*until, *least) = (now + *next, bytes.min(*least));
                *next = (*next * 2).min(LAST);
            }
        }
    }

    /// For how long a message of this size cannot be sent to the topic; `None`: it can.
    pub(super) fn wait(&self, topic: &str, bytes: usize, now: Instant) -> Option<Duration> {
        if self.topics.is_empty() {
            return None;
        }
        let barred = self.topics.get(&self.seed.hash_one(topic))?;
        let wait = barred.until.saturating_duration_since(now);
        (!wait.is_zero() && bytes.saturating_mul(2) >= barred.bytes).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_topic_is_barred_for_longer_each_time() {
        let (mut barred, now) = (BarredTopics::default(), Instant::now());
        assert_eq!(barred.wait("a", 100, now), None);
        barred.note("a", 100, now);
        assert_eq!(barred.wait("a", 100, now), None, "the message may be to blame");
        barred.note("a", 100, now);
        assert_eq!(barred.wait("a", 50, now), Some(FIRST));
        assert_eq!((barred.wait("a", 49, now), barred.wait("b", 100, now)), (None, None));
        assert_eq!(barred.wait("a", 100, now + FIRST), None, "it is tried again");
        barred.note("a", 100, now + FIRST);
        assert_eq!(barred.wait("a", 100, now + FIRST), Some(2 * FIRST));
        (0..20).for_each(|_| barred.note("a", 100, now));
        assert_eq!(barred.wait("a", 100, now), Some(LAST));
        (0..2 * TOPICS_MAX).for_each(|n| barred.note(&n.to_string(), 1, now));
        assert_eq!(barred.topics.len(), TOPICS_MAX);
        assert!(barred.wait("a", 100, now).is_some(), "those that are free first go");
    }
}
