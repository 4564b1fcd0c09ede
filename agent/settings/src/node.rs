//! The parsed values, owned and with their places; those of `toml` borrow the text and hide its numbers.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A value of the file.
#[derive(Clone, Debug)]
pub(crate) enum TomlValue {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A TOML date or time; no setting has this type.
    Datetime,
    List(Vec<TomlNode>),
    Table(Vec<TomlEntry>),
}

/// A value and where it stands, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct TomlNode {
    pub(crate) span: Range<usize>,
    pub(crate) value: TomlValue,
}

/// A key with its value; entries keep the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct TomlEntry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: TomlNode,
}

impl TomlEntry {
    pub(crate) fn of_table(table: &DeTable<'_>) -> Vec<TomlEntry> {
        let mut entries: Vec<TomlEntry> = table
            .iter()
            .map(|(key, value)| TomlEntry {
                key: key.get_ref().clone().into_owned(),
                key_span: key.span(),
                node: TomlNode { span: value.span(), value: TomlValue::of(value.get_ref()) },
            })
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        entries
    }
}

impl TomlValue {
    fn of(value: &DeValue<'_>) -> TomlValue {
        match value {
            DeValue::String(text) => TomlValue::Text(text.clone().into_owned()),
            // An integer past i64 or a float past f64 has no meaning for any setting: as infinity it is refused there.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(TomlValue::Float(f64::INFINITY), TomlValue::Integer),
            DeValue::Float(number) => TomlValue::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(answer) => TomlValue::Boolean(*answer),
            DeValue::Datetime(_) => TomlValue::Datetime,
            DeValue::Array(items) => TomlValue::List(
                items
                    .iter()
                    .map(|item| TomlNode { span: item.span(), value: TomlValue::of(item.get_ref()) })
                    .collect(),
            ),
            DeValue::Table(table) => TomlValue::Table(TomlEntry::of_table(table)),
        }
    }

    /// The name of this type of value, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            TomlValue::Text(_) => "a string",
            TomlValue::Integer(_) => "an integer",
            TomlValue::Float(_) => "a number",
            TomlValue::Boolean(_) => "a boolean",
            TomlValue::Datetime => "a date",
            TomlValue::List(_) => "a list",
            TomlValue::Table(_) => "a table",
        }
    }
}
