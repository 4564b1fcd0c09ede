//! The names that a config gives: of the agent, of sources, streams and outputs. Each is a level of topics, part of client
//! ids and of ids of messages.

use headwater_settings::{At, Table};
use headwater_text::is_unsafe;

/// The longest name (bytes): a client id holds two, and a topic three beside the series.
const NAME_BYTES_MAX: usize = 128;

/// What a name holds.
const FIX: &str = "write one level of a topic: at most 128 bytes without `/`, `+`, `#` and control characters, and no `$` first";

/// Whether a name can be a level of a topic.
fn is_level(name: &str) -> bool {
    let is_bad = |c: char| is_unsafe(c) || matches!(c, '/' | '+' | '#');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('$') && !name.contains(is_bad)
}

/// The name, if it can be used.
pub(super) fn checked(table: &Table<'_>, key: &str, name: At<String>) -> Option<String> {
    if is_level(&name.value) {
        return Some(name.value);
    }
    let shown: String = name.value.chars().take(40).collect();
    table.refuse(name.span, format!("{key} cannot be `{shown}`"), FIX);
    None
}

/// Refuses the names of sources, streams and outputs that cannot be used.
pub(super) fn check(root: &mut Table<'_>) {
    for (key, what) in [("sources", "a source"), ("streams", "a stream"), ("outputs", "an output")] {
        for (name, table) in root.named_tables(key) {
            checked(&table, &format!("the name of {what}"), name);
        }
    }
}

/// The machine's name as one level of a topic.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let level: String = name.trim().chars().map(|c| if is_level(&c.to_string()) { c } else { '_' }).collect();
    if is_level(&level) { level } else { "headwater".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_level_of_a_topic() {
        for good in ["edge-1", "Gewächshaus 2", "a.b", &"x".repeat(NAME_BYTES_MAX)] {
            assert!(is_level(good), "{good}");
        }
        for bad in ["", "a/b", "+", "a#", "$SYS", "a\n", "\u{202e}a", "\0", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(!is_level(bad), "{bad:?}");
        }
        assert!(is_level(&host_name()));
    }
}
