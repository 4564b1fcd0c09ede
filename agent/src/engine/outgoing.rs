//! The way out of the engine: events become messages and go to the forwarder, once a checkpoint of this run is durable;
//! observers see them at once.
//!
//! A run that has not written one must not have told anything: were it to crash, the next run would begin where this one
//! began, and tell other things under the same ids and revisions. So what is made meanwhile is held here. That takes as
//! long as one checkpoint takes to be written, and no source waits for it.

use crate::tap::Taps;
use headwater_forwarder::{Forwarder, Message};
use headwater_kernel::time::Time;
use headwater_pipeline::event::Event;
use headwater_wire::Messages;
use std::cell::RefCell;
use tokio::sync::watch;

/// The most that held messages take (bytes). Above it they are sent, because the disk does not answer at all.
const HELD_BYTES_MAX: usize = 4 << 20;

/// What a message takes beside its content (bytes).
const MESSAGE_BYTES: usize = 128;

/// The forwarder, what is held for it, and who observes.
pub(super) struct Outgoing {
    encoder: RefCell<Messages>,
    taps: Taps,
    forwarder: Forwarder,
    held: RefCell<Held>,
    /// Whether messages pass.
    open: watch::Sender<bool>,
}

#[derive(Default)]
struct Held {
    messages: Vec<Message>,
    bytes: usize,
}

impl Outgoing {
    /// Messages pass.
    pub(super) fn new(forwarder: Forwarder, taps: Taps) -> Self {
        let (encoder, held) = (RefCell::default(), RefCell::default());
        Self { encoder, taps, forwarder, held, open: watch::Sender::new(true) }
    }

    pub(super) fn forwarder(&self) -> &Forwarder {
        &self.forwarder
    }

    pub(super) fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Sends an event that was made at some time.
    #[inline]
    pub(super) fn send(&self, event: Event, at: Time) {
        self.send_noted(event, at, |_| ());
    }

    /// The same; `note` sees the message before.
    #[inline]
    pub(super) fn send_noted(&self, event: Event, at: Time, note: impl FnOnce(&Message)) {
        let message = self.encoder.borrow_mut().message(&event, at.0);
        note(&message);
        self.push(message);
        self.taps.show(event);
    }

    /// Whether messages pass.
    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    #[inline]
    pub(super) fn push(&self, message: Message) {
        if *self.open.borrow() {
            self.forwarder.push(message);
        } else {
            self.hold(message);
        }
    }

    /// From now on messages are held.
    pub(super) fn close(&self) {
        self.open.send_replace(false);
    }

    /// Sends the messages that are held, and lets all others pass.
    pub(super) fn open(&self) {
        let Held { messages, .. } = self.held.take();
        messages.into_iter().for_each(|message| self.forwarder.push(message));
        self.open.send_replace(true);
    }

    /// Waits until messages pass.
    pub(super) async fn opened(&self) {
        // The sender is here: an error cannot be.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    #[cold]
    fn hold(&self, message: Message) {
        let is_full = {
            let mut held = self.held.borrow_mut();
            held.bytes += MESSAGE_BYTES + message.body.len();
            held.messages.push(message);
            held.bytes > HELD_BYTES_MAX
        };
        if is_full {
            tracing::warn!("the first checkpoint takes too long: messages go before it is written");
            self.open();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_forwarder::{BufferConfig, Lane, Start};
    use std::sync::Arc;

    fn outgoing() -> Outgoing {
        let folder = std::env::temp_dir().join(format!("headwater-outgoing-{}", std::process::id()));
        let start =
            Start { config: BufferConfig::default(), folder, outputs: Vec::new(), clock: Arc::new(|| 0) };
        Outgoing::new(Forwarder::start(start).unwrap(), Taps::default())
    }

    fn message(bytes: usize) -> Message {
        Message { lane: Lane::Data, made_ms: 0, body: vec![0; bytes].into() }
    }

    async fn on_local_set(test: impl FnOnce(Outgoing)) {
        tokio::task::LocalSet::new().run_until(async { test(outgoing()) }).await;
    }

    #[tokio::test]
    async fn what_is_made_before_the_first_checkpoint_waits_for_it() {
        on_local_set(|outgoing| {
            let made = || outgoing.forwarder().account().made;
            outgoing.push(message(9));
            assert_eq!(made(), 1);
            outgoing.close();
            (0..10).for_each(|_| outgoing.push(message(9)));
            assert_eq!(made(), 1);
            outgoing.open();
            assert_eq!(made(), 11);
            outgoing.push(message(9));
            assert_eq!(made(), 12);
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_held_is_bounded() {
        on_local_set(|outgoing| {
            outgoing.close();
            let size = HELD_BYTES_MAX / 10;
            (0..9).for_each(|_| outgoing.push(message(size)));
            assert_eq!(outgoing.forwarder().account().made, 0);
            (0..3).for_each(|_| outgoing.push(message(size)));
            assert_eq!(outgoing.forwarder().account().made, 12, "all go, in order");
        })
        .await;
    }
}
