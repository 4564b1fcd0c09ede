//! Series globs: `*` matches any text, `/` included; `?` matches one character. Every other character matches itself.

/// Whether a name matches a glob. Time is bounded by the product of the lengths.
#[must_use]
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n) = (0, 0);
    // The place of the last star, and how far it reaches: on a mismatch it takes in one more byte.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(b'?') => {
                g += 1;
                n += character_length(name, n);
            }
            Some(byte) if name.get(n) == Some(byte) => {
                g += 1;
                n += 1;
            }
            _ => match star {
                None => return false,
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    g = at + 1;
                    n = swallowed + 1;
                }
            },
        }
    }
    glob.iter().skip(g).all(|byte| *byte == b'*')
}

/// The texts that the `*` of a pattern match, the first one as short as possible, and so on; `None`: the name does
/// not match. `?` is an ordinary character here.
#[must_use]
pub fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let mut parts = pattern.split('*');
    let mut rest = name.strip_prefix(parts.next()?)?;
    let Some(last) = parts.next_back() else { return rest.is_empty().then(Vec::new) };
    let mut texts = Vec::new();
    for part in parts {
        let (text, after) = rest.split_once(part)?;
        texts.push(text);
        rest = after;
    }
    texts.push(rest.strip_suffix(last)?);
    Some(texts)
}

/// Bytes of the UTF-8 character that starts at `at`.
fn character_length(name: &[u8], at: usize) -> usize {
    1 + name.iter().skip(at + 1).take_while(|byte| **byte & 0xC0 == 0x80).count()
}

/// Whether any name matches both globs.
#[must_use]
pub fn may_meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `row[j]`: whether the rest of `one` can match `other[j..]`; built from the ends backwards.
    let mut row: Vec<bool> = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let below = std::mem::take(&mut row);
        row = vec![false; other.len() + 1];
        for j in (0..=other.len()).rev() {
            let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or(false);
            let meets = match (one.get(i), other.get(j)) {
                (None, None) => true,
                (Some('*'), None) => at(&below, j),
                (None, Some('*')) => at(&row, j + 1),
                (Some('*'), Some(_)) | (Some(_), Some('*')) => at(&below, j) || at(&row, j + 1),
                (Some(a), Some(b)) => (a == b || *a == '?' || *b == '?') && at(&below, j + 1),
                _ => false,
            };
            if let Some(cell) = row.get_mut(j) {
                *cell = meets;
            }
        }
    }
    row.first().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{matches, may_meet};

    #[test]
    fn globs_meet_where_one_name_fits_both() {
        for (one, other) in [
            ("*/temp", "greenhouse/*/climate/temp"),
            ("*", "*"),
            ("a*", "*b"),
            ("bed?", "*1"),
            ("", "*"),
            ("greenhouse/*/climate/*", "*/hum"),
        ] {
            assert!(may_meet(one, other) && may_meet(other, one), "{one} {other}");
        }
        for (one, other) in [("*/temp", "greenhouse/*/climate/hum"), ("a*", "b*"), ("abc", "ab"), ("", "?")] {
            assert!(!may_meet(one, other) && !may_meet(other, one), "{one} {other}");
        }
    }

    #[test]
    fn stars_cross_levels_and_backtrack() {
        for (glob, name) in [
            ("*", ""),
            ("*/temp", "greenhouse/bed1/climate/temp"),
            ("greenhouse/*/temp", "greenhouse/a/temp/b/temp"),
            ("a*b*c", "aXbXbXc"),
            ("bed?", "bed1"),
            ("bed?", "bedé"),
            ("exact", "exact"),
            ("**", "anything/at/all"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("*/temp", "temp"),
            ("a*b*c", "aXcXb"),
            ("bed?", "bed"),
            ("exact", "exactly"),
            ("", "x"),
            ("*a", "b"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }
}
