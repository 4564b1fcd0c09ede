//! The state of the forwarder, for people.

use crate::Message;
use crate::catalogue::SharedCatalogue;
use crate::spool::Depth;

/// The state of the forwarder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwarderStatus {
    /// In the order of the config.
    pub outputs: Vec<ConnectionStatus>,
    /// Messages in memory or on disk.
    pub waiting: u64,
    /// Messages in memory (bytes).
    pub memory_bytes: usize,
    /// Everything on disk (bytes).
    pub disk_bytes: u64,
    /// The most that it may take on disk (bytes).
    pub max_size: u64,
    /// Why the disk takes no messages. `None`: it does, as far as known.
    pub disk_error: Option<String>,
    /// Bytes that the program has written to storage today, in UTC.
    pub written_today_bytes: u64,
    /// Bytes that all programs have written to the buffer's device today, while this one ran. `None`: the device
    /// does not count them.
    pub device_written_today_bytes: Option<u64>,
    /// How long both have been counted today (ms).
    pub counted_today_ms: i64,
    /// The size of that device (bytes), if the system tells.
    pub device_size_bytes: Option<u64>,
    /// Bytes that may be written in a day before the agent warns.
    pub daily_writes: u64,
}

/// The state of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Its name.
    pub name: String,
    /// Whether it can take messages.
    pub up: bool,
    /// Since when it is up or down [ms since the Unix epoch].
    pub since_ms: i64,
    /// Why messages go one at a time, if they do.
    pub one_at_a_time: Option<&'static str>,
    /// Why it was lost last.
    pub last_error: Option<String>,
    /// How many messages it still has to get.
    pub waiting: u64,
    /// When the oldest of them was made, at the earliest [ms since the Unix epoch]; `None`: not known, or none waits.
    pub oldest_ms: Option<i64>,
}

/// The agent's presence, for outputs whose protocol has such a thing.
#[derive(Clone, Debug)]
pub struct OutputPresence {
    /// Announced at every connection; see [`crate::Forwarder::presence`].
    pub online: Message,
    /// Published by the other side when the connection is lost without a farewell.
    pub gone: Message,
}

/// The state of an output, and its presence.
pub(crate) struct OutputState {
    status: ConnectionStatus,
    pub(crate) gone: Option<Message>,
    pub(crate) online: Option<Message>,
    /// Grows with every change of the presence. 0: there is none.
    pub(crate) presence_version: u64,
    /// What the output announces; `None`: not known yet.
    pub(crate) catalogue: Option<SharedCatalogue>,
}

impl OutputState {
    pub(crate) fn new(name: &str, announces: bool, presence: Option<OutputPresence>, now_ms: i64) -> Self {
        let status = ConnectionStatus {
            name: name.to_owned(),
            up: false,
            since_ms: now_ms,
            one_at_a_time: None,
            last_error: None,
            waiting: 0,
            oldest_ms: None,
        };
        let (online, gone) = presence.map(|OutputPresence { online, gone }| (online, gone)).unzip();
        let catalogue = (!announces).then(SharedCatalogue::default);
        Self { status, gone, presence_version: u64::from(online.is_some()), online, catalogue }
    }

    pub(crate) fn name(&self) -> &str {
        &self.status.name
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status.up
    }

    pub(crate) fn status(&self, depth: Depth) -> ConnectionStatus {
        let Depth { waiting, oldest_ms } = depth;
        ConnectionStatus { waiting, oldest_ms, ..self.status.clone() }
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
