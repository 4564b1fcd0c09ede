//! Text as a value of TOML, for configs that the program writes.

use std::fmt::Write as _;

/// The text as a basic string of TOML, in quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Or};
    use std::path::Path;

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "plain", "a\"b\\c", "tab\t and\nlines\r\u{7f}\u{1b}", "ä{b}/#+", "'''"] {
            let document =
                Document::parse(Path::new("t.toml"), &format!("key = {}\n", quoted(text)), |_| None);
            assert_eq!(document.root().string("key").given().as_deref(), Some(text));
        }
    }
}
