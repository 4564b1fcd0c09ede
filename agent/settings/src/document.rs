//! A parsed file, the mistakes found in it, and how a mistake is shown.

use crate::conceal::{conceal_line, conceal_text};
use crate::fingerprint::{FileContents, fingerprint_of};
use crate::node::{TomlEntry, TomlNode, TomlValue};
use crate::outline::{Step, TableReading};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Whether a mistake stops the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not do what was intended.
    Warning,
}

/// A mistake, its place and the way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Whether it stops the program.
    pub severity: Severity,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// The mistake, with the bad value. Lower case, no full stop.
    pub what: String,
    /// The remedy. Lower case, no full stop; may be empty.
    pub fix: String,
}

/// Where the text of an overlay stands in a document.
#[derive(Debug)]
pub(crate) struct OverlayPlace {
    pub(crate) path: PathBuf,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
}

/// Answers `${NAME}`.
type Environment = Box<dyn Fn(&str) -> Option<String>>;

/// A TOML file, parsed as far as possible, with the mistakes found so far.
pub struct Document {
    path: PathBuf,
    text: String,
    /// Where the second text begins, if there is one.
    pub(crate) overlay: Option<OverlayPlace>,
    pub(crate) root: Vec<TomlEntry>,
    env: Environment,
    mistakes: RefCell<Vec<Mistake>>,
    /// Values from the environment and from other files, which no text shows.
    elsewhere: RefCell<Vec<String>>,
    /// What the files hold that were read with it.
    pub(crate) contents: RefCell<FileContents>,
    /// What was asked of which table.
    readings: RefCell<Vec<TableReading>>,
    syntax_broken: bool,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Document {
    /// Parses `text`. `path` is shown in messages and is where relative secret files are looked for; `env` answers
    /// `${NAME}` (and `CREDENTIALS_DIRECTORY`). Syntax errors become mistakes: all of them, not the first.
    #[must_use]
    pub fn parse(path: &Path, text: &str, env: impl Fn(&str) -> Option<String> + 'static) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            text: String::new(),
            overlay: None,
            root: Vec::new(),
            env: Box::new(env),
            syntax_broken: false,
            mistakes: RefCell::default(),
            elsewhere: RefCell::default(),
            contents: RefCell::default(),
            readings: RefCell::default(),
        };
        document.root = document.add_text(text, 0);
        document
    }

