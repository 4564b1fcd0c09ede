//! How things stand, for people.

use crate::Message;

/// How the forwarder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderStatus {
    /// By the order of the config.
    pub outputs: Vec<ConnectionStatus>,
    /// Messages in memory or on disk.
    pub waiting: u64,
    /// Messages in memory (bytes).
    pub memory_bytes: usize,
    /// Everything on disk (bytes).
    pub disk_bytes: u64,
    /// Why the disk takes nothing; `None`: it does, as far as known.
    pub disk_error: Option<String>,
    /// What the whole program has had written to storage today, in UTC (bytes).
    pub written_today_bytes: u64,
    /// What everybody has had written to the device that the buffer lies on, while it ran (bytes); `None`: it counts
    /// nothing.
    pub device_written_today_bytes: Option<u64>,
    /// What may be written in a day before it is a trouble (bytes).
    pub daily_writes: u64,
}

/// How an output stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Its name.
    pub name: String,
    /// Whether it can take messages.
    pub up: bool,
    /// Since when [ms since the Unix epoch].
    pub since_ms: i64,
    /// Why messages go one at a time, if they do.
    pub one_at_a_time: Option<&'static str>,
    /// Why it was lost last.
    pub last_error: Option<String>,
}

/// What an output says of the agent that runs it, where its protocol knows such a thing.
#[derive(Clone, Debug)]
pub struct OutputPresence {
    /// Said at every connection: see [`crate::Forwarder::presence`].
    pub online: Message,
    /// What the other side says when the connection is lost without a farewell.
    pub gone: Message,
}

/// What is known of an output while it runs.
pub(crate) struct OutputState {
    status: ConnectionStatus,
    pub(crate) gone: Option<Message>,
    pub(crate) online: Option<Message>,
    /// Grows with every change; 0: there is none.
    pub(crate) presence_version: u64,
}

impl OutputState {
    pub(crate) fn new(name: &str, presence: Option<OutputPresence>, now_ms: i64) -> Self {
        let status = ConnectionStatus {
            name: name.to_owned(),
            up: false,
            since_ms: now_ms,
            one_at_a_time: None,
            last_error: None,
        };
        let (online, gone) = presence.map(|OutputPresence { online, gone }| (online, gone)).unzip();
        Self { status, gone, presence_version: u64::from(online.is_some()), online }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status.up
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        self.status.clone()
    }

    pub(crate) fn up(&mut self, now_ms: i64) {
        (self.status.up, self.status.since_ms) = (true, now_ms);
    }

    pub(crate) fn one_at_a_time(&mut self, why: Option<&'static str>) {
        self.status.one_at_a_time = why;
    }

    /// Whether that is news.
    pub(crate) fn down(&mut self, reason: &str, now_ms: i64) -> bool {
        let was_up = std::mem::take(&mut self.status.up);
        if was_up {
            self.status.since_ms = now_ms;
        }
        let news = was_up || self.status.last_error.as_deref() != Some(reason);
        self.status.last_error = Some(reason.to_owned());
        news
    }
}
