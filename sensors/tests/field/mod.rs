//! A source that runs, and what it tells.

use super::broker::Broker;
use bytes::Bytes;
use headwater_mqtt::{Client, ClientError, MqttEvent, MqttSession, PACKET_BYTES_MAX, Qos, Settings, connect};
use headwater_sensors::{
    ConnectionState, PersistState, Receipt, Safety, SeriesRef, Sink, SourceContext, SourceLeft, Stamp,
    read_source,
};
use headwater_settings::Document;
use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// What the source told.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Rc<RefCell<Told>>);

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) series: Vec<String>,
    pub(crate) readings: Vec<(String, f64)>,
    pub(crate) invalid: Vec<String>,
    pub(crate) links: Vec<Option<String>>,
    /// Messages that the broker had kept and that were not read.
    pub(crate) retained: u32,
    /// Values that the broker had kept.
    pub(crate) replayed: Vec<f64>,
    pub(crate) is_replaying: bool,
    /// `None`: nothing is made safe.
    pub(crate) safety: Option<Safety>,
}

impl Sink for Log {
    fn series(&mut self, name: &str, _labels: &[(String, String)]) -> Option<SeriesRef> {
        let series = &mut self.0.borrow_mut().series;
        series.push(name.to_owned());
        Some(SeriesRef(u64::try_from(series.len() - 1).unwrap()))
    }

    fn reading(&mut self, series: SeriesRef, _stamp: Stamp, value: f64) {
        let mut told = self.0.borrow_mut();
        let name = told.series[series.0 as usize].clone();
        told.readings.push((name, value));
        if told.is_replaying {
            told.replayed.push(value);
        }
    }

    fn replaying(&mut self, is_replayed: bool) {
        self.0.borrow_mut().is_replaying = is_replayed;
    }

    fn retained(&mut self, count: u32) {
        self.0.borrow_mut().retained += count;
    }

    fn refused(&mut self, _count: u32) {}

    fn invalid(&mut self, _origin: &str, why: &dyn Display) {
        self.0.borrow_mut().invalid.push(why.to_string());
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        let reason =
            if let ConnectionState::Down { reason } = state { Some(reason.to_owned()) } else { None };
        self.0.borrow_mut().links.push(reason);
    }

    fn safety(&mut self, _state: Rc<dyn PersistState>) -> Option<(Safety, SourceLeft)> {
        self.0.borrow().safety.clone().map(|safety| (safety, SourceLeft::default()))
    }

    fn hand_over(&mut self, _receipt: Receipt) -> u64 {
        self.0.borrow().safety.as_ref().map_or(0, Safety::hand_over)
    }
}

impl Log {
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&Told) -> bool) {
        let waiting = async {
            while !done(&self.0.borrow()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            let told = self.0.borrow();
            let last = told.readings.last();
            panic!(
                "no {what}: {} readings, {last:?}, {:?}, {:?}",
                told.readings.len(),
                told.invalid,
                told.links
            );
        }
    }

    pub(crate) async fn until_value(&self, value: f64) {
        self.until(&format!("value {value}"), |told| told.readings.iter().any(|reading| reading.1 == value))
            .await;
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.0.borrow().readings.iter().map(|reading| reading.1).collect()
    }
}

pub(crate) struct Source {
    pub(crate) log: Log,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Source {
    pub(crate) async fn start(broker: &Broker, more: &str) -> Self {
        let source = Self::launch(broker, more);
        source.log.until("link", |told| told.links.last() == Some(&None)).await;
        source
    }

    pub(crate) fn launch(broker: &Broker, more: &str) -> Self {
        Self::launch_into(Log::default(), broker, more)
    }

    pub(crate) fn launch_into(log: Log, broker: &Broker, more: &str) -> Self {
        let topics = if more.contains("topics") { "" } else { "topics = [\"t/#\"]" };
        let text = format!(
            "[s]\ntype = \"mqtt\"\nurl = \"{}\"\nformat = \"number\"\n{topics}\n{more}\n",
            broker.url()
        );
        let document = Document::parse(Path::new("test.toml"), &text, |_| None);
        let mut root = document.root();
        let mut table = root.table("s").unwrap();
        let context = SourceContext {
            agent: "agent".into(),
            source: "field".into(),
            payload_bytes_max: 256 << 10,
            series_max: 100,
        };
        let source = read_source(&mut table, &context);
        table.finish();
        let source = source.unwrap_or_else(|| panic!("{:#?}", document.mistakes())).source;
        let (stop, stopped) = watch::channel(false);
        let task = spawn_local(source.run(Box::new(log.clone()), stopped));
        Self { log, stop, task }
    }

    pub(crate) async fn stop(self) -> Log {
        self.stop.send(true).unwrap();
        timeout(Duration::from_secs(5), self.task).await.expect("an end in time").unwrap();
        self.log
    }
}

/// A connection that publishes; the task polls it and ends with the broker.
pub(crate) async fn publisher(broker: &Broker) -> Client {
    let session = MqttSession {
        client_id: "publisher".into(),
        clean: true,
        expiry: Duration::ZERO,
        manual_acks: false,
        inflight: 50,
        packet_bytes_max: PACKET_BYTES_MAX,
        last_will: None,
        latency: Duration::ZERO,
    };
    let (client, mut connection) = connect(&Settings::parse_url(&broker.url()).unwrap(), &session).unwrap();
    assert!(matches!(connection.poll().await, Ok(MqttEvent::Connected { .. })));
    spawn_local(async move { while connection.poll().await.is_ok() {} });
    client
}

pub(crate) async fn publish(client: &Client, topic: &str, payload: impl Into<Bytes>) {
    let payload = payload.into();
    while let Err(busy) = client.try_publish(topic.into(), payload.clone(), Qos::AtLeastOnce, false) {
        assert_eq!(busy, ClientError::Busy);
        yield_now().await;
    }
}

pub(crate) async fn local<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}
