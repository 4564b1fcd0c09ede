//! How far sources have read their inputs, part of every checkpoint. The readings of the checkpoint are those that were
//! read before: after a crash a source goes on there.

use crate::config::SourceConfig;
use headwater_kernel::state::{Corrupt, StateReader};
use headwater_pipeline::pipeline::state::{load_bytes, load_text, save_bytes, save_text};
use headwater_pipeline::sections::SectionWriter;
use headwater_pipeline::sections::body::{self, StoredBody};
use headwater_pipeline::sections::unread::Unread;
use headwater_sensors::SourcePosition;
use std::collections::{BTreeMap, HashMap};

/// The positions of one source, by the keys of its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PositionMap(BTreeMap<Vec<u8>, Vec<u8>>);

impl PositionMap {
    /// An input is read up to here; no bytes: forget it.
    pub(super) fn set(&mut self, key: &[u8], at: &[u8]) {
        if at.is_empty() {
            self.0.remove(key);
        } else if let Some(known) = self.0.get_mut(key) {
            known.clear();
            known.extend_from_slice(at);
        } else {
            self.0.insert(key.to_vec(), at.to_vec());
        }
    }
}

/// The positions of all sources, in the order of the config.
pub(super) struct SourcePositions(Vec<(String, PositionMap)>);

impl SourcePositions {
    /// The positions of these sources as an earlier run has left them, in the same order.
    pub(super) fn new(sources: &[SourceConfig], left: Vec<PositionMap>) -> Self {
        Self(sources.iter().map(|source| source.name.clone()).zip(left).collect())
    }

    /// The positions of the sources of another config, by their names.
    pub(super) fn change(&mut self, sources: &[SourceConfig]) {
        let mut before: HashMap<String, PositionMap> = std::mem::take(&mut self.0).into_iter().collect();
        let mut own = |source: &SourceConfig| before.remove(&source.name).unwrap_or_default();
        self.0 = sources.iter().map(|source| (source.name.clone(), own(source))).collect();
    }

    /// Those of one source.
    pub(super) fn of(&self, source: usize) -> Vec<SourcePosition> {
        let all = self.0.get(source).into_iter().flat_map(|(_, PositionMap(all))| all);
        all.map(|(key, at)| SourcePosition { key: key.clone(), at: at.clone() }).collect()
    }

    /// A source has read an input up to here.
    pub(super) fn set(&mut self, source: usize, key: &[u8], at: &[u8]) {
        if let Some((_, own)) = self.0.get_mut(source) {
            own.set(key, at);
        }
    }

    /// Appends a section of each source that has any: its name, then each key and its place.
    pub(super) fn save(&self, to: &mut impl SectionWriter) {
        for (source, PositionMap(all)) in self.0.iter().filter(|(_, own)| !own.0.is_empty()) {
            body::POSITIONS.put(to, |to| {
                save_text(to, source);
                for (key, at) in all {
                    save_bytes(to, key);
                    save_bytes(to, at);
                }
            });
        }
    }
}

/// Reads what [`SourcePositions::save`] wrote, by the sources' names.
pub(super) fn load_positions(stored: StoredBody<'_>, unread: &mut Unread) -> HashMap<String, PositionMap> {
    let mut all = HashMap::new();
    for section in stored.all(body::POSITIONS) {
        match body::POSITIONS.read(section, load_source) {
            Ok((source, own)) => {
                all.insert(source, own);
            }
            Err(why) => unread.part(body::POSITIONS.name, body::POSITIONS.otherwise, why),
        }
    }
    all
}

fn load_source(from: &mut StateReader<'_>) -> Result<(String, PositionMap), Corrupt> {
    let (source, mut own) = (load_text(from)?.to_owned(), PositionMap::default());
    while !from.rest().is_empty() {
        let key = load_bytes(from)?;
        own.set(key, load_bytes(from)?);
    }
    Ok((source, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_in_the_checkpoint_until_their_input_is_forgotten() {
        let mut positions =
            SourcePositions(["a", "b"].map(|name| (name.to_owned(), PositionMap::default())).into());
        for (key, at) in [(b"x", &b"1"[..]), (b"y", b"2"), (b"x", b"three"), (b"y", b"")] {
            positions.set(0, key, at);
        }
        let expected = vec![SourcePosition { key: b"x".to_vec(), at: b"three".to_vec() }];
        assert_eq!((positions.of(0), positions.of(1), positions.of(2)), (expected, vec![], vec![]));
        let (mut bytes, mut unread) = (Vec::new(), Unread::default());
        positions.save(&mut bytes);
        let mut read = load_positions(StoredBody::new(&bytes), &mut unread);
        assert!(unread.is_empty(), "{unread}");
        assert_eq!(read.remove("a"), Some(positions.0[0].1.clone()));
        assert!(read.is_empty());
    }
}
