//! How far a partition is read, as the positions of the source keep it.
//!
//! ```text
//! key    partition i32, topic
//! place  version u8, next offset i64
//! ```

use crate::{Sink, SourcePosition};
use headwater_kafka::KafkaPartition;
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// Notes the offset that is read next.
pub(super) fn note(sink: &mut dyn Sink, partition: &KafkaPartition, offset: i64) {
    let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
    sink.position(&key(partition), &[VERSION, a, b, c, d, e, f, g, h]);
}

/// The offsets that an earlier run has left for these topics; those of others are forgotten. An error if another version
/// has written some of them.
pub(super) fn known(
    sink: &mut dyn Sink,
    topics: &[String],
) -> (BTreeMap<KafkaPartition, i64>, Result<(), String>) {
    let (mut offsets, mut foreign) = (BTreeMap::new(), 0);
    for SourcePosition { key, at } in sink.positions() {
        match read(&key, &at) {
            Some((partition, offset)) if topics.contains(&partition.topic) => {
                offsets.insert(partition, offset);
            }
            Some(_) => _ = sink.position(&key, &[]),
            None => foreign += 1,
        }
    }
    let whole = if foreign == 0 {
        Ok(())
    } else {
        Err(format!("{foreign} offsets are of another version; those partitions are read as `from` says"))
    };
    (offsets, whole)
}

fn key(partition: &KafkaPartition) -> Vec<u8> {
    [&partition.number.to_le_bytes(), partition.topic.as_bytes()].concat()
}

fn read(key: &[u8], at: &[u8]) -> Option<(KafkaPartition, i64)> {
    let (number, topic) = key.split_first_chunk()?;
    let topic = std::str::from_utf8(topic).ok()?.to_owned();
    let offset = at.strip_prefix(&[VERSION])?.try_into().ok()?;
    Some((KafkaPartition { topic, number: i32::from_le_bytes(*number) }, i64::from_le_bytes(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::Seen;

    #[test]
    fn offsets_are_known_again_and_those_of_other_topics_are_forgotten() {
        let mut seen = Seen::roomy();
        let partition = |topic: &str, number| KafkaPartition { topic: topic.to_owned(), number };
        note(&mut seen, &partition("plant", 7), i64::MAX);
        note(&mut seen, &partition("plant", 7), 42);
        note(&mut seen, &partition("other", 0), 1);
        let topics = ["plant".to_owned()];
        assert_eq!(known(&mut seen, &topics), ([(partition("plant", 7), 42)].into(), Ok(())));
        assert_eq!(seen.positions().len(), 1);
        seen.position(&key(&partition("plant", 8)), &[9, 9]);
        assert!(known(&mut seen, &topics).1.unwrap_err().contains("another version"));
    }
}
