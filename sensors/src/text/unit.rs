//! Units after a number, as in `21.5 °C`, `45%` or `3 m³/h`.

use super::grouped::Mark;

/// The longest unit (characters).
const UNIT_LENGTH_MAX: usize = 16;

/// The number before a unit; `None`: the text is no number with a unit. Cost: that of the longest unit, however long the text is.
pub(super) fn strip(text: &str, mark: Mark) -> Option<f64> {
    let split = |(at, _)| {
        let (number, unit) = text.split_at_checked(at)?;
        if !is_unit(unit) {
            return None;
        }
        let number = number.trim_end();
        // `0x1F` and the like are numbers of another kind, and `21.5e` is one that is cut off.
        let is_radix = number == "0" && unit.starts_with(['x', 'X', 'b', 'o']);
        let is_exponent = number.len() == at && ["e", "E"].contains(&unit);
        mark.number(number).filter(|value| value.is_finite() && !is_radix && !is_exponent)
    };
    // The longest unit is the right one: of `5 m3` it is `m3`.
    let ends = text.char_indices().rev().take(UNIT_LENGTH_MAX);
    ends.take_while(|(at, _)| *at > 0).filter_map(split).last()
}

fn is_unit(text: &str) -> bool {
    let inside = |sign: char| sign.is_alphabetic() || "%‰°℃℉′″/·*^²³⁻¹µ$€£\"'".contains(sign);
    // The power stands last: `m3`, `m/s2`.
    let without_power = text.strip_suffix(['2', '3']).unwrap_or(text);
    // Sketches write `*C` where their display has no `°`, and `vcgencmd` writes `'C`.
    let first = text.strip_prefix(['*', '\'']).unwrap_or(text);
    first.starts_with(|sign: char| sign.is_alphabetic() || "%‰°℃℉′″/µ$€£\"".contains(sign))
        && without_power.chars().all(|sign| inside(sign) || sign == ' ')
        && !without_power.ends_with(' ')
        && text.split(' ').zip(text.split(' ').skip(1)).all(|(word, next)| is_one(word, next))
        && text.chars().count() <= UNIT_LENGTH_MAX
}

/// Whether a blank stands within one unit: `% rH`, `µg / m³`.
fn is_one(word: &str, next: &str) -> bool {
    word.ends_with(['%', '/']) || next.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_left_out_and_other_text_is_not() {
        for (text, number) in [
            ("20.6 ℃", Some(20.6)),
            ("21.5°C", Some(21.5)),
            ("45%", Some(45.0)),
            ("21.50 *C", Some(21.5)),
            ("48.3'C", Some(48.3)),
            ("48 % rH", Some(48.0)),
            ("5 µg / m³", Some(5.0)),
            ("2*3", None),
            ("2'3", None),
            ("3 zones open", None),
            ("48 % 3", None),
            ("640136 seconds", Some(640_136.0)),
            ("3 m³/h", Some(3.0)),
            ("9.81m/s2", Some(9.81)),
            ("1.5e3 W", Some(1_500.0)),
            ("-4\u{a0}dBm", Some(-4.0)),
            ("5 €", Some(5.0)),
            ("51N.0601", None),
            ("0x1F", None),
            ("0x1", None),
            ("21.5e", None),
            ("12:30", None),
            ("0T03:38:34", None),
            ("2024-01-31", None),
            ("3 V 2 A", None),
            ("12A4", None),
            ("V 5", None),
            ("5 thisisnounitofmeasure", None),
            ("", None),
        ] {
            assert_eq!(strip(text, Mark::Plain), number, "{text}");
        }
        assert_eq!(strip("19,5 kWh", Mark::Comma), Some(19.5));
    }

    /// Anyone may send a long text: it costs milliseconds, and minutes if each of its signs may begin the unit.
    #[test]
    fn a_long_text_is_looked_at_where_a_unit_can_stand() {
        let begin = std::time::Instant::now();
        for sign in ["\"", "a", "1", " ", "9 V "] {
            assert_eq!(strip(&sign.repeat(100_000), Mark::Plain), None, "{sign}");
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}