    /// Parses a text and notes its mistakes. From `start` on it goes behind what there is; before that it is blank.
    pub(crate) fn add_text(&mut self, text: &str, start: usize) -> Vec<TomlEntry> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mistakes = self.mistakes.get_mut();
        mistakes.extend(errors.iter().map(|error| Mistake {
            severity: Severity::Error,
            span: error.span().unwrap_or(start..start),
            what: error.message().trim_end_matches('.').to_owned(),
            fix: "see https://toml.io for the syntax".to_owned(),
        }));
        self.syntax_broken |= !errors.is_empty();
        if start > 0 {
            self.text.push('\n');
        }
        self.text.push_str(text.get(start..).unwrap_or_default());
        TomlEntry::of_table(root.get_ref())
    }

    /// Whether the text was not even TOML, so that missing keys need not mean anything.
    #[must_use]
    pub fn is_syntax_broken(&self) -> bool {
        self.syntax_broken
    }

    /// Whether any mistake stops the program.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.mistakes.borrow().iter().any(|m| m.severity == Severity::Error)
    }

    /// All mistakes, in the order of the file.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut all = self.mistakes.borrow().clone();
        all.sort_by_key(|m| (m.span.start, m.severity));
        all.dedup();
        all
    }

    /// Adds a mistake; the other ways are [`refuse`](crate::Table::refuse) and [`warn`](crate::Table::warn). Values
    /// that came from the environment or another file are hidden in its texts.
    pub fn add(
        &self,
        severity: Severity,
        span: Range<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let elsewhere = self.elsewhere.borrow();
        let shown = |text: String| conceal_text(&text, &elsewhere);
        let (what, fix) = (shown(what.into()), shown(fix.into()));
        self.mistakes.borrow_mut().push(Mistake { severity, span, what, fix });
    }

    /// All mistakes for people, errors and warnings, with a closing line that counts them.
    #[must_use]
    pub fn render_all(&self) -> String {
        let mistakes = self.mistakes();
        let mut shown: String = mistakes.iter().map(|mistake| self.render(mistake) + "\n").collect();
        let errors = mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count();
        let warnings = mistakes.len() - errors;
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        if !mistakes.is_empty() {
            shown.push_str(&format!("{}, {}\n", plural(errors, "error"), plural(warnings, "warning")));
        }
        shown
    }

    /// One mistake for people: `file:line:column`, the line itself without its secrets, a caret, and the way out.
    #[must_use]
    pub fn render(&self, mistake: &Mistake) -> String {
        let (line_number, column, line) = self.place(mistake.span.start);
        let before = self.text.get(..mistake.span.start).unwrap_or_default();
        let before = before.get(..before.rfind('\n').map_or(0, |at| at + 1)).unwrap_or_default();
        let shown_line = conceal_line(before, line);
        let kind = match mistake.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let width =
            self.text.get(mistake.span.clone()).map_or(1, |s| s.lines().next().unwrap_or("").chars().count());
        // Behind something hidden the caret would stand at the wrong place.
        let column_shown = column.min(shown_line.chars().count().max(1));
        let room = shown_line.chars().count().saturating_sub(column_shown - 1).clamp(1, LINE_BYTES_MAX);
        let gutter = " ".repeat(line_number.to_string().len());
        let mut shown = format!(
            "{}:{line_number}:{column}: {kind}: {}\n{gutter} |\n{line_number} | {}\n{gutter} | {}{}\n",
            self.file_of(mistake.span.start).0.display(),
            clean(&mistake.what, LINE_BYTES_MAX),
            clean(&shown_line, LINE_BYTES_MAX),
            " ".repeat((column_shown - 1).min(LINE_BYTES_MAX)),
            "^".repeat(width.clamp(1, room)),
        );
        if !mistake.fix.is_empty() {
            shown.push_str(&format!("{gutter} = {}\n", clean(&mistake.fix, LINE_BYTES_MAX)));
        }
        shown
    }

    /// The file that a byte offset is in, and where that begins.
    fn file_of(&self, offset: usize) -> (&Path, usize) {
        let overlay = self.overlay.as_ref().filter(|overlay| offset >= overlay.start);
        overlay.map_or((&self.path, 0), |overlay| (&overlay.path, overlay.start))
    }

    /// Line and column of its file, both from 1 and in characters, and the line's text, of a byte offset.
    #[must_use]
    pub fn place(&self, offset: usize) -> (usize, usize, &str) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let (before, _) = self.text.split_at(offset);
        let (_, first) = self.file_of(offset);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let column = before.get(start..).map_or(0, |s| s.chars().count()) + 1;
        let lines = before.get(first..).unwrap_or_default().matches('\n').count();
        (lines + 1, column, line)
    }

    /// What the environment answers.
    #[must_use]
    pub fn environment(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// Begins the notes about one reading of a table; the answer is its number.
    pub(crate) fn begin_reading(&self, place: Vec<Step>, entries: &[TomlEntry]) -> usize {
        let mut readings = self.readings.borrow_mut();
        readings.push(TableReading::new(place, entries));
        readings.len() - 1
    }

    /// Notes something about a reading.
    pub(crate) fn note_reading(&self, number: usize, note: impl FnOnce(&mut TableReading)) {
        if let Some(reading) = self.readings.borrow_mut().get_mut(number) {
            note(reading);
        }
    }

    /// What was asked so far.
    pub(crate) fn readings(&self) -> Vec<TableReading> {
        self.readings.borrow().clone()
    }

    /// Whether the table at the place has the key.
    pub(crate) fn has_at(&self, place: &[Step], key: &str) -> bool {
        let table = place.iter().try_fold(self.root.as_slice(), |entries, step| step.down(entries));
        table.is_some_and(|entries| entries.iter().any(|entry| entry.key == key))
    }

    /// The same config with another value at a place, or none, and without a text: mistakes have no place in it.
    pub(crate) fn with(&self, place: &[Step], key: &str, value: Option<TomlValue>) -> Self {
        let mut root = self.root.clone();
        let table = place.iter().try_fold(&mut root, |entries, step| step.down_mut(entries));
        if let Some(entries) = table {
            entries.retain(|entry| entry.key != key);
            let node = |value| TomlNode { span: 0..0, value };
            let entry = |value| TomlEntry { key: key.to_owned(), key_span: 0..0, node: node(value) };
            entries.extend(value.map(entry));
        }
        Self { root, ..Self::parse(&self.path, "", |_| None) }
    }

    /// Notes a value that no text may show.
    pub(crate) fn hide(&self, value: &str) {
        self.elsewhere.borrow_mut().push(value.to_owned());
    }

    /// Notes the content of a file whose name stands at a place.
    pub(crate) fn note_content(&self, place: usize, content: &[u8]) {
        self.contents.borrow_mut().insert(place, fingerprint_of(&content));
    }

    /// Whether others than the owner and the group may read the config.
    pub(crate) fn is_readable_by_others(&self) -> bool {
        is_readable_by_others(&self.path)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// Whether others than the owner and the group may read the file. What cannot be looked at is not said to be.
#[must_use]
pub fn is_readable_by_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o004 != 0)
}
