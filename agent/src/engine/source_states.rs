//! The sources' own state, part of every checkpoint: bytes that only the source understands, after a version of its own.

use crate::config::SourceConfig;
use headwater_kernel::state::{Corrupt, StateReader};
use headwater_pipeline::pipeline::state::{load_bytes, load_text, save_bytes, save_text};
use headwater_pipeline::sections::body;
use headwater_sensors::{PersistState, saved_state};
use std::rc::Rc;

/// The states of all sources, in the order of the config.
pub(super) struct SourceStates(Vec<SourceState>);

struct SourceState {
    source: String,
    holder: Holder,
}

/// Who holds a source's state.
enum Holder {
    /// The agent holds the bytes of an earlier run; the source has not asked for them yet.
    Agent(Vec<u8>),
    /// The source holds it, and saves it when a checkpoint is taken.
    Source(Rc<dyn PersistState>),
}

impl SourceStates {
    /// The states of these sources; `left` holds the bytes of an earlier run, by name.
    pub(super) fn new(sources: &[SourceConfig], mut left: Vec<(String, Vec<u8>)>) -> Self {
        let state = |source: &SourceConfig| {
            let own = left.iter_mut().find(|(name, _)| *name == source.name);
            let bytes = own.map(|(_, bytes)| std::mem::take(bytes)).unwrap_or_default();
            SourceState { source: source.name.clone(), holder: Holder::Agent(bytes) }
        };
        Self(sources.iter().map(state).collect())
    }

    /// Hands a source's state over to the source; answers the bytes of an earlier run.
    pub(super) fn register(&mut self, source: usize, state: Rc<dyn PersistState>) -> Vec<u8> {
        let Some(own) = self.0.get_mut(source) else { return Vec::new() };
        match std::mem::replace(&mut own.holder, Holder::Source(state)) {
            Holder::Agent(bytes) => bytes,
            Holder::Source(_) => Vec::new(),
        }
    }
}

/// Appends a section with the state of each source: its name, and bytes after a version of its own.
pub(super) fn save_source_states(to: &mut Vec<u8>, states: &SourceStates) {
    for SourceState { source, holder } in &states.0 {
        body::SOURCE.put(to, |to| {
            save_text(to, source);
            match holder {
                Holder::Agent(bytes) => save_bytes(to, bytes),
                Holder::Source(state) => save_bytes(to, &saved_state(state.as_ref())),
            }
        });
    }
}

/// Reads one of the sections that [`save_source_states`] wrote: name and bytes.
pub(super) fn load_source_state(from: &mut StateReader<'_>) -> Result<(String, Vec<u8>), Corrupt> {
    Ok((load_text(from)?.to_owned(), load_bytes(from)?.to_vec()))
}
