//! Batches and spread messages at a real mosquitto: fewer or later, and nothing is missing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::{Broker, Folder, Gate, Heard, forwarder, message, run, wait_for};
use flate2::read::GzDecoder;
use headwater_forwarder::{BufferConfig, Lane, Message};
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A message that may be part of a batch.
fn summary(n: usize) -> Message {
    Message { body: format!("summary{n}").into(), ..message(Lane::Data, n) }
}

/// How often each summary came on a topic, and in how many messages.
fn summaries(heard: &Heard, topic: &str) -> (BTreeMap<String, u32>, u32) {
    let (mut counts, mut messages) = (BTreeMap::new(), 0);
    for ((_, payload), times) in heard.all.borrow().iter().filter(|((at, _), _)| at == topic) {
        messages += times;
        let mut text = String::new();
        match GzDecoder::new(&payload[..]).read_to_string(&mut text) {
            Ok(_) => {}
            Err(_) => text = String::from_utf8(payload.clone()).unwrap(),
        }
        for body in text.split_terminator(',') {
            *counts.entry(body.to_owned()).or_default() += times;
        }
    }
    (counts, messages)
}

#[test]
fn what_is_ready_leaves_together_and_alerts_by_themselves() {
    for (lines, is_packed) in [("batch = \"300ms\"", false), ("batch = \"300ms\"\ngzip = true", true)] {
        run(async {
            let (broker, folder) = (Broker::start(""), Folder::new());
            let heard = Heard::listen(broker.port).await;
            let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), lines);
            wait_for("the connection", || forwarder.status().outputs[0].up).await;
            let pushed = Instant::now();
            (0..2_500).for_each(|n| forwarder.push(summary(n)));
            forwarder.push(message(Lane::Alert, 7));
            forwarder.push(message(Lane::Data, 8));
            wait_for("the alert", || heard.under("Alert") == ["7"]).await;
            assert!(pushed.elapsed() < Duration::from_millis(300) || is_packed, "it waits for nobody");
            wait_for("all to be acknowledged", || forwarder.account().waiting == 0).await;
            wait_for("all to be heard", || summaries(&heard, "summary").0.len() == 2_500).await;
            let (counts, messages) = summaries(&heard, "summary");
            assert!(counts.values().all(|times| *times == 1) && messages < 10, "{messages} messages");
            assert_eq!(heard.under("Data"), ["8"], "other kinds are no part of it");
            assert_eq!(forwarder.account().delivered, 2_502);
            assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        });
    }
}

#[test]
fn what_is_gathered_leaves_before_the_end_and_what_waited_on_its_own_topic() {
    run(async {
        let (broker, folder) = (Broker::start(""), Folder::new());
        let (heard, gate) = (Heard::listen(broker.port).await, Gate::to(broker.port).await);
        let forwarder = forwarder(gate.port, &folder.0, BufferConfig::default(), "batch = \"1h\"");
        (0..100).for_each(|n| forwarder.push(summary(n)));
        sleep(Duration::from_millis(200)).await;
        gate.open();
        wait_for("the connection", || forwarder.status().outputs[0].up).await;
        (100..300).for_each(|n| forwarder.push(summary(n)));
        sleep(Duration::from_millis(300)).await;
        assert_eq!((heard.under("summary").len(), forwarder.account().waiting), (0, 300), "they wait");
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        assert_eq!(forwarder.account().delivered, 300);
        wait_for("all to be heard", || summaries(&heard, "summary").0.len() == 200).await;
        assert_eq!(summaries(&heard, "summary").1, 1);
        let (waited, messages) = summaries(&heard, "backfill/summary");
        assert_eq!((waited.len(), messages), (100, 1));
    });
}

#[test]
fn a_broker_that_is_killed_gets_every_batch_again() {
    run(async {
        let (mut broker, folder) = (Broker::start(""), Folder::new());
        let (heard, gate) = (Heard::listen(broker.port).await, Gate::to(broker.port).await);
        gate.open();
        let forwarder = forwarder(gate.port, &folder.0, BufferConfig::default(), "batch = \"50ms\"");
        let arrived = || summaries(&heard, "summary").0.len() + summaries(&heard, "backfill/summary").0.len();
        for n in 0..3_000 {
            forwarder.push(summary(n));
            if n % 20 == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            if n % 1_000 == 700 {
                // What it has acknowledged and not handed on is not ours to answer for.
                wait_for("all to be heard", || arrived() > n).await;
                broker.kill();
                gate.close();
            }
            if n % 1_000 == 900 {
                assert!(broker.try_start());
                heard.is_ready().await;
                gate.open();
            }
        }
        wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
        wait_for("all to be heard", || arrived() >= 3_000).await;
        assert_eq!((forwarder.account().delivered, forwarder.account().lost), (3_000, 0));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
}

#[test]
fn what_comes_together_is_spread_and_alerts_are_not() {
    run(async {
        let (broker, folder) = (Broker::start(""), Folder::new());
        let heard = Heard::listen(broker.port).await;
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "spread = \"2s\"");
        wait_for("the connection", || forwarder.status().outputs[0].up).await;
        let pushed = Instant::now();
        (0..2_000).for_each(|n| forwarder.push(message(Lane::Data, n)));
        forwarder.push(message(Lane::Alert, 7));
        wait_for("the alert", || heard.under("Alert") == ["7"]).await;
        assert!(heard.under("Data").len() < 1_500, "{} came before the alert", heard.under("Data").len());
        wait_for("all to be heard", || heard.under("Data").len() == 2_000).await;
        assert!(pushed.elapsed() > Duration::from_millis(1_500), "{:?}", pushed.elapsed());
        assert!(heard.under("backfill").is_empty(), "what is spread is live");
        (2_000..3_000).for_each(|n| forwarder.push(message(Lane::Data, n)));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        assert_eq!(forwarder.account().delivered, 3_001, "the end waits for nothing");
    });
}
