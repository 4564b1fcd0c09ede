//! What a source publishes by itself: keep-alives that some devices want before they send anything.

use headwater_mqtt::{Client, Qos};
use headwater_settings::Table;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The shortest and the longest time between two (ms).
const EVERY_MS: std::ops::RangeInclusive<i64> = 1_000..=86_400_000;

/// The most of a source.
const REQUESTS_MAX: usize = 100;

/// One message that is published again and again.
#[derive(Clone, Debug)]
pub(super) struct Request {
    topic: String,
    payload: String,
    every: Duration,
}

impl Request {
    /// Reads `publish`. `None`: there were mistakes, which the table has noted.
    pub(super) fn read_all(table: &mut Table<'_>) -> Option<Vec<Self>> {
        let tables = table.tables("publish");
        if tables.len() > REQUESTS_MAX {
            table.refuse(
                table.place_of("publish"),
                format!("more than {REQUESTS_MAX} messages"),
                "leave some out",
            );
        }
        // Every mistake is told, not only the first.
        let read: Vec<Option<Self>> = tables.into_iter().map(Self::read).collect();
        read.into_iter().collect()
    }

    fn read(mut table: Table<'_>) -> Option<Self> {
        table.note("topic", "where to; no wildcards");
        table.note("payload", "the message; left out: empty");
        table.note("every", "how often");
        let topic = table.string("topic");
        let payload = table.string("payload").map(|payload| payload.value).unwrap_or_default();
        let every = table.duration("every", EVERY_MS);
        table.missing("topic", "add the topic to publish to: topic = \"R/serial/keepalive\"");
        table.missing("every", "add how often: every = \"30s\"");
        let is_topic = |text: &str| !text.is_empty() && !text.contains(['+', '#', '\0']);
        if let Some(topic) = topic.as_ref().filter(|topic| !is_topic(&topic.value)) {
            let what = format!("`{}` is no topic to publish to", topic.value);
            table.refuse(topic.span.clone(), what, "write it without wildcards");
        }
        let topic = topic.filter(|topic| is_topic(&topic.value));
        table.finish();
        let every = Duration::from_millis(every?.value.unsigned_abs());
        Some(Self { topic: topic?.value, payload, every })
    }
}

/// The messages of one connection, each with the time when it is due.
pub(super) struct Requests<'a>(Vec<(&'a Request, Instant)>);

impl<'a> Requests<'a> {
    /// Nothing is due before the connection is there.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// All are due at once.
    pub(super) fn begin(requests: &'a [Request]) -> Self {
        let now = Instant::now();
        Self(requests.iter().map(|request| (request, now)).collect())
    }

    /// Returns when one is due.
    pub(super) async fn due(&self) {
        match self.0.iter().map(|(_, due)| *due).min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Publishes those that are due. One that finds no room comes with its next turn.
    pub(super) fn publish(&mut self, client: &Client) {
        let now = Instant::now();
        for (request, due) in self.0.iter_mut().filter(|(_, due)| *due <= now) {
            let (topic, payload) = (request.topic.clone(), request.payload.clone().into());
            let _ = client.try_publish(topic, payload, Qos::AtMostOnce, false);
            *due = now + request.every;
        }
    }
}
