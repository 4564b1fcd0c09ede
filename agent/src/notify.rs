//! Notifications for systemd: ready, alive, reloading, stopping. Outside systemd this does nothing.

use headwater_text::{LINE_BYTES_MAX, clean};
use sd_notify::NotifyState;
use std::time::Duration;

/// How often a watchdog is fed and the status told, unless the watchdog wants it more often.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// The agent is up: state restored, pipelines running, sources and outputs being connected. After [`reloading`]: again.
pub(crate) fn ready(status: &str) {
    tell(NotifyState::Ready, status);
}

/// The agent goes on with another config: what comes is no stop.
pub(crate) fn reloading() {
    tell(NotifyState::Reloading, "reading the config again");
}

/// The agent is going down.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping, "stopping: checkpoint and last messages");
}

/// Feeds the watchdog for as long as the engine gets on.
pub(crate) struct Pulse {
    /// The engine's count of ticks when it was fed last.
    ticks: Option<u64>,
}

impl Pulse {
    /// One that has not been fed yet.
    pub(crate) fn new() -> Self {
        Self { ticks: None }
    }

    /// How often to call [`Pulse::beat`] while the engine ticks: three times within what the watchdog waits.
    pub(crate) fn every() -> Duration {
        sd_notify::watchdog_enabled().map_or(ALIVE_EVERY, |limit| ALIVE_EVERY.min(limit / 3))
    }

    /// The longest time without a tick that the watchdog bears with.
    pub(crate) fn rest() -> Duration {
        sd_notify::watchdog_enabled().map_or(Duration::MAX, |limit| limit / 2)
    }

    /// Feeds the watchdog if the engine has ticked since; an engine that is stuck starves it, and systemd starts
    /// the agent again. `status` is what `systemctl status` shows. Whether it was fed.
    pub(crate) fn beat(&mut self, ticks: u64, status: &str) -> bool {
        let moved = self.ticks.replace(ticks) != Some(ticks);
        if moved {
            tell(NotifyState::Watchdog, status);
        }
        moved
    }
}

/// Each line of a notification is a command: `status`, which quotes brokers, must be one.
fn tell(state: NotifyState<'_>, status: &str) {
    let status = clean(status, LINE_BYTES_MAX);
    if let Err(error) = sd_notify::notify(&[state, NotifyState::Status(&status)]) {
        tracing::debug!("cannot tell systemd: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_stands_still_is_not_called_alive() {
        let mut pulse = Pulse::new();
        assert!(pulse.beat(0, ""), "the first look knows nothing yet");
        assert!(!pulse.beat(0, ""));
        assert!(pulse.beat(3, ""));
        assert!(!pulse.beat(3, ""));
    }
}
