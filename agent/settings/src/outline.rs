//! What the program asks of a config: noted while it reads one, so that nothing has to list the keys a second time.

use crate::node::{TomlEntry, TomlNode, TomlValue};
use crate::units::format_duration;
use std::ops::RangeInclusive;

/// What a key may hold, by the question that reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Whether it is there; another question reads it then.
    Presence,
    /// A string.
    Text,
    /// One of these words.
    Choice(Vec<String>),
    /// `true` or `false`.
    Boolean,
    /// An integer.
    Integer(RangeInclusive<i64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// A number, or a share in percent.
    Amount,
    /// A duration (ms).
    Duration(RangeInclusive<i64>),
    /// A size (bytes).
    Size(RangeInclusive<u64>),
    /// A list of strings.
    Texts,
    /// A string, or a list of strings.
    TextOrTexts,
    /// A table of strings, with names that the config chooses.
    Pairs,
    /// A table of numbers, with names that the config chooses.
    Numbers,
    /// A string that nobody else shall see, or the file that holds it.
    Secret,
    /// A table of secrets, with names that the config chooses.
    Secrets,
    /// A table.
    Table,
    /// Tables with names that the config chooses.
    NamedTables,
    /// A list of tables.
    Tables,
}

impl Wanted {
    /// Answers that the program may treat differently; they need not be good ones.
    pub(crate) fn answers(&self) -> Vec<TomlValue> {
        let text = |text: &str| TomlValue::Text(text.to_owned());
        let node = |value| TomlNode { span: 0..0, value };
        let entry = |value| TomlEntry { key: "x".to_owned(), key_span: 0..0, node: node(value) };
        let empty = || TomlValue::Table(Vec::new());
        match self {
            Self::Presence | Self::Text | Self::Secret => vec![text("x")],
            Self::Choice(words) => words.iter().map(|word| text(word)).collect(),
            Self::Boolean => [true, false].map(TomlValue::Boolean).into(),
            Self::Integer(range) => vec![TomlValue::Integer(*range.start())],
            Self::Number(range) => vec![TomlValue::Float(range.start().max(0.5).min(*range.end()))],
            Self::Amount => vec![TomlValue::Float(1.0)],
            Self::Duration(range) => vec![text(&format_duration(*range.start()))],
            Self::Size(range) => vec![text(&range.start().to_string())],
            Self::Texts | Self::TextOrTexts => vec![TomlValue::List(vec![node(text("x"))])],
            Self::Pairs | Self::Secrets => vec![TomlValue::Table(vec![entry(text("x"))])],
            Self::Numbers => vec![TomlValue::Table(vec![entry(TomlValue::Integer(1))])],
            Self::Table => vec![empty()],
            Self::NamedTables => vec![TomlValue::Table(vec![entry(empty())])],
            Self::Tables => vec![TomlValue::List(vec![node(empty())])],
        }
    }
}

/// One step down, from a table to another one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// The table of a key.
    Table(String),
    /// The table with a name, of those of a key.
    Named(String, String),
    /// A table by its number, of the list of a key.
    Item(String, usize),
}

impl Step {
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Table(key) | Self::Named(key, _) | Self::Item(key, _) => key,
        }
    }

    /// The entries of the table that the step leads to.
    pub(crate) fn down<'e>(&self, entries: &'e [TomlEntry]) -> Option<&'e [TomlEntry]> {
        let entry = |entries: &'e [TomlEntry], key: &str| entries.iter().find(|entry| entry.key == key);
        let value = match (self, &entry(entries, self.key())?.node.value) {
            (Self::Table(_), value) => value,
            (Self::Named(_, name), TomlValue::Table(named)) => &entry(named, name)?.node.value,
            (Self::Item(_, number), TomlValue::List(items)) => &items.get(*number)?.value,
            _ => return None,
        };
        if let TomlValue::Table(entries) = value { Some(entries) } else { None }
    }

    /// The same, to be changed.
    pub(crate) fn down_mut<'e>(&self, entries: &'e mut Vec<TomlEntry>) -> Option<&'e mut Vec<TomlEntry>> {
        let entry = |entries: &'e mut Vec<TomlEntry>, key: &str| {
            entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node.value)
        };
        let value = match (self, entry(entries, self.key())?) {
            (Self::Table(_), value) => value,
            (Self::Named(_, name), TomlValue::Table(named)) => entry(named, name)?,
            (Self::Item(_, number), TomlValue::List(items)) => &mut items.get_mut(*number)?.value,
            _ => return None,
        };
        if let TomlValue::Table(entries) = value { Some(entries) } else { None }
    }
}

/// One reading of one table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableReading {
    /// Where the table is.
    pub(crate) place: Vec<Step>,
    /// What the table says of its kind.
    pub(crate) kind: Option<String>,
    /// What was asked, in this order.
    pub(crate) questions: Vec<(String, Wanted)>,
    /// The keys that it has.
    pub(crate) given: Vec<String>,
    /// Keys that are needed and are not there.
    pub(crate) missing: Vec<String>,
    /// What keys mean, where the program says so.
    pub(crate) notes: Vec<(String, String)>,
}

/// The key by which tables of one place differ in the other keys that they have.
pub(crate) const KIND_KEY: &str = "type";

impl TableReading {
    pub(crate) fn new(place: Vec<Step>, entries: &[TomlEntry]) -> Self {
        let kind =
            entries.iter().find(|entry| entry.key == KIND_KEY).and_then(|entry| match &entry.node.value {
                TomlValue::Text(kind) => Some(kind.clone()),
                _ => None,
            });
        let given = entries.iter().map(|entry| entry.key.clone()).collect();
        Self { place, kind, given, ..Self::default() }
    }
}
