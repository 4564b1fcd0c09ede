//! How things stand, for people.

use super::Outlet;
use crate::Packet;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

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
    /// What the whole program has had written to the disk today, in UTC, since it was started (bytes).
    pub written_today_bytes: u64,
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
        let status =
            OutletStatus { name: outlet.name.clone(), up: false, since_ms: now_ms, last_error: None };
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

/// What the kernel says this program has had written, per day.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    day: i64,
    before_today: u64,
    pub(crate) today: u64,
    told: bool,
}

impl Writes {
    /// Takes the program's count so far; true once a day, when the count passes `budget`.
    pub(crate) fn update(&mut self, now_ms: i64, total: u64, budget: u64) -> bool {
        let day = now_ms.div_euclid(DAY_MS);
        if day != self.day {
            let first = self.day == 0;
            *self = Self { day, before_today: if first { 0 } else { total }, today: 0, told: false };
        }
        self.today = total.saturating_sub(self.before_today);
        let news = self.today > budget && !self.told;
        self.told |= news;
        news
    }
}

/// Bytes that this program has caused to be written to storage; 0 where the kernel does not say.
pub(crate) fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_day_and_the_budget_told_once() {
        let mut writes = Writes::default();
        let day = 20_000 * DAY_MS;
        assert!(!writes.update(day, 50, 100));
        assert!(writes.update(day + 1, 150, 100));
        assert!(!writes.update(day + 2, 250, 100));
        assert_eq!(writes.today, 250);
        assert!(!writes.update(day + DAY_MS, 260, 100));
        assert_eq!(writes.today, 0);
        assert!(writes.update(day + DAY_MS, 400, 100));
    }
}
