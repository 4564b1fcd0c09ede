//! CSV: one row for each number of a summary, a reading or an alert. The columns are the same for every message, so
//! that messages of all kinds and streams can share a file. Other kinds of messages have no rows.
//!
//! Rows are those of RFC 4180 with a line feed at their end. No cell holds a line break: it becomes a space, so that a
//! file can be cut off at any line. Lists (points, evidence) and sketches have no place in a row and are left out.

use super::fields::{Describe, Fields};
use super::kinds::Encoded;
use super::place::Placer;
use headwater_pipeline::event::Event;
use serde::Serialize;
use serde_json::Value;

/// The columns that are the same for all rows of a message.
const COLUMNS: [&str; 16] = [
    "kind",
    "id",
    "rev",
    "agent",
    "stream",
    "series",
    "labels",
    "time",
    "start",
    "end",
    "state",
    "severity",
    "detector",
    "reason",
    "partial",
    "retracted",
];

/// The kinds that have rows.
const KINDS: [&str; 3] = ["summary", "reading", "alert"];

/// Whether messages of the kind have rows.
pub(super) fn has_rows(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// The first line of a file.
pub(super) fn header() -> String {
    format!("{},name,value\n", COLUMNS.join(","))
}

/// Appends the rows of an event.
///
/// # Errors
/// A value that cannot be written.
pub(super) fn encode(event: &Event, placer: &dyn Placer, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let mut cells = Cells::default();
    Encoded { event, placer }.describe(&mut cells);
    cells.failed.map_or(Ok(()), Err)?;
    let shared = cells.shared.map(|cell| quoted(&cell)).join(",");
    for (name, value) in cells.numbers {
        to.extend_from_slice(format!("{shared},{},{value}\n", quoted(&name)).as_bytes());
    }
    Ok(())
}

/// The cells of a message.
#[derive(Default)]
struct Cells {
    shared: [String; COLUMNS.len()],
    /// One row each.
    numbers: Vec<(String, Value)>,
    failed: Option<serde_json::Error>,
}

impl Fields for Cells {
    fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let value = match serde_json::to_value(value) {
            Ok(value) => value,
            Err(error) => {
                self.failed.get_or_insert(error);
                return;
            }
        };
        let column = COLUMNS.iter().zip(&mut self.shared).find(|(column, _)| **column == name);
        match (column, value) {
            (Some((_, cell)), Value::String(text)) => *cell = text,
            (Some((_, cell)), value) => *cell = value.to_string(),
            (None, value @ Value::Number(_)) if name != "v" => self.numbers.push((name.to_owned(), value)),
            // The numbers of a group's alert, by series.
            (None, Value::Object(numbers)) if name == "values" => {
                self.numbers.extend(numbers.into_iter().filter(|(_, value)| value.is_number()));
            }
            _ => {}
        }
    }
}

/// A cell, in quotes if it needs them.
fn quoted(cell: &str) -> String {
    let line = cell.replace(['\n', '\r'], " ");
    if line.contains([',', '"']) { format!("\"{}\"", line.replace('"', "\"\"")) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unplaced;
    use headwater_pipeline::event::{ClockMark, Reading, Subject, Timestamp};

    #[test]
    fn a_row_has_every_column_and_quotes_what_would_break_it() {
        let about = Subject {
            agent: "g7".into(),
            stream: "climate".into(),
            series: "a \"b\", c\nd".into(),
            labels: [("room".into(), "2, left".into())].into(),
        };
        let time = Timestamp { ms: 1_000, clock: ClockMark::True };
        let mut rows = Vec::new();
        encode(&Event::Reading(Reading { about, time, rev: 2, value: -0.5 }), &Unplaced, &mut rows).unwrap();
        let text = String::from_utf8(rows).unwrap();
        let (before, after) =
            (r#"2,g7,climate,"a ""b"", c d","#, r#","{""room"":""2, left""}",1000,,,,,,,,,value,-0.5"#);
        assert!(text.starts_with("reading,") && text.contains(before), "{text}");
        assert!(text.contains("@1000#2"), "its id is none of another reading of its time: {text}");
        assert_eq!(
            text.trim_end().strip_suffix(&after[1..]).map(|rest| rest.ends_with(before)),
            Some(true),
            "{text}"
        );
        assert_eq!(header().trim_end().split(',').count(), COLUMNS.len() + 2);
        let guide = include_str!("../../../forwarder/src/output/file/README.md");
        assert!(guide.contains(&header()), "the guide shows {}", header());
        assert_eq!(text.lines().count(), 1, "a line break in a name breaks no row");
    }
}
