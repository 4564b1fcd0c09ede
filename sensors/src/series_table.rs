//! Tables of series that people write down: the name, and labels of its own.

use crate::NAME_BYTES_MAX;
use headwater_settings::{Or, Pairs, Table};
use std::collections::HashSet;

/// The `name` of a series, one of `names` from now on; `None`: there were mistakes. `what` the table is, for people.
pub(crate) fn read_name(
    table: &mut Table<'_>,
    names: &mut HashSet<String>,
    (what, example): (&str, &str),
) -> Option<String> {
    let Some(name) = table.string("name") else {
        table.missing("name", format!("add the name of the series: name = \"{example}\""));
        return None;
    };
    let fix = if name.value.is_empty() {
        "write at least one sign".to_owned()
    } else if name.value.len() > NAME_BYTES_MAX || name.value.contains(char::is_control) {
        "write at most 1024 bytes, without control characters".to_owned()
    } else if !names.insert(name.value.clone()) {
        format!("another {what} has it already")
    } else {
        return Some(name.value);
    };
    table.refuse(name.span, "`name` cannot be the name of a series", fix);
    None
}

/// The `labels` of a series, before those of its source.
pub(crate) fn read_labels(table: &mut Table<'_>, of_source: &Pairs) -> Vec<(String, String)> {
    let own = table.pairs("labels").value_or(Vec::new());
    let others = of_source.iter().filter(|(key, _)| own.iter().all(|(own, _)| own != key));
    own.iter().chain(others).map(|(key, value)| (key.clone(), value.value.clone())).collect()
}

/// The value of a required key; `example` shows how to write it.
pub(crate) fn required<'d, T>(
    table: &mut Table<'d>,
    key: &str,
    example: &str,
    read: impl FnOnce(&mut Table<'d>) -> Option<T>,
) -> Option<T> {
    let is_there = table.has(key);
    let value = read(table);
    if !is_there {
        table.missing(key, format!("add it: {example}"));
    }
    value
}
