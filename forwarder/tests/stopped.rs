//! The buffer of a stopped forwarder: looked at, shown, and cleared; and what the next start makes of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::{Broker, Folder, Heard, forwarder, message, run, wait_for};
use headwater_forwarder::{
    BufferConfig, BufferStats, DropReason, Forwarder, ForwarderEvent, Lane, StoppedBuffer,
};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::time::Instant;

const COUNT: usize = 3_000;

fn open(folder: &Folder) -> StoppedBuffer {
    StoppedBuffer::open(folder.0.join("buffer")).unwrap()
}

fn bodies(folder: &Folder) -> Vec<String> {
    let mut bodies = Vec::new();
    let trouble = open(folder).export(|message| {
        bodies.push(String::from_utf8(message.body.to_vec()).unwrap());
        ControlFlow::Continue(())
    });
    assert_eq!(trouble, Vec::<String>::new());
    bodies
}

fn fill(broker: &Broker, folder: &Folder, kill: bool) {
    run(push(broker, folder, kill));
    // The disk thread of one that is dropped ends a moment later.
    let is_free = || open(folder).stats().trouble.is_empty();
    (0..500)
        .find(|_| {
            is_free() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        })
        .unwrap();
}

/// Every tenth is an alert.
async fn push(broker: &Broker, folder: &Folder, kill: bool) {
    let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
    for n in 0..COUNT {
        forwarder.push(message(if n % 10 == 0 { Lane::Alert } else { Lane::Data }, n));
    }
    let position = forwarder.position();
    let kept = tokio::time::timeout(Duration::from_secs(60), forwarder.kept(&position));
    assert!(kept.await.is_ok(), "all are written");
    if !kill {
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    }
}

fn events(forwarder: &Forwarder) -> Vec<ForwarderEvent> {
    std::iter::from_fn(|| forwarder.try_event())
        .filter(|event| !matches!(event, ForwarderEvent::Down { .. }))
        .collect()
}

fn expected() -> BufferStats {
    BufferStats {
        alerts: 300,
        others: 2_700,
        made_ms: Some(0..COUNT as i64 - 1),
        segments: 1,
        outputs: vec![("cloud".into(), COUNT as u64)],
        ..BufferStats::default()
    }
}

#[test]
fn what_waits_is_counted_and_shown_and_nothing_is_changed_by_it() {
    // Stopped, the buffer has an index; killed, it has none, and none of its positions was ever written.
    for killed in [false, true] {
        let folder = Folder::new();
        let broker = Broker::stopped("");
        fill(&broker, &folder, killed);
        for _ in 0..2 {
            let stats = open(&folder).stats();
            assert!(stats.disk_bytes > 80_000, "{stats:?}");
            let outputs = if killed { vec![] } else { expected().outputs };
            assert_eq!(stats, BufferStats { disk_bytes: stats.disk_bytes, outputs, ..expected() });
            let named = open(&folder).for_outputs(["cloud".to_owned()].into_iter()).stats();
            assert_eq!(named.outputs, expected().outputs, "known from the config at least");
            let alerts = (0..COUNT).filter(|n| n % 10 == 0);
            let all: Vec<String> =
                alerts.chain((0..COUNT).filter(|n| n % 10 != 0)).map(|n| n.to_string()).collect();
            assert!(bodies(&folder) == all);
        }
        run(async {
            let mut broker = broker;
            assert!(broker.try_start());
            let heard = Heard::listen(broker.port).await;
            let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
            forwarder.opened().await;
            assert_eq!(forwarder.account().waiting, COUNT as u64);
            wait_for("all to arrive", || forwarder.account().waiting == 0).await;
            wait_for("all to be heard", || heard.under("backfill").len() == COUNT).await;
            assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        });
        assert_eq!(open(&folder).stats().segments, 0);
    }
}

#[test]
fn what_is_removed_by_hand_is_counted_and_told_once() {
    let (folder, broker) = (Folder::new(), Broker::stopped(""));
    fill(&broker, &folder, false);
    let removed = open(&folder).clear().unwrap();
    assert_eq!((removed.alerts, removed.others), (300, 2_700));
    let empty = open(&folder).stats();
    assert_eq!((empty.alerts, empty.others, empty.disk_bytes, empty.segments), (0, 0, 0, 0));
    // A second time there is nothing to remove, and what was removed before is not forgotten.
    assert_eq!(open(&folder).clear().unwrap().others, 0);
    for start in 0..2 {
        run(async {
            let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
            forwarder.opened().await;
            let (account, told) = (forwarder.account(), events(&forwarder));
            if start == 0 {
                assert_eq!((account.made, account.lost, account.waiting), (3_000, 3_000, 0));
                let shed = |lane, count| ForwarderEvent::Evicted {
                    lane,
                    count,
                    from_ms: 0,
                    to_ms: 2_999,
                    why: DropReason::Cleared,
                };
                assert_eq!(told, [shed(Lane::Alert, 300), shed(Lane::Data, 2_700)]);
            } else {
                assert_eq!((account.made, account.lost, told), (0, 0, vec![]));
            }
            // Numbers go on: nothing new is taken for what was removed.
            (0..10).for_each(|n| forwarder.push(message(Lane::Data, n)));
            assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
        });
        assert_eq!(open(&folder).clear().unwrap().others, 10);
        // Told at the next start; not what this test is about.
        std::fs::remove_file(folder.0.join("buffer/cleared")).unwrap();
    }
}

