//! Numbers as people write them: with a decimal mark of their own, and perhaps with groups of three digits.

/// The longest number that is not plain (bytes).
const NUMBER_BYTES_MAX: usize = 64;

/// What typesetters write for `-`.
const MINUS: char = '\u{2212}';

/// The decimal mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Not configured: a point, and digits are not grouped.
    #[default]
    Plain,
    /// `1,234.5` or `1 234.5`.
    Point,
    /// `1.234,5` or `1 234,5`.
    Comma,
}

impl Mark {
    /// The number that the text is, whole; may be infinite or NaN.
    pub(super) fn number(self, text: &str) -> Option<f64> {
        match text.strip_prefix(MINUS) {
            Some(rest) if !rest.starts_with(['+', '-', MINUS]) => self.positive(rest).map(|number| -number),
            _ => self.positive(text),
        }
    }

    fn positive(self, text: &str) -> Option<f64> {
        match self {
            Self::Plain => text.parse().ok(),
            Self::Point => text.parse().ok().or_else(|| grouped(text, '.', ',')),
            // A point that cannot divide groups is a decimal point, whatever is usual here.
            Self::Comma => grouped(text, ',', '.').or_else(|| text.parse().ok()),
        }
    }
}

/// Reads a number whose whole part may have groups of three digits, divided by `group`, a blank or an apostrophe.
fn grouped(text: &str, mark: char, group: char) -> Option<f64> {
    let mut plain = [0_u8; NUMBER_BYTES_MAX];
    let mut length = 0;
    let mut push = |byte: u8| {
        *plain.get_mut(length)? = byte;
        length += 1;
        Some(())
    };
    // Digits since the last divider; `None` after the whole part.
    let mut digits = Some(0_usize);
    let mut has_groups = false;
    for sign in text.chars() {
        match (sign, digits) {
            ('0'..='9', Some(count)) => digits = Some(count + 1),
            (sign, Some(count)) if sign == group || " \u{a0}\u{202f}'\u{2019}".contains(sign) => {
                if count > 3 || count == 0 || has_groups && count != 3 {
                    return None;
                }
                (digits, has_groups) = (Some(0), true);
                continue;
            }
            ('+' | '-', Some(0)) if !has_groups => {}
            (_, Some(count)) => {
                if has_groups && count != 3 {
                    return None;
                }
                digits = None;
            }
            (_, None) => {}
        }
        match sign {
            sign if sign == mark => push(b'.')?,
            '.' | ',' => return None,
            sign if sign.is_ascii() => push(u8::try_from(sign).ok()?)?,
            _ => return None,
        }
    }
    if has_groups && digits.is_some_and(|count| count != 3) {
        return None;
    }
    std::str::from_utf8(plain.get(..length)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_groups_are_read_and_never_guessed() {
        for (mark, text, number) in [
            (Mark::Comma, "19,5", Some(19.5)),
            (Mark::Comma, "1.000,75", Some(1_000.75)),
            (Mark::Comma, "-12.345.678", Some(-12_345_678.0)),
            (Mark::Comma, "1\u{a0}234,5", Some(1_234.5)),
            (Mark::Comma, "2,5e3", Some(2_500.0)),
            (Mark::Comma, ",5", Some(0.5)),
            (Mark::Comma, "21.5", Some(21.5)),
            (Mark::Comma, "1.2345", Some(1.2345)),
            (Mark::Comma, "1.23.456", None),
            (Mark::Comma, "1,5,2", None),
            (Mark::Comma, "1234.567", Some(1_234.567)),
            (Mark::Point, "1,234.5", Some(1_234.5)),
            (Mark::Point, "1 234.5", Some(1_234.5)),
            (Mark::Point, "1'234'567", Some(1_234_567.0)),
            (Mark::Point, "1\u{2019}234.5", Some(1_234.5)),
            (Mark::Plain, "\u{2212}5.25", Some(-5.25)),
            (Mark::Comma, "\u{2212}1.234,5", Some(-1_234.5)),
            (Mark::Plain, "\u{2212}-5", None),
            (Mark::Plain, "\u{2212}", None),
            (Mark::Point, "21.5", Some(21.5)),
            (Mark::Point, "19,5", None),
            (Mark::Point, "1,23", None),
            (Mark::Point, "1,234,", None),
            (Mark::Plain, "1,234.5", None),
            (Mark::Plain, "1 234", None),
        ] {
            assert_eq!(mark.number(text), number, "{mark:?} {text}");
        }
        assert_eq!(Mark::Comma.number(&format!("{},5", "1".repeat(65))), None, "longer than any number");
    }
}
