//! Keep-alive: when to send a ping, and when the broker counts as gone.
//!
//! Source: MQTT 5, 3.1.2.10. A ping is sent when nothing else was sent for the keep-alive time, so that the broker
//! keeps the connection, or when nothing came for as long, so that a silent broker is found out. The connection is
//! lost when nothing has come for one and a half times the keep-alive time; the broker then has had half of it to
//! answer the ping.
//!
//! The time is counted in ticks of a quarter of the keep-alive time, so that no packet needs a look at a clock. A tick
//! that the thread was too busy for is not made up for: what came in the meantime is read before the next one.

use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Ticks without a packet until a ping is due.
const PING_AFTER: u8 = 4;

/// Ticks without a packet from the broker until the connection is lost.
const LOST_AFTER: u8 = 6;

/// The silence on a connection; without a keep-alive time nothing is due.
#[derive(Debug, Default)]
pub(crate) struct KeepAlive {
    ticks: Option<Interval>,
    unsent: u8,
    unheard: u8,
}

/// An action that a silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueAction {
    Ping,
    /// The broker no longer answers.
    GiveUp,
}

impl KeepAlive {
    /// Zero: none.
    pub(crate) fn new(keep_alive: Duration) -> Self {
        let tick = keep_alive / u32::from(PING_AFTER);
        let ticks = (!tick.is_zero()).then(|| {
            let mut ticks = interval_at(Instant::now() + tick, tick);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self { ticks, unsent: 0, unheard: 0 }
    }

    /// Something was sent.
    pub(crate) fn on_sent(&mut self) {
        self.unsent = 0;
    }

    /// Something came from the broker, or it took what it had kept waiting.
    pub(crate) fn on_heard(&mut self) {
        self.unheard = 0;
    }

    /// The next action.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<DueAction> {
        let Some(ticks) = &mut self.ticks else { return Poll::Pending };
        while ticks.poll_tick(context).is_ready() {
            self.unsent = self.unsent.saturating_add(1);
            self.unheard = self.unheard.saturating_add(1);
            if self.unheard >= LOST_AFTER {
                return Poll::Ready(DueAction::GiveUp);
            }
            if self.unsent >= PING_AFTER || self.unheard == PING_AFTER {
                return Poll::Ready(DueAction::Ping);
            }
        }
        Poll::Pending
    }
}
