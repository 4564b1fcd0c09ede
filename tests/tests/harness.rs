//! Tests of the harness. It must lose nothing itself before a test can say that an agent has lost something.

use headwater_tests::certs::Authority;
use headwater_tests::mosquitto::Guard;
use headwater_tests::{Mosquitto, Options, Publisher, Subscriber, TempDir};
use std::time::Duration;

/// The subscriber gets everything that the broker has acknowledged before a SIGKILL, and what came after while the subscriber
/// was away.
#[test]
fn a_subscriber_loses_nothing_over_a_killed_broker() {
    let mut broker = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let subscriber = Subscriber::new(broker.port);
    broker.save();
    for round in 0..3 {
        subscriber.wait_subscribed(round + 1); // what a broker queues for one who is away dies with it
        let mut publisher = Publisher::new(broker.port);
        for number in 0..500 {
            publisher
                .publish("headwater/a/summary", format!(r#"{{"kind":"summary","id":"{round}-{number}"}}"#))
                .unwrap();
        }
        publisher.flush().unwrap();
        broker.kill9();
        broker.restart();
    }
    let messages = subscriber.wait_until("all messages", |messages| messages.count_ids("summary") == 1_500);
    messages.check_repeats();
    let missing = Subscriber::to(broker.port, "elsewhere/#").after(Duration::from_millis(50));
    assert!(missing.is_empty());
}

#[test]
fn brokers_guard_their_second_listener() {
    let dir = TempDir::new();
    let authority = Authority::new(&dir, "authority");
    let (server, client) = (authority.server(), authority.client("client"));
    assert!(client.cert.exists() && client.key.exists());
    let mut secured = Mosquitto::with(&Options {
        guard: Some(Guard::Tls(server, Some(authority.ca.clone()))),
        ..Options::default()
    });
    let mut guarded =
        Mosquitto::with(&Options { guard: Some(Guard::Login("name", "password")), ..Options::default() });
    assert_ne!(secured.guarded_port, guarded.guarded_port);
    for port in [secured.guarded_port, guarded.guarded_port] {
        assert!(
            std::panic::catch_unwind(|| Publisher::new(port)).is_err(),
            "anybody can use a guarded listener"
        );
    }
    secured.stop();
    guarded.stop();
}

#[test]
fn large_messages_and_qos_0_pass() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("headwater/large", vec![b'x'; 10 << 20]).unwrap();
    publisher.publish_qos0("headwater/small", "1").unwrap();
    publisher.flush().unwrap();
    let messages = subscriber.wait_until("both", |messages| messages.len() == 2);
    assert_eq!(messages[0].payload.len(), 10 << 20);
    assert!(broker.logged("Received SUBSCRIBE") >= 1);
}
