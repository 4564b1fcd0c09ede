//! What pictures share: their style, on light and on dark ground, and text as XML has it.

pub(crate) mod axis;

use headwater_text::{LINE_BYTES_MAX, clean};

/// The style of text, lines and ground.
pub(crate) const STYLE: &str = "
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#52606d}
.ground{fill:#fff}
.title{font-size:18px;font-weight:600;fill:#1f2933}
.series{font-size:13px;font-weight:600;fill:#323f4b}
.end{text-anchor:end}.mid{text-anchor:middle}
.grid{fill:none;stroke:#e4e7eb;stroke-width:1}.axis{fill:none;stroke:#9aa5b1;stroke-width:1}
@media (prefers-color-scheme:dark){text{fill:#9fb3c8}.ground{fill:#131a22}.title,.series{fill:#e4ecf4}.grid{stroke:#2a3542}.axis{stroke:#627d98}}
";

/// The begin of a picture of this size (pixels of its own), with a style of its own after the common one.
pub(crate) fn begin(width: f64, height: f64, style: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}{style}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
    )
}

/// Text as XML has it, clean; what XML has no place for is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in clean(text, LINE_BYTES_MAX).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{FFFE}' | '\u{FFFF}' => {}
            character => escaped.push(character),
        }
    }
    escaped
}
