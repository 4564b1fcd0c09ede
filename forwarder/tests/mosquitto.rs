//! Against a real mosquitto: nothing is missing, whatever ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::{Broker, Folder, Gate, Heard, forwarder, message, run, wait_for};
use headwater_forwarder::{BufferConfig, Lane, Message};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn numbers(heard: &Heard) -> BTreeSet<usize> {
    heard.messages().into_iter().map(|body| body.parse().unwrap()).collect()
}

#[test]
fn the_broker_is_killed_in_mid_stream_and_nothing_is_missing() {
    run(async {
        let (mut broker, folder) = (Broker::start(""), Folder::new());
        let (heard, gate) = (Heard::listen(broker.port).await, Gate::to(broker.port).await);
        gate.open();
        let forwarder = forwarder(gate.port, &folder.0, BufferConfig::default(), "");
        for n in 0..6_000 {
            forwarder.push(message(Lane::Data, n));
            if n % 50 == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            if n % 2_000 == 1_500 {
                // What it has acknowledged and not handed on is not ours to answer for.
                wait_for("all to be heard", || numbers(&heard).len() == n + 1).await;
                broker.kill();
                gate.close();
            }
            if n % 2_000 == 1_900 {
                sleep(Duration::from_millis(1_200)).await;
                assert!(forwarder.status().disk_bytes > 0, "what waits is on disk");
                assert!(broker.try_start());
                // Who is not subscribed gets nothing: not our loss.
                heard.is_ready().await;
                gate.open();
            }
        }
        wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
        sleep(Duration::from_millis(100)).await;
        let (all, expected) = (numbers(&heard), (0..6_000).collect::<BTreeSet<_>>());
        assert!(all == expected, "missing: {:?}", expected.difference(&all).collect::<Vec<_>>());
        let account = forwarder.account();
        assert_eq!((account.made, account.delivered, account.lost), (6_000, 6_000, 0));
        assert!(!heard.under("backfill").is_empty(), "what waited comes on topics of its own");
        wait_for("the disk to be given back", || forwarder.status().disk_bytes == 0).await;
        assert_eq!(forwarder.account().waiting, 0);
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
}

#[test]
fn what_waits_survives_a_stop_and_comes_first_alerts_before_data() {
    run(async {
        let (mut broker, folder) = (Broker::stopped(""), Folder::new());
        for start in [0, 500] {
            let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
            forwarder.opened().await;
            assert_eq!(forwarder.account().waiting, start as u64 * 2);
            for n in start..start + 500 {
                forwarder.push(message(Lane::Data, n));
                forwarder.push(message(Lane::Alert, n));
            }
            assert!(forwarder.stop(Instant::now() + Duration::from_secs(1)).await);
        }
        assert!(broker.try_start());
        let heard = Heard::listen(broker.port).await;
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
        forwarder.opened().await;
        assert_eq!(forwarder.account().made, 2_000);
        wait_for("the backlog to drain", || forwarder.account().waiting == 0).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(heard.under("backfill/Alert").len(), 1_000);
        assert_eq!(heard.under("backfill/Data").len(), 1_000);
        assert_eq!((heard.under("Alert").len(), heard.under("Data").len()), (0, 0));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        assert_eq!(heard.under("status"), ["offline", "online"].map(String::from)[1..]);
    });
}

#[test]
fn with_the_uplink_up_nothing_is_written() {
    run(async {
        let (broker, folder) = (Broker::start(""), Folder::new());
        let heard = Heard::listen(broker.port).await;
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
        wait_for("the connection", || forwarder.status().outputs[0].up).await;
        for n in 0..3_000 {
            forwarder.push(message(Lane::Data, n));
            if n % 10 == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        }
        forwarder.push(Message { body: "not taken".into(), ..message(Lane::Data, 0) });
        wait_for("all to be acknowledged", || forwarder.account().waiting == 0).await;
        assert!(!folder.0.join("buffer").exists());
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        assert!(!folder.0.join("buffer").exists());
        assert_eq!(forwarder.account().delivered, 3_001);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(heard.under("Data").len(), 3_000);
    });
}
