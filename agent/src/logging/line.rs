//! The text of a log line: the message, then `name=value`, without anything that a terminal or a log's reader obeys.
//!
//! Limit: [`LINE_BYTES_MAX`] a line. A value that is longer is not even formatted to its end.

use headwater_text::{CleanWriter, LINE_BYTES_MAX};
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes the fields of an event on one clean line.
pub(super) struct CleanFields;

impl<'w> FormatFields<'w> for CleanFields {
    fn format_fields<R: RecordFields>(&self, mut to: Writer<'w>, fields: R) -> fmt::Result {
        fields.record(&mut Line { to: CleanWriter::new(&mut to, LINE_BYTES_MAX), is_begun: false });
        Ok(())
    }
}

struct Line<'a, 'w> {
    to: CleanWriter<'a, Writer<'w>>,
    is_begun: bool,
}

impl Visit for Line<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What `log` says of the place in a library's code.
        if field.name().starts_with("log.") {
            return;
        }
        let blank = if std::mem::replace(&mut self.is_begun, true) { " " } else { "" };
        // An error says that the line is full.
        let _ = match field.name() {
            "message" => write!(self.to, "{blank}{value:?}"),
            name => write!(self.to, "{blank}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::limit::LineLimit;
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::prelude::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// The lines that are written, of every level.
    pub(in super::super) fn logged(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let written = tracing_subscriber::fmt::layer().fmt_fields(CleanFields).with_writer(lines.clone());
        let written = written.with_target(false).without_time().with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(LineLimit::default()).with(written);
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_line_stays_one_line() {
        let forged = "gone\n 0.1s ERROR all is lost\u{202e}\u{1b}[2J";
        let line = logged(|| tracing::warn!(source = "f\n", count = 3, %forged, "lost: {forged}"));
        let shown = "gone  0.1s ERROR all is lost��[2J";
        assert_eq!(line, format!(" WARN lost: {shown} source=\"f\\n\" count=3 forged={shown}\n"));
    }

    #[test]
    fn a_line_is_bounded() {
        let long = "x".repeat(1 << 20);
        let line = logged(|| tracing::warn!(a = long, b = long, "{long}"));
        assert!(line.len() < LINE_BYTES_MAX + 10 && line.ends_with("x…\n"), "{}", line.len());
    }
}
