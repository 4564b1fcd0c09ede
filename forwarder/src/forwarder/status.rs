//! How things stand, for people.

use super::Outlet;
use crate::Packet;

/// How the forwarder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// By the order of the outlets.
    pub outlets: Vec<OutletStatus>,
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
pub struct OutletStatus {
    /// Its name.
    pub name: String,
    /// Whether it can take messages.
    pub up: bool,
    /// Since when [ms since the Unix epoch].
    pub since_ms: i64,
    /// Messages go one at a time: the other side has closed the link again and again while some were on their way.
    pub careful: bool,
    /// Why it was lost last.
    pub last_error: Option<String>,
}

/// What is known of an output while it runs.
pub(crate) struct OutletState {
    status: OutletStatus,
    pub(crate) will: Option<Packet>,
    pub(crate) presence: Option<Packet>,
    /// Grows with every change; 0: there is none.
    pub(crate) presence_version: u64,
}

impl OutletState {
    pub(crate) fn new(outlet: &Outlet, now_ms: i64) -> Self {
        let name = outlet.name.clone();
        let status = OutletStatus { name, up: false, since_ms: now_ms, careful: false, last_error: None };
        let presence_version = u64::from(outlet.presence.is_some());
        Self { status, will: outlet.will.clone(), presence: outlet.presence.clone(), presence_version }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status.up
    }

    pub(crate) fn status(&self) -> OutletStatus {
        self.status.clone()
    }

    pub(crate) fn up(&mut self, now_ms: i64) {
        (self.status.up, self.status.since_ms) = (true, now_ms);
    }

    pub(crate) fn careful(&mut self, careful: bool) {
        self.status.careful = careful;
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
