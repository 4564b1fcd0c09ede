//! What a table says, as one number: two readings of a config that say the same of a part have the same one.
//!
//! The order of keys, blanks and comments do not count. The content of files does that the table names and that were read
//! with it, such as secrets and certificates. The number is of one program: it is not stored.

use crate::node::{TomlEntry, TomlNode, TomlValue};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What the files hold that were read with a document: their fingerprints, by where their names stand.
pub(crate) type FileContents = BTreeMap<usize, u64>;

/// The fingerprint of some value.
#[must_use]
pub fn fingerprint_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn hash_entries(entries: &[TomlEntry], contents: &FileContents, to: &mut impl Hasher) {
    let mut sorted: Vec<&TomlEntry> = entries.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    sorted.len().hash(to);
    for entry in sorted {
        entry.key.hash(to);
        hash_node(&entry.node, contents, to);
    }
}

pub(crate) fn hash_node(node: &TomlNode, contents: &FileContents, to: &mut impl Hasher) {
    node.value.kind().hash(to);
    contents.get(&node.span.start).hash(to);
    match &node.value {
        TomlValue::Text(text) => text.hash(to),
        TomlValue::Integer(number) => number.hash(to),
        TomlValue::Float(number) => number.to_bits().hash(to),
        TomlValue::Boolean(answer) => answer.hash(to),
        TomlValue::Datetime => {}
        TomlValue::List(items) => {
            items.len().hash(to);
            items.iter().for_each(|item| hash_node(item, contents, to));
        }
        TomlValue::Table(entries) => hash_entries(entries, contents, to),
    }
}
