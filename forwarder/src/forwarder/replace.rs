//! Another output in the place of one that has the same name: what it has acknowledged, and what waits for it, stays.

use super::{Forwarder, OutputSlot, RunningDriver, drive};
use crate::ending::Phase;
use crate::status::OutputState;
use std::time::Duration;
use tokio::time::timeout;

/// How long the old connection may take to acknowledge what is in flight, to say farewell, and to be cut, each. What it has
/// not acknowledged goes over the new one.
const EACH: Duration = Duration::from_millis(500);

impl Forwarder {
    /// Ends the connection of an output, given its place in the config, which says that the agent has gone, and goes on with
    /// another output in its place. The others notice nothing.
    pub async fn replace(&self, output: usize, slot: OutputSlot) {
        let shared = &self.shared;
        if let Some(encoder) = self.encoders.borrow_mut().get_mut(output) {
            *encoder = Some(slot.encoder.clone());
        }
        self.end(output).await;
        let state =
            OutputState::new(&slot.name, slot.output.announces(), slot.presence.clone(), shared.now_ms());
        shared.state(output, |place| *place = state);
        shared.ending.renew_part(output);
        let driver = drive(shared, output, slot);
        if let Some(place) = self.tasks.borrow_mut().drivers.get_mut(output) {
            *place = Some(driver);
        }
    }

    /// Ends the connection of an output, which says that the agent has gone.
    pub(super) async fn end(&self, output: usize) {
        self.shared.state(output, |state| {
            state.online = state.gone.clone();
            state.presence_version += 1;
        });
        let driver = self.tasks.borrow_mut().drivers.get_mut(output).and_then(Option::take);
        let Some(RunningDriver { task: mut driver, .. }) = driver else { return };
        for phase in [Phase::Stopping, Phase::Closing, Phase::GaveUp] {
            self.shared.ending.part(output).enter(phase);
            self.shared.wake_all();
            if timeout(EACH, &mut driver).await.is_ok() {
                return;
            }
        }
        driver.abort();
        let _ = driver.await;
        if let Some(bit) = self.shared.bit_of(output) {
            self.shared.down(bit);
        }
    }
}
