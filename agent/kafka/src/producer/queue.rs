//! The records of one partition, in order: what waits, and how much goes into the next batch.

use super::ProducerRecord;
use std::collections::VecDeque;
use tokio::time::Instant;

/// The most bytes of keys and values in a batch: half of what a topic takes by default.
const BATCH_BYTES: usize = 512 << 10;

/// The most records of a batch.
const BATCH_RECORDS: usize = 5_000;

/// A batch on its way.
pub(super) struct SentBatch<T> {
    pub(super) records: Vec<ProducerRecord<T>>,
    /// The bytes of keys and values.
    pub(super) bytes: usize,
}

pub(super) struct PartitionQueue<T> {
    /// How many partitions the topic had when the records were placed.
    pub(super) partitions: usize,
    records: VecDeque<ProducerRecord<T>>,
    in_flight: bool,
    retry_at: Option<Instant>,
    bytes_max: usize,
    records_max: usize,
}

impl<T> PartitionQueue<T> {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions,
            records: VecDeque::new(),
            in_flight: false,
            retry_at: None,
            bytes_max: BATCH_BYTES,
            records_max: BATCH_RECORDS,
        }
    }

    pub(super) fn push(&mut self, record: ProducerRecord<T>) {
        self.records.push_back(record);
    }

    /// Whether it has nothing to send and nothing in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.records.is_empty() && !self.in_flight
    }

    /// Whether a batch can be taken now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.in_flight && !self.records.is_empty() && self.retry_at.is_none_or(|at| at <= now)
    }

    pub(super) fn wait_until(&mut self, at: Instant) {
        self.retry_at = Some(at);
    }

    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.records.is_empty() && !self.in_flight)
    }

    /// Takes a batch from the front, one record at least.
    pub(super) fn take(&mut self) -> SentBatch<T> {
        self.in_flight = true;
        let mut batch = SentBatch { records: Vec::new(), bytes: 0 };
        while let Some(record) = self.records.front() {
            let bytes = batch.bytes + record.bytes();
            let is_full = bytes > self.bytes_max || batch.records.len() >= self.records_max;
            if is_full && !batch.records.is_empty() {
                break;
            }
            batch.bytes = bytes;
            batch.records.extend(self.records.pop_front());
        }
        batch
    }

    /// The batch in flight is done with.
    pub(super) fn taken(&mut self) {
        self.in_flight = false;
        self.retry_at = None;
        self.records_max = (self.records_max * 2).min(BATCH_RECORDS);
    }

    /// The batch in flight is to be sent again.
    pub(super) fn put_back(&mut self, batch: SentBatch<T>, at: Instant) {
        self.in_flight = false;
        self.retry_at = Some(at);
        batch.records.into_iter().rev().for_each(|record| self.records.push_front(record));
    }

    /// The batch in flight is to be sent again in halves. Where its size was the reason, no later one is that large.
    pub(super) fn halve(&mut self, batch: SentBatch<T>, by_size: bool) {
        if by_size {
            self.bytes_max = batch.bytes / 2;
        }
        self.records_max = (batch.records.len() / 2).max(1);
        let now = Instant::now();
        self.put_back(batch, now);
    }

    /// Gives up what waits: the topic has another number of partitions now.
    pub(super) fn give_up(&mut self, partitions: usize) -> Vec<ProducerRecord<T>> {
        self.partitions = partitions;
        self.records.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sizes: &[usize]) -> PartitionQueue<usize> {
        let mut queue = PartitionQueue::new(1);
        for (tag, size) in sizes.iter().enumerate() {
            let value = vec![b'x'; *size];
            queue.push(ProducerRecord {
                tag,
                topic: "t".into(),
                key: Vec::new(),
                value,
                headers: Vec::new(),
            });
        }
        queue
    }

    fn tags(batch: &SentBatch<usize>) -> Vec<usize> {
        batch.records.iter().map(|record| record.tag).collect()
    }

    #[test]
    fn a_bad_record_is_found_in_halves_and_the_order_holds() {
        let mut queue = queue(&[1; 8]);
        let (mut tried, mut gone) = (0, Vec::new());
        while !queue.is_idle() {
            let batch = queue.take();
            tried += 1;
            if batch.records.iter().any(|record| record.tag == 5) && batch.records.len() > 1 {
                queue.halve(batch, false);
            } else {
                gone.extend(tags(&batch));
                queue.taken();
            }
        }
        assert_eq!(gone, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(tried <= 8, "{tried}");
    }

    #[test]
    fn a_batch_that_is_too_large_is_never_made_again() {
        let mut queue = queue(&[100; 8]);
        queue.bytes_max = 800;
        let batch = queue.take();
        assert_eq!(batch.bytes, 800);
        queue.halve(batch, true);
        for expected in [vec![0, 1, 2, 3], vec![4, 5, 6, 7]] {
            assert_eq!(tags(&queue.take()), expected);
            queue.taken();
        }
        queue.push(ProducerRecord {
            tag: 9,
            topic: "t".into(),
            key: vec![],
            value: vec![0; 9_000],
            headers: vec![],
        });
        assert_eq!(tags(&queue.take()), [9], "one goes alone, whatever its size");
    }

    #[test]
    fn what_comes_back_comes_first() {
        let mut queue = queue(&[1; 4]);
        queue.records_max = 2;
        let (batch, now) = (queue.take(), Instant::now());
        assert!(!queue.is_ready(now), "one batch in flight");
        queue.put_back(batch, now);
        assert!(queue.is_ready(now));
        assert_eq!(tags(&queue.take()), [0, 1]);
        assert_eq!(queue.give_up(3).len(), 2);
    }
}
