//! A payload that cannot be used, for people.

use headwater_text::is_unsafe;
use std::fmt::{self, Display, Write};

/// How much of a payload is shown (bytes).
const SHOWN_BYTES: usize = 80;

/// Why a payload, or a part of it, is refused; `{:#}` also shows how it begins.
pub(super) struct Refused<'a> {
    pub(super) why: &'a dyn Display,
    /// Empty: there is none.
    pub(super) payload: &'a [u8],
}

impl Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.why)?;
        if !f.alternate() || self.payload.is_empty() {
            return Ok(());
        }
        f.write_str("; the payload is `")?;
        let shown = self.payload.get(..SHOWN_BYTES).unwrap_or(self.payload);
        match std::str::from_utf8(shown) {
            Ok(text) => escape(text, f)?,
            // The last character is cut off.
            Err(error) if error.error_len().is_none() => {
                let whole = shown.get(..error.valid_up_to()).unwrap_or_default();
                escape(std::str::from_utf8(whole).unwrap_or_default(), f)?;
            }
            Err(_) => write!(f, "{}", shown.escape_ascii())?,
        }
        if shown.len() < self.payload.len() {
            write!(f, "` and so on, {} bytes", self.payload.len())
        } else {
            f.write_char('`')
        }
    }
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        if is_unsafe(c) { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_shown_as_far_as_it_helps() {
        let shown = |payload: &[u8]| format!("{:#}", Refused { why: &"bad", payload });
        assert_eq!(shown(b""), "bad");
        assert_eq!(shown(br#"{"t": 1"#), r#"bad; the payload is `{"t": 1`"#);
        assert_eq!(shown("21,5 °C\n\u{202e}".as_bytes()), r"bad; the payload is `21,5 °C\n\u{202e}`");
        assert_eq!(shown(b"\xa2\x00a"), r"bad; the payload is `\xa2\x00a`");
        assert_eq!(
            shown(&[b'x'; 81]),
            format!("bad; the payload is `{}` and so on, 81 bytes", "x".repeat(80))
        );
        let cut = format!("{}é", "x".repeat(79));
        assert_eq!(
            shown(cut.as_bytes()),
            format!("bad; the payload is `{}` and so on, 81 bytes", "x".repeat(79))
        );
        assert_eq!(format!("{}", Refused { why: &"bad", payload: b"x" }), "bad");
    }
}
