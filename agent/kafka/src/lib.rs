//! A small client of Kafka: a [`Producer`] and a [`Consumer`] over connections that are bounded in time and memory.
//!
//! Sources and outputs build them from the same keys ([`KafkaSettings::read`]). The client speaks the protocol itself, in
//! the versions that brokers from 2.4 to 4.x take: the codecs that exist reserve memory for whatever length a broker names,
//! and the clients that exist wait without an end. It keeps no messages and no offsets: what was not acknowledged is the
//! caller's, as are the offsets and the wait before the next attempt.
//!
//! Deviations: no transactions (records of aborted ones are read), no consumer groups, no idempotent producer: a batch
//! whose answer was lost comes twice, in order.

mod api;
mod batch;
mod bytes;
mod cluster;
mod codec;
mod connection;
mod consumer;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod murmur2;
mod producer;
mod scram;
mod settings;

pub use batch::FetchedRecord;
pub use cluster::{Cluster, TopicState};
pub use codec::RecordCompression;
pub use consumer::{
    Consumer, ConsumerEvent, ConsumerStart, FetchedBatches, KafkaPartition, OffsetGap, UnreadBatch,
};
pub use error::{ErrorCode, KafkaError};
pub use murmur2::partition_of;
pub use producer::{Producer, ProducerAnswer, ProducerClock, ProducerInbox, ProducerRecord};
pub use scram::ScramHash;
pub use settings::{KafkaAddress, KafkaSettings, Mechanism, Sasl};
