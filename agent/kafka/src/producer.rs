//! Sends records: finds their partitions, gathers them in batches, and tells of each record what became of it.
//!
//! A partition has one batch in flight, and a broker one request, so that the order of a partition holds through every
//! retry. The leader acknowledges when all replicas in sync have a batch. A batch that is refused because of a record is
//! halved until the record is found. What cannot go on for [`PATIENCE`] ends the producer with the reason; so does a
//! connection that is lost. Records without an answer are the caller's then.
//!
//! Limits: batches of [`BATCH_BYTES`], requests of [`REQUEST_BYTES`]; the caller bounds what waits.

mod queue;

use crate::api::{BatchToPut, ProduceRequest, ProducedPartition, read_produce};
use crate::batch::{RecordToPut, put_batch};
use crate::cluster::Cluster;
use crate::codec::RecordCompression;
use crate::connection::{ANSWER_BYTES_MAX, AnswerLimit, BrokerConnection, WORDS_MAX};
use crate::error::{ErrorCode, KafkaError, Remedy};
use crate::murmur2::partition_of;
use crate::settings::KafkaSettings;
use headwater_text::clean;
use queue::{PartitionQueue, SentBatch};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The most bytes of keys and values in a request.
const REQUEST_BYTES: usize = 2 << 20;

/// How long the leader may wait for the other replicas, and the answer be on its way.
const REPLICAS_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: AnswerLimit = AnswerLimit { time: Duration::from_secs(20), bytes: ANSWER_BYTES_MAX };

/// What goes wrong for so long ends the producer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What went wrong is tried again after this.
const RETRY: Duration = Duration::from_millis(200);

/// Topics are looked up again after this: they may have more partitions.
const LOOK_UP_EVERY: Duration = Duration::from_secs(300);

/// The time now [ms since the Unix epoch].
pub type ProducerClock = Rc<dyn Fn() -> i64>;

/// A record to send.
#[derive(Debug)]
pub struct ProducerRecord<T> {
    /// What the caller knows it by.
    pub tag: T,
    /// Its topic.
    pub topic: String,
    /// Its key, which chooses the partition.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
}

impl<T> ProducerRecord<T> {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum ProducerAnswer<T> {
    /// The cluster has it.
    Acked(T),
    /// The cluster will never take it.
    Refused {
        /// Which.
        tag: T,
        /// Why.
        why: String,
    },
}

/// Where records for a producer are put.
pub struct ProducerInbox<T> {
    records: RefCell<Vec<ProducerRecord<T>>>,
    filled: Notify,
}

impl<T> ProducerInbox<T> {
    /// Adds a record.
    pub fn push(&self, record: ProducerRecord<T>) {
        self.records.borrow_mut().push(record);
        self.filled.notify_one();
    }
}

/// A topic and the number of a partition.
type Place = (String, i32);

/// Sends records.
pub struct Producer<T> {
    cluster: Cluster,
    clock: ProducerClock,
    compression: RecordCompression,
    inbox: Rc<ProducerInbox<T>>,
    /// Records that have no partition yet.
    unplaced: VecDeque<ProducerRecord<T>>,
    queues: BTreeMap<Place, PartitionQueue<T>>,
    connections: BTreeMap<i32, BrokerConnection>,
    busy: BTreeSet<i32>,
    requests: JoinSet<Result<Requested<T>, KafkaError>>,
    /// What goes wrong, since when.
    troubles: BTreeMap<Place, (Instant, String)>,
    looked_up: Option<Instant>,
    /// Whether topics are to be looked up as soon as may be, and not before.
    is_stale: bool,
    look_up_at: Instant,
}

/// A request with its answer.
struct Requested<T> {
    broker: i32,
    connection: BrokerConnection,
    sent: Vec<(Place, SentBatch<T>)>,
    answer: Vec<ProducedPartition>,
}

impl<T: 'static> Producer<T> {
    /// A producer that connects when it is asked for answers. It runs on a `LocalSet`.
    #[must_use]
    pub fn new(settings: Rc<KafkaSettings>, clock: ProducerClock, compression: RecordCompression) -> Self {
        Self {
            cluster: Cluster::new(settings),
            clock,
            compression,
            inbox: Rc::new(ProducerInbox { records: RefCell::default(), filled: Notify::new() }),
            unplaced: VecDeque::new(),
            queues: BTreeMap::new(),
            connections: BTreeMap::new(),
            busy: BTreeSet::new(),
            requests: JoinSet::new(),
            troubles: BTreeMap::new(),
            looked_up: None,
            is_stale: true,
            look_up_at: Instant::now(),
        }
    }

    /// Where records are put.
    #[must_use]
    pub fn inbox(&self) -> Rc<ProducerInbox<T>> {
        self.inbox.clone()
    }

