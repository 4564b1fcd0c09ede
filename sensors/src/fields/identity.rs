//! The identity of a record: its own name and labels as one text, which is the key of its series.
//!
//! ```text
//! NUL name     SOH key STX value     …
//! ```
//!
//! Names, keys and values are safe ([`safe`]), so that the text can be split again.

use crate::safe_name::safe;

const NAME: char = '\0';
const KEY: char = '\u{1}';
const VALUE: char = '\u{2}';

/// Appends the record's name.
pub(crate) fn push_name(to: &mut String, name: &str) {
    to.push(NAME);
    to.push_str(&safe(name));
}

/// Appends a label.
pub(crate) fn push_label(to: &mut String, key: &str, value: &str) {
    to.push(KEY);
    to.push_str(&safe(key));
    to.push(VALUE);
    to.push_str(&safe(value));
}

/// The record's name, if it has one.
pub(crate) fn name(identity: &str) -> Option<&str> {
    identity.split(NAME).nth(1).and_then(|rest| rest.split(KEY).next())
}

/// The record's labels, in the order in which it names them.
pub(crate) fn labels(identity: &str) -> impl Iterator<Item = (&str, &str)> {
    identity.split(KEY).skip(1).filter_map(|label| label.split(NAME).next()?.split_once(VALUE))
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
            prop_assert_eq!(name(&identity).map(str::to_owned), named.then(|| clean(&text)));
            let found: Vec<_> = labels(&identity).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let pushed: Vec<_> = pairs.iter().map(|(key, value)| (clean(key), clean(value))).collect();
            prop_assert_eq!(found, pushed);
        }
    }
}
