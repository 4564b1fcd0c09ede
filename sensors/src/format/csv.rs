//! CSV (RFC 4180) as a payload: a header, or configured `columns`, then one record per row.
//!
//! The columns are the fields. A row with more or fewer cells than columns is rejected. When the text is read line by
//! line, as from a file, the first line is the header, and a later line equal to it is a header too. Deviations are
//! those of the reader, `sensors/src/rows.rs`. Cost: the header is compared with the last one, so that a known header
//! allocates nothing.

use super::{Format, FormatKind, SkippedRows, TableLayout, bare};
use crate::fields::{DecodeError, Fields, Position};
use crate::line::FoundRecord;
use crate::rows::{COMMA, DelimitedRow, Reader, put_row};
use crate::text::TextRules;
use headwater_settings::{Or, Table};

pub(super) const KIND: FormatKind = FormatKind { name: "csv", read, sample: SAMPLE };

const SAMPLE: &str = "\
format = \"csv\"
# delimiter = \",\"            # or \";\", \"tab\", any one sign; left out: what the first line has of these
# columns = [\"time\", \"temp\"] # left out: the first line names them
# skip_lines = 0             # lines above the header that are passed over
# skip_rows = 0              # rows below it that hold no readings, such as units
# header = true              # whether the first line is a header; with `columns`: false
";

/// The most lines above a header, and rows below it, that are skipped.
const SKIPPED_MAX: i64 = 1_000;

#[derive(Clone, Debug)]
struct Csv {
    /// `None`: detected in the first line.
    delimiter: Option<u8>,
    comma_is_mark: bool,
    has_header: bool,
    skipped: SkippedRows,
    columns: Columns,
    row: DelimitedRow,
    /// What is still to be skipped of a text that comes line by line.
    to_skip: SkippedRows,
}

/// The columns of the table.
#[derive(Clone, Debug, Default)]
struct Columns {
    /// The header that named them; empty if the config did, or before the first header.
    header: DelimitedRow,
    /// The delimiter under this header; 0 before the first line.
    delimiter: u8,
    /// The path of each column; `None`: a column without a name.
    paths: Vec<Option<String>>,
}

fn read(table: &mut Table<'_>, text: &TextRules) -> Option<Box<dyn Format>> {
    let delimiter = read_delimiter(table)?;
    let comma_is_mark = text.has_comma();
    if comma_is_mark && delimiter == Some(COMMA) {
        let fix = "separate the cells by \";\" or \"tab\"";
        table.refuse(table.place_of("decimal"), "`decimal` and `delimiter` are the same", fix);
        return None;
    }
    let columns = table.strings("columns");
    let has_header = table.boolean("header").value_or(columns.is_none());
    if columns.as_ref().is_none_or(|columns| columns.value.is_empty()) && (columns.is_some() || !has_header) {
        let fix = "name one for each cell of a row: columns = [\"time\", \"temp\"]";
        table.refuse(table.place_of("columns"), "no columns", fix);
        return None;
    }
    let mut lines = |key| table.integer(key, 0..=SKIPPED_MAX).value_or(0).unsigned_abs();
    let skipped = SkippedRows { above: lines("skip_lines"), below: lines("skip_rows") };
    let paths = columns.given().unwrap_or_default().into_iter().map(|name| Some(name.value)).collect();
    let columns = Columns { paths, ..Columns::default() };
    let row = DelimitedRow::default();
    Some(Box::new(Csv { delimiter, comma_is_mark, has_header, skipped, columns, row, to_skip: skipped }))
}

/// `None`: there is a mistake; `Some(None)`: not configured.
fn read_delimiter(table: &mut Table<'_>) -> Option<Option<u8>> {
    let Some(text) = table.string("delimiter") else { return Some(None) };
    match text.value.as_bytes() {
        b"tab" => Some(Some(b'\t')),
        [sign] if (sign.is_ascii_punctuation() || b" \t".contains(sign)) && !b"\"'.-+".contains(sign) => {
            Some(Some(*sign))
        }
        _ => {
            let what = format!("`delimiter` cannot be `{}`", text.value);
            table.refuse(text.span, what, "write one sign such as \",\" or \";\", or \"tab\"");
            None
        }
    }
}

