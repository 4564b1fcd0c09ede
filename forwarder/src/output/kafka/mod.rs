//! Sends messages to topics of a Kafka cluster, acknowledged by all replicas in sync.
//!
//! The key is the series, which chooses the partition as Java's producer does, so that messages of one series stay in
//! order. The value is the message as on MQTT. A record is stamped with the time of sending, because Kafka deletes what is
//! stamped older than its retention. A message is acknowledged when its batch is; a repeat has the same `id` and `rev`.
//!
//! Limits: 2,000 messages and 2 MiB of keys and values are on their way. A build without the feature `kafka` refuses the config.

#[cfg(feature = "kafka")]
mod cluster;

use crate::{Output, OutputContext, OutputKind};
use headwater_settings::Table;

pub(crate) const KIND: OutputKind = OutputKind {
    name: "kafka",
    formats: &["json", "cbor"],
    read,
    tail: None,
    sample: include_str!("sample.toml"),
};

#[cfg(feature = "kafka")]
fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    cluster::read(table, context)
}

#[cfg(not(feature = "kafka"))]
fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let what = format!("this build of headwater writes no Kafka, which output `{}` needs", context.output);
    table.refuse(table.place_of("type"), what, "take a build with the feature `kafka`");
    table.pass_over();
    None
}
