//! A door for `tests/fuzz`: what a broker answers, without a connection.

use crate::api::{Metadata, Versions, read_fetch, read_offsets, read_produce};
use crate::batch;
use crate::consumer::{FetchedBatches, KafkaPartition};
use crate::scram::{ScramExchange, ScramHash};
use bytes::Bytes;

/// Reads an answer. The first byte says to what, the second in which version; a batch gets the checksum that it should have.
pub fn hear(bytes: &[u8]) {
    let [kind, version, body @ ..] = bytes else { return };
    let version = i16::from(*version);
    match kind % 7 {
        0 => drop(Versions::read(body)),
        1 => drop(Metadata::read(body)),
        2 => drop(read_offsets(version, body)),
        3 => drop(read_produce(version, body)),
        4 => {
            for found in read_fetch(version, body).into_iter().flatten() {
                read_batches(found.batches);
            }
        }
        5 => read_batches(body),
        _ => {
            let exchange = ScramExchange::new(ScramHash::Sha256, "user", "nonce".into());
            // Rounds take their time, however many are asked for.
            let text = String::from_utf8_lossy(body).replace("i=", "i=2,x=");
            if let Ok((_, proof)) = exchange.last(&text, "password") {
                let _ = proof.holds(&text);
            }
        }
    }
}

fn read_batches(bytes: &[u8]) {
    let mut sealed = bytes.to_vec();
    batch::seal(&mut sealed);
    let partition = KafkaPartition { topic: "topic".into(), number: 0 };
    let mut fetched = FetchedBatches::new(partition, 0, Bytes::from(sealed));
    let mut count = 0_u64;
    while fetched.read_batch(|_| count += 1).is_some() {}
}
