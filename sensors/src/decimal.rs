//! Decimal numbers of few digits, for which exact arithmetic is fast and simple.

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

    proptest! {
        #[test]
        fn plain_numbers_read_as_std_reads_them(text in "-?[0-9]{1,22}(\\.[0-9]{0,26})?") {
            if let Some(value) = Decimal::plain(text.as_bytes()) {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
            }
        }
    }
}
