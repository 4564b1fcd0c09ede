//! `type = "kafka"`: payloads from topics of a Kafka cluster, a record each.
//!
//! The next offset of each partition is a position of the source, so that a crash neither loses a record nor repeats one, and
//! nothing is committed to the cluster. Records that the cluster keeps no longer are counted, and the reading goes on behind
//! them.
//!
//! Limits: payloads of `[limits] payload`; those of `headwater_kafka`. A build without the feature `kafka` refuses the config.

#[cfg(feature = "kafka")]
mod topics;

use crate::{Source, SourceContext, SourceKind};
use headwater_settings::{Pairs, Table};

pub(crate) const KIND: SourceKind =
    SourceKind { name: "kafka", read, find: None, discover: None, sample: include_str!("sample.toml") };

#[cfg(feature = "kafka")]
fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    topics::read(table, context, labels)
}

#[cfg(not(feature = "kafka"))]
fn read(table: &mut Table<'_>, context: &SourceContext, _: &Pairs) -> Option<Box<dyn Source>> {
    let what = format!("this build of headwater reads no Kafka, which source `{}` needs", context.source);
    table.refuse(table.place_of("type"), what, "take a build with the feature `kafka`");
    table.pass_over();
    None
}
