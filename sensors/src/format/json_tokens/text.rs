//! Strings of JSON, and their escapes.

use crate::format::tree::Shown;
use std::borrow::Cow;
use std::ops::Deref;

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Text<'a> {
    pub(super) raw: &'a str,
    pub(super) escaped: bool,
}

impl Shown for Text<'_> {
    #[inline]
    fn shown(self) -> impl Deref<Target = str> {
        self.unescaped()
    }
}

impl<'a> Text<'a> {
    /// The text with its escapes resolved.
    #[inline]
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (character, tail) = code_point(after);
                text.push(character);
                rest = tail;
                continue;
            }
            Some(itself) => text.push(itself),
            None => {}
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text
}

/// The character of `uXXXX` or `uXXXX\uXXXX`, and what follows.
fn code_point(text: &str) -> (char, &str) {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let tail = |count: usize| text.get(count..).unwrap_or_default();
    let first = unit(text).unwrap_or(0xfffd);
    let second = text.get(5..).and_then(|rest| rest.strip_prefix('\\')).and_then(unit);
    match (first, second) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), tail(11))
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), tail(5)),
    }
}
