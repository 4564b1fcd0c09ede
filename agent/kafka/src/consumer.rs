//! Reads the partitions of topics from given offsets on, without a group: the caller keeps the offsets.
//!
//! A leader has one request at a time, in which it waits for records. What came of a partition is handed over before the
//! next is asked for. Offsets that the log no longer has, or has not yet, are told and gone on with at its beginning.
//!
//! Limits: answers of [`ANSWER_BYTES`], or one batch if that is larger, up to [`FETCH_BYTES_MAX`]; [`PARTITIONS_MAX`].

mod fetched;

pub use fetched::{FetchedBatches, KafkaPartition, UnreadBatch};

use crate::api::{FetchPartition, FetchRequest, ListOffsets, read_fetch, read_offsets};
use crate::cluster::Cluster;
use crate::connection::{ANSWER_BYTES_MAX, AnswerLimit, BrokerAnswer, BrokerConnection};
use crate::error::{ErrorCode, KafkaError, Remedy};
use crate::settings::KafkaSettings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The bytes that an answer may have, where no batch is larger.
const ANSWER_BYTES: i32 = 1 << 20;

/// The largest answer that is taken.
const FETCH_BYTES_MAX: usize = 64 << 20;

/// The most partitions that are read.
const PARTITIONS_MAX: usize = 10_000;

/// How long a broker waits for a record, and we for its answer.
const WAIT: Duration = Duration::from_millis(500);
const LIMIT: AnswerLimit = AnswerLimit { time: Duration::from_secs(20), bytes: FETCH_BYTES_MAX };
const OFFSETS_LIMIT: AnswerLimit = AnswerLimit { time: Duration::from_secs(10), bytes: ANSWER_BYTES_MAX };

/// What went wrong with a partition is tried again after this.
const RETRY: Duration = Duration::from_millis(500);

/// Topics are looked up again after this: they may have more partitions.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

/// Where reading begins in a partition of which no offset is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerStart {
    /// At the first record that is there.
    Earliest,
    /// Behind the last one.
    Latest,
}

/// What a consumer has to say.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// The reading of a partition begins at this offset.
    Begun(KafkaPartition, i64),
    /// Batches of a partition.
    Fetched(FetchedBatches),
    /// Records are missing.
    Gap(OffsetGap),
    /// What is wrong, while the rest goes on; `None`: nothing any more.
    Trouble(Option<String>),
}

/// An offset that was to be read, and is not in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetGap {
    /// Where.
    pub partition: KafkaPartition,
    /// The offset that was to be read.
    pub wanted: i64,
    /// The first offset that is there; the reading goes on with it.
    pub first: i64,
    /// The offset behind the last record.
    pub end: i64,
}

/// What is known of a partition.
#[derive(Debug, Default)]
struct Reading {
    /// The next offset; `None`: it has to be asked for.
    offset: Option<i64>,
    /// The offset that was not there.
    wanted: Option<i64>,
    start_at_end: bool,
    in_flight: bool,
    retry_at: Option<Instant>,
    trouble: Option<String>,
}

/// Reads topics.
pub struct Consumer {
    cluster: Cluster,
    topics: Vec<String>,
    start: ConsumerStart,
    readings: BTreeMap<KafkaPartition, Reading>,
    /// Topics of which some partition was known: those that come later are read from their beginning.
    known: BTreeSet<String>,
    connections: BTreeMap<i32, BrokerConnection>,
    busy: BTreeSet<i32>,
    requests: JoinSet<Result<FetchAnswer, KafkaError>>,
    events: VecDeque<ConsumerEvent>,
    looked_up: Option<Instant>,
    is_stale: bool,
    told: Option<String>,
    /// Where the next request of a leader begins, so that no partition starves.
    turn: usize,
}

struct FetchAnswer {
    broker: i32,
    connection: BrokerConnection,
    asked: Vec<FetchPartition>,
    answer: BrokerAnswer,
}

impl Consumer {
    /// A consumer of topics. `offsets`: where to go on. It connects when it is asked for events, on a `LocalSet`.
    #[must_use]
    pub fn new(
        settings: Rc<KafkaSettings>,
        topics: Vec<String>,
        start: ConsumerStart,
        offsets: impl IntoIterator<Item = (KafkaPartition, i64)>,
    ) -> Self {
        let reading = |offset| Reading { offset: Some(offset), ..Reading::default() };
        let readings: BTreeMap<_, _> =
            offsets.into_iter().map(|(partition, offset)| (partition, reading(offset))).collect();
        let known = readings.keys().map(|partition| partition.topic.clone()).collect();
        Self {
            cluster: Cluster::new(settings),
            topics,
            start,
            readings,
            known,
            connections: BTreeMap::new(),
            busy: BTreeSet::new(),
            requests: JoinSet::new(),
            events: VecDeque::new(),
            looked_up: None,
            is_stale: true,
            told: None,
            turn: 0,
        }
    }

