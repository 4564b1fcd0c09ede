//! The sink's checkpoints, for sources that acknowledge a message only when no crash can lose it.
//!
//! Checkpoints are numbered. A reading belongs to the checkpoint that is current when the source hands it over. Once
//! that checkpoint or a later one is durable, no crash can lose the reading, and the source may acknowledge it. Sink
//! and sources run on one thread, so that a checkpoint holds either all of a payload or nothing of it.
//!
//! A source can store a state of its own in every checkpoint: bytes after a version (u16). A version that this
//! program does not know costs that source its state, and nothing else.

use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::{Notify, watch};

/// The checkpoints of a sink; clones share them.
#[derive(Clone, Debug)]
pub struct Checkpoints(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    current: Cell<u64>,
    handed_over: Cell<u64>,
    durable: watch::Sender<u64>,
    requested: Notify,
}

/// A source's own part of every checkpoint: after a crash it is exactly as old as the readings.
pub trait PersistState {
    /// The version of the bytes that [`PersistState::save`] appends.
    fn version(&self) -> u16;

    /// Appends the state, for the current checkpoint.
    fn save(&self, to: &mut Vec<u8>);
}

/// The bytes of `state` after its version, as a checkpoint stores them.
#[must_use]
pub fn saved_state(state: &dyn PersistState) -> Vec<u8> {
    let mut bytes = state.version().to_le_bytes().to_vec();
    state.save(&mut bytes);
    bytes
}

/// The bytes after the version that [`saved_state`] wrote; empty if there are none.
///
/// # Errors
/// Another version wrote them; the text says which.
pub(crate) fn left_by(saved: &[u8], version: u16) -> Result<&[u8], String> {
    let Some((found, bytes)) = saved.split_first_chunk() else { return Ok(&[]) };
    match u16::from_le_bytes(*found) {
        found if found == version => Ok(bytes),
        found => Err(format!("it is of version {found}, and this program knows version {version}")),
    }
}

impl Default for Checkpoints {
    fn default() -> Self {
        let shared = Shared {
            current: Cell::new(1),
            handed_over: Cell::new(0),
            durable: watch::Sender::new(0),
            requested: Notify::new(),
        };
        Self(Rc::new(shared))
    }
}

impl Checkpoints {
    /// Notes that a source hands over data. Returns the checkpoint that will hold it.
    #[must_use]
    pub fn hand_over(&self) -> u64 {
        self.0.handed_over.set(self.0.handed_over.get() + 1);
        self.0.current.get()
    }

    /// The newest durable checkpoint; 0 before the first one.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.0.durable.subscribe()
    }

    /// Requests a checkpoint as soon as possible.
    pub fn request(&self) {
        self.0.requested.notify_one();
    }

    /// Returns when a source requests a checkpoint, or has requested one since the last call.
    pub async fn requested(&self) {
        self.0.requested.notified().await;
    }

    /// The number of payloads handed over since the start, by all sources.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        self.0.handed_over.get()
    }

    /// Ends the current checkpoint and starts the next. Returns the number of the one that ended.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.current.replace(self.0.current.get() + 1)
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
