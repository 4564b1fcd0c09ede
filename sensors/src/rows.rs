//! Tables as text (RFC 4180), read record by record: for the payload format and for recordings.
//!
//! Deviations: `;` or tab separates cells if the first line has one and no comma; lines before it that start with `#`
//! are skipped; a line `sep=;` there names the delimiter, as Excel writes it; blanks that separate cells count as one; a record may not exceed a given size, and reading continues with the next line, so that an unclosed
//! quote costs one record and not the file. The reader is written by hand, because it needs only four states over
//! bytes, and replays spend their time elsewhere.

use crate::fields::{DecodeError, Fields, Scalar};
use crate::line::FoundRecord;
use std::io::{self, BufRead};

pub(crate) const COMMA: u8 = b',';

/// The delimiters that the first line is searched for.
const DELIMITERS: [u8; 3] = [COMMA, b';', b'\t'];

/// One record; its memory is reused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DelimitedRow {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

pub(crate) struct Reader<R> {
    input: R,
    delimiter: u8,
    record_bytes_max: usize,
    line: u64,
    next_line: u64,
    is_unclosed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: the cell's end, or the first half of a quote.
    QuoteSeen,
}

impl DelimitedRow {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a cell without surrounding blanks; empty past the last cell.
    pub(crate) fn cell(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default().trim_ascii()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl<R: BufRead> Reader<R> {
    /// Skips so many lines and then comments, and detects the delimiter in the first line unless it is given; the first line is then read as
    /// the first record. A comma that is the decimal mark of numbers is no delimiter.
    pub(crate) fn new(
        mut input: R,
        lines_above: u64,
        delimiter: Option<u8>,
        comma_is_mark: bool,
        record_bytes_max: usize,
    ) -> io::Result<Self> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            input.consume(BYTE_ORDER_MARK.len());
        }
        for _ in 0..lines_above {
            input.skip_until(b'\n')?;
        }
        let mut next_line = lines_above + 1;
        while input.fill_buf()?.first() == Some(&b'#') {
            input.skip_until(b'\n')?;
            next_line += 1;
        }
        let mut delimiter = delimiter;
        if let Some(sign) = said_delimiter(input.fill_buf()?) {
            delimiter = delimiter.or(Some(sign));
            input.skip_until(b'\n')?;
            next_line += 1;
        }
        let start = input.fill_buf()?;
        let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_there = |sign: &u8| first.contains(sign) && !(comma_is_mark && *sign == COMMA);
        let delimiter = delimiter.or_else(|| DELIMITERS.into_iter().find(is_there)).unwrap_or(COMMA);
        Ok(Self { next_line, ..Self::of_rows(input, delimiter, record_bytes_max) })
    }

