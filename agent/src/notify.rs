//! What systemd is told: ready, alive, stopping. Outside systemd this does nothing.

use sd_notify::NotifyState;

/// The agent is up: sources and outputs are being connected, readings can come.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The agent is going down.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The engine has made progress; `status` is what `systemctl status` shows.
pub(crate) fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("cannot tell systemd: {error}");
    }
}
