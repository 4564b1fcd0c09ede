//! The messages that a subscriber has received, and what must hold of them after any fault.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Deref;
use std::time::Instant;

/// One received message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The payload as a map, from JSON or CBOR; null if it is neither.
    pub map: Value,
    /// Whether the broker had retained the message.
    pub retain: bool,
    /// When it came in.
    pub at: Instant,
}

impl Message {
    /// Reads a message.
    #[must_use]
    pub fn new(topic: String, payload: Vec<u8>, retain: bool) -> Self {
        let map = serde_json::from_slice(&payload)
            .or_else(|_| serde_cbor::from_slice(&payload))
            .unwrap_or(Value::Null);
        Self { topic, payload, map, retain, at: Instant::now() }
    }

    /// Whether this revision of a summary counts instead of another: the higher one, unless it may lack readings that
    /// the other has.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        let lacks = self.map["partial"] == true && self.integer("count") < other.integer("count");
        self.integer("rev") > other.integer("rev") && !lacks
    }

    /// A text of the map; empty, if there is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.map.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// An integer of the map.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn integer(&self, key: &str) -> i64 {
        self.map
            .get(key)
            .and_then(Value::as_i64)
            .unwrap_or_else(|| panic!("no integer `{key}` in {}", self.map))
    }

    /// A number of the map.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn number(&self, key: &str) -> f64 {
        self.map
            .get(key)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("no number `{key}` in {}", self.map))
    }

    /// Whether the message waited in the buffer.
    #[must_use]
    pub fn is_backfill(&self) -> bool {
        self.topic.split('/').nth(2) == Some("backfill")
    }
}

/// All received messages, in order.
#[derive(Clone, Debug, Default)]
pub struct Messages(Vec<Message>);

impl Deref for Messages {
    type Target = [Message];

    fn deref(&self) -> &[Message] {
        &self.0
    }
}

impl FromIterator<Message> for Messages {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        Self(messages.into_iter().collect())
    }
}

impl Messages {
    /// Adds a message.
    pub fn push(&mut self, message: Message) {
        self.0.push(message);
    }

    /// The messages of one kind: `summary`, `alert`, `reading`, `report`, `status`.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(move |message| message.text("kind") == kind)
    }

    /// How many different ids the messages of one kind have.
    #[must_use]
    pub fn count_ids(&self, kind: &str) -> usize {
        self.of(kind).map(|message| message.text("id")).collect::<BTreeSet<_>>().len()
    }

    /// The summaries of one series of one stream by their start, each in the revision that counts.
    #[must_use]
    pub fn summaries(&self, stream: &str, series: &str) -> BTreeMap<i64, &Message> {
        let mut last: BTreeMap<i64, &Message> = BTreeMap::new();
        let own = |message: &&Message| message.text("stream") == stream && message.text("series") == series;
        for message in self.of("summary").filter(own) {
            let kept = last.entry(message.integer("start")).or_insert(message);
            if message.replaces(kept) {
                *kept = message;
            }
        }
        last
    }

    /// The different alerts of one series, in order of first arrival.
    #[must_use]
    pub fn alerts(&self, series: &str) -> Vec<&Message> {
        let mut seen = BTreeSet::new();
        let own = self.of("alert").filter(|message| message.text("series") == series);
        own.filter(|message| seen.insert((message.text("id"), message.text("state")))).collect()
    }

    /// The different reports, in order of first arrival.
    #[must_use]
    pub fn reports(&self) -> Vec<&Message> {
        let mut seen = BTreeSet::new();
        self.of("report").filter(|message| seen.insert(message.payload.clone())).collect()
    }

    /// A count of the reports, summed over all of them.
    #[must_use]
    pub fn reported(&self, key: &str) -> i64 {
        self.reports().iter().map(|report| report.integer(key)).sum()
    }

    /// Whether a report has this cause.
    #[must_use]
    pub fn has_cause(&self, cause: &str) -> bool {
        self.of("report").any(|report| report.text("cause") == cause)
    }

    /// The state of the last status: `online` or `offline`.
    #[must_use]
    pub fn last_state(&self) -> Option<&str> {
        self.of("status").last().map(|message| message.text("state"))
    }

    /// Checks that messages of equal `(id, rev)` and state have equal bytes.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn check_repeats(&self) {
        let mut seen: BTreeMap<(&str, &str, i64), &Message> = BTreeMap::new();
        for message in self.0.iter().filter(|message| !message.text("id").is_empty()) {
            let rev = message.map.get("rev").and_then(Value::as_i64).unwrap_or(0);
            let first = seen.entry((message.text("id"), message.text("state"), rev)).or_insert(message);
            assert_eq!(first.map, message.map, "two contents under one (id, rev)");
        }
    }

    /// Checks both identities of the accounts in every report.
    ///
    /// # Panics
    /// When one does not hold.
    #[track_caller]
    pub fn check_accounts(&self) {
        const USES: [&str; 9] = [
            "summarised",
            "late",
            "filtered",
            "invalid",
            "future",
            "refused",
            "repeated",
            "unselected",
            "in_windows",
        ];
        const FATES: [&str; 4] = ["delivered", "waiting", "thinned", "lost"];
        for report in self.of("report") {
            let used = USES.iter().map(|key| report.integer(key)).sum::<i64>();
            assert_eq!(report.integer("received"), used, "readings in {}", report.map);
            check_parts(report);
            let messages = &report.map["messages"];
            let count = |key: &str| {
                messages[key].as_i64().unwrap_or_else(|| panic!("no messages.{key} in {}", report.map))
            };
            assert_eq!(
                count("made"),
                FATES.iter().map(|key| count(key)).sum::<i64>(),
                "messages in {}",
                report.map
            );
        }
    }

    /// A short description of the messages, for a failing test.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for message in &self.0 {
            let way = if message.is_backfill() { "backfill " } else { "" };
            *kinds.entry(format!("{way}{}", message.text("kind"))).or_default() += 1;
        }
        let mut text = format!("{kinds:?}");
        for message in self.0.iter().rev().take(8).rev() {
            let _ = write!(text, "\n{} {}", message.topic, String::from_utf8_lossy(&message.payload));
        }
        text
    }
}

/// Checks the accounts of a report's sources and streams. A missing count is 0.
#[track_caller]
fn check_parts(report: &Message) {
    let parts =
        |kind: &str| report.map[kind].as_object().unwrap_or_else(|| panic!("no {kind} in {}", report.map));
    let mut received = 0;
    let of = |part: &Value, key: &str| part[key].as_i64().unwrap_or(0);
    for (name, part) in parts("sources") {
        let used = ["selected", "unselected", "filtered", "invalid", "refused", "repeated"];
        let used = used.iter().map(|key| of(part, key)).sum::<i64>();
        assert_eq!(of(part, "received"), used, "source {name} in {}", report.map);
        received += of(part, "received") - of(part, "selected");
    }
    for (name, part) in parts("streams") {
        let used = ["summarised", "late", "filtered", "future", "refused", "in_windows"];
        let used = used.iter().map(|key| of(part, key)).sum::<i64>();
        assert_eq!(of(part, "received"), used, "stream {name} in {}", report.map);
        received += of(part, "received");
    }
    assert_eq!(report.integer("received"), received, "the whole and its parts in {}", report.map);
}
