//! The state of a running source: its connection, and which of its log lines are written.

use super::log_throttle::LogThrottle;
use super::losses::ConnectionLosses;
use crate::status::{AckStatus, SourceStatus};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_pipeline::account::SourceCounts;
use headwater_sensors::{AckFigures, ConnectionState};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::cell::Cell;
use std::rc::Rc;

/// The state of one source's connection, and its log lines.
pub(super) struct SourceMonitor {
    name: String,
    up: Option<bool>,
    /// The beginning of that state (ms since boot).
    since_up_ms: i64,
    last_error: Option<String>,
    losses: ConnectionLosses,
    /// Series whose names were changed, because they were not safe.
    renamed: u64,
    /// Whether a series has given way for it.
    pub(super) has_forgotten: bool,
    /// What a person should know, by the source itself.
    told: Option<String>,
    acks: Option<Rc<AckFigures>>,
    /// When its last reading came.
    heard: Rc<Cell<Option<AgentTime>>>,
    /// Lines about its connection.
    pub(super) connection: LogThrottle,
    /// Lines about payloads that cannot be used.
    pub(super) invalid: LogThrottle,
    /// Lines about readings that cannot be used, and refused series.
    pub(super) notice: LogThrottle,
}

impl SourceMonitor {
    /// The monitor of a source that begins to connect.
    pub(super) fn new(name: &str, up_ms: i64) -> Self {
        Self {
            name: name.to_owned(),
            up: None,
            since_up_ms: up_ms,
            last_error: None,
            losses: ConnectionLosses::default(),
            renamed: 0,
            has_forgotten: false,
            told: None,
            acks: None,
            heard: Rc::default(),
            connection: LogThrottle::of_connection(),
            invalid: LogThrottle::default(),
            notice: LogThrottle::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The connection has come up or gone down.
    pub(super) fn on_connection(&mut self, state: ConnectionState<'_>, up_ms: i64) {
        let up = matches!(state, ConnectionState::Up);
        if matches!(state, ConnectionState::Down { .. }) && self.up == Some(true) {
            self.losses.on_lost(up_ms);
        }
        if self.up != Some(up) {
            (self.up, self.since_up_ms) = (Some(up), up_ms);
        }
        match state {
            ConnectionState::Up => {}
            ConnectionState::Down { reason } => {
                self.last_error = Some(clean(reason, LINE_BYTES_MAX).into_owned());
            }
            ConnectionState::Ended => self.last_error = Some("end of input".to_owned()),
        }
    }

    /// The troubles that need a person.
    pub(super) fn troubles(&self, up_ms: i64) -> impl Iterator<Item = String> {
        let reason = self.last_error.as_deref().filter(|_| self.losses.are_many(up_ms));
        let lost = reason
            .map(|reason| format!("source {} loses its connection again and again: {reason}", self.name));
        let told = self.told.as_ref().map(|what| format!("source {}: {what}", self.name));
        lost.into_iter().chain(told)
    }

    /// Notes what a person should know, by the source itself; `None`: nothing any more. Returns whether that is news.
    pub(super) fn on_trouble(&mut self, what: Option<&str>) -> bool {
        let is_news = self.told.as_deref() != what;
        self.told = what.map(str::to_owned);
        is_news
    }

    /// Where to note when its last reading came.
    pub(super) fn heard(&self) -> Rc<Cell<Option<AgentTime>>> {
        self.heard.clone()
    }

    /// How the source stands with its acknowledgements.
    pub(super) fn show_acks(&mut self, figures: Rc<AckFigures>) {
        self.acks = Some(figures);
    }

    /// Counts a series whose name was changed. Returns whether it is the first one.
    pub(super) fn on_renamed(&mut self) -> bool {
        self.renamed += 1;
        self.renamed == 1
    }

    /// The source's status without its rate; `time_of` tells the time of a moment (ms since boot).
    pub(super) fn status(
        &self,
        readings: SourceCounts,
        now: Now,
        time_of: impl Fn(i64) -> Time,
    ) -> SourceStatus {
        let heard = self.heard.get().map(|heard| now.time.0 - now.alive.since(heard));
        SourceStatus {
            name: self.name.clone(),
            up: self.up,
            since_ms: time_of(self.since_up_ms).0,
            last_error: self.last_error.clone(),
            last_reading_ms: heard,
            rate: None,
            renamed: self.renamed,
            acks: self.acks.as_deref().map(ack_status),
            readings,
        }
    }
}

fn ack_status(figures: &AckFigures) -> AckStatus {
    AckStatus {
        held: figures.held.get(),
        window: figures.window.get(),
        stalled_ms: u64::try_from(figures.stalled().as_millis()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_since_when_and_why() {
        let status = |monitor: &SourceMonitor| {
            let now = Now { time: Time(5_000), alive: AgentTime(50), synced: true };
            let status = monitor.status(SourceCounts::default(), now, |up_ms| Time(1_000 + up_ms));
            assert_eq!(status.last_reading_ms, monitor.heard().get().map(|_| 4_990));
            (status.up, status.since_ms, status.last_error)
        };
        let mut monitor = SourceMonitor::new("field", 1);
        assert_eq!((monitor.on_renamed(), monitor.on_renamed()), (true, false), "said once");
        assert_eq!(status(&monitor), (None, 1_001, None));
        for (now, reason) in [(2, "refused"), (3, "reset\r\n\u{1b}[2J")] {
            monitor.on_connection(ConnectionState::Down { reason }, now);
        }
        assert_eq!(status(&monitor), (Some(false), 1_002, Some("reset  \u{fffd}[2J".to_owned())));
        monitor.heard().set(Some(AgentTime(40)));
        monitor.on_connection(ConnectionState::Up, 9);
        let troubles = |monitor: &SourceMonitor, up_ms| monitor.troubles(up_ms).collect::<Vec<_>>();
        assert_eq!(troubles(&monitor, 9), [""; 0]);
        for now in 10..13 {
            monitor.on_connection(ConnectionState::Down { reason: "taken over" }, now);
            monitor.on_connection(ConnectionState::Up, now);
        }
        let lost = "source field loses its connection again and again: taken over";
        assert_eq!(troubles(&monitor, 13), [lost]);
        assert_eq!(
            [Some("slow"), Some("slow"), None, None].map(|what| monitor.on_trouble(what)),
            [true, false, true, false]
        );
        monitor.on_trouble(Some("slow"));
        assert_eq!(troubles(&monitor, 13), [lost, "source field: slow"]);
        assert_eq!(troubles(&monitor, 400_000), ["source field: slow"]);
        let mut monitor = SourceMonitor::new("field", 1);
        monitor.on_connection(ConnectionState::Down { reason: "reset\r\n\u{1b}[2J" }, 2);
        monitor.on_connection(ConnectionState::Up, 9);
        assert_eq!(status(&monitor), (Some(true), 1_009, Some("reset  \u{fffd}[2J".to_owned())));
    }
}
