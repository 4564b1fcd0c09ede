//! The MQTT source against a real mosquitto.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

#[path = "../../agent/mqtt/tests/broker/mod.rs"]
mod broker;

use broker::Broker;
use bytes::Bytes;
use headwater_mqtt::{Client, ClientError, MqttEvent, MqttSession, PACKET_BYTES_MAX, Qos, Settings, connect};
use headwater_sensors::{ConnectionState, SeriesRef, Sink, SourceContext, Stamp, read_source};
use headwater_settings::Document;
use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// What the source told.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Told>>);

#[derive(Default)]
struct Told {
    series: Vec<String>,
    readings: Vec<(String, f64)>,
    invalid: Vec<String>,
    links: Vec<Option<String>>,
    /// Messages that the broker had kept and that were not read.
    retained: u32,
    /// Values that the broker had kept.
    replayed: Vec<f64>,
    is_replaying: bool,
}

impl Sink for Log {
    fn series(&mut self, name: &str, _labels: &[(String, String)]) -> Option<SeriesRef> {
        let series = &mut self.0.borrow_mut().series;
        series.push(name.to_owned());
        Some(SeriesRef(u32::try_from(series.len() - 1).unwrap()))
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
}

impl Log {
    async fn until(&self, what: &str, done: impl Fn(&Told) -> bool) {
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

    async fn until_value(&self, value: f64) {
        self.until(&format!("value {value}"), |told| told.readings.iter().any(|reading| reading.1 == value))
            .await;
    }

    fn values(&self) -> Vec<f64> {
        self.0.borrow().readings.iter().map(|reading| reading.1).collect()
    }
}

struct Source {
    log: Log,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Source {
    async fn start(broker: &Broker, more: &str) -> Self {
        let source = Self::launch(broker, more);
        source.log.until("link", |told| told.links.last() == Some(&None)).await;
        source
    }

    fn launch(broker: &Broker, more: &str) -> Self {
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
        let log = Log::default();
        let task = spawn_local(source.run(Box::new(log.clone()), stopped));
        Self { log, stop, task }
    }

    async fn stop(self) -> Log {
        self.stop.send(true).unwrap();
        timeout(Duration::from_secs(5), self.task).await.expect("an end in time").unwrap();
        self.log
    }
}

/// A connection that publishes; the task polls it and ends with the broker.
async fn publisher(broker: &Broker) -> Client {
    let session = MqttSession {
        client_id: "publisher".into(),
        clean: true,
        expiry: Duration::ZERO,
        manual_acks: false,
        inflight: 50,
        packet_bytes_max: PACKET_BYTES_MAX,
        last_will: None,
    };
    let (client, mut connection) = connect(&Settings::parse_url(&broker.url()).unwrap(), &session).unwrap();
    assert!(matches!(connection.poll().await, Ok(MqttEvent::Connected { .. })));
    spawn_local(async move { while connection.poll().await.is_ok() {} });
    client
}

async fn publish(client: &Client, topic: &str, payload: impl Into<Bytes>) {
    let payload = payload.into();
    while let Err(busy) = client.try_publish(topic.into(), payload.clone(), Qos::AtLeastOnce, false) {
        assert_eq!(busy, ClientError::Busy);
        yield_now().await;
    }
}

async fn local<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}

#[tokio::test]
async fn every_message_becomes_a_reading_whatever_the_version_and_quality() {
    let broker = Broker::start("");
    local(async {
        for more in
            ["", "qos = 0", "version = \"5\"", "version = \"5\"\nqos = 0", "topics = [\"$share/g/t/#\"]"]
        {
            let client = publisher(&broker).await;
            let source = Source::start(&broker, more).await;
            for n in 0..2_000 {
                publish(&client, "t/a", n.to_string()).await;
            }
            source.log.until("2000 readings", |told| told.readings.len() >= 2_000).await;
            let log = source.stop().await;
            assert_eq!(log.values(), (0..2_000).map(f64::from).collect::<Vec<_>>(), "{more}");
            assert_eq!(log.0.borrow().invalid, [""; 0]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_killed_broker_is_found_again_and_subscribed_to_again() {
    let mut broker = Broker::start("");
    local(async {
        let source = Source::start(&broker, "").await;
        broker.kill();
        source.log.until("loss", |told| told.links.len() > 1).await;
        source.log.until("refusal", |told| told.links.len() > 2).await;
        broker.start_again("");
        source.log.until("return", |told| told.links.last() == Some(&None)).await;
        let client = publisher(&broker).await;
        publish(&client, "t/a", "7").await;
        source.log.until_value(7.0).await;
        let log = source.stop().await;
        let links = log.0.borrow().links.clone();
        let reasons: Vec<&str> = links.iter().flatten().map(String::as_str).collect();
        assert!(reasons[0].contains("closed the connection"), "{reasons:?}");
        assert!(reasons[1].contains("connection refused: nobody listens"), "{reasons:?}");
        assert!(links.windows(2).all(|pair| pair[0] != pair[1]), "told on changes only: {links:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_published_while_the_source_is_away_arrives_when_it_is_back() {
    let broker = Broker::start("");
    local(async {
        for more in ["", "version = \"5\""] {
            let client = publisher(&broker).await;
            let source = Source::start(&broker, more).await;
            publish(&client, "t/a", "1").await;
            source.log.until_value(1.0).await;
            source.stop().await;
            for n in 2..30 {
                publish(&client, "t/a", n.to_string()).await;
            }
            let source = Source::start(&broker, more).await;
            source.log.until_value(29.0).await;
            assert_eq!(source.stop().await.values(), (2..30).map(f64::from).collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test]
async fn payloads_too_large_are_counted_and_everything_goes_on() {
    let broker = Broker::start("");
    local(async {
        for more in ["", "version = \"5\""] {
            let client = publisher(&broker).await;
            let source = Source::start(&broker, more).await;
            publish(&client, "t/a", vec![b'7'; 10_000_000]).await;
            publish(&client, "t/a", vec![b' '; 256 << 10]).await;
            publish(&client, "t/a", "8").await;
            source.log.until_value(8.0).await;
            let log = source.stop().await;
            let told = log.0.borrow();
            assert!(told.invalid[0].contains("10000000 bytes, more than `payload` in [limits] allows"));
            assert_eq!((told.invalid.len(), told.links.len()), (1, 1), "blanks alone are an empty payload");
        }
    })
    .await;
}

/// 3.1.1 cannot tell the broker to keep it, and the broker sends it again to every new connection.
#[tokio::test]
async fn a_packet_that_no_limit_allows_costs_one_invalid_and_no_endless_loop() {
    let broker = Broker::start("");
    local(async {
        let client = publisher(&broker).await;
        let source = Source::start(&broker, "").await;
        publish(&client, "t/a", vec![b'7'; 17 << 20]).await;
        source
            .log
            .until("new session", |told| told.links.iter().filter(|link| link.is_none()).count() >= 2)
            .await;
        // The first connection after the loss may still be of the old session.
        for n in 0..200 {
            publish(&client, "t/a", "8").await;
            sleep(Duration::from_millis(100)).await;
            if source.log.values().contains(&8.0) {
                break;
            }
            assert!(n < 199, "no reading");
        }
        let log = source.stop().await;
        assert_eq!(log.0.borrow().invalid.len(), 1, "{:?}", log.0.borrow().invalid);
        assert!(log.0.borrow().invalid[0].contains("above the limit"));
    })
    .await;
}

#[tokio::test]
async fn subscriptions_of_an_earlier_configuration_end() {
    let broker = Broker::start("");
    local(async {
        let client = publisher(&broker).await;
        Source::start(&broker, "topics = [\"old/#\"]").await.stop().await;
        let source = Source::start(&broker, "topics = [\"new/#\"]").await;
        publish(&client, "old/a", "1").await;
        publish(&client, "new/a", "2").await;
        source.log.until_value(2.0).await;
        source.log.until("stranger", |told| told.invalid.len() == 1).await;
        // A new subscription brings what the broker had kept.
        client.try_publish("new/b".into(), Bytes::from_static(b"3"), Qos::AtLeastOnce, true).unwrap();
        source.log.until_value(3.0).await;
        let kept = |told: &Told| told.readings.iter().filter(|reading| reading.1 == 3.0).count() == 2;
        source.log.until("new session", kept).await;
        publish(&client, "old/a", "1").await;
        publish(&client, "new/a", "4").await;
        source.log.until_value(4.0).await;
        let log = source.stop().await;
        assert_eq!(log.0.borrow().invalid.len(), 1);
        assert!(log.0.borrow().invalid[0].contains("an earlier configuration"));
    })
    .await;
}

#[tokio::test]
async fn a_source_that_cannot_connect_stops_at_once_when_told() {
    let mut broker = Broker::start("");
    broker.kill();
    local(async {
        let source = Source::launch(&broker, "");
        source.log.until("refusal", |told| !told.links.is_empty()).await;
        source.stop().await;
        let source = Source::launch(&broker, "");
        drop(source.stop);
        timeout(Duration::from_secs(5), source.task).await.expect("a closed channel means the same").unwrap();
    })
    .await;
}

/// Some gateways send only while somebody asks them to.
#[tokio::test]
async fn a_source_publishes_what_keeps_a_device_awake() {
    let broker = Broker::start("");
    local(async {
        let publish = "publish = [{ topic = \"t/awake\", payload = \"1\", every = \"1s\" }]";
        let source = Source::start(&broker, publish).await;
        source.log.until("two of them", |told| told.readings.len() >= 2).await;
        assert!(source.stop().await.values().iter().all(|value| *value == 1.0));
    })
    .await;
}

#[tokio::test]
async fn retained_messages_are_told_apart_or_not_read_and_ignored_topics_are_nothing() {
    let broker = Broker::start("");
    local(async {
        let client = publisher(&broker).await;
        client.try_publish("t/plug".into(), "899".into(), Qos::AtLeastOnce, true).unwrap();
        client.try_publish("t/bridge/state".into(), "online".into(), Qos::AtLeastOnce, true).unwrap();
        let ignore = "ignore = [\"t/bridge/#\", \"t/+/availability\"]";
        for (retained, used) in [("", vec![899.0, 5.0]), ("retained = \"ignore\"", vec![5.0])] {
            let source = Source::start(&broker, &format!("{ignore}\n{retained}")).await;
            source.log.until("kept value", |told| told.retained + told.replayed.len() as u32 > 0).await;
            publish(&client, "t/plug/availability", "online").await;
            publish(&client, "t/plug", "5").await;
            source.log.until_value(5.0).await;
            let log = source.stop().await;
            assert_eq!(log.values(), used);
            let told = log.0.borrow();
            let replayed: &[f64] = if retained.is_empty() { &[899.0] } else { &[] };
            assert_eq!((told.replayed.as_slice(), told.invalid.len()), (replayed, 0), "{:?}", told.invalid);
        }
    })
    .await;
}