    /// Reads the rows after the first line.
    pub(crate) fn of_rows(input: R, delimiter: u8, record_bytes_max: usize) -> Self {
        Self { input, delimiter, record_bytes_max, line: 0, next_line: 1, is_unclosed: false }
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The line on which the last record began, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Whether the input ended in quotes, so that the last record may be several rows.
    pub(crate) fn is_unclosed(&self) -> bool {
        self.is_unclosed
    }

    /// Reads other input from here on, which begins after a line that was read.
    pub(crate) fn go_on_in(&mut self, input: R, after_line: u64) {
        (self.input, self.next_line, self.is_unclosed) = (input, after_line + 1, false);
    }

    /// The largest record (bytes).
    pub(crate) fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Reads the next record; blank lines are skipped.
    pub(crate) fn read(&mut self, record: &mut DelimitedRow) -> io::Result<FoundRecord> {
        loop {
            self.line = self.next_line;
            let found = self.read_any(record)?;
            if found != FoundRecord::Record || record.len() > 1 || !record.cell(0).is_empty() {
                return Ok(found);
            }
        }
    }

    fn read_any(&mut self, record: &mut DelimitedRow) -> io::Result<FoundRecord> {
        record.clear();
        let mut state = State::CellStart;
        loop {
            let Some(byte) = self.input.fill_buf()?.first().copied() else {
                if state == State::CellStart && record.ends.is_empty() {
                    return Ok(FoundRecord::End);
                }
                self.is_unclosed = state == State::Quoted;
                self.end(state, record);
                return Ok(FoundRecord::Record);
            };
            self.input.consume(1);
            self.next_line += u64::from(byte == b'\n');
            state = match (state, byte) {
                (State::CellStart, b' ' | b'\r') if self.delimiter == b' ' => State::CellStart,
                (State::CellStart, b'"') => State::Quoted,
                (State::Quoted, b'"') => State::QuoteSeen,
                (State::QuoteSeen, b'"') => {
                    record.bytes.push(byte);
                    State::Quoted
                }
                (State::Quoted, _) => {
                    record.bytes.push(byte);
                    State::Quoted
                }
                (_, b'\n') => {
                    self.end(state, record);
                    return Ok(FoundRecord::Record);
                }
                (_, byte) if byte == self.delimiter => {
                    record.ends.push(record.bytes.len());
                    State::CellStart
                }
                (_, byte) => {
                    record.bytes.push(byte);
                    State::Plain
                }
            };
            // An empty cell takes room too.
            if record.bytes.len() + record.ends.len() > self.record_bytes_max {
                self.skip_line(byte == b'\n')?;
                return Ok(FoundRecord::TooLarge);
            }
        }
    }

    /// Ends the last cell of a record. Blanks at the end of a line that they separate begin none.
    fn end(&self, state: State, record: &mut DelimitedRow) {
        if self.delimiter != b' ' || state != State::CellStart || record.ends.is_empty() {
            record.ends.push(record.bytes.len());
        }
    }

    fn skip_line(&mut self, at_end: bool) -> io::Result<()> {
        if !at_end {
            self.input.skip_until(b'\n')?;
            self.next_line += 1;
        }
        Ok(())
    }
}

/// The delimiter that a first line `sep=;` names.
fn said_delimiter(start: &[u8]) -> Option<u8> {
    let line = start.split(|byte| *byte == b'\n').next()?.trim_ascii_end();
    match line.strip_prefix(b"sep=")? {
        [] => Some(b'\t'),
        [sign] => Some(*sign),
        _ => None,
    }
}

/// Adds the cells of a row to `fields`; a column without a path is skipped.
///
/// # Errors
/// More or fewer cells than columns.
pub(crate) fn put_row(
    row: &DelimitedRow,
    paths: &[Option<String>],
    fields: &mut Fields<'_>,
) -> Result<(), DecodeError> {
    let (found, expected) = (row.len(), paths.len());
    if found != expected {
        return Err(DecodeError::new(format!("the row has {found} cells, and the header {expected}")));
    }
    for (index, path) in paths.iter().enumerate() {
        let Some(path) = path else { continue };
        let cell = row.cell(index);
        let want = fields.want(path);
        fields.put(want, path, Scalar::Text(&String::from_utf8_lossy(cell)));
    }
    Ok(())
}

impl From<io::Error> for DecodeError {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Line and cells of each record.
    fn records(text: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut reader = Reader::new(text, 0, None, false, 100).unwrap();
        let mut record = DelimitedRow::default();
        let mut all = Vec::new();
        loop {
            match reader.read(&mut record).unwrap() {
                FoundRecord::End => return all,
                FoundRecord::TooLarge => all.push((reader.line(), vec!["too large".to_owned()])),
                FoundRecord::Record => {
                    let cells =
                        (0..record.len()).map(|n| String::from_utf8_lossy(record.cell(n)).into_owned());
                    all.push((reader.line(), cells.collect()));
                }
            }
        }
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn records_are_read_with_their_lines() {
        let text = b"\xef\xbb\xbftime,value\r\n1, 2 \r\n\r\n\"a,\"\"b\"\"\nc\",3\n,\n4,5";
        let expected = [
            row(1, &["time", "value"]),
            row(2, &["1", "2"]),
            row(4, &["a,\"b\"\nc", "3"]),
            row(6, &["", ""]),
            row(7, &["4", "5"]),
        ];
        assert_eq!(records(text), expected);
        assert_eq!(records(b"a;b\n1,5;2\n"), [row(1, &["a", "b"]), row(2, &["1,5", "2"])]);
        assert_eq!(records(b"a\tb\n1\t2"), [row(1, &["a", "b"]), row(2, &["1", "2"])]);
        assert_eq!(records(b"# x\nsep=;\r\na;b\n1,5;2\n"), [row(3, &["a", "b"]), row(4, &["1,5", "2"])]);
        assert_eq!(records(b"sep=\t\na\tb\n"), [row(2, &["a", "b"])]);
        assert_eq!(records(b"sep=ab\n"), [row(1, &["sep=ab"])]);
        assert_eq!(records(b""), []);
        assert_eq!(records(b"a\n1\n"), [row(1, &["a"]), row(2, &["1"])]);
    }

    #[test]
    fn blanks_that_separate_cells_count_as_one() {
        let text = b"  r  b \"x y\" \"\"  \r\n1   2 3 4\n\n  \n5 6 7 8";
        let mut reader = Reader::new(&text[..], 0, Some(b' '), false, 100).unwrap();
        let mut record = DelimitedRow::default();
        let mut rows = Vec::new();
        while reader.read(&mut record).unwrap() == FoundRecord::Record {
            let cells = (0..record.len()).map(|n| String::from_utf8_lossy(record.cell(n)).into_owned());
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
        assert_eq!(rows, ["r|b|x y|", "1|2|3|4", "5|6|7|8"]);
    }

    #[test]
    fn a_quote_left_open_costs_one_record() {
        let text = format!("a,b\n\"{}\nrest\n1,2\n", "x".repeat(200));
        let expected = [row(1, &["a", "b"]), row(2, &["too large"]), row(3, &["rest"]), row(4, &["1", "2"])];
        assert_eq!(records(text.as_bytes()), expected);
        assert_eq!(records(",".repeat(1000).as_bytes()), [row(1, &["too large"])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = records(&text);
            prop_assert!(lines.iter().zip(lines.iter().skip(1)).all(|(a, b)| a.0 < b.0));
        }

        #[test]
        fn what_is_written_reads_back(rows in prop::collection::vec(prop::collection::vec("[a-z\",;\n]{0,6}", 2..4), 1..5)) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let text: Vec<String> = rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
            let text = format!("head,er\r\n{}", text.join("\r\n"));
            let read = records(text.as_bytes()).into_iter().skip(1).map(|(_, cells)| cells);
            let read: Vec<Vec<String>> = read.collect();
            let trim = |row: &Vec<String>| row.iter().map(|cell| cell.trim_ascii().to_owned()).collect();
            let trimmed: Vec<Vec<String>> = rows.iter().map(trim).collect();
            prop_assert_eq!(read, trimmed);
        }
    }
}
