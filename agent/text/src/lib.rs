//! Text from outside, made safe to show: on a terminal, in a log, in a message, on a page.
//!
//! A broker's reason, a topic or a payload may hold characters that a terminal obeys, that begin a new line of a log, or
//! that turn the order of what is read (Unicode TR 36; CVE-2021-42574). Text passes [`clean`] once, where it leaves the
//! program for a person. Names of series have a rule of their own, because they must stay different from each other.
//!
//! Cost: one pass. Text that is safe and short is borrowed.

use std::borrow::Cow;
use std::fmt;

/// The longest line that is shown (bytes).
pub const LINE_BYTES_MAX: usize = 1024;

/// The end of a text that was longer.
const CUT: char = '…';

/// Whether a character has a meaning beyond its shape: C0, DEL and C1 controls, bidirectional marks, and the separators
/// of lines and paragraphs.
#[must_use]
pub const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}'
        | '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

/// The character that is shown: a blank for breaks of lines and tabs, U+FFFD for other unsafe characters.
const fn shown(c: char) -> char {
    match c {
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if is_unsafe(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// One line of at most `bytes_max` bytes without unsafe characters. A longer text ends with `…`.
#[must_use]
pub fn clean(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::new();
    // An error says that the text is longer: it has been cut.
    let _ = fmt::Write::write_str(&mut CleanWriter::new(&mut cleaned, bytes_max), text);
    Cow::Owned(cleaned)
}

/// A JSON document on one line, in which unsafe characters are escaped: no text is lost, and no terminal obeys it.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unsafe(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Cleans what is written through it, as [`clean`] does. Past its bound it writes `…` once, and from then on fails, so
/// that whoever formats a large value stops.
#[derive(Debug)]
pub struct CleanWriter<'w, W: fmt::Write> {
    to: &'w mut W,
    /// Room left (bytes), beside that for [`CUT`].
    left: usize,
    is_cut: bool,
}

impl<'w, W: fmt::Write> CleanWriter<'w, W> {
    /// A writer of at most `bytes_max` bytes to `to`.
    pub fn new(to: &'w mut W, bytes_max: usize) -> Self {
        Self { to, left: bytes_max.saturating_sub(CUT.len_utf8()), is_cut: false }
    }
}

impl<W: fmt::Write> fmt::Write for CleanWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.write_char(c)?;
        }
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        let c = shown(c);
        match self.left.checked_sub(c.len_utf8()) {
            _ if self.is_cut => Err(fmt::Error),
            Some(left) => {
                self.left = left;
                self.to.write_char(c)
            }
            None => {
                self.is_cut = true;
                self.to.write_char(CUT)?;
                Err(fmt::Error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// What attackers send, and what is shown of it.
    const CORPUS: &[(&str, &str)] = &[
        ("\u{1b}[31mred\u{1b}[0m", "�[31mred�[0m"),
        ("\u{1b}]0;title\u{7}", "�]0;title�"),
        ("\u{9b}2J\u{9d}8;;http://x\u{9c}", "�2J�8;;http://x�"),
        ("ready\nWATCHDOG=trigger\r\nMAINPID=1", "ready WATCHDOG=trigger  MAINPID=1"),
        ("a\0b\u{7f}c\td\u{b}e\u{c}f", "a�b�c d e f"),
        ("next\u{85}line\u{2028}and\u{2029}part", "next line and part"),
        ("\u{202e}gnp.exe\u{202c}", "�gnp.exe�"),
        ("\u{2066}\u{2067}\u{2068}\u{2069}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202d}", "����������"),
        ("21.5 °C, 湿度, e\u{301}, 🌡\u{fe0f}", "21.5 °C, 湿度, e\u{301}, 🌡\u{fe0f}"),
    ];

    #[test]
    fn what_a_terminal_obeys_is_not_shown() {
        for (hostile, expected) in CORPUS {
            let cleaned = clean(hostile, LINE_BYTES_MAX);
            assert_eq!(cleaned, *expected);
            assert!(!cleaned.contains(is_unsafe), "{hostile:?}");
            assert!(matches!(clean(&cleaned, LINE_BYTES_MAX), Cow::Borrowed(_)), "{hostile:?}");
        }
        let escaped = escape_json("{\"a\u{9b}\":\"\u{202e}x\"}");
        assert_eq!(escaped, "{\"a\\u009b\":\"\\u202ex\"}");
        assert!(matches!(escape_json("{\"a\":\"°\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_text_is_bounded() {
        let megabyte = "\u{1b}[2J湿".repeat(1 << 17);
        for max in [0, 1, 3, 4, 100, LINE_BYTES_MAX] {
            let cleaned = clean(&megabyte, max);
            assert!(cleaned.len() <= max.max(CUT.len_utf8()) && cleaned.ends_with(CUT), "{max}: {cleaned}");
        }
        assert_eq!(clean("exactly", 7), "exactly");
        assert_eq!(clean("exactly8", 7), "exac…");
        let mut line = String::new();
        let mut writer = CleanWriter::new(&mut line, 8);
        assert!(write!(writer, "a\n{}", "b".repeat(1 << 20)).is_err() && writer.write_char('c').is_err());
        assert_eq!(line, "a bbb…");
    }
}
