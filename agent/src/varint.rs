//! Numbers of variable length: seven bits a byte, the lowest first (LEB128); signed ones in zigzag order.

use crate::frames::Damaged;

/// Appends a number.
#[inline]
pub(crate) fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Takes a number off the bytes.
///
/// # Errors
/// [`Damaged`]: the bytes end before the number, or it is too large.
#[inline]
pub(crate) fn take(from: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first().ok_or(Damaged)?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

/// Small for what is near 0.
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The number of [`zigzag`].
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_comes_back_and_any_bytes_are_read(number: u64, signed: i64, bytes: Vec<u8>) {
            let mut written = Vec::new();
            put(&mut written, number);
            put(&mut written, zigzag(signed));
            let from = &mut written.as_slice();
            prop_assert_eq!((take(from), take(from).map(unzigzag)), (Ok(number), Ok(signed)));
            prop_assert_eq!(take(from), Err(Damaged));
            let _ = take(&mut bytes.as_slice());
        }
    }
}
