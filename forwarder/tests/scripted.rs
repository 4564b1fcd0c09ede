//! Against a broker that does what mosquitto will not: nothing is lost, nothing stands still.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod broker;

use broker::scripted::{Action, Scripted};
use broker::{Folder, forwarder, message, run, wait_for};
use headwater_forwarder::{BufferConfig, Forwarder, ForwarderEvent, Lane, Message};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::sleep;

/// A forwarder against a script, and `count` messages.
async fn push(script: &Scripted, folder: &Folder, lines: &str, count: usize) -> Forwarder {
    let forwarder = forwarder(script.port, &folder.0, BufferConfig::default(), lines);
    wait_for("the connection", || forwarder.status().outputs[0].up).await;
    (0..count).for_each(|n| forwarder.push(message(Lane::Data, n)));
    forwarder
}

async fn all_arrive(script: &Scripted, forwarder: &Forwarder, count: usize) {
    wait_for("all to be acknowledged", || forwarder.account().waiting == 0).await;
    let got: BTreeSet<usize> = script.bodies().iter().map(|body| body.parse().unwrap()).collect();
    assert!(got == (0..count).collect(), "missing: {:?}", (0..count).find(|n| !got.contains(n)));
    assert_eq!(forwarder.account().delivered, count as u64);
}

#[test]
fn a_broker_that_hangs_up_after_every_hundred_gets_all_in_the_end() {
    run(async {
        let folder = Folder::new();
        let count = std::cell::Cell::new(0);
        let script = Scripted::start(&[], move |_| {
            count.set(count.get() + 1);
            match count.get() {
                // The last ones of a connection are taken and not acknowledged.
                n if n % 100 == 0 => Action::HangUp,
                n if n % 100 > 90 => Action::Ignore,
                _ => Action::Ack,
            }
        });
        let script = script.await;
        let forwarder = push(&script, &folder, "", 350).await;
        all_arrive(&script, &forwarder, 350).await;
        // Order holds on each connection, repeats or not.
        for connection in 1..=*script.connections.borrow() {
            let got = script.got.borrow();
            let bodies = got.iter().filter(|got| got.connection == connection);
            let numbers: Vec<usize> = bodies.map(|got| got.body.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "{numbers:?}");
        }
    });
}

#[test]
fn a_broker_that_never_acknowledges_is_left_and_what_it_took_is_kept() {
    run(async {
        let folder = Folder::new();
        let script =
            Scripted::start(&[], |got| if got.connection < 3 { Action::Ignore } else { Action::Ack }).await;
        let forwarder = push(&script, &folder, "ack_timeout = \"2s\"", 50).await;
        wait_for("the disk to be used", || forwarder.status().disk_bytes > 0).await;
        all_arrive(&script, &forwarder, 50).await;
        assert_eq!(*script.connections.borrow(), 3);
        let error = forwarder.status().outputs[0].last_error.clone().unwrap();
        assert!(error.contains("nothing was acknowledged for 2 s"), "{error}");
        assert!(script.got.borrow().iter().any(|got| got.topic.starts_with("backfill/")));
    });
}

