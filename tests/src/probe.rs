//! A probe that shows when an agent has subscribed, for brokers whose log does not show it.

use crate::{Publisher, Subscriber, wait_for};
use std::time::Duration;

/// Publishes readings of 2020 to a topic of the agent until a summary of them comes back. Each reading closes the window
/// of the one before, which may be up to 100 s long. The messages are forgotten at the end.
///
/// # Panics
/// When no summary comes.
#[track_caller]
pub fn until_heard(port: u16, topic: &str, subscriber: &Subscriber) {
    let mut publisher = Publisher::new(port);
    let mut time = 1_600_000_000_000_i64;
    wait_for("the agent to hear", || {
        time += 100_000;
        publisher.publish(topic, format!(r#"{{"ts":{time},"temp":1}}"#)).expect("a publish");
        publisher.flush().expect("an acknowledgement");
        std::thread::sleep(Duration::from_millis(100));
        (!subscriber.messages().is_empty()).then_some(())
    });
    subscriber.after(Duration::from_millis(200));
    subscriber.forget();
}
