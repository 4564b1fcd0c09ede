//! Decimal numbers of few digits, for which exact arithmetic is fast and simple.

/// A number that simple arithmetic has read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PlainNumber {
    Integer(i64),
    Float(f64),
}

impl PlainNumber {
    /// Takes a number as JSON writes it from the front of `text`: no exponent, and few digits. `None`: there is none, and
    /// `text` is as it was.
    #[inline(always)]
    pub(crate) fn take(text: &mut &[u8]) -> Option<Self> {
        let mut rest = *text;
        let mut negative = false;
        if let [b'-', after @ ..] = rest {
            (negative, rest) = (true, after);
        }
        let mut decimal = Decimal::default();
        let begins_with_zero = rest.first() == Some(&b'0');
        let count = decimal.take(&mut rest);
        if count == 0 || begins_with_zero && count > 1 {
            return None;
        }
        let number = match rest {
            [b'.', after @ ..] => {
                rest = after;
                if decimal.take_fraction(&mut rest) == 0 {
                    return None;
                }
                Self::Float(decimal.exact(negative)?)
            }
            _ => Self::Integer(decimal.integer(negative)?),
        };
        if let Some(b'e' | b'E') = rest.first() {
            return None;
        }
        *text = rest;
        Some(number)
    }
}

/// `mantissa * 10^scale`, as long as there are few digits.
#[derive(Clone, Copy, Default)]
pub(crate) struct Decimal {
    mantissa: u64,
    /// Beyond 19 digits the mantissa is invalid.
    digits: usize,
    /// The power of ten.
    pub(crate) scale: i32,
}

impl Decimal {
    /// Takes digits from the front of `text`; returns their number.
    #[inline(always)]
    pub(crate) fn take(&mut self, text: &mut &[u8]) -> usize {
        let mut mantissa = self.mantissa;
        let mut rest = *text;
        // Times have thirteen digits; most values have fewer than eight.
        if let [_, _, _, _, _, _, _, b'0'..=b'9', ..] = rest {
            (mantissa, rest) = after_eights(mantissa, rest);
        }
        while let [digit @ b'0'..=b'9', after @ ..] = rest {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            rest = after;
        }
        let count = text.len() - rest.len();
        *text = rest;
        self.mantissa = mantissa;
        self.digits += count;
        count
    }

    /// As [`Decimal::take`], for digits after the point.
    #[inline(always)]
    pub(crate) fn take_fraction(&mut self, text: &mut &[u8]) -> usize {
        let count = self.take(text);
        self.scale = -i32::try_from(count).unwrap_or(i32::MAX);
        count
    }

    /// The number without its scale, if it certainly fits.
    #[inline(always)]
    pub(crate) fn integer(&self, negative: bool) -> Option<i64> {
        const DIGITS_MAX: usize = 18;
        let value = i64::try_from(self.mantissa).ok().filter(|_| self.digits <= DIGITS_MAX)?;
        Some(if negative { -value } else { value })
    }

    /// The nearest float, if one multiplication or division of exact operands finds it (Clinger, "How to Read
    /// Floating Point Numbers Accurately", PLDI 1990).
    #[inline(always)]
    pub(crate) fn exact(&self, negative: bool) -> Option<f64> {
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
            1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        if self.digits > 19 || self.mantissa > 1 << 53 {
            return None;
        }
        let power = *POWERS.get(usize::try_from(self.scale.unsigned_abs()).ok()?)?;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let mantissa = self.mantissa as f64;
        let value = if self.scale < 0 { mantissa / power } else { mantissa * power };
        Some(if negative { -value } else { value })
    }

    /// A whole text of digits, perhaps with a sign and a point; `None`: it is anything else, or too long.
    #[inline]
    pub(crate) fn plain(text: &[u8]) -> Option<f64> {
        let (negative, mut rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let mut decimal = Self::default();
        if decimal.take(&mut rest) == 0 {
            return None;
        }
        if let [b'.', fraction @ ..] = rest {
            rest = fraction;
            decimal.take_fraction(&mut rest);
        }
        if rest.is_empty() { decimal.exact(negative) } else { None }
    }
}

/// A mantissa with the digits at the front of `text`, as far as there are eight at a time, and what follows them.
#[inline(never)]
fn after_eights(mut mantissa: u64, mut text: &[u8]) -> (u64, &[u8]) {
    while let Some((digits, after)) = text.split_first_chunk()
        && let Some(number) = eight_digits(u64::from_le_bytes(*digits))
    {
        mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(number);
        text = after;
    }
    (mantissa, text)
}

/// The number that eight digits write, the first one in the lowest byte; `None`: some are no digits. Neighbours are joined to
/// pairs, pairs to fours, and these to eight digits.
#[inline]
fn eight_digits(text: u64) -> Option<u64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    let digits = text ^ ZEROS;
    // What is added takes more than 9 past the 4 bits of a digit.
    if (digits | digits.wrapping_add(u64::from_le_bytes([6; 8]))) & u64::from_le_bytes([0xf0; 8]) != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours & 0xffff) * 10_000 + (fours >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        for text in
            ["", "-", "+1", ".5", "1e5", "1 ", "0x1", "--1", "12345678901234567890", "9007199254740993"]
        {
            assert_eq!(Decimal::plain(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Decimal::plain(b"5."), Some(5.0));
        assert!(Decimal::plain(b"-0").is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn eight_digits_are_told_from_other_bytes() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut text = *b"90817263";
                text[at] = byte;
                let expected = if byte.is_ascii_digit() {
                    std::str::from_utf8(&text).unwrap().parse().ok()
                } else {
                    None
                };
                assert_eq!(eight_digits(u64::from_le_bytes(text)), expected, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn plain_numbers_read_as_std_reads_them(text in "-?[0-9]{1,22}(\\.[0-9]{0,26})?") {
            if let Some(value) = Decimal::plain(text.as_bytes()) {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
            }
        }
    }
}
