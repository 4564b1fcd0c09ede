//! Names from outside, made safe once, where they come in: those of series, and the values and keys of labels.
//!
//! A topic or a key of a payload may hold what a broker answers by closing the connection (MQTT 5.0, 1.5.4; mosquitto
//! also counts levels), what a terminal obeys, or what hides another name. In such a name each unsafe character, and each
//! `/` past [`LEVELS_MAX`] levels, becomes `_`, and `~` and a hash of the name as it was follow: different names stay
//! different. A name that ends in such a hash by itself gets another one. Empty levels, a leading `$`, `+` and `#` stay:
//! brokers pass the first two on, and the MQTT output replaces the others.

use crate::hash::stable_wide;
use headwater_text::is_unsafe;
use std::borrow::Cow;
use std::fmt::Write;

/// The most levels of a name. mosquitto takes 200 of a topic, and an output adds its own.
const LEVELS_MAX: usize = 128;

/// Digits of the hash.
const DIGITS: usize = 16;

/// The name, safe. Only a name that was changed is owned.
pub(crate) fn safe(name: &str) -> Cow<'_, str> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    let levels = name.bytes().filter(|byte| *byte == b'/').count() + 1;
    if levels <= LEVELS_MAX && !name.contains(is_unsafe) && !is_marked(name) {
        return Cow::Borrowed(name);
    }
    let mut level = 1;
    let safe_char = |c: char| {
        level += usize::from(c == '/');
        if is_unsafe(c) || c == '/' && level > LEVELS_MAX { '_' } else { c }
    };
    let mut safe: String = name.chars().map(safe_char).collect();
    // Writing to a string cannot fail.
    let _ = write!(safe, "~{:0DIGITS$x}", stable_wide(&[name.as_bytes()]));
    Cow::Owned(safe)
}

/// Whether a name is short, of printable ASCII and without `~`, as nearly all are: a look at its bytes shows that it is safe.
#[inline]
fn is_plain(name: &str) -> bool {
    name.len() < LEVELS_MAX && name.bytes().all(|byte| matches!(byte, b' '..=b'}'))
}

/// Whether a name ends as one that was changed.
pub(crate) fn is_marked(name: &str) -> bool {
    let digits = name.rsplit_once('~').map_or("", |(_, digits)| digits);
    digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_safe_stays_as_it_is() {
        let deep = ["x"; LEVELS_MAX].join("/");
        for name in ["a/b/temp", "/home//temp", "$SYS/load", "b+d#1", "Größe/湿度", "a~b", "", &deep] {
            assert!(matches!(safe(name), Cow::Borrowed(_)), "{name}");
        }
    }

    #[test]
    fn what_closes_connections_or_moves_a_cursor_is_replaced() {
        for (name, shown) in [
            ("a/t\u{1}", "a/t_~"),
            ("\u{1b}[2J", "_[2J~"),
            ("a\nb\u{9b}\u{202e}\u{2028}", "a_b___~"),
            ("x~0123456789abcdef", "x~0123456789abcdef~"),
        ] {
            let safe_name = safe(name);
            let digits = safe_name.strip_prefix(shown).unwrap_or_else(|| panic!("{safe_name}"));
            assert!(digits.len() == DIGITS && is_marked(&safe_name));
        }
        let deep = safe(&["x"; LEVELS_MAX + 2].join("/")).into_owned();
        assert_eq!(deep.split('/').count(), LEVELS_MAX);
        assert!(deep.contains("/x_x_x~"), "{deep}");
    }

    proptest! {
        /// Few characters, so that names are often alike.
        #[test]
        fn different_names_stay_different(a in "[_/\u{1}\u{2}~a0]{0,6}", b in "[_/\u{1}\u{2}~a0]{0,6}") {
            prop_assert_eq!(a == b, safe(&a) == safe(&b));
            let (once, again) = (safe(&a).into_owned(), safe(&safe(&a)).into_owned());
            prop_assert!(!once.contains(is_unsafe));
            prop_assert_eq!(once == again, once == a, "a changed name that comes in by itself is another one");
        }
    }
}
