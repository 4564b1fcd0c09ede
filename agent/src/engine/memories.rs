//! What sources want to find again after a crash: part of every checkpoint, as bytes that only they understand.
//!
//! ```text
//! sources u32, each: name, length u32, bytes
//! ```

use crate::config::SourceConfig;
use crate::pipeline::state::{load_bytes, load_length, load_text, save_bytes, save_length, save_text};
use headwater_kernel::state::{Corrupt, Stored};
use headwater_sensors::Remember;
use std::rc::Rc;

/// The memories of all sources, in the order of the config.
pub(super) struct Memories(Vec<Memory>);

struct Memory {
    source: String,
    held: Held,
}

/// Who has a source's memory.
enum Held {
    /// An earlier run has left it, and the source has not asked for it yet.
    Left(Vec<u8>),
    /// The source.
    Live(Rc<dyn Remember>),
}

impl Memories {
    /// Of these sources; `left` is what an earlier run has left, by name.
    pub(super) fn new(sources: &[SourceConfig], mut left: Vec<(String, Vec<u8>)>) -> Self {
        let memory = |source: &SourceConfig| {
            let own = left.iter_mut().find(|(name, _)| *name == source.name);
            let bytes = own.map(|(_, bytes)| std::mem::take(bytes)).unwrap_or_default();
            Memory { source: source.name.clone(), held: Held::Left(bytes) }
        };
        Self(sources.iter().map(memory).collect())
    }

    /// From now on the source itself knows; answers what an earlier run has left.
    pub(super) fn register(&mut self, source: usize, memory: Rc<dyn Remember>) -> Vec<u8> {
        let Some(own) = self.0.get_mut(source) else { return Vec::new() };
        match std::mem::replace(&mut own.held, Held::Live(memory)) {
            Held::Left(bytes) => bytes,
            Held::Live(_) => Vec::new(),
        }
    }
}

/// Appends all memories.
pub(super) fn save_memories(to: &mut Vec<u8>, memories: &Memories) {
    save_length(to, memories.0.len());
    for Memory { source, held } in &memories.0 {
        save_text(to, source);
        match held {
            Held::Left(bytes) => save_bytes(to, bytes),
            Held::Live(memory) => {
                let mut bytes = Vec::new();
                memory.save(&mut bytes);
                save_bytes(to, &bytes);
            }
        }
    }
}

/// Reads what [`save_memories`] wrote.
pub(super) fn load_memories(from: &mut Stored<'_>) -> Result<Vec<(String, Vec<u8>)>, Corrupt> {
    let mut memories = Vec::new();
    for _ in 0..load_length(from)? {
        memories.push((load_text(from)?.to_owned(), load_bytes(from)?.to_vec()));
    }
    Ok(memories)
}
