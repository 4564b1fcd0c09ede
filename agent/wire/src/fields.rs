//! A message as its fields, in the order of the wire: one description for every format.
//!
//! A description runs twice, because a CBOR map begins with the number of its fields: the first run counts them.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Receives the fields of a message.
pub(super) trait Fields {
    /// Adds the next field.
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized));

    /// Adds the next field, if it has a value.
    fn put_some(&mut self, name: &str, value: Option<&(impl Serialize + ?Sized)>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

/// A description of fields.
pub(super) trait Describe {
    /// Adds the fields, in order.
    fn describe(&self, to: &mut impl Fields);
}

/// Writes the described fields as a map.
pub(super) fn serialize<S: Serializer>(serializer: S, what: &impl Describe) -> Result<S::Ok, S::Error> {
    let mut count = Count(0);
    what.describe(&mut count);
    let mut entries = Entries { map: serializer.serialize_map(Some(count.0))?, failed: None };
    what.describe(&mut entries);
    entries.failed.map_or(Ok(()), Err)?;
    entries.map.end()
}

struct Count(usize);

impl Fields for Count {
    fn put(&mut self, _: &str, _: &(impl Serialize + ?Sized)) {
        self.0 += 1;
    }
}

struct Entries<M: SerializeMap> {
    map: M,
    failed: Option<M::Error>,
}

impl<M: SerializeMap> Fields for Entries<M> {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        if self.failed.is_none() {
            self.failed = self.map.serialize_entry(name, value).err();
        }
    }
}
