//! The MQTT source against a real mosquitto.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

#[path = "../../agent/mqtt/tests/broker/mod.rs"]
mod broker;
mod field;

use broker::Broker;
use bytes::Bytes;
use field::{Log, Source, Told, local, publish, publisher};
use headwater_mqtt::Qos;
use headwater_sensors::Safety;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

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

/// A message is acknowledged when it is written, and on the way out too; what is not written comes again.
#[tokio::test]
async fn a_stop_acknowledges_what_is_written() {
    let broker = Broker::start("");
    local(async {
        let client = publisher(&broker).await;
        Source::start(&broker, "").await.stop().await;
        for is_written in [true, false] {
            let safety = Safety::default();
            let log = Log(Rc::new(RefCell::new(Told { safety: Some(safety.clone()), ..Told::default() })));
            let source = Source::launch_into(log, &broker, "");
            for n in 0..5 {
                publish(&client, "t/a", n.to_string()).await;
            }
            source.log.until_value(4.0).await;
            if is_written {
                safety.on_written(safety.handed_over());
            }
            source.stop().await;
            let source = Source::start(&broker, "").await;
            publish(&client, "t/a", "9").await;
            source.log.until_value(9.0).await;
            let again = if is_written { vec![9.0] } else { vec![0.0, 1.0, 2.0, 3.0, 4.0, 9.0] };
            assert_eq!(source.stop().await.values(), again, "written: {is_written}");
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
