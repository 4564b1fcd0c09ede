//! Values that hold others.

use super::Table;
use crate::at::{At, Numbers};
use crate::node::{TomlEntry, TomlNode, TomlValue};
use crate::outline::{Step, Wanted};

/// What switches something on, or says how.
pub enum SwitchOrTable<'d> {
    /// `true` or `false`.
    Switch(bool),
    /// On, as this table says.
    Table(Table<'d>),
}

impl<'d> Table<'d> {
    /// Takes every key as known, in a table that nobody here can read.
    pub fn pass_over(&mut self) {
        self.asked.extend(self.entries.iter().map(|entry| entry.key.clone()));
    }

    /// `true`, `false`, or a sub-table.
    pub fn switch_or_table(&mut self, key: &str) -> Option<SwitchOrTable<'d>> {
        self.note_question(key, Wanted::Boolean);
        let node = self.ask(key, Wanted::Table)?;
        match &node.value {
            TomlValue::Boolean(value) => Some(SwitchOrTable::Switch(*value)),
            TomlValue::Table(_) => {
                self.table_of(node, self.child(key), Step::Table(key.to_owned())).map(SwitchOrTable::Table)
            }
            other => self.wrong_kind(node, key, "a table, true or false", other),
        }
    }
}

impl Table<'_> {
    /// A table of finite numbers, e.g. `{ open = 1, closed = 0 }`, in the order of the file.
    pub fn numbers(&mut self, key: &str) -> Option<At<Numbers>> {
        let node = self.ask(key, Wanted::Numbers)?;
        let TomlValue::Table(entries) = &node.value else {
            return self.wrong_kind(
                node,
                key,
                "a table of numbers such as { open = 1, closed = 0 }",
                &node.value,
            );
        };
        let number = |entry: &TomlEntry| {
            Some((entry.key.clone(), self.number_of(&entry.node, &entry.key, f64::MIN..=f64::MAX)?))
        };
        Some(At { value: entries.iter().filter_map(number).collect(), span: node.span.clone() })
    }

    /// A string, or a list of strings that is not empty.
    pub fn one_or_more(&mut self, key: &str) -> Option<At<Vec<At<String>>>> {
        let node = self.ask(key, Wanted::TextOrTexts)?;
        if let TomlValue::Text(_) = &node.value {
            let text = self.text_of(node, &format!("`{key}`"))?;
            return Some(At { value: vec![text], span: node.span.clone() });
        }
        self.some_of(node, key)
    }

    /// A list of strings that is not empty.
    pub fn at_least_one(&mut self, key: &str) -> Option<At<Vec<At<String>>>> {
        let node = self.ask(key, Wanted::Texts)?;
        self.some_of(node, key)
    }

    fn some_of(&self, node: &TomlNode, key: &str) -> Option<At<Vec<At<String>>>> {
        let texts = self.texts_of(node, key)?;
        if texts.value.is_empty() {
            self.refuse(texts.span, format!("`{key}` is empty"), "leave it out, or name at least one");
            return None;
        }
        Some(texts)
    }
}
