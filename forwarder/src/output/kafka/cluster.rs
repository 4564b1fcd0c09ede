//! An output to a cluster.

mod connection;
mod probe;
mod tail;
mod topic;

use crate::{
    Disconnected, Encoder, Message, Opened, Output, OutputClock, OutputContext, OutputProbing, SendRate, Tail,
};
use connection::{KafkaConnection, KafkaEvents, KafkaFlight};
use headwater_kafka::{KafkaSettings, Producer, RecordCompression};
use headwater_mqtt::Backoff;
use headwater_settings::{Or, Table};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use topic::KafkaTopicTemplate;

/// Messages that may be on their way at a time.
const WINDOW: usize = 2_000;

/// Bytes of keys and values that may be on their way at a time.
const BYTES_MAX: usize = 2 << 20;

/// The producer itself gives up earlier, and says why.
const ACK_TIMEOUT: Duration = Duration::from_secs(60);

struct KafkaOutput {
    settings: Rc<KafkaSettings>,
    topic: KafkaTopicTemplate,
    compression: RecordCompression,
    rate: SendRate,
    clock: OutputClock,
    backoff: Rc<RefCell<Backoff>>,
}

/// Reads the table of an output.
pub(super) fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let OutputContext { agent, output } = context;
    let client_id = format!("headwater-{agent}-output-{output}");
    let settings = KafkaSettings::read(table, &client_id);
    let given = table.string("topic").given();
    let template = given.unwrap_or_else(|| KafkaTopicTemplate::DEFAULT.to_owned());
    let refuse = |fix| table.refuse(table.place_of("topic"), format!("`topic` cannot be `{template}`"), fix);
    let topic = KafkaTopicTemplate::parse(&template).map_err(refuse).ok();
    let compression = table.choice("compression", &RecordCompression::ALL).value_or(RecordCompression::None);
    let rate = SendRate::read(table);
    let seed = u64::from(crc32fast::hash(client_id.as_bytes())) ^ fastrand::u64(..);
    Some(Box::new(KafkaOutput {
        settings: Rc::new(settings?),
        topic: topic?,
        compression,
        rate,
        clock: Rc::new(|| 0),
        backoff: Rc::new(RefCell::new(Backoff::new(seed))),
    }))
}

impl Output for KafkaOutput {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let producer = Producer::new(self.settings.clone(), self.clock.clone(), self.compression);
        let flight = Rc::new(KafkaFlight::default());
        let sender = KafkaConnection {
            inbox: producer.inbox(),
            flight: flight.clone(),
            encoder: encoder.clone(),
            topic: self.topic.clone(),
        };
        let events = KafkaEvents { producer, flight, is_new: true, backoff: self.backoff.clone() };
        Ok((Box::new(sender), Box::new(events)))
    }

    fn tell_time(&mut self, clock: OutputClock) {
        self.clock = clock;
    }

    fn keeps_order(&self) -> bool {
        true
    }

    fn ack_timeout(&self) -> Duration {
        ACK_TIMEOUT
    }

    fn rate(&self) -> SendRate {
        self.rate
    }

    fn probe<'a>(&'a self, encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(async { Some(probe::look(&self.settings, &self.topic, encoder).await) })
    }

    fn tail(&self, encoder: &dyn Encoder, agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        tail::follow(&self.settings, &self.topic, agent.unwrap_or_else(|| encoder.agent()))
    }
}
