//! The fields of a stored event: each with a tag, a length and bytes.
//!
//! ```text
//! field   tag u8 | length varint | bytes
//! ```
//!
//! A varint has seven bits per byte, the lowest first; a signed number is folded first (0, -1, 1, -2, …). Texts in
//! lists have a length prefix, as a varint; other numbers have 64 bits, little-endian. A reader skips unknown tags
//! and reads a missing field as 0, empty or none.

/// Tags are below this.
const TAGS: usize = 64;

/// Bits in each byte of a varint.
const BITS: u32 = 7;
const MORE: u8 = 1 << BITS;

/// Appends a varint.
pub(super) fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        to.push(number as u8 | MORE);
        number >>= BITS;
    }
    to.push(number as u8);
}

/// Appends a signed number.
pub(super) fn put_signed(to: &mut Vec<u8>, number: i64) {
    put_varint(to, (number << 1 ^ number >> (i64::BITS - 1)).cast_unsigned());
}

/// Appends a floating-point number.
pub(super) fn put_f64(to: &mut Vec<u8>, number: f64) {
    to.extend_from_slice(&number.to_le_bytes());
}

/// Appends a text with its length.
pub(super) fn put_text(to: &mut Vec<u8>, text: &str) {
    put_varint(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

/// Appends a field whose bytes `write` appends.
pub(super) fn put_field(to: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    debug_assert!(usize::from(tag) < TAGS, "tag {tag}");
    to.push(tag);
    let start = to.len();
    // Most fields are short. A longer one is moved, to make room for its length.
    to.push(0);
    write(to);
    let length = to.len().saturating_sub(start + 1);
    match u8::try_from(length) {
        Ok(short) if short < MORE => {
            if let Some(place) = to.get_mut(start) {
                *place = short;
            }
        }
        _ => {
            let mut varint = Vec::new();
            put_varint(&mut varint, length as u64);
            to.splice(start..=start, varint);
        }
    }
}

/// The fields of a stored event, by tag.
pub(super) struct StoredFields<'a>([Option<&'a [u8]>; TAGS]);

impl<'a> StoredFields<'a> {
    /// Finds the fields; `None`: one is cut off.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut fields, mut rest) = ([None; TAGS], Reader(bytes));
        while !rest.0.is_empty() {
            let tag = rest.byte()?;
            let length = usize::try_from(rest.varint()?).ok()?;
            let own = rest.bytes(length)?;
            if let Some(place) = fields.get_mut(usize::from(tag)) {
                *place = Some(own);
            }
        }
        Some(Self(fields))
    }

    /// A field, if present.
    pub(super) fn get(&self, tag: u8) -> Option<Reader<'a>> {
        self.0.get(usize::from(tag)).copied().flatten().map(Reader)
    }

    /// A field; empty if it is missing.
    pub(super) fn of(&self, tag: u8) -> Reader<'a> {
        self.get(tag).unwrap_or(Reader(&[]))
    }
}

/// Unread bytes.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The rest as text.
    pub(super) fn rest_text(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    /// The rest as one number; 0 if empty.
    pub(super) fn rest_varint(mut self) -> Option<u64> {
        if self.0.is_empty() { Some(0) } else { self.varint() }
    }

    /// The rest as one signed number; 0 if empty.
    pub(super) fn rest_signed(mut self) -> Option<i64> {
        if self.0.is_empty() { Some(0) } else { self.signed() }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(BITS as usize) {
            let byte = self.byte()?;
            number |= u64::from(byte & !MORE).checked_shl(shift)?;
            if byte & MORE == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let folded = self.varint()?;
        Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.bytes(8)?.try_into().ok().map(f64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    /// Reads items until nothing is left.
    pub(super) fn list<T>(mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::new();
        while !self.0.is_empty() {
            list.push(item(&mut self)?);
        }
        Some(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_fields_come_back(
            number in any::<u64>(), signed in any::<i64>(), bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut to = Vec::new();
            put_field(&mut to, 3, |to| to.extend_from_slice(&bytes));
            put_field(&mut to, 1, |to| put_varint(to, number));
            put_field(&mut to, 2, |to| put_signed(to, signed));
            let fields = StoredFields::read(&to).unwrap();
            prop_assert_eq!(fields.of(1).rest_varint(), Some(number));
            prop_assert_eq!(fields.of(2).rest_signed(), Some(signed));
            prop_assert_eq!(fields.of(3).0, &bytes);
            prop_assert!(fields.get(4).is_none());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(fields) = StoredFields::read(&bytes) {
                let _ = (fields.of(1).rest_signed(), fields.of(0).rest_text(), fields.of(2).list(Reader::text));
            }
        }
    }
}