impl Format for Csv {
    fn table(&self) -> TableLayout<'_> {
        TableLayout {
            skipped: self.skipped,
            delimiter: self.delimiter,
            columns: &self.columns.paths,
            has_own_header: self.has_header,
        }
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let payload = bare(payload);
        if payload.is_empty() {
            fields.end();
            return Ok(());
        }
        let Self { skipped, delimiter, comma_is_mark, .. } = *self;
        let mut reader =
            Reader::new(payload, skipped.above, delimiter, comma_is_mark, record_bytes_max(payload))?;
        let mut header = None;
        if self.has_header && reader.read(&mut self.row)? == FoundRecord::Record {
            if reader.is_unclosed() {
                return Err(unclosed(&reader));
            }
            self.on_header(reader.delimiter());
            header = Some(may_be_header(payload, &self.row));
        }
        for _ in 0..skipped.below {
            reader.read(&mut self.row)?;
        }
        let (mut to_skip, mut has_rows, mut was_unclosed) = (0, false, false);
        while reader.read(&mut self.row)? == FoundRecord::Record {
            if reader.is_unclosed() {
                has_rows = true;
                fields.reject(unclosed(&reader));
                // Once, so that quotes without end cost no more than a second pass.
                if std::mem::replace(&mut was_unclosed, true) {
                    break;
                }
                let line = reader.line();
                reader.go_on_in(after_line(payload, line), line);
            } else if self.has_header && self.row == self.columns.header {
                to_skip = skipped.below;
            } else if to_skip > 0 {
                to_skip -= 1;
            } else {
                has_rows = true;
                self.put(Some(Position::Line(reader.line())), fields);
            }
        }
        if !has_rows {
            header.transpose()?;
            fields.end();
        }
        Ok(())
    }

    fn decode_line(&mut self, line: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        if self.to_skip.above > 0 {
            self.to_skip.above -= 1;
            return Ok(());
        }
        let line = bare(line);
        let bytes_max = record_bytes_max(line);
        let is_first = self.columns.delimiter == 0;
        let mut reader = if is_first {
            Reader::new(line, 0, self.delimiter, self.comma_is_mark, bytes_max)?
        } else {
            Reader::of_rows(line, self.columns.delimiter, bytes_max)
        };
        if reader.read(&mut self.row)? != FoundRecord::Record {
            return Ok(());
        }
        if self.has_header && (is_first || self.row == self.columns.header) {
            self.on_header(reader.delimiter());
            self.to_skip.below = self.skipped.below;
        } else if self.to_skip.below > 0 {
            self.to_skip.below -= 1;
            self.columns.delimiter = reader.delimiter();
        } else {
            self.columns.delimiter = reader.delimiter();
            self.put(None, fields);
        }
        Ok(())
    }

    fn resume(&mut self, beginning: &[u8]) {
        let Self { skipped, delimiter, comma_is_mark, .. } = *self;
        let lines =
            beginning.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        self.to_skip.above = skipped.above.saturating_sub(lines as u64);
        let bytes_max = record_bytes_max(beginning);
        let reader = Reader::new(beginning, skipped.above, delimiter, comma_is_mark, bytes_max);
        let Ok(mut reader) = reader else { return };
        if !matches!(reader.read(&mut self.row), Ok(FoundRecord::Record)) {
            return;
        }
        if self.has_header {
            self.on_header(reader.delimiter());
            while self.to_skip.below > 0 && matches!(reader.read(&mut self.row), Ok(FoundRecord::Record)) {
                self.to_skip.below -= 1;
            }
        } else {
            self.to_skip.below = self.to_skip.below.saturating_sub(1);
        }
        self.columns.delimiter = reader.delimiter();
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

impl Csv {
    /// Takes a header row.
    fn on_header(&mut self, delimiter: u8) {
        self.columns.delimiter = delimiter;
        if self.row == self.columns.header {
            return;
        }
        // Configured columns stay; their header is only skipped.
        if self.columns.header.is_empty() && !self.columns.paths.is_empty() {
            return;
        }
        self.columns.header.clone_from(&self.row);
        let name = |cell: &[u8]| (!cell.is_empty()).then(|| String::from_utf8_lossy(cell).into_owned());
        self.columns.paths = (0..self.row.len()).map(|at| name(self.row.cell(at))).collect();
    }

    fn put(&self, at: Option<Position>, fields: &mut Fields<'_>) {
        match put_row(&self.row, &self.columns.paths, fields) {
            Ok(()) => fields.end(),
            Err(error) => fields.reject(DecodeError { at, ..error }),
        }
    }
}

/// A row whose quotes go on to the end of the payload.
fn unclosed(reader: &Reader<&[u8]>) -> DecodeError {
    DecodeError::new("a quote that is not closed").at(Position::Line(reader.line()))
}

/// What follows so many lines.
fn after_line(payload: &[u8], line: u64) -> &[u8] {
    let mut ends = payload.iter().enumerate().filter(|(_, byte)| **byte == b'\n').zip(1..);
    let end = ends.find(|(_, number)| *number == line);
    end.and_then(|((at, _), _)| payload.get(at + 1..)).unwrap_or_default()
}

/// Whether what stands alone can be a header.
///
/// # Errors
/// It is more likely something else.
fn may_be_header(payload: &[u8], row: &DelimitedRow) -> Result<(), DecodeError> {
    let is_number =
        |at| std::str::from_utf8(row.cell(at)).is_ok_and(|cell| cell.trim().parse::<f64>().is_ok());
    if payload.starts_with(b"{") || payload.starts_with(b"[") {
        return Err(DecodeError::new("no table: it begins as JSON does; check `format`"));
    }
    if (0..row.len()).any(is_number) {
        let what = "a header of numbers and no row; if it is a row without a header, write columns = [\"time\", \"temp\"]";
        return Err(DecodeError::new(what));
    }
    Ok(())
}

/// No record can be larger than the payload that it comes from, each cell counted.
fn record_bytes_max(payload: &[u8]) -> usize {
    payload.len() + 1
}

#[cfg(test)]
mod tests {
    use crate::decode::PayloadOrigin;
    use crate::decode::tests::{Seen, config, context, decoded, decoder, feed};
    use proptest::prelude::*;

    fn values(seen: &Seen) -> Vec<(&str, Option<i64>, f64)> {
        seen.readings.iter().map(|(series, time, value)| (series.as_str(), *time, *value)).collect()
    }

    #[test]
    fn every_row_is_a_record_with_its_own_time() {
        let config = "format = \"csv\"\ntime = \"ts\"";
        let text = b"# a logger\n# site;north\nts,temp,note,hum,\n1000,21.5,fine,40,9\n2000,\"22\",,,9\nx,1,,,\n3,4\n";
        let seen = decoded(config, "t", text);
        let expected =
            [("t/temp", Some(1_000), 21.5), ("t/hum", Some(1_000), 40.0), ("t/temp", Some(2_000), 22.0)];
        assert_eq!(values(&seen), expected);
        assert_eq!(seen.invalid.len(), 2, "{seen:?}");
        assert!(seen.invalid[0].contains("`ts` is `x`, not a time"));
        assert_eq!(seen.invalid[1], "the row has 2 cells, and the header 5 (line 7)");
    }

    #[test]
    fn columns_delimiter_and_decimal_are_what_people_say() {
        let german = "format = \"csv\"\ndecimal = \",\"\ncolumns = [\"a\", \"b\"]";
        assert_eq!(
            values(&decoded(german, "t", b"1,5;2\n3;4,25\n")),
            [("t/a", None, 1.5), ("t/b", None, 2.0), ("t/a", None, 3.0), ("t/b", None, 4.25)]
        );
        let renamed = "format = \"csv\"\nheader = true\ncolumns = [\"a\", \"b\"]\nfields = [\"b\"]";
        assert_eq!(values(&decoded(renamed, "t", b"x,y\n1,2\n")), [("t/b", None, 2.0)]);
        let piped = "format = \"csv\"\ndelimiter = \"|\"";
        assert_eq!(values(&decoded(piped, "t", b"a,1|b\n1|2")), [("t/a,1", None, 1.0), ("t/b", None, 2.0)]);
        assert_eq!(
            values(&decoded("format = \"csv\"", "t", b"\xef\xbb\xbfa\tb\n1\ton")),
            [("t/a", None, 1.0), ("t/b", None, 1.0)]
        );
    }

    #[test]
    fn line_by_line_the_first_is_the_header() {
        let mut decoder = decoder("format = \"csv\"");
        let mut seen = Seen::roomy();
        for line in ["# a logger", "", "a;b", "1;2", "a;b", "#3;4", "5"] {
            decoder.on_line("t", line.as_bytes(), PayloadOrigin { name: "t", line: Some(1) }, &mut seen);
        }
        assert_eq!(values(&seen), [("t/a", None, 1.0), ("t/b", None, 2.0), ("t/b", None, 4.0)]);
        assert_eq!(seen.invalid, ["the row has 1 cells, and the header 2"]);
    }

    #[test]
    fn lines_around_the_header_are_passed_over() {
        let keys = "format = \"csv\"\nskip_lines = 1\nskip_rows = 2\ntime = \"TS\"\nfields = [\"T\"]";
        let text = "\"TOA5\",\"CR1\",5\n\"TS\",\"T\"\n\"TS\",\"Deg C\"\n\"\",\"Avg\"\n1000,21.5\nx,2\n";
        let expected = [("t/T", Some(1_000), 21.5)];
        let seen = decoded(keys, "t", text.as_bytes());
        assert_eq!((values(&seen).as_slice(), seen.invalid.len()), (&expected[..], 1), "{seen:?}");
        assert!(decoded(keys, "t", b"a\nTS,T\nu\nv\n1,2,3").invalid[0].contains("(line 5)"));
        for known in 0..6 {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let mut decoder = decoder(keys);
            if known > 0 {
                decoder.resume(lines[..known].concat().as_bytes());
            }
            let mut seen = Seen::roomy();
            for line in &lines[known..] {
                decoder.on_line("t", line.as_bytes(), PayloadOrigin { name: "t", line: None }, &mut seen);
            }
            let expected = if known == 5 { &[][..] } else { &expected[..] };
            assert_eq!((values(&seen).as_slice(), seen.invalid.len()), (expected, 1), "{known}: {seen:?}");
        }
    }

    #[test]
    fn a_text_that_goes_on_keeps_its_header() {
        for (keys, beginning) in [("", &b"# a logger\na;b\n1;2\n"[..]), ("columns = [\"a\", \"b\"]", b"1;2")]
        {
            let mut decoder = decoder(&format!("format = \"csv\"\n{keys}"));
            decoder.resume(beginning);
            let mut seen = Seen::roomy();
            decoder.on_line("t", b"3;4", PayloadOrigin { name: "t", line: None }, &mut seen);
            assert_eq!(values(&seen), [("t/a", None, 3.0), ("t/b", None, 4.0)], "{keys}");
        }
    }

    #[test]
    fn another_header_is_another_table_and_a_known_one_is_kept() {
        let mut decoder = decoder("format = \"csv\"");
        let mut seen = Seen::roomy();
        for payload in ["a,b\n1,2", "b\n3", "a,b\n4,5", "a,b\n"] {
            decoder.on_payload("t", payload.as_bytes(), &mut seen);
        }
        let expected = [("t/a", 1.0), ("t/b", 2.0), ("t/b", 3.0), ("t/a", 4.0), ("t/b", 5.0)];
        assert_eq!(values(&seen), expected.map(|(series, value)| (series, None, value)));
        assert_eq!(seen.invalid, [""; 0]);
        assert_eq!(feed(&mut decoder, "t", b" \n").empty, 1);
        // A logger that begins anew.
        let again = "format = \"csv\"\nfields = [\"a\"]\nskip_rows = 1";
        let seen = decoded(again, "t", b"a,b\nV,A\n1,2\na,b\nV,A\n3,4\n");
        assert_eq!(values(&seen), [("t/a", None, 1.0), ("t/a", None, 3.0)]);
        assert_eq!(seen.invalid, [""; 0]);
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let mistakes = |text: &str| {
            let document =
                headwater_settings::Document::parse(std::path::Path::new("test.toml"), text, |_| None);
            assert!(
                {
                    let mut root = document.root();
                    let rules = crate::TextRules::read(&mut root).unwrap();
                    super::read(&mut root, &rules).is_none()
                },
                "{text}"
            );
            document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect::<String>()
        };
        assert!(mistakes("delimiter = \"ab\"").contains("write one sign"));
        assert!(mistakes("delimiter = \",\"\ndecimal = \",\"").contains("separate the cells by"));
        assert!(mistakes("columns = []").contains("name one for each cell"));
        assert!(mistakes("header = false").contains("name one for each cell"));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..80), lines: bool) {
            let config = config("format = \"csv\"\ndecimal = \",\"\ntime = \"ts\"", &["#"]);
            let mut decoder = crate::Decoder::new(&config, &context());
            let mut seen = Seen::roomy();
            if lines {
                let origin = PayloadOrigin { name: "t", line: None };
                payload.split(|byte| *byte == b'\n').for_each(|line| decoder.on_line("t", line, origin, &mut seen));
            } else {
                decoder.on_payload("t", &payload, &mut seen);
            }
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }
    }
}
