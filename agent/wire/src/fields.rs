//! A message as its fields, in the order of the wire: one description for every format.
//!
//! A description runs twice for CBOR, because its map begins with the number of its fields: the first run counts them.
//! JSON takes one run, and its names are written as they are.

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

/// Appends the described fields as a JSON map: the bytes of [`serialize`].
///
/// # Errors
/// A value that JSON has no word for.
pub(super) fn write_json(what: &impl Describe, to: &mut Vec<u8>) -> serde_json::Result<()> {
    to.push(b'{');
    let mut fields = JsonFields { to, is_first: true, failed: None };
    what.describe(&mut fields);
    fields.failed.map_or(Ok(()), Err)?;
    to.push(b'}');
    Ok(())
}

struct JsonFields<'a> {
    to: &'a mut Vec<u8>,
    is_first: bool,
    failed: Option<serde_json::Error>,
}

impl JsonFields<'_> {
    fn try_put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.to.push(b',');
        }
        if name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
            self.to.push(b'"');
            self.to.extend_from_slice(name.as_bytes());
            self.to.push(b'"');
        } else {
            serde_json::to_writer(&mut *self.to, name)?;
        }
        self.to.push(b':');
        serde_json::to_writer(&mut *self.to, value)
    }
}

impl Fields for JsonFields<'_> {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        if self.failed.is_none() {
            self.failed = self.try_put(name, value).err();
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl Describe for Odd {
        fn describe(&self, to: &mut impl Fields) {
            to.put("p99.9", &0.1);
            to.put("with \"quotes\" and \\", "a\n\"b\"");
            to.put("ä", &[1, 2]);
            to.put_some("none", None::<&u8>);
            to.put("", &true);
        }
    }

    struct Nothing;

    impl Describe for Nothing {
        fn describe(&self, _: &mut impl Fields) {}
    }

    struct Map<T>(T);

    impl<T: Describe> Serialize for Map<T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize(serializer, &self.0)
        }
    }

    fn check(what: impl Describe) {
        let mut bytes = Vec::new();
        write_json(&what, &mut bytes).unwrap();
        assert_eq!(bytes, serde_json::to_vec(&Map(what)).unwrap());
    }

    #[test]
    fn both_ways_to_json_give_the_same_bytes() {
        check(Odd);
        check(Nothing);
    }
}
