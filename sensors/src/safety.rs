//! How far what sources hand over is safe, for sources that acknowledge a message only when it is.
//!
//! What a source hands over has a number: 2, 3 and so on, over all sources of a sink; 1 is what an earlier run has left. The sink publishes up to which
//! number all is safe, at two levels ([`SafetyLevel`]). Sink and sources run on one thread, so that the sink writes
//! either all of a payload or nothing of it.
//!
//! A source can store a state of its own in every checkpoint: bytes after a version (u16). A version that this
//! program does not know costs that source its state, and nothing else. What is handed over after the checkpoint leaves
//! a [`Receipt`] beside its readings, so that after a crash the source knows what was used.

use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::{Notify, watch};

/// What the readings of a message survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafetyLevel {
    /// The end of the process: the journal holds them. A sink without a journal gives no more than it has: there,
    /// what is handed over counts as written.
    Written,
    /// A power cut: a disk holds them, synced.
    Durable,
}

/// A message that was handed over, as its source names it: when it comes again after a crash, the source knows it by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt(pub u64);

/// What an earlier run has left of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLeft {
    /// Its state, as [`saved_state`] has made it; empty if there is none.
    pub state: Vec<u8>,
    /// What it has handed over since then, oldest first.
    pub receipts: Vec<Receipt>,
}

/// How far what is handed over to a sink is safe; clones share it.
#[derive(Clone, Debug)]
pub struct Safety(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    handed_over: Cell<u64>,
    written: watch::Sender<u64>,
    durable: watch::Sender<u64>,
    wanted: Notify,
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

/// The version that [`saved_state`] wrote, and the bytes after it; `None` if there are none.
///
/// # Errors
/// A version above `newest`; the text says which.
pub(crate) fn left_by(saved: &[u8], newest: u16) -> Result<Option<(u16, &[u8])>, String> {
    let Some((version, bytes)) = saved.split_first_chunk() else { return Ok(None) };
    match u16::from_le_bytes(*version) {
        known if (1..=newest).contains(&known) => Ok(Some((known, bytes))),
        other => Err(format!("it is of version {other}, and this program knows version {newest}")),
    }
}

impl Default for Safety {
    fn default() -> Self {
        let (written, durable) = (watch::Sender::new(Self::LEFT), watch::Sender::new(0));
        Self(Rc::new(Shared { handed_over: Cell::new(Self::LEFT), written, durable, wanted: Notify::new() }))
    }
}

impl Safety {
    /// The number of what an earlier run has left: it is written, and the first checkpoint of this run makes it durable.
    pub const LEFT: u64 = 1;

    /// Numbers what a source has just handed over.
    #[must_use]
    pub fn hand_over(&self) -> u64 {
        let number = self.0.handed_over.get() + 1;
        self.0.handed_over.set(number);
        number
    }

    /// The number of what was handed over last.
    #[must_use]
    pub fn handed_over(&self) -> u64 {
        self.0.handed_over.get()
    }

    /// The number up to which all is safe.
    #[must_use]
    pub fn safe(&self, level: SafetyLevel) -> watch::Receiver<u64> {
        match level {
            SafetyLevel::Written => self.0.written.subscribe(),
            SafetyLevel::Durable => self.0.durable.subscribe(),
        }
    }

    /// Asks the sink to make durable what is handed over, as soon as it can.
    pub fn want_durable(&self) {
        self.0.wanted.notify_one();
    }

    /// Returns when a source wants that, or has wanted it since the last call.
    pub async fn durable_wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// Everything up to this number is written.
    pub fn on_written(&self, through: u64) {
        raise(&self.0.written, through);
    }

    /// Everything up to this number is durable, and therefore written.
    pub fn on_durable(&self, through: u64) {
        raise(&self.0.durable, through);
        self.on_written(through);
    }
}

/// Numbers that come late, out of order, change nothing.
fn raise(to: &watch::Sender<u64>, through: u64) {
    to.send_if_modified(|known| {
        let is_more = through > *known;
        *known = through.max(*known);
        is_more
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_durable_is_written_and_a_late_number_changes_nothing() {
        let safety = Safety::default();
        let (written, durable) = (safety.safe(SafetyLevel::Written), safety.safe(SafetyLevel::Durable));
        let known = || (*written.borrow(), *durable.borrow());
        assert_eq!(known(), (Safety::LEFT, 0));
        assert_eq!((safety.hand_over(), safety.hand_over(), safety.handed_over()), (2, 3, 3));
        safety.on_written(2);
        assert_eq!(known(), (2, 0));
        safety.on_durable(1);
        assert_eq!(known(), (2, 1));
        safety.on_durable(3);
        safety.on_durable(2);
        assert_eq!(known(), (3, 3));
    }
}
