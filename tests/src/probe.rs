//! Knows when an agent listens, on a broker that does not say so.

use crate::{Publisher, Subscriber, wait_for};
use std::time::Duration;

/// Publishes readings of 2020, each of which closes the window of the one before (of at most 100 s), to a topic of the
/// agent until a summary of it comes back; then forgets all that has come in.
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