    /// Connects, looks the topics up, and asks where to begin.
    ///
    /// # Errors
    /// No broker answers; or one refuses us.
    pub async fn connect(&mut self) -> Result<(), KafkaError> {
        self.look_up(Instant::now()).await?;
        self.find_offsets().await
    }

    /// Waits for an event.
    ///
    /// # Errors
    /// The consumer has ended. What it has not told comes again of one that goes on at the offsets.
    pub async fn next(&mut self) -> Result<ConsumerEvent, KafkaError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let now = Instant::now();
            self.look_up(now).await?;
            self.find_offsets().await?;
            self.dispatch(now);
            self.tell_trouble();
            if !self.events.is_empty() {
                continue;
            }
            let wake = self.wake(now);
            tokio::select! {
                Some(done) = self.requests.join_next() => {
                    let done = done.map_err(|error| KafkaError::Lost(error.to_string()))??;
                    self.on_answer(done)?;
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn look_up(&mut self, now: Instant) -> Result<(), KafkaError> {
        let age = self.looked_up.map(|at| now.duration_since(at));
        let is_due = age.is_none_or(|age| age >= if self.is_stale { RETRY } else { LOOK_UP_EVERY });
        if !is_due {
            return Ok(());
        }
        self.cluster.look_up(&self.topics, false).await?;
        (self.looked_up, self.is_stale) = (Some(Instant::now()), false);
        for topic in &self.topics {
            let Some(state) = self.cluster.topic(topic).filter(|state| state.code.is_ok()) else {
                self.is_stale = true;
                continue;
            };
            let start_at_end = self.start == ConsumerStart::Latest && !self.known.contains(topic);
            for (number, _) in &state.leaders {
                let partition = KafkaPartition { topic: topic.clone(), number: *number };
                if self.readings.len() < PARTITIONS_MAX {
                    let new = || Reading { start_at_end, ..Reading::default() };
                    self.readings.entry(partition).or_insert_with(new);
                }
            }
            if !state.leaders.is_empty() {
                self.known.insert(topic.clone());
            }
        }
        Ok(())
    }

    /// Asks for the offsets that are not known.
    async fn find_offsets(&mut self) -> Result<(), KafkaError> {
        let now = Instant::now();
        let is_asked = |reading: &Reading| {
            reading.offset.is_none() && !reading.in_flight && reading.retry_at.is_none_or(|at| at <= now)
        };
        let mut asked: BTreeMap<i32, Vec<(String, i32)>> = BTreeMap::new();
        for (KafkaPartition { topic, number }, reading) in &mut self.readings {
            if !is_asked(reading) {
                continue;
            }
            match self.cluster.leader(topic, *number) {
                Some(leader) if !self.busy.contains(&leader) => {
                    asked.entry(leader).or_default().push((topic.clone(), *number));
                }
                Some(_) => {}
                None => {
                    reading.retry_at = Some(now + RETRY);
                    self.is_stale = true;
                }
            }
        }
        for (broker, partitions) in asked {
            let mut connection = self.connection(broker).await?;
            let mut ends = BTreeMap::new();
            for which in [ListOffsets::EARLIEST, ListOffsets::LATEST] {
                let answer =
                    connection.call(&ListOffsets { partitions: &partitions, which }, OFFSETS_LIMIT).await?;
                for (topic, number, code, offset) in read_offsets(answer.version, &answer.body)? {
                    let end: &mut [(ErrorCode, i64); 2] =
                        ends.entry(KafkaPartition { topic, number }).or_insert([(ErrorCode::NONE, 0); 2]);
                    let [first, last] = end;
                    *(if which == ListOffsets::EARLIEST { first } else { last }) = (code, offset);
                }
            }
            self.connections.insert(broker, connection);
            for (partition, [first, end]) in ends {
                self.on_offsets(partition, first, end);
            }
        }
        Ok(())
    }

    fn on_offsets(&mut self, partition: KafkaPartition, first: (ErrorCode, i64), end: (ErrorCode, i64)) {
        let Some(reading) = self.readings.get_mut(&partition) else { return };
        if let Some(code) = [first.0, end.0].into_iter().find(|code| !code.is_ok()) {
            reading.trouble = Some(code.explain(&partition.topic));
            reading.retry_at = Some(Instant::now() + RETRY);
            self.is_stale = true;
            return;
        }
        let (first, end) = (first.1, end.1);
        reading.trouble = None;
        let event = match reading.wanted.take() {
            Some(wanted) if (first..=end).contains(&wanted) => {
                reading.offset = Some(wanted);
                return;
            }
            Some(wanted) => {
                reading.offset = Some(first);
                ConsumerEvent::Gap(OffsetGap { partition, wanted, first, end })
            }
            None => {
                let offset = if reading.start_at_end { end } else { first };
                reading.offset = Some(offset);
                ConsumerEvent::Begun(partition, offset)
            }
        };
        self.events.push_back(event);
    }

    async fn connection(&mut self, broker: i32) -> Result<BrokerConnection, KafkaError> {
        if let Some(connection) = self.connections.remove(&broker) {
            return Ok(connection);
        }
        let gone = || KafkaError::Lost(format!("the address of broker {broker} is not known"));
        let address = self.cluster.address(broker).cloned().ok_or_else(gone)?;
        BrokerConnection::open(self.cluster.settings(), &address).await
    }

    /// Asks every leader that is not asked yet.
    fn dispatch(&mut self, now: Instant) {
        let mut asked: BTreeMap<i32, Vec<FetchPartition>> = BTreeMap::new();
        for (KafkaPartition { topic, number }, reading) in &mut self.readings {
            let Some(offset) = reading.offset.filter(|_| !reading.in_flight) else { continue };
            if reading.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            match self.cluster.leader(topic, *number) {
                Some(leader) if !self.busy.contains(&leader) => {
                    reading.in_flight = true;
                    let partition = FetchPartition { topic: topic.clone(), partition: *number, offset };
                    asked.entry(leader).or_default().push(partition);
                }
                Some(_) => {}
                None => {
                    reading.retry_at = Some(now + RETRY);
                    reading.trouble = Some(format!("{topic}: partition {number} has no leader now"));
                    self.is_stale = true;
                }
            }
        }
        for (broker, mut partitions) in asked {
            self.turn = self.turn.wrapping_add(1);
            let turn = self.turn % partitions.len().max(1);
            partitions.rotate_left(turn);
            self.request(broker, partitions);
        }
    }

    fn request(&mut self, broker: i32, partitions: Vec<FetchPartition>) {
        self.busy.insert(broker);
        let (known, settings) = (self.connections.remove(&broker), self.cluster.settings().clone());
        let address = self.cluster.address(broker).cloned();
        self.requests.spawn_local(async move {
            let gone = || KafkaError::Lost(format!("the address of broker {broker} is not known"));
            let mut connection = match known {
                Some(connection) => connection,
                None => BrokerConnection::open(&settings, &address.ok_or_else(gone)?).await?,
            };
            let request = FetchRequest { partitions, wait: WAIT, bytes_max: ANSWER_BYTES };
            let answer = connection.call(&request, LIMIT).await?;
            Ok(FetchAnswer { broker, connection, asked: request.partitions, answer })
        });
    }

    fn on_answer(&mut self, fetched: FetchAnswer) -> Result<(), KafkaError> {
        let FetchAnswer { broker, connection, asked, answer } = fetched;
        self.busy.remove(&broker);
        self.connections.insert(broker, connection);
        for FetchPartition { topic, partition, .. } in &asked {
            let partition = KafkaPartition { topic: topic.clone(), number: *partition };
            if let Some(reading) = self.readings.get_mut(&partition) {
                reading.in_flight = false;
            }
        }
        for found in read_fetch(answer.version, &answer.body)? {
            let own =
                |asked: &&FetchPartition| asked.topic == found.topic && asked.partition == found.partition;
            let Some(from) = asked.iter().find(own).map(|asked| asked.offset) else { continue };
            let partition = KafkaPartition { topic: found.topic.to_owned(), number: found.partition };
            let batches = answer.body.slice_ref(found.batches);
            self.on_fetched(FetchedBatches::new(partition, from, batches), found.code);
        }
        Ok(())
    }

    fn on_fetched(&mut self, fetched: FetchedBatches, code: ErrorCode) {
        let Some(reading) = self.readings.get_mut(&fetched.partition) else { return };
        match code.remedy() {
            Remedy::None => {
                (reading.trouble, reading.retry_at) = (None, None);
                if let Some(next) = fetched.next() {
                    reading.offset = Some(next);
                    self.events.push_back(ConsumerEvent::Fetched(fetched));
                }
            }
            Remedy::OutOfRange => (reading.wanted, reading.offset) = (reading.offset.take(), None),
            remedy => {
                reading.retry_at = Some(Instant::now() + RETRY);
                reading.trouble = Some(code.explain(&fetched.partition.topic));
                self.is_stale |= remedy == Remedy::LookUp;
            }
        }
    }

    /// Tells what is wrong, when that has changed.
    fn tell_trouble(&mut self) {
        let unusable = self.topics.iter().find_map(|topic| {
            let state = self.cluster.topic(topic)?;
            (!state.code.is_ok()).then(|| state.code.explain(topic))
        });
        let trouble = unusable.or_else(|| self.readings.values().find_map(|reading| reading.trouble.clone()));
        if trouble != self.told {
            self.told.clone_from(&trouble);
            self.events.push_back(ConsumerEvent::Trouble(trouble));
        }
    }

    fn wake(&self, now: Instant) -> Instant {
        let retries = self.readings.values().filter_map(|reading| reading.retry_at.filter(|at| *at > now));
        let every = if self.is_stale { RETRY } else { LOOK_UP_EVERY };
        retries.chain([now + every]).min().unwrap_or(now + every)
    }
}