#[test]
fn a_line_that_freezes_stops_nothing_else() {
    run(async {
        let folder = Folder::new();
        let freeze = |got: &broker::scripted::Got| match (got.connection, got.body.as_str()) {
            (1, "7") => Action::Freeze,
            _ => Action::Ack,
        };
        let script = Scripted::start(&[], freeze).await;
        let forwarder = push(&script, &folder, "ack_timeout = \"2s\"\ninflight = 60000", 8).await;
        let body = bytes::Bytes::from(vec![b'x'; 2_000]);
        for n in 0..2_500 {
            forwarder.push(Message { body: body.clone(), ..message(Lane::Data, n) });
            if n % 500 == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        wait_for("all to be acknowledged", || forwarder.account().waiting == 0).await;
        assert_eq!(forwarder.account().delivered, 2_508);
    });
}

#[test]
fn acknowledgements_out_of_order_are_told_apart() {
    run(async {
        let folder = Folder::new();
        let odd = |got: &broker::scripted::Got| match got.body.parse::<usize>().unwrap() % 2 {
            0 => Action::AckAfterNext,
            _ => Action::Ack,
        };
        let script = Scripted::start(&[], odd).await;
        let forwarder = push(&script, &folder, "inflight = 5", 1_000).await;
        all_arrive(&script, &forwarder, 1_000).await;
        assert_eq!(*script.connections.borrow(), 1);
    });
}

/// MQTT 3.1.1 has no answer that refuses a message.
#[test]
fn many_for_which_the_broker_hangs_up_are_found_and_the_rest_goes_on() {
    run(async {
        let folder = Folder::new();
        let is_bad = |body: &str| body.parse::<usize>().unwrap() % 10 == 3;
        let hang_up = move |got: &broker::scripted::Got| {
            if is_bad(&got.body) { Action::HangUp } else { Action::Ack }
        };
        let script = Scripted::start(&[], hang_up).await;
        let forwarder = push(&script, &folder, "", 40).await;
        wait_for("all good ones to be acknowledged", || forwarder.account().delivered == 36).await;
        let connections = *script.connections.borrow();
        assert!(connections < 12, "good ones do not wait for the verdicts: {connections}");
        wait_for("all to be answered", || forwarder.account().waiting == 0).await;
        assert_eq!((forwarder.account().delivered, forwarder.account().lost), (36, 4));
        // The topic of backfill is barred now. A live message has another one, and is tried there once at the most.
        let tried = || script.bodies().iter().filter(|body| *body == "13").count();
        let before = tried();
        forwarder.push(message(Lane::Data, 13));
        wait_for("the last to be answered", || forwarder.account().lost == 5).await;
        assert!(tried() <= before + 1, "no more connections are closed for it");
    });
}

#[test]
fn one_that_is_refused_is_told_and_the_rest_goes_on() {
    run(async {
        let folder = Folder::new();
        let not_authorized = |got: &broker::scripted::Got| match got.body.as_str() {
            "3" | "4" => Action::Refuse(0x87),
            // No one listens: that is no refusal.
            "5" => Action::Refuse(0x10),
            _ => Action::Ack,
        };
        let script = Scripted::start(&[], not_authorized).await;
        let forwarder = push(&script, &folder, "version = \"5\"", 20).await;
        wait_for("all to be answered", || forwarder.account().waiting == 0).await;
        let account = forwarder.account();
        assert_eq!((account.delivered, account.lost), (18, 2));
        let told = std::iter::from_fn(|| forwarder.try_event());
        let refused: Vec<ForwarderEvent> =
            told.filter(|event| matches!(event, ForwarderEvent::Refused { .. })).collect();
        let [ForwarderEvent::Refused { count: 2, what, .. }] = &refused[..] else { panic!("{refused:?}") };
        assert!(what.contains("not authorized"), "{what}");
    });
}

#[test]
fn one_that_is_too_large_is_told_and_the_rest_goes_on() {
    run(async {
        let folder = Folder::new();
        // Maximum packet size: 200.
        let script = Scripted::start(&[0x27, 0, 0, 0, 200], |_| Action::Ack).await;
        let forwarder = push(&script, &folder, "version = \"5\"", 5).await;
        forwarder.push(Message { body: vec![b'9'; 300].into(), ..message(Lane::Data, 0) });
        forwarder.push(message(Lane::Data, 5));
        wait_for("all to be answered", || forwarder.account().waiting == 0).await;
        assert_eq!((forwarder.account().delivered, forwarder.account().lost), (6, 1));
        assert_eq!(*script.connections.borrow(), 1);
    });
}

#[test]
fn the_brokers_window_is_kept_and_a_full_quota_is_waited_for() {
    run(async {
        let folder = Folder::new();
        let full = |got: &broker::scripted::Got| match (got.connection, got.body.as_str()) {
            (1, "30") => Action::Refuse(0x97),
            _ => Action::Ack,
        };
        // Receive maximum: 3.
        let script = Scripted::start(&[0x21, 0, 3], full).await;
        let forwarder = push(&script, &folder, "version = \"5\"", 100).await;
        all_arrive(&script, &forwarder, 100).await;
        assert_eq!(*script.connections.borrow(), 2);
        assert!(script.got.borrow().iter().all(|got| got.open < 3));
    });
}
