//! What the engine does when the clocks say something new.

use super::Engine;
use crate::clock::{Change, Correction};
use crate::encode::ClockSet;
use crate::pipeline::Now;

impl Engine {
    /// Looks at the clocks, and lets everything follow that must.
    pub(super) fn look_at_clock(&self) {
        let before = self.now();
        match self.clock.look() {
            Some(Change::Set { by_ms } | Change::Moved { by_ms }) => self.on_moved(before, by_ms),
            Some(Change::Followed { by_ms }) => {
                self.report_clock(&format!("the clock was set by {by_ms} ms; the agent follows slowly"));
            }
            Some(Change::Doubted { by_ms }) => {
                let text = format!(
                    "the clock was set by {by_ms} ms, to before this program was built: the agent goes on as before"
                );
                self.report_clock(&text);
            }
            None => {}
        }
        if !self.clock.is_synced() {
            let connected = self.forwarder.status().outlets.iter().any(|outlet| outlet.up);
            self.release(self.clock.is_over(connected));
        }
    }

    /// Waits, for a while, until everything made so far is safe.
    pub(crate) async fn kept(&self) -> bool {
        self.is_safe(&self.forwarder.mark()).await
    }

    /// The agent's timeline has moved, and with it what is stamped with it.
    fn on_moved(&self, before: Now, by_ms: i64) {
        {
            let mut pipeline = self.pipeline.borrow_mut();
            pipeline.begin_anew(before, by_ms, None);
            self.forward(&mut pipeline);
        }
        {
            let mut last = self.last_report.borrow_mut();
            last.at = last.at.plus(by_ms);
        }
        self.clock.settle().iter().for_each(|correction| self.correct(correction));
        self.release(true);
        let text = if before.synced {
            format!("the clock was set by {by_ms} ms")
        } else {
            format!("the time is known: what was made since this boot moves by {by_ms} ms")
        };
        self.report_clock(&text);
    }

    /// Tells that messages that went out have other times.
    fn correct(&self, correction: &Correction) {
        let now = self.now();
        let body = ClockSet {
            agent: &self.agent,
            time_ms: now.time.0,
            boot: &correction.boot,
            offset_ms: correction.offset_ms,
            estimated: correction.estimated,
        };
        let message = self.pipeline.borrow_mut().encode(&body, now);
        self.forwarder.push(message);
    }

    fn release(&self, released: bool) {
        if self.released.replace(released) != released {
            self.forwarder.release(released);
            if released && !self.clock.is_synced() {
                tracing::warn!("the time is not known: messages go out with times since this boot");
            }
        }
    }

    fn report_clock(&self, text: &str) {
        tracing::warn!("{text}");
        self.report("clock", text);
    }
}
