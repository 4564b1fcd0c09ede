//! What a source that acknowledges late and the checkpoints of its sink know of each other.
//!
//! Checkpoints are numbered. What a source hands over belongs to the one that is being filled; once that one is durable,
//! or a later one, no crash can lose it, and the source may say so to where it has it from. Both sides run on one
//! thread, so that a checkpoint holds either all of a payload or nothing.

use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::{Notify, watch};

/// A sink's checkpoints, shared by it and its sources: clones are the same.
#[derive(Clone, Debug)]
pub struct Checkpoints(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    filling: Cell<u64>,
    handed_over: Cell<u64>,
    durable: watch::Sender<u64>,
    wanted: Notify,
}

/// What a source wants to find again after a crash, exactly as old as the readings that are found again.
pub trait Remember {
    /// Appends it, for the checkpoint being filled.
    fn save(&self, to: &mut Vec<u8>);
}

impl Default for Checkpoints {
    fn default() -> Self {
        let shared = Shared {
            filling: Cell::new(1),
            handed_over: Cell::new(0),
            durable: watch::Sender::new(0),
            wanted: Notify::new(),
        };
        Self(Rc::new(shared))
    }
}

impl Checkpoints {
    /// A source has handed something over; the answer is the checkpoint that will hold it.
    #[must_use]
    pub fn hand_over(&self) -> u64 {
        self.0.handed_over.set(self.0.handed_over.get() + 1);
        self.0.filling.get()
    }

    /// The newest checkpoint that is durable, and those before it; 0 before the first one.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.0.durable.subscribe()
    }

    /// Asks for a checkpoint as soon as may be.
    pub fn ask(&self) {
        self.0.wanted.notify_one();
    }

    /// Returns when somebody asks for a checkpoint, or has asked since the last time.
    pub async fn asked(&self) {
        self.0.wanted.notified().await;
    }

    /// How much has been handed over since the start, all sources together.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        self.0.handed_over.get()
    }

    /// Ends the checkpoint being filled, begins the next, and answers the number of the one that is full.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.filling.replace(self.0.filling.get() + 1)
    }

    /// This checkpoint is durable.
    pub fn on_durable(&self, checkpoint: u64) {
        self.0.durable.send_if_modified(|newest| {
            let is_newer = checkpoint > *newest;
            *newest = checkpoint.max(*newest);
            is_newer
        });
    }
}