    /// Connects, without a record.
    ///
    /// # Errors
    /// No broker answers; or one refuses us.
    pub async fn connect(&mut self) -> Result<(), KafkaError> {
        self.cluster.look_up(&[], false).await
    }

    /// Sends what is in the inbox until there are answers.
    ///
    /// # Errors
    /// The producer has ended. Records without an answer may have been sent or not.
    pub async fn next(&mut self) -> Result<Vec<ProducerAnswer<T>>, KafkaError> {
        loop {
            let now = Instant::now();
            self.unplaced.extend(self.inbox.records.borrow_mut().drain(..));
            self.look_up(now).await?;
            self.place();
            self.dispatch(now);
            self.check_troubles(now)?;
            let wake = self.wake(now);
            let inbox = self.inbox.clone();
            tokio::select! {
                Some(done) = self.requests.join_next() => {
                    let done = done.map_err(|error| KafkaError::Lost(error.to_string()))??;
                    let answers = self.on_answer(done);
                    if !answers.is_empty() {
                        return Ok(answers);
                    }
                }
                () = inbox.filled.notified() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Looks topics up that are not known, or not known well.
    async fn look_up(&mut self, now: Instant) -> Result<(), KafkaError> {
        let known = |topic: &str| self.cluster.topic(topic).is_some();
        let is_new = self.unplaced.iter().any(|record| !known(&record.topic));
        let is_old = self.looked_up.is_none_or(|at| now.duration_since(at) >= LOOK_UP_EVERY);
        if !is_new && (now < self.look_up_at || !(self.is_stale || is_old)) {
            return Ok(());
        }
        let queued = self.queues.iter().filter(|(_, queue)| !queue.is_idle());
        let mut topics: BTreeSet<String> = queued.map(|((topic, _), _)| topic.clone()).collect();
        topics.extend(self.unplaced.iter().map(|record| record.topic.clone()));
        if topics.is_empty() {
            return Ok(());
        }
        let topics: Vec<String> = topics.into_iter().collect();
        self.cluster.look_up(&topics, true).await?;
        (self.is_stale, self.looked_up) = (false, Some(Instant::now()));
        self.look_up_at = Instant::now() + RETRY;
        topics.iter().for_each(|topic| self.note_topic(topic));
        Ok(())
    }

    /// Notes whether a topic can be used, and how many partitions it has now.
    fn note_topic(&mut self, topic: &str) {
        let whole = (topic.to_owned(), -1);
        let Some(state) = self.cluster.topic(topic) else { return };
        let count = state.leaders.len();
        if !state.code.is_ok() || count == 0 {
            let code = if state.code.is_ok() { ErrorCode::UNKNOWN_TOPIC } else { state.code };
            self.is_stale = true;
            self.complain(whole, code.explain(topic));
            return;
        }
        self.troubles.remove(&whole);
        // Keys have other partitions now.
        let own = |queue: &PartitionQueue<T>| queue.partitions != count;
        let moved = self.queues.iter_mut().filter(|((name, _), queue)| name == topic && own(queue));
        let moved: Vec<_> = moved.flat_map(|(_, queue)| queue.give_up(count)).collect();
        moved.into_iter().rev().for_each(|record| self.unplaced.push_front(record));
    }

    fn complain(&mut self, place: Place, why: String) {
        let since = self.troubles.get(&place).map_or_else(Instant::now, |(since, _)| *since);
        self.troubles.insert(place, (since, why));
    }

    fn check_troubles(&self, now: Instant) -> Result<(), KafkaError> {
        let lasting = self.troubles.values().find(|(since, _)| now.duration_since(*since) >= PATIENCE);
        lasting.map_or(Ok(()), |(_, why)| Err(KafkaError::Lost(why.clone())))
    }

    /// Gives records their partitions, by key as Java does.
    fn place(&mut self) {
        let mut left = VecDeque::new();
        while let Some(record) = self.unplaced.pop_front() {
            let state = self.cluster.topic(&record.topic).filter(|state| state.code.is_ok());
            let Some(leaders) = state.map(|state| &state.leaders).filter(|leaders| !leaders.is_empty())
            else {
                left.push_back(record);
                continue;
            };
            let number =
                leaders.get(partition_of(&record.key, leaders.len())).map_or(0, |(number, _)| *number);
            let (place, count) = ((record.topic.clone(), number), leaders.len());
            self.queues.entry(place).or_insert_with(|| PartitionQueue::new(count)).push(record);
        }
        self.unplaced = left;
    }

    /// Sends a request to every broker that has none and leads partitions with records.
    fn dispatch(&mut self, now: Instant) {
        let mut batches: BTreeMap<i32, Vec<(Place, SentBatch<T>)>> = BTreeMap::new();
        let mut leaderless = Vec::new();
        for (place, queue) in self.queues.iter_mut().filter(|(_, queue)| queue.is_ready(now)) {
            let Some(leader) = self.cluster.leader(&place.0, place.1) else {
                queue.wait_until(now + RETRY);
                leaderless.push(place.clone());
                continue;
            };
            let own = batches.entry(leader).or_default();
            let bytes: usize = own.iter().map(|(_, batch)| batch.bytes).sum();
            if !self.busy.contains(&leader) && bytes < REQUEST_BYTES {
                own.push((place.clone(), queue.take()));
            }
        }
        for place in leaderless {
            self.is_stale = true;
            let why = format!("{}: partition {} has no leader now", place.0, place.1);
            self.complain(place, why);
        }
        for (broker, sent) in batches.into_iter().filter(|(_, sent)| !sent.is_empty()) {
            self.request(broker, sent);
        }
    }

    fn request(&mut self, broker: i32, sent: Vec<(Place, SentBatch<T>)>) {
        let with = ((self.clock)(), self.compression);
        let batches = sent.iter().map(|((topic, partition), batch)| {
            let mut bytes = Vec::with_capacity(batch.bytes + 64 * batch.records.len() + 64);
            let records = batch.records.iter();
            let records =
                records.map(|ProducerRecord { key, value, headers, .. }| RecordToPut { key, value, headers });
            put_batch(&mut bytes, with, records);
            BatchToPut { topic: topic.clone(), partition: *partition, bytes }
        });
        let request = ProduceRequest { batches: batches.collect(), timeout: REPLICAS_LIMIT };
        let (known, settings) = (self.connections.remove(&broker), self.cluster.settings().clone());
        let address = self.cluster.address(broker).cloned();
        self.busy.insert(broker);
        self.requests.spawn_local(async move {
            let gone = || KafkaError::Lost(format!("the address of broker {broker} is not known"));
            let mut connection = match known {
                Some(connection) => connection,
                None => BrokerConnection::open(&settings, &address.ok_or_else(gone)?).await?,
            };
            let answer = connection.call(&request, LIMIT).await?;
            let answer = read_produce(answer.version, &answer.body)?;
            Ok(Requested { broker, connection, sent, answer })
        });
    }

    fn on_answer(
        &mut self,
        Requested { broker, connection, sent, answer }: Requested<T>,
    ) -> Vec<ProducerAnswer<T>> {
        self.busy.remove(&broker);
        self.connections.insert(broker, connection);
        let mut answers = Vec::new();
        for (place, batch) in sent {
            let own = answer.iter().find(|own| own.topic == place.0 && own.partition == place.1);
            let (code, words) = own.map_or((ErrorCode(-1), ""), |own| (own.code, &own.message));
            self.judge(place, batch, (code, words), &mut answers);
        }
        answers
    }

    /// What an answer means for a batch.
    fn judge(
        &mut self,
        place: Place,
        batch: SentBatch<T>,
        (code, words): (ErrorCode, &str),
        answers: &mut Vec<ProducerAnswer<T>>,
    ) {
        let Some(queue) = self.queues.get_mut(&place) else { return };
        match code.remedy() {
            Remedy::None => {
                queue.taken();
                self.troubles.remove(&place);
                answers.extend(batch.records.into_iter().map(|record| ProducerAnswer::Acked(record.tag)));
            }
            Remedy::Split if batch.records.len() == 1 => {
                queue.taken();
                self.troubles.remove(&place);
                let why = refusal(&place.0, code, words, batch.bytes);
                let refused =
                    |record: ProducerRecord<T>| ProducerAnswer::Refused { tag: record.tag, why: why.clone() };
                answers.extend(batch.records.into_iter().map(refused));
            }
            Remedy::Split => queue.halve(batch, code == ErrorCode::TOO_LARGE),
            remedy => {
                queue.put_back(batch, Instant::now() + RETRY);
                self.is_stale |= remedy == Remedy::LookUp;
                let why = code.explain(&place.0);
                let why = if words.is_empty() || code == ErrorCode::INVALID_TIMESTAMP {
                    why
                } else {
                    format!("{why} ({})", clean(words, WORDS_MAX))
                };
                self.complain(place, why);
            }
        }
    }

    /// When to look again, whatever happens.
    fn wake(&self, now: Instant) -> Instant {
        let retries = self.queues.values().filter_map(|queue| queue.waits_until().filter(|at| *at > now));
        let look_up =
            (self.is_stale && !self.troubles.is_empty()).then_some(self.look_up_at.max(now + RETRY));
        retries.chain(look_up).min().unwrap_or(now + LOOK_UP_EVERY)
    }
}

/// Why a record is refused.
fn refusal(topic: &str, code: ErrorCode, words: &str, bytes: usize) -> String {
    let words = if words.is_empty() { String::new() } else { format!(" ({})", clean(words, WORDS_MAX)) };
    if code == ErrorCode::TOO_LARGE {
        return format!("{topic}: {bytes} bytes are more than the topic takes (`max.message.bytes`)");
    }
    format!("{topic}: {code}{words}")
}
