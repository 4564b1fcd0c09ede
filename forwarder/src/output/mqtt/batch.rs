//! Gathers messages into batches, one for each topic.
//!
//! Limits: a batch holds at most [`MESSAGES_MAX`] messages, and [`BYTES_MAX`] as they are alone, or what the broker takes.

use crate::{Delivery, Encoder, Framing};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;
use tokio::time::Instant;

/// Messages that may be gathered, in all batches together.
pub(super) const MESSAGES_MAX: usize = 1_000;

/// The bytes of a batch, as its messages are alone.
const BYTES_MAX: usize = 64 << 10;

/// The bytes of a packet beside topic and payload, the array around the messages included.
const OVERHEAD_BYTES: usize = 64;

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchSettings {
    /// How long messages may wait for others.
    pub(super) wait: Duration,
    pub(super) gzip: bool,
}

/// The open batches of a connection.
pub(super) struct TopicBatches {
    settings: BatchSettings,
    open: Vec<OpenBatch>,
}

/// Messages for one topic.
pub(super) struct OpenBatch {
    pub(super) topic: String,
    pub(super) deliveries: Vec<Delivery>,
    since: Instant,
    bytes: usize,
}

impl TopicBatches {
    pub(super) fn new(settings: BatchSettings) -> Self {
        Self { settings, open: Vec::new() }
    }

    /// The messages that are gathered.
    pub(super) fn messages(&self) -> usize {
        self.open.iter().map(|batch| batch.deliveries.len()).sum()
    }

    /// Whether a message of so many bytes fits into a batch at all.
    pub(super) fn takes(topic: &str, bytes: usize, packet_bytes_max: usize) -> bool {
        bytes <= Self::room(topic, packet_bytes_max)
    }

    /// The bytes that the messages of a batch may have alone: what they have in common is then said once.
    fn room(topic: &str, packet_bytes_max: usize) -> usize {
        BYTES_MAX.min(packet_bytes_max.saturating_sub(topic.len() + OVERHEAD_BYTES) / 2)
    }

    /// Adds a message that [`TopicBatches::takes`]. Returns a batch that has to leave first, because it has no room.
    pub(super) fn add(
        &mut self,
        topic: String,
        delivery: Delivery,
        bytes: usize,
        packet_bytes_max: usize,
    ) -> Option<OpenBatch> {
        let room = Self::room(&topic, packet_bytes_max);
        let full = self.open.iter().position(|batch| batch.topic == topic && batch.bytes + bytes > room);
        let full = full.map(|at| self.open.swap_remove(at));
        match self.open.iter_mut().find(|batch| batch.topic == topic) {
            Some(batch) => {
                batch.bytes += bytes;
                batch.deliveries.push(delivery);
            }
            None => {
                self.open.push(OpenBatch { topic, deliveries: vec![delivery], since: Instant::now(), bytes });
            }
        }
        full
    }

    /// A batch that is to leave now; `all`: whatever it has waited.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Option<OpenBatch> {
        let wait = self.settings.wait;
        let at = self.open.iter().position(|batch| all || now.duration_since(batch.since) >= wait)?;
        Some(self.open.swap_remove(at))
    }

    /// How soon the next one is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let since = self.open.iter().map(|batch| batch.since).min()?;
        Some((since + self.settings.wait).saturating_duration_since(now))
    }

    /// The payload of a batch.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(super) fn payload(&self, batch: &OpenBatch, encoder: &dyn Encoder) -> Result<Vec<u8>, String> {
        let messages: Vec<_> = batch.deliveries.iter().map(|delivery| &delivery.message).collect();
        let mut payload = Vec::with_capacity(batch.bytes / 2);
        encoder.encode(&messages, Framing::Batch, &mut payload).map_err(|error| error.to_string())?;
        if !self.settings.gzip {
            return Ok(payload);
        }
        let mut packed = GzEncoder::new(Vec::with_capacity(payload.len() / 4), Compression::default());
        packed.write_all(&payload).and_then(|()| packed.finish()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output_set::OutputSet;
    use crate::{Lane, Message, Tag};

    fn delivery(seq: u64) -> Delivery {
        let message = Message { lane: Lane::Data, made_ms: 0, body: "b".into() };
        Delivery { tag: Tag { lane: Lane::Data, seq, owed: OutputSet::bit(0) }, backfill: false, message }
    }

    #[tokio::test(start_paused = true)]
    async fn batches_leave_when_they_have_waited_and_when_they_have_no_room() {
        let settings = BatchSettings { wait: Duration::from_secs(1), gzip: false };
        let mut batches = TopicBatches::new(settings);
        let mut add = |topic: &str, seq, bytes| {
            batches.add(topic.to_owned(), delivery(seq), bytes, 10_000).map(|batch| batch.deliveries.len())
        };
        assert_eq!([add("a", 0, 2_000), add("a", 1, 2_900), add("b", 2, 10)], [None; 3]);
        assert_eq!(add("a", 3, 2_000), Some(2), "more than half of a packet");
        assert!(!TopicBatches::takes("a", 5_000, 10_000) && TopicBatches::takes("a", 4_900, 10_000));
        assert_eq!(batches.messages(), 2);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(batches.wait(Instant::now()), Some(Duration::from_millis(600)));
        assert!(batches.due(Instant::now(), false).is_none());
        tokio::time::advance(Duration::from_millis(600)).await;
        let due: Vec<_> =
            std::iter::from_fn(|| batches.due(Instant::now(), false)).map(|b| b.topic).collect();
        assert_eq!((due.len(), batches.messages(), batches.wait(Instant::now())), (2, 0, None));
        batches.add("c".into(), delivery(4), 1, 10_000);
        assert!(batches.due(Instant::now(), true).is_some(), "at the end, whatever it has waited");
    }
}
