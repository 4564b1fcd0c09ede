//! The buffer of a stopped forwarder: looked at, shown, and cleared; and what the next start makes of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::{Broker, Folder, Heard, forwarder, message, run, wait_for};
use headwater_forwarder::{BufferConfig, BufferStats, Event, Forwarder, Lane, StoppedBuffer, Why};
use std::ops::ControlFlow;
use std::time::Duration;

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
    // The keeper of one that is dropped ends a moment later.
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
    let mark = forwarder.mark();
    wait_for("all to be written", || forwarder.is_kept(&mark)).await;
    if !kill {
        assert!(forwarder.stop(Duration::from_secs(4)).await);
    }
}

fn events(forwarder: &Forwarder) -> Vec<Event> {
    std::iter::from_fn(|| forwarder.try_event())
        .filter(|event| !matches!(event, Event::Down { .. }))
        .collect()
}

fn expected() -> BufferStats {
    BufferStats {
        alerts: 300,
        others: 2_700,
        made_ms: Some(0..COUNT as i64 - 1),
        generations: 1,
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
            assert!(stats.disk_bytes > 100_000, "{stats:?}");
            let outputs = if killed { vec![] } else { expected().outputs };
            assert_eq!(stats, BufferStats { disk_bytes: stats.disk_bytes, outputs, ..expected() });
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
            assert_eq!(forwarder.account().waiting, COUNT as u64);
            wait_for("all to arrive", || forwarder.account().waiting == 0).await;
            wait_for("all to be heard", || heard.under("late").len() == COUNT).await;
            assert!(forwarder.stop(Duration::from_secs(4)).await);
        });
        assert_eq!(open(&folder).stats().generations, 0);
    }
}

#[test]
fn what_is_removed_by_hand_is_counted_and_told_once() {
    let (folder, broker) = (Folder::new(), Broker::stopped(""));
    fill(&broker, &folder, false);
    let removed = open(&folder).clear().unwrap();
    assert_eq!((removed.alerts, removed.others), (300, 2_700));
    let empty = open(&folder).stats();
    assert_eq!((empty.alerts, empty.others, empty.disk_bytes, empty.generations), (0, 0, 0, 0));
    // A second time there is nothing to remove, and what was removed before is not forgotten.
    assert_eq!(open(&folder).clear().unwrap().others, 0);
    for start in 0..2 {
        run(async {
            let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
            let (account, told) = (forwarder.account(), events(&forwarder));
            if start == 0 {
                assert_eq!((account.made, account.lost, account.waiting), (3_000, 3_000, 0));
                let shed =
                    |lane, count| Event::Shed { lane, count, from_ms: 0, to_ms: 2_999, why: Why::Cleared };
                assert_eq!(told, [shed(Lane::Alert, 300), shed(Lane::Data, 2_700)]);
            } else {
                assert_eq!((account.made, account.lost, told), (0, 0, vec![]));
            }
            // Numbers go on: nothing new is taken for what was removed.
            (0..10).for_each(|n| forwarder.push(message(Lane::Data, n)));
            assert!(forwarder.stop(Duration::from_secs(4)).await);
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
    assert_eq!((stats.others, stats.generations, stats.trouble.len()), (0, 1, 1), "{stats:?}");
    let trouble = open(&folder).export(|_| panic!("nothing can be read"));
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    run(async {
        let forwarder = forwarder(broker.port, &folder.0, BufferConfig::default(), "");
        assert!(matches!(events(&forwarder)[..], [Event::Damaged { .. }]));
        assert!(forwarder.stop(Duration::from_secs(4)).await);
    });
    let stats = open(&folder).stats();
    let [(path, bytes)] = &stats.aside[..] else { panic!("{stats:?}") };
    assert!(path.ends_with("1.damaged-1") && *bytes > 90_000, "{stats:?}");
    // What is set aside stays.
    open(&folder).clear().unwrap();
    assert_eq!(open(&folder).stats().aside, stats.aside);
}
