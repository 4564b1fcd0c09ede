//! The wire format of protocol buffers: fields of a number and a value, one after the other.
//!
//! What is read is borrowed, and a length is believed only as far as bytes follow it. Cost: one pass, no allocation.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. Groups, which nobody writes any more, are an error.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WireValue<'a> {
    /// A whole number; negative ones are in two's complement of 64 bits.
    Varint(u64),
    /// Eight bytes: a `double` or a `fixed64`.
    Bits64(u64),
    /// Four bytes: a `float` or a `fixed32`.
    Bits32(u32),
    /// A text, bytes, a message, or a packed list.
    Bytes(&'a [u8]),
}

impl<'a> WireValue<'a> {
    /// A whole number; 0 of what is none.
    #[must_use]
    pub fn number(self) -> u64 {
        if let Self::Varint(number) = self { number } else { 0 }
    }

    /// A text; `None`: it is none.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        if let Self::Bytes(bytes) = self { std::str::from_utf8(bytes).ok() } else { None }
    }

    /// Bytes, or those of a message; empty of what is none.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }
}

/// The message is cut off, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadWire;

/// The fields of a message.
#[derive(Clone, Copy, Debug)]
pub struct WireFields<'a>(pub &'a [u8]);

impl<'a> WireFields<'a> {
    /// Takes the next field, its number first; `None`: there is none left.
    ///
    /// # Errors
    /// The bytes are no field, or cut off.
    pub fn field(&mut self) -> Result<Option<(u64, WireValue<'a>)>, BadWire> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Bits64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BadWire)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(BadWire)?;
                self.0 = rest;
                WireValue::Bytes(bytes)
            }
            5 => WireValue::Bits32(u32::from_le_bytes(self.array()?)),
            _ => return Err(BadWire),
        };
        if key >> 3 == 0 { Err(BadWire) } else { Ok(Some((key >> 3, value))) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadWire> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(BadWire)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Takes a whole number without a field, as packed lists hold them.
    ///
    /// # Errors
    /// The number is cut off, or has more than 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, BadWire> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(BadWire)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadWire)
    }
}

/// Appends a field with a whole number.
pub fn put_number(to: &mut Vec<u8>, field: u8, number: u64) {
    put_varint(to, u64::from(field) << 3);
    put_varint(to, number);
}

/// Appends a field with eight bytes, as `double` and `fixed64` have them.
pub fn put_bits64(to: &mut Vec<u8>, field: u8, bits: u64) {
    put_varint(to, u64::from(field) << 3 | 1);
    to.extend_from_slice(&bits.to_le_bytes());
}

/// Appends a field with bytes.
pub fn put_bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_varint(to, u64::from(field) << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_that_is_cut_or_none_is_malformed() {
        for bytes in [
            &b"\x08"[..],
            b"\x08\x80",
            b"\x0a\x02a",
            b"\x0d\0\0\0",
            b"\x09\0",
            b"\x0b",
            b"\x00\x01",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(WireFields(bytes).field(), Err(BadWire), "{bytes:?}");
        }
        assert_eq!(
            WireFields(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).field(),
            Err(BadWire)
        );
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(number: u64, bytes: Vec<u8>, field in 1..=u8::MAX) {
            let mut message = Vec::new();
            put_number(&mut message, field, number);
            put_bits64(&mut message, field, number);
            put_bytes(&mut message, field, &bytes);
            let mut fields = WireFields(&message);
            prop_assert_eq!(fields.field(), Ok(Some((u64::from(field), WireValue::Varint(number)))));
            prop_assert_eq!(fields.field(), Ok(Some((u64::from(field), WireValue::Bits64(number)))));
            prop_assert_eq!(fields.field(), Ok(Some((u64::from(field), WireValue::Bytes(&bytes)))));
            prop_assert_eq!(fields.field(), Ok(None));
        }
    }
}
