//! Values as they are written in payloads: few decimal digits, which take a third of the bytes of a float.
//!
//! An integer below 2^53, divided by a power of ten up to 10^22, is the float that is nearest to the decimal number, as in
//! the text of a payload (W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990, section 3). So most
//! values come back to the bit; the others are written whole.

/// The numbers of decimals: 0 to 6.
pub(super) const SCALES: u8 = 7;

const POWERS: [f64; SCALES as usize] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// More digits than this take as much room as the float.
const DIGITS_MAX: f64 = (1_u64 << 48) as f64;

/// Digits below this take two bytes at most.
const SHORT: u64 = 1 << 13;

/// Finds the digits of values. Values that follow each other often have as many decimals.
#[derive(Debug, Default)]
pub(super) struct Decimals {
    /// The decimals of the last value.
    scale: u8,
}

impl Decimals {
    /// The digits of a value and its decimals; `None`: it has too many.
    #[inline]
    pub(super) fn of(&mut self, value: f64) -> Option<(i64, u8)> {
        let found = digits(value, self.scale).map(|digits| (digits, self.scale)).or_else(|| search(value));
        if let Some((digits, scale)) = found {
            // It does not stay with the longest one.
            let is_long = digits.unsigned_abs() >= SHORT && digits % 10 == 0;
            self.scale = if is_long { scale.saturating_sub(1) } else { scale };
        }
        found
    }
}

/// The value of digits with so many decimals, of which there are [`SCALES`].
pub(super) fn value_of(digits: i64, scale: u8) -> f64 {
    digits as f64 / power(scale)
}

#[cold]
fn search(value: f64) -> Option<(i64, u8)> {
    (0..SCALES).find_map(|scale| digits(value, scale).map(|digits| (digits, scale)))
}

/// The digits of a value, if it has no more than so many decimals.
#[inline]
fn digits(value: f64, scale: u8) -> Option<i64> {
    let scaled = value * power(scale);
    if scaled.abs() >= DIGITS_MAX {
        return None;
    }
    let nearest = (scaled + 0.5_f64.copysign(scaled)) as i64;
    (value_of(nearest, scale).to_bits() == value.to_bits()).then_some(nearest)
}

#[inline]
fn power(scale: u8) -> f64 {
    POWERS.get(usize::from(scale)).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_short_and_others_are_left_alone() {
        let mut decimals = Decimals::default();
        assert_eq!(decimals.of(21.53), Some((2_153, 2)));
        assert_eq!(decimals.of(21.5), Some((2_150, 2)), "as the one before it");
        assert_eq!(decimals.of(1.234_567), Some((1_234_567, 6)));
        assert_eq!(decimals.of(-21.5), Some((-21_500_000, 6)));
        assert_eq!(decimals.of(-21.5), Some((-2_150_000, 5)), "and back");
        assert_eq!(decimals.of(7e14), None);
        assert_eq!(decimals.of(-0.0), None);
        assert_eq!(decimals.of(1.0 / 3.0), None);
        assert_eq!(decimals.of(f64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_decimal_text_comes_back_to_the_bit(digits in -(1_i64 << 47)..1_i64 << 47, scale in 0..SCALES, any: f64) {
            let text = format!("{digits}e-{scale}");
            let value: f64 = text.parse().unwrap();
            let mut decimals = Decimals::default();
            let found = decimals.of(value);
            prop_assert!(digits == 0 || found.is_some(), "{}", text);
            if let Some((digits, scale)) = found {
                prop_assert_eq!(value_of(digits, scale).to_bits(), value.to_bits());
            }
            if let Some((digits, scale)) = decimals.of(any) {
                prop_assert_eq!(value_of(digits, scale).to_bits(), any.to_bits());
            }
        }
    }
}
