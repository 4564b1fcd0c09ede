//! Stored values: what sensors send are short decimals close to one another, which take a byte or two each.
//!
//! ```text
//! digits u8   0 to 9: each value is an integer divided by 10^digits; 255: it is not so
//! values      the first integer, then what each is more than the one before: varints, the first zigzag; or f64 each
//! ```

use crate::state::{Corrupt, State, StateReader, StateWriter};

const DIGITS_MAX: u8 = 9;
const PLAIN: u8 = 255;
/// Integers up to this one are exact.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0; // 2^53

/// Writes values in ascending order; not how many there are.
pub(super) fn save_values(values: impl Iterator<Item = f64> + Clone, to: &mut (impl StateWriter + ?Sized)) {
    let digits =
        (0..=DIGITS_MAX).find(|digits| values.clone().all(|value| integer(value, *digits).is_some()));
    match digits {
        Some(digits) => save_integers(digits, values.filter_map(|value| integer(value, digits)), to),
        None => {
            PLAIN.save(to);
            values.for_each(|value| value.save(to));
        }
    }
}

/// Writes values of so many digits, the fewest that all of them need, as integers in ascending order.
pub(super) fn save_integers(
    digits: u8,
    numbers: impl Iterator<Item = i64>,
    to: &mut (impl StateWriter + ?Sized),
) {
    digits.save(to);
    let mut before = None;
    for number in numbers {
        let first = (number << 1 ^ number >> 63) as u64;
        put_varint(before.map_or(first, |before| number.abs_diff(before)), to);
        before = Some(number);
    }
}

/// Reads `count` values in ascending order.
pub(super) fn load_values(
    count: u16,
    from: &mut StateReader<'_>,
    mut take: impl FnMut(f64) -> bool,
) -> Result<(), Corrupt> {
    let digits = u8::load(from)?;
    let mut before: Option<i64> = None;
    for _ in 0..count {
        let value = if digits == PLAIN {
            f64::load(from)?
        } else {
            let more = varint(from)?;
            let first = (more >> 1) as i64 ^ -((more & 1) as i64);
            let number = before.map_or(Some(first), |before| before.checked_add_unsigned(more));
            before = number;
            number.ok_or(Corrupt)? as f64 / power(digits).ok_or(Corrupt)?
        };
        if !value.is_finite() || !take(value) {
            return Err(Corrupt);
        }
    }
    Ok(())
}

/// The value times 10^digits, if that is an integer and gives the value again.
pub(super) fn integer(value: f64, digits: u8) -> Option<i64> {
    let power = power(digits)?;
    let number = libm::round(value * power);
    (number.abs() <= INTEGER_MAX && number / power == value).then_some(number as i64)
}

pub(super) fn power(digits: u8) -> Option<f64> {
    const POWERS: [f64; DIGITS_MAX as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    POWERS.get(usize::from(digits)).copied()
}

fn put_varint(mut number: u64, to: &mut (impl StateWriter + ?Sized)) {
    while number > 0x7f {
        (number as u8 | 0x80).save(to);
        number >>= 7;
    }
    (number as u8).save(to);
}

fn varint(from: &mut StateReader<'_>) -> Result<u64, Corrupt> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = u8::load(from)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte <= 0x7f {
            return Ok(number);
        }
    }
    Err(Corrupt)
}

#[cfg(test)]
mod tests {
    use super::{load_values, save_values};
    use crate::state::StateReader;
    use proptest::prelude::*;

    extern crate std;
    use std::vec::Vec;

    fn stored(values: &[f64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        save_values(values.iter().copied(), &mut |more: &[u8]| bytes.extend_from_slice(more));
        bytes
    }

    #[test]
    fn decimals_are_short() {
        let room: Vec<f64> = (0..60).map(|step| f64::from(2_400 + step) / 100.0).collect();
        assert_eq!(stored(&room).len(), 1 + 2 + 59);
        assert_eq!(stored(&[0.1 + 0.2]).len(), 9, "no short decimal");
        assert_eq!(stored(&[-5.0, -5.0, 1e15]).len(), 1 + 1 + 1 + 8);
    }

    proptest! {
        #[test]
        fn values_come_back_and_no_bytes_do_harm(
            mut values in prop_oneof![
                prop::collection::vec((-90_000..90_000_i64, 0..5_i32).prop_map(|(n, d)| n as f64 / libm::pow(10.0, d.into())), 0..64),
                prop::collection::vec(-1e300..1e300_f64, 0..64),
            ],
            noise in prop::collection::vec(any::<u8>(), 0..100), count in 0..70_u16,
        ) {
            values.sort_by(f64::total_cmp);
            let (bytes, mut read) = (stored(&values), Vec::new());
            let mut from = StateReader::new(&bytes);
            let loaded = load_values(values.len() as u16, &mut from, |value| { read.push(value); true });
            prop_assert_eq!((loaded, from.rest().len(), read), (Ok(()), 0, values));
            let _ = load_values(count, &mut StateReader::new(&noise), |_| true);
        }
    }
}
