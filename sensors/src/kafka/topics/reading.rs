//! Reads the topics of a source, however often the cluster goes away.

use super::{KafkaSource, place};
use crate::decode::Decoder;
use crate::room::room;
use crate::topic::KEY_FOLLOWS;
use crate::{ConnectionState, Sink};
use headwater_kafka::{
    Consumer, ConsumerEvent, FetchedBatches, FetchedRecord, KafkaError, KafkaPartition, OffsetGap,
};
use headwater_mqtt::Backoff;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Credentials that are refused are not tried again sooner.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

pub(super) struct TopicReading<'a> {
    source: &'a KafkaSource,
    sink: Box<dyn Sink>,
    decoder: Decoder,
    /// Whether names or labels hold the key.
    uses_key: bool,
    offsets: BTreeMap<KafkaPartition, i64>,
    backoff: Backoff,
    /// The topic and the key of a record.
    name: String,
}

impl<'a> TopicReading<'a> {
    pub(super) fn new(source: &'a KafkaSource, mut sink: Box<dyn Sink>) -> Self {
        let (offsets, whole) = place::known(sink.as_mut(), &source.topics);
        if let Err(why) = whole {
            sink.state_dropped(&why);
        }
        Self {
            source,
            sink,
            decoder: Decoder::new(&source.decode, &source.context),
            uses_key: source.decode.uses_key(),
            offsets,
            backoff: Backoff::by_chance(),
            name: String::new(),
        }
    }

    /// Reads for ever.
    pub(super) async fn serve(&mut self) {
        loop {
            let KafkaSource { settings, topics, from, .. } = self.source;
            let mut consumer = Consumer::new(settings.clone(), topics.clone(), *from, self.offsets.clone());
            let error = self.read(&mut consumer).await;
            let reason = error.to_string();
            self.sink.connection(ConnectionState::Down { reason: &reason });
            let wait = self.backoff.next();
            let wait = if matches!(error, KafkaError::Refused(_)) { wait.max(REFUSED_WAIT) } else { wait };
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads until the cluster goes away.
    async fn read(&mut self, consumer: &mut Consumer) -> KafkaError {
        if let Err(error) = consumer.connect().await {
            return error;
        }
        self.sink.connection(ConnectionState::Up);
        loop {
            match consumer.next().await {
                Ok(ConsumerEvent::Begun(partition, offset)) => self.go_on_at(partition, offset),
                Ok(ConsumerEvent::Fetched(batches)) => {
                    self.backoff.reset();
                    self.on_fetched(batches).await;
                }
                Ok(ConsumerEvent::Gap(gap)) => self.on_gap(gap),
                Ok(ConsumerEvent::Trouble(what)) => self.sink.trouble(what.as_deref()),
                Err(error) => return error,
            }
        }
    }

    fn go_on_at(&mut self, partition: KafkaPartition, offset: i64) {
        place::note(self.sink.as_mut(), &partition, offset);
        self.offsets.insert(partition, offset);
    }

    async fn on_fetched(&mut self, mut batches: FetchedBatches) {
        let partition = batches.partition.clone();
        while let Some((next, result)) = batches.read_batch(|record| self.on_record(&partition.topic, record))
        {
            if let Err(unread) = result {
                let KafkaPartition { topic, number } = &partition;
                let origin = format!("{topic}, partition {number}, offset {}", unread.offset);
                self.sink.invalid(&origin, &unread.why);
            }
            self.go_on_at(partition.clone(), next);
            room(self.sink.as_ref()).await;
        }
    }

    fn on_record(&mut self, topic: &str, record: FetchedRecord<'_>) {
        // A record without a value deletes its key.
        let Some(payload) = record.value else { return self.sink.empty(1) };
        self.sink.message();
        if !self.uses_key {
            return self.decoder.on_payload(topic, payload, self.sink.as_mut());
        }
        self.name.clear();
        self.name.push_str(topic);
        self.name.push(KEY_FOLLOWS);
        push_key(&mut self.name, record.key.unwrap_or_default());
        self.decoder.on_payload(&self.name, payload, self.sink.as_mut());
    }

    fn on_gap(&mut self, OffsetGap { partition, wanted, first, end }: OffsetGap) {
        let KafkaPartition { topic, number } = &partition;
        let (count, why) = if wanted < first {
            (
                first - wanted,
                format!(
                    "offsets {wanted} to {} of {topic}, partition {number}, are not kept any more",
                    first - 1
                ),
            )
        } else {
            let why = "was it made anew? It is read from its beginning";
            (0, format!("offset {wanted} of {topic}, partition {number}, lies beyond its end {end}; {why}"))
        };
        self.sink.gone(u32::try_from(count).unwrap_or(u32::MAX), &why);
        self.go_on_at(partition, first);
    }
}

/// Appends a key: a text as it is, other bytes in hexadecimal digits.
fn push_key(name: &mut String, key: &[u8]) {
    match std::str::from_utf8(key) {
        Ok(text) => name.push_str(text),
        Err(_) => key.iter().for_each(|byte| _ = write!(name, "{byte:02x}")),
    }
}
