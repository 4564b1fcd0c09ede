//! The identity of a record: its own name and labels, and its fields that stand in names, as one text, which is the key
//! of its series.
//!
//! ```text
//! NUL name     SOH key STX value     …     ETX value     …
//! ```
//!
//! Names, keys and values are safe ([`safe`]), so that the text can be split again.

use super::NAME_BYTES_MAX;
use crate::safe_name::safe;

const NAME: char = '\0';
const KEY: char = '\u{1}';
const VALUE: char = '\u{2}';
const PLACE: char = '\u{3}';

/// Appends the record's name.
pub(crate) fn push_name(to: &mut String, name: &str) {
    to.push(NAME);
    push_safe(to, name);
}

/// Appends a label.
pub(crate) fn push_label(to: &mut String, key: &str, value: &str) {
    to.push(KEY);
    push_safe(to, key);
    to.push(VALUE);
    push_safe(to, value);
}

/// Appends the value of a field that stands in a name, after name and labels; empty: the record lacks it.
pub(crate) fn push_place(to: &mut String, value: &str) {
    to.push(PLACE);
    push_safe(to, value);
}

/// Appends a part. Of one that no name can hold there is enough to be refused: it may come again with every record.
fn push_safe(to: &mut String, part: &str) {
    if part.len() > NAME_BYTES_MAX {
        to.push_str(cut(part));
    } else {
        to.push_str(&safe(part));
    }
}

/// As much of a text as shows that no name can hold it.
pub(crate) fn cut(text: &str) -> &str {
    const CHARACTER_BYTES_MAX: usize = 4;
    if text.len() <= NAME_BYTES_MAX {
        return text;
    }
    let mut ends = NAME_BYTES_MAX + 1..=NAME_BYTES_MAX + CHARACTER_BYTES_MAX;
    ends.find_map(|end| text.get(..end)).unwrap_or(text)
}

/// The record's name, if it has one.
pub(crate) fn name(identity: &str) -> Option<&str> {
    identity.split(NAME).nth(1).and_then(|rest| rest.split([KEY, PLACE]).next())
}

/// The record's labels, in the order in which it names them.
pub(crate) fn labels(identity: &str) -> impl Iterator<Item = (&str, &str)> {
    identity.split(KEY).skip(1).filter_map(|label| label.split([NAME, PLACE]).next()?.split_once(VALUE))
}

/// The values of the fields that stand in names, in the order in which they were appended.
pub(crate) fn places(identity: &str) -> impl Iterator<Item = &str> {
    identity.split(PLACE).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_found(text: String, pairs in prop::collection::vec(any::<(String, String)>(), 0..4), at in 0..4_usize) {
            let clean = |text: &str| safe(text).into_owned();
            let mut identity = String::new();
            for (n, (key, value)) in pairs.iter().enumerate() {
                if n == at {
                    push_name(&mut identity, &text);
                }
                push_label(&mut identity, key, value);
            }
            let named = at < pairs.len();
            pairs.iter().for_each(|(_, value)| push_place(&mut identity, value));
            let found: Vec<_> = places(&identity).map(str::to_owned).collect();
            prop_assert_eq!(found, pairs.iter().map(|(_, value)| clean(value)).collect::<Vec<_>>());
            prop_assert_eq!(name(&identity).map(str::to_owned), named.then(|| clean(&text)));
            let found: Vec<_> = labels(&identity).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let pushed: Vec<_> = pairs.iter().map(|(key, value)| (clean(key), clean(value))).collect();
            prop_assert_eq!(found, pushed);
        }
    }
}
