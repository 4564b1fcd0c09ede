//! The primitive types of the protocol (big-endian, lengths before texts): written, and read within bounds.
//!
//! Source: the Kafka protocol guide, "Protocol Primitive Types"; only versions of messages before the "flexible" ones are
//! spoken, so that there are no compact types and no tagged fields. A length is believed only as far as bytes follow it.

use crate::error::KafkaError;

/// What a broker sent cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Malformed> for KafkaError {
    fn from(_: Malformed) -> Self {
        Self::Lost("the broker sent an answer that cannot be read; does it speak Kafka's protocol?".into())
    }
}

/// Reads from the front of some bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteReader<'a>(&'a [u8]);

macro_rules! numbers {
    ($($name:ident $type:ty;)*) => {$(
        pub(crate) fn $name(&mut self) -> Result<$type, Malformed> {
            let (number, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
            self.0 = rest;
            Ok(<$type>::from_be_bytes(*number))
        }
    )*};
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    numbers! { u8 u8; i16 i16; i32 i32; u32 u32; i64 i64; }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A text, or nothing where it is null.
    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        let length = self.i16()?;
        let bytes = self.take(usize::try_from(length).unwrap_or(0))?;
        std::str::from_utf8(bytes).map_err(|_| Malformed)
    }

    /// Bytes, or none where they are null.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.i32()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }

    /// The length of a list, which is never more than the bytes that follow.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32()?).unwrap_or(0);
        if count > self.0.len() { Err(Malformed) } else { Ok(count) }
    }

    /// A list, element by element.
    pub(crate) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// A number of variable length: zigzag, seven bits a byte, the lowest first.
    pub(crate) fn varint(&mut self) -> Result<i64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(Malformed)
    }

    /// Bytes behind their length as [`ByteReader::varint`]; `None`: null.
    pub(crate) fn var_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match usize::try_from(self.varint()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// Appends a text; texts of the protocol have at most 32,767 bytes, and a longer one is cut.
pub(crate) fn put_string(to: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    to.extend(length.to_be_bytes());
    to.extend_from_slice(text.as_bytes().get(..usize::from(length.unsigned_abs())).unwrap_or_default());
}

/// Appends the length of bytes or of a list.
pub(crate) fn put_length(to: &mut Vec<u8>, length: usize) {
    to.extend(i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_length(to, bytes.len());
    to.extend_from_slice(bytes);
}

/// Appends a number of variable length.
pub(crate) fn put_varint(to: &mut Vec<u8>, number: i64) {
    let mut value = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Appends bytes behind their length of variable length.
pub(crate) fn put_var_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(to, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length_are_those_of_the_guide() {
        for (number, bytes) in [(0, &[0][..]), (-1, &[1]), (1, &[2]), (300, &[0xd8, 4]), (-64, &[0x7f])] {
            let mut to = Vec::new();
            put_varint(&mut to, number);
            assert_eq!(to, bytes);
        }
        for number in [i64::MIN, -1_000_000, 0, 77, i64::MAX] {
            let mut to = Vec::new();
            put_varint(&mut to, number);
            assert_eq!(ByteReader::new(&to).varint(), Ok(number));
        }
        assert_eq!(ByteReader::new(&[0x80; 11]).varint(), Err(Malformed));
    }

    #[test]
    fn lengths_are_believed_as_far_as_bytes_follow() {
        let huge = i32::MAX.to_be_bytes();
        assert_eq!(ByteReader::new(&huge).bytes(), Err(Malformed));
        assert_eq!(ByteReader::new(&huge).list(ByteReader::u8), Err(Malformed));
        assert_eq!(ByteReader::new(&(-1_i32).to_be_bytes()).list(ByteReader::u8), Ok(vec![]));
        let mut to = Vec::new();
        put_string(&mut to, "topic");
        put_bytes(&mut to, b"xy");
        let mut reader = ByteReader::new(&to);
        assert_eq!((reader.string(), reader.bytes(), reader.rest().len()), (Ok("topic"), Ok(&b"xy"[..]), 0));
    }
}
