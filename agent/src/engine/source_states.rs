//! What sources want to find again after a crash, part of every checkpoint: a state that only the source understands, with
//! a version of its own, and what it has handed over since that state was saved.

use crate::config::SourceConfig;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_pipeline::pipeline::state::{load_bytes, load_text, save_bytes, save_text};
use headwater_pipeline::sections::SectionWriter;
use headwater_pipeline::sections::body::{self, StoredBody};
use headwater_pipeline::sections::unread::Unread;
use headwater_sensors::{PersistState, Receipt, SourceLeft, saved_state};
use std::collections::HashMap;
use std::rc::Rc;

/// The states of all sources, in the order of the config.
pub(super) struct SourceStates(Vec<SourceState>);

struct SourceState {
    source: String,
    holder: Holder,
}

/// Who holds a source's state.
enum Holder {
    /// The agent holds what an earlier run has left; the source has not asked for it yet.
    Agent(SourceLeft),
    /// The source holds it, and saves it when a checkpoint is taken.
    Source(Rc<dyn PersistState>),
}

impl Holder {
    /// What a source that has ended leaves to the next one of its name.
    fn left(self) -> SourceLeft {
        match self {
            Holder::Agent(left) => left,
            Holder::Source(state) => SourceLeft { state: saved_state(state.as_ref()), receipts: Vec::new() },
        }
    }
}

impl SourceStates {
    /// The states of these sources; `left` holds what an earlier run has left of each, in the same order.
    pub(super) fn new(sources: &[SourceConfig], left: Vec<SourceLeft>) -> Self {
        let state = |(source, left): (&SourceConfig, SourceLeft)| SourceState {
            source: source.name.clone(),
            holder: Holder::Agent(left),
        };
        Self(sources.iter().zip(left).map(state).collect())
    }

    /// The states of the sources of another config. `kept` says of each, by their places before, which ones go on.
    pub(super) fn change(&mut self, sources: &[SourceConfig], kept: &[Option<usize>]) {
        let mut before: Vec<Option<SourceState>> =
            std::mem::take(&mut self.0).into_iter().map(Some).collect();
        let state = |(source, kept): (&SourceConfig, &Option<usize>)| {
            let place = kept.or_else(|| {
                before
                    .iter()
                    .position(|state| state.as_ref().is_some_and(|state| state.source == source.name))
            });
            let state = place.and_then(|place| before.get_mut(place)?.take());
            let holder = match state.map(|state| state.holder) {
                Some(holder) if kept.is_some() => holder,
                Some(holder) => Holder::Agent(holder.left()),
                None => Holder::Agent(SourceLeft::default()),
            };
            SourceState { source: source.name.clone(), holder }
        };
        self.0 = sources.iter().zip(kept).map(state).collect();
    }

    /// Hands a source's state over to the source; answers what an earlier run has left.
    pub(super) fn register(&mut self, source: usize, state: Rc<dyn PersistState>) -> SourceLeft {
        let Some(own) = self.0.get_mut(source) else { return SourceLeft::default() };
        match std::mem::replace(&mut own.holder, Holder::Source(state)) {
            Holder::Agent(left) => left,
            Holder::Source(_) => SourceLeft::default(),
        }
    }
}

/// Appends a section with the state of each source: its name, and bytes after a version of its own. Receipts that the
/// source does not know of yet have a section of their own: its name, and their numbers.
pub(super) fn save_source_states(to: &mut impl SectionWriter, states: &SourceStates) {
    fn put_state(to: &mut impl SectionWriter, source: &str, state: &[u8]) {
        body::SOURCE.put(to, |to| {
            save_text(to, source);
            save_bytes(to, state);
        });
    }
    for SourceState { source, holder } in &states.0 {
        match holder {
            Holder::Source(state) => put_state(to, source, &saved_state(state.as_ref())),
            Holder::Agent(SourceLeft { state, receipts }) => {
                put_state(to, source, state);
                if !receipts.is_empty() {
                    body::RECEIPTS.put(to, |to| {
                        save_text(to, source);
                        receipts.iter().for_each(|Receipt(number)| to.extend(number.to_le_bytes()));
                    });
                }
            }
        }
    }
}

/// Reads what [`save_source_states`] wrote, by the sources' names.
pub(super) fn load_sources_left(stored: StoredBody<'_>, unread: &mut Unread) -> HashMap<String, SourceLeft> {
    let mut all: HashMap<String, SourceLeft> = HashMap::new();
    for section in stored.all(body::SOURCE) {
        match body::SOURCE.read(section, load_source_state) {
            Ok((source, state)) => all.entry(source).or_default().state = state,
            Err(why) => unread.part(body::SOURCE.name, body::SOURCE.otherwise, why),
        }
    }
    for section in stored.all(body::RECEIPTS) {
        match body::RECEIPTS.read(section, load_receipts) {
            Ok((source, receipts)) => all.entry(source).or_default().receipts = receipts,
            Err(why) => unread.part(body::RECEIPTS.name, body::RECEIPTS.otherwise, why),
        }
    }
    all
}

fn load_source_state(from: &mut StateReader<'_>) -> Result<(String, Vec<u8>), Corrupt> {
    Ok((load_text(from)?.to_owned(), load_bytes(from)?.to_vec()))
}

fn load_receipts(from: &mut StateReader<'_>) -> Result<(String, Vec<Receipt>), Corrupt> {
    let (source, mut receipts) = (load_text(from)?.to_owned(), Vec::new());
    while !from.rest().is_empty() {
        receipts.push(Receipt(u64::load(from)?));
    }
    Ok((source, receipts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_source_has_asked_for_yet_is_in_the_next_checkpoint() {
        let left = SourceLeft { state: vec![1, 0, 7], receipts: vec![Receipt(3), Receipt(u64::MAX)] };
        let state = |(name, left): (&str, &SourceLeft)| SourceState {
            source: name.to_owned(),
            holder: Holder::Agent(left.clone()),
        };
        let none = SourceLeft::default();
        let states = SourceStates([("a", &left), ("b", &none)].map(state).into());
        let (mut bytes, mut unread) = (Vec::new(), Unread::default());
        save_source_states(&mut bytes, &states);
        let mut read = load_sources_left(StoredBody::new(&bytes), &mut unread);
        assert!(unread.is_empty(), "{unread}");
        assert_eq!((read.remove("a"), read.remove("b"), read.len()), (Some(left), Some(none), 0));
    }
}
