//! Reads what an agent sends to a cluster, for `headwater tail`: from now on.

use super::topic::KafkaTopicTemplate;
use crate::{MessageAddress, Tail, Tailed, Tailing};
use bytes::Bytes;
use headwater_kafka::{Consumer, ConsumerEvent, ConsumerStart, KafkaPartition, KafkaSettings};
use headwater_mqtt::Backoff;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

const KINDS: [&str; 7] = ["summary", "alert", "evidence", "reading", "report", "clock", "prediction"];

struct KafkaTail {
    settings: Rc<KafkaSettings>,
    topics: Vec<String>,
    /// What a message of the agent holds.
    own: String,
    consumer: Option<Consumer>,
    offsets: BTreeMap<KafkaPartition, i64>,
    ready: VecDeque<(String, Bytes)>,
    backoff: Backoff,
    wait: Duration,
}

/// Follows the topics of an agent.
///
/// # Errors
/// The topics are not known before there are messages.
pub(super) fn follow(
    settings: &Rc<KafkaSettings>,
    topic: &KafkaTopicTemplate,
    agent: &str,
) -> Result<Box<dyn Tail>, String> {
    if !topic.is_by_kind() {
        return Err(
            "a topic for each stream or series cannot be followed; read the topics with a consumer".into()
        );
    }
    let of = |kind: &'static str| {
        let address = MessageAddress { agent: agent.into(), kind: kind.into(), ..MessageAddress::default() };
        topic.topic(&address)
    };
    let mut topics: Vec<String> = KINDS.into_iter().map(of).collect();
    topics.dedup();
    Ok(Box::new(KafkaTail {
        settings: settings.clone(),
        topics,
        own: format!("\"agent\":\"{agent}\""),
        consumer: None,
        offsets: BTreeMap::new(),
        ready: VecDeque::new(),
        backoff: Backoff::new(u64::from(std::process::id())),
        wait: Duration::ZERO,
    }))
}

impl Tail for KafkaTail {
    fn next(&mut self) -> Tailing<'_> {
        Box::pin(async {
            loop {
                if let Some((place, payload)) = self.ready.pop_front() {
                    return Ok(Tailed::Message { place, payload, backfill: false });
                }
                if let Some(note) = self.read().await {
                    return Ok(Tailed::Note(note));
                }
            }
        })
    }
}

impl KafkaTail {
    /// Waits for messages, or for news to tell.
    async fn read(&mut self) -> Option<String> {
        tokio::time::sleep(std::mem::take(&mut self.wait)).await;
        let Self { settings, topics, consumer, offsets, .. } = self;
        let new = || Consumer::new(settings.clone(), topics.clone(), ConsumerStart::Latest, offsets.clone());
        let consumer = consumer.get_or_insert_with(new);
        match consumer.next().await {
            Ok(ConsumerEvent::Begun(partition, offset)) => {
                let is_first = self.offsets.is_empty();
                self.offsets.insert(partition, offset);
                is_first.then(|| format!("listening to {}", self.topics.join(", ")))
            }
            Ok(ConsumerEvent::Fetched(mut batches)) => {
                let (partition, own) = (batches.partition.clone(), self.own.as_bytes());
                let ready = &mut self.ready;
                while let Some((next, _)) = batches.read_batch(|record| {
                    let value = record.value.unwrap_or_default();
                    // Of CBOR the agent is not looked for.
                    if value.first() != Some(&b'{') || value.windows(own.len()).any(|window| window == own) {
                        ready.push_back((partition.topic.clone(), Bytes::copy_from_slice(value)));
                    }
                }) {
                    self.offsets.insert(partition.clone(), next);
                }
                None
            }
            Ok(ConsumerEvent::Gap(gap)) => {
                self.offsets.insert(gap.partition, gap.first);
                None
            }
            // Topics that have no message yet are not there.
            Ok(ConsumerEvent::Trouble(_)) => None,
            Err(error) => {
                self.consumer = None;
                self.wait = self.backoff.next();
                Some(format!("no connection: {error}; trying again"))
            }
        }
    }
}