#[test]
fn damage_is_told_and_left_for_the_next_start() {
    let (folder, broker) = (Folder::new(), Broker::stopped(""));
    fill(&broker, &folder, true);
    std::fs::write(folder.0.join("buffer/1/db"), vec![0x55; 100_000]).unwrap();
    let stats = open(&folder).stats();
    assert_eq!((stats.others, stats.segments, stats.trouble.len()), (0, 1, 1), "{stats:?}");
    let trouble = open(&folder).export(|_| panic!("nothing can be read"));
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    run(async {
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
        forwarder.opened().await;
        assert!(matches!(events(&forwarder)[..], [ForwarderEvent::Damaged { .. }]));
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
    let stats = open(&folder).stats();
    let [(path, bytes)] = &stats.aside[..] else { panic!("{stats:?}") };
    assert!(path.ends_with("1.damaged-1") && *bytes > 90_000, "{stats:?}");
    // What is set aside stays.
    open(&folder).clear().unwrap();
    assert_eq!(open(&folder).stats().aside, stats.aside);
}

/// A sealed database that is not what it was: counted without being opened, copied before it is read, and told with
/// numbers; the next start loses no more of it.
#[test]
fn what_is_read_of_a_damaged_buffer_is_copied_first_and_what_is_missing_is_counted() {
    let (folder, broker) = (Folder::new(), Broker::stopped(""));
    fill(&broker, &folder, false);
    let db = folder.0.join("buffer/1/db");
    let mut bytes = std::fs::read(&db).unwrap();
    let at = bytes.len() / 3;
    bytes[at..at + 64].fill(0xa5);
    std::fs::write(&db, &bytes).unwrap();

    let stats = open(&folder).stats();
    assert_eq!((stats.alerts + stats.others, stats.aside.len()), (COUNT as u64, 0), "{stats:?}");
    let [what] = &stats.trouble[..] else { panic!("{stats:?}") };
    assert!(what.contains("buffer/1/db is not as it was written"), "{what}");
    assert!(std::fs::read(&db).unwrap() == bytes, "stats opens nothing");

    for round in 0..2 {
        let mut shown = 0;
        let trouble = open(&folder).export(|_| {
            shown += 1;
            ControlFlow::Continue(())
        });
        let counted = format!("segment 1: {} messages could not be read; it is kept", COUNT - shown);
        assert!(
            shown < COUNT && trouble.iter().any(|what| what.starts_with(&counted)),
            "{round}: {trouble:?}"
        );
        assert!(std::fs::read(folder.0.join("buffer/1.damaged-1/db")).unwrap() == bytes);
    }
    let stats = open(&folder).stats();
    assert_eq!((stats.trouble.len(), stats.aside.len()), (1, 1), "{stats:?}");
    run(async {
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
        forwarder.opened().await;
        assert_eq!(forwarder.account().made, COUNT as u64);
        assert!(forwarder.stop(Instant::now() + Duration::from_secs(4)).await);
    });
    let removed = open(&folder).clear().unwrap();
    assert_eq!(removed.aside, stats.aside, "one copy is enough");
}

#[test]
fn a_database_that_is_gone_is_told() {
    let (folder, broker) = (Folder::new(), Broker::stopped(""));
    fill(&broker, &folder, false);
    std::fs::remove_file(folder.0.join("buffer/1/db")).unwrap();
    let stats = open(&folder).stats();
    assert!(matches!(&stats.trouble[..], [what] if what.contains("buffer/1/db is gone")), "{stats:?}");
    std::fs::remove_dir_all(folder.0.join("buffer/1")).unwrap();
    let stats = open(&folder).stats();
    assert!(matches!(&stats.trouble[..], [what] if what.contains("buffer/1 is gone")), "{stats:?}");
    let trouble = open(&folder).export(|_| panic!("there is nothing"));
    assert!(trouble.last().unwrap().contains("3000 messages could not be read"), "{trouble:?}");
    assert_eq!(open(&folder).clear().unwrap().others, 2_700);
}
