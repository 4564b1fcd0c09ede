//! Outputs that come and go while the forwarder runs. Those that stay keep their connections and what waits for them.

use super::{Forwarder, OutputSlot, drive};
use crate::disk_writer;
use crate::segment_log::PositionsNote;
use crate::status::OutputState;
use std::time::Duration;
use tokio::time::timeout;

/// How long an output that comes waits until the buffer knows of it. Without that, a crash may send its first messages again,
/// or take them from it.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// An output of the next config.
pub enum NextOutput {
    /// The one that has this place now.
    Same(usize),
    /// Another one, which [`Forwarder::join`] has made known.
    Other(OutputSlot),
}

impl Forwarder {
    /// Whether the outputs with these places can go, and outputs with these names can come, while the forwarder runs. They
    /// cannot while the buffer is not open, while something that waits for one that goes lies on disk only, and when there are
    /// more than the buffer has bits for.
    #[must_use]
    pub fn can_change(&self, gone: &[usize], names: &[String]) -> bool {
        gone.iter().all(|output| self.shared.can_leave(*output)) && self.shared.has_bits_for(names)
    }

    /// Ends the connection of an output, given its place; it says that the agent has gone, and gets nothing more. Returns how
    /// many messages waited for this output alone and are lost. Its place stays until [`Forwarder::rearrange`]. `None`: what
    /// waits for it lies on disk by now, and the forwarder has to be started anew.
    pub async fn leave(&self, output: usize) -> Option<u64> {
        if let Some(encoder) = self.encoders.borrow_mut().get_mut(output) {
            *encoder = None;
        }
        self.end(output).await;
        self.shared.can_leave(output).then(|| self.shared.leave(output))
    }

    /// Makes outputs known that are to come with [`Forwarder::rearrange`].
    pub async fn join(&self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        names.iter().for_each(|name| _ = self.shared.join(name));
        if timeout(NOTED_WITHIN, disk_writer::settle_once(&self.shared, PositionsNote::OfOutputs))
            .await
            .is_err()
        {
            tracing::warn!("the disk is slow: the buffer does not know the new outputs yet");
        }
    }

    /// Gives the outputs the places of the next config, and starts those that come. Nothing waits.
    pub fn rearrange(&self, next: Vec<NextOutput>) {
        let (shared, mut tasks) = (&self.shared, self.tasks.borrow_mut());
        let (mut encoders, mut drivers) = (self.encoders.take(), std::mem::take(&mut tasks.drivers));
        let mut places = Vec::new();
        let mut slots = Vec::new();
        for (place, output) in next.into_iter().enumerate() {
            let (encoder, driver) = match output {
                NextOutput::Same(before) => {
                    places.push(Ok(before));
                    let driver = drivers.get_mut(before).and_then(Option::take);
                    driver.iter().for_each(|driver| driver.place.set(place));
                    (encoders.get_mut(before).and_then(Option::take), driver)
                }
                NextOutput::Other(slot) => {
                    let Some(bit) = shared.join(&slot.name) else { continue };
                    let (announces, presence) = (slot.output.announces(), slot.presence.clone());
                    let state = OutputState::new(&slot.name, announces, presence, shared.now_ms());
                    places.push(Err((bit, state)));
                    let encoder = slot.encoder.clone();
                    slots.push((place, slot));
                    (Some(encoder), None)
                }
            };
            self.encoders.borrow_mut().push(encoder);
            tasks.drivers.push(driver);
        }
        shared.rearrange(places);
        for (place, slot) in slots {
            if let Some(driver) = tasks.drivers.get_mut(place) {
                *driver = Some(drive(shared, place, slot));
            }
        }
        shared.wake_all();
    }
}
