//! A decoded message, in the order of its keys: what `tail` prints.
//!
//! Every float is widened to 64 bits on the way: CBOR keeps the shortest form that is exact, and printing a 32-bit
//! float by its own shortest digits would name another number.

use super::short;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// A plain value. Maps keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Wire {
    /// `null`; our own messages have none.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Wire>),
    /// A map with text keys.
    Map(Vec<(String, Wire)>),
}

/// The bytes are no message.
#[derive(Debug, thiserror::Error)]
#[error("not a message: {0}")]
pub struct WireError(pub(super) String);

impl Wire {
    /// The value of a key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Wire> {
        match self {
            Wire::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text of a key, or nothing.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Wire::Text(text)) => text,
            _ => "",
        }
    }

    /// The number of a key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key) {
            Some(Wire::Integer(number)) => Some(*number as f64),
            Some(Wire::Float(number)) => Some(*number),
            _ => None,
        }
    }
}

/// A payload as it is, JSON or CBOR, whichever it is.
///
/// # Errors
/// [`WireError`] if it is neither.
pub fn read(payload: &[u8]) -> Result<Wire, WireError> {
    let text = || serde_json::from_slice(payload).map_err(|error| WireError(error.to_string()));
    let binary = || serde_cbor::from_slice(payload).map_err(|error| WireError(error.to_string()));
    // JSON starts with a brace or a bracket; as CBOR these bytes would be a text or bytes, which no message is.
    if matches!(payload.trim_ascii_start().first(), Some(b'{' | b'[')) { text() } else { binary() }
}

impl Serialize for Wire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Wire::Null => serializer.serialize_unit(),
            Wire::Boolean(value) => serializer.serialize_bool(*value),
            Wire::Integer(value) => serializer.serialize_i64(*value),
            Wire::Float(value) => serializer.serialize_f64(*value),
            Wire::Text(value) => serializer.serialize_str(value),
            Wire::List(items) => serializer.collect_seq(items),
            Wire::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WireVisitor)
    }
}

/// A key, which may be a number.
struct WireKey(String);

impl<'de> Deserialize<'de> for WireKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = WireKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_u64<E>(self, number: u64) -> Result<WireKey, E> {
        Ok(WireKey(short::key(number).map_or_else(|| number.to_string(), str::to_owned)))
    }

    fn visit_str<E>(self, key: &str) -> Result<WireKey, E> {
        Ok(WireKey(key.to_owned()))
    }
}

struct WireVisitor;

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_unit<E>(self) -> Result<Wire, E> {
        Ok(Wire::Null)
    }

    fn visit_none<E>(self) -> Result<Wire, E> {
        Ok(Wire::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Wire, E> {
        Ok(Wire::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Wire, E> {
        Ok(Wire::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Wire, E> {
        Ok(i64::try_from(value).map_or(Wire::Float(value as f64), Wire::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Wire, E> {
        Ok(Wire::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Wire, E> {
        Ok(Wire::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Wire, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Wire::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Wire, A::Error> {
        let mut map = Vec::new();
        while let Some((WireKey(key), value)) = entries.next_entry()? {
            map.push((key, value));
        }
        Ok(Wire::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_cbor_carry_the_same_numbers_in_the_same_order() {
        let map = Wire::Map(vec![
            ("v".into(), Wire::Integer(1)),
            ("start".into(), Wire::Integer(1_700_000_040_000)),
            ("short".into(), Wire::Float(f64::from(0.1_f32))),
            ("long".into(), Wire::Float(0.1)),
            ("whole".into(), Wire::Float(21.0)),
            ("huge".into(), Wire::Float(1e300)),
            ("labels".into(), Wire::Map(vec![("zone".into(), Wire::Text("bed1".into()))])),
        ]);
        let cbor = serde_cbor::to_vec(&map).unwrap();
        let json = serde_json::to_string(&read(&cbor).unwrap()).unwrap();
        assert_eq!(
            json,
            "{\"v\":1,\"start\":1700000040000,\"short\":0.10000000149011612,\"long\":0.1,\"whole\":21.0,\
             \"huge\":1e+300,\"labels\":{\"zone\":\"bed1\"}}"
        );
        assert_eq!(read(&cbor).unwrap(), map);
        assert_eq!(read(json.as_bytes()).unwrap(), map);
    }

    #[test]
    fn rubbish_is_an_error() {
        for bytes in [&b""[..], b"{", b"\xff\xff", b"\xa1", &[0x9f; 4096]] {
            assert!(read(bytes).is_err());
        }
    }
}
