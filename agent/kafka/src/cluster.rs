//! The brokers of a cluster, and who leads the partitions of its topics, as far as anybody has asked.

use crate::api::{Metadata, MetadataRequest};
use crate::connection::{ANSWER_BYTES_MAX, AnswerLimit, BrokerConnection};
use crate::error::{ErrorCode, KafkaError};
use crate::settings::{KafkaAddress, KafkaSettings};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How long a broker may take for what it knows.
const LIMIT: AnswerLimit = AnswerLimit { time: Duration::from_secs(10), bytes: ANSWER_BYTES_MAX };

/// A topic as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// Why it cannot be used, if it cannot.
    pub code: ErrorCode,
    /// The leader of each partition, by its number; `None`: it has none now.
    pub leaders: Vec<(i32, Option<i32>)>,
}

/// A cluster.
pub struct Cluster {
    settings: Rc<KafkaSettings>,
    /// The connection that questions go through.
    connection: Option<BrokerConnection>,
    /// The broker of the config that has answered last.
    answering: usize,
    brokers: BTreeMap<i32, KafkaAddress>,
    topics: BTreeMap<String, TopicState>,
}

impl Cluster {
    /// A cluster of which nothing is known yet.
    #[must_use]
    pub fn new(settings: Rc<KafkaSettings>) -> Self {
        Self { settings, connection: None, answering: 0, brokers: BTreeMap::new(), topics: BTreeMap::new() }
    }

    pub(crate) fn settings(&self) -> &Rc<KafkaSettings> {
        &self.settings
    }

    /// A topic, if anybody has asked for it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicState> {
        self.topics.get(name)
    }

    /// How many brokers there are.
    #[must_use]
    pub fn brokers(&self) -> usize {
        self.brokers.len()
    }

    pub(crate) fn address(&self, broker: i32) -> Option<&KafkaAddress> {
        self.brokers.get(&broker)
    }

    /// The leader of a partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let leaders = &self.topics.get(topic)?.leaders;
        let at = leaders.binary_search_by_key(&partition, |(number, _)| *number).ok()?;
        leaders.get(at)?.1.filter(|leader| self.brokers.contains_key(leader))
    }

    /// Looks topics up. `create`: the broker may make those that are not there.
    ///
    /// # Errors
    /// No broker answers; or one refuses us.
    pub async fn look_up(&mut self, topics: &[String], create: bool) -> Result<(), KafkaError> {
        let request = MetadataRequest { topics, create };
        if let Some(mut connection) = self.connection.take()
            && let Ok(answer) = connection.call(&request, LIMIT).await
        {
            self.connection = Some(connection);
            return self.learn(Metadata::read(&answer.body)?);
        }
        let mut failure = KafkaError::Lost("no broker is known".into());
        for (place, address) in self.candidates() {
            let asked = async {
                let mut connection = BrokerConnection::open(&self.settings, &address).await?;
                let answer = connection.call(&request, LIMIT).await?;
                Ok((connection, Metadata::read(&answer.body)?))
            };
            match asked.await {
                Ok((connection, metadata)) => {
                    self.connection = Some(connection);
                    self.answering = place.unwrap_or(self.answering);
                    return self.learn(metadata);
                }
                // A refusal says more than a broker that is away.
                Err(error) if matches!(failure, KafkaError::Lost(_)) => failure = error,
                Err(_) => {}
            }
        }
        Err(failure)
    }

    /// The brokers to ask: those of the config, the one that has answered last first, then those that it named.
    fn candidates(&self) -> Vec<(Option<usize>, KafkaAddress)> {
        let own = self.settings.brokers.iter().cloned().enumerate();
        let mut all: Vec<_> = own.map(|(place, address)| (Some(place), address)).collect();
        let count = all.len().max(1);
        all.rotate_left(self.answering % count);
        let others = self.brokers.values().filter(|address| !self.settings.brokers.contains(address));
        all.extend(others.map(|address| (None, address.clone())));
        all
    }

    fn learn(&mut self, metadata: Metadata) -> Result<(), KafkaError> {
        let brokers = metadata.brokers.into_iter();
        self.brokers = brokers.map(|(id, host, port)| (id, KafkaAddress { host, port })).collect();
        for topic in metadata.topics {
            let leaders = topic.partitions.into_iter();
            let leaders =
                leaders.map(|(number, leader)| (number, Some(leader).filter(|leader| *leader >= 0)));
            self.topics.insert(topic.name, TopicState { code: topic.code, leaders: leaders.collect() });
        }
        if self.brokers.is_empty() {
            return Err(KafkaError::Lost("the broker knows no broker yet".into()));
        }
        Ok(())
    }
}
