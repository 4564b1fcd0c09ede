//! Numbers, durations and sizes within limits.

use super::Table;
use crate::at::At;
use crate::node::{TomlNode, TomlValue};
use crate::outline::Wanted;
use crate::units::{format_duration, format_size, parse_duration, parse_size};
use std::fmt::Display;
use std::ops::RangeInclusive;

impl Table<'_> {
    /// An integer within `range`.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<At<i64>> {
        let node = self.ask(key, Wanted::Integer(range.clone()))?;
        let wanted = format!("an integer from {} to {}", range.start(), range.end());
        let value = match &node.value {
            TomlValue::Integer(value) => *value,
            TomlValue::Text(text) if text.contains("${") => {
                let expanded = self.text_of(node, &format!("`{key}`"))?.value;
                self.parsed(node, key, &expanded, &wanted, |s| s.parse().ok())?
            }
            other => return self.wrong_kind(node, key, &wanted, other),
        };
        self.within(node, key, value, &range, &wanted)
    }

    /// A finite number within `range`; an integer will do.
    pub fn number(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<At<f64>> {
        let node = self.ask(key, Wanted::Number(range.clone()))?;
        self.number_of(node, key, range)
    }

    pub(super) fn number_of(
        &self,
        node: &TomlNode,
        key: &str,
        range: RangeInclusive<f64>,
    ) -> Option<At<f64>> {
        let wanted = if *range.start() == f64::MIN && *range.end() == f64::MAX {
            "a finite number".to_owned()
        } else {
            format!("a number from {} to {}", range.start(), range.end())
        };
        let value = match &node.value {
            TomlValue::Integer(value) => *value as f64,
            TomlValue::Float(value) => *value,
            TomlValue::Text(text) if text.contains("${") => {
                let expanded = self.text_of(node, &format!("`{key}`"))?.value;
                self.parsed(node, key, &expanded, &wanted, |s| s.parse().ok())?
            }
            other => return self.wrong_kind(node, key, &wanted, other),
        };
        self.within(node, key, value, &range, &wanted)
    }

    /// A duration in milliseconds within `range`.
    pub fn duration(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<At<i64>> {
        let wanted = "a duration such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"7d\"";
        let node = self.ask(key, Wanted::Duration(range.clone()))?;
        let TomlValue::Text(_) = &node.value else { return self.wrong_kind(node, key, wanted, &node.value) };
        let text = self.text_of(node, &format!("`{key}`"))?.value;
        let value = self.parsed(node, key, &text, wanted, parse_duration)?;
        let limits = format!(
            "a duration from {} to {}",
            format_duration(*range.start()),
            format_duration(*range.end())
        );
        if !range.contains(&value) {
            self.refuse(node.span.clone(), format!("`{key}` is {text}, out of range"), limits);
            return None;
        }
        Some(At { value, span: node.span.clone() })
    }

    /// A size in bytes within `range`.
    pub fn size(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<At<u64>> {
        let wanted = "a size such as \"64KiB\" or \"256MiB\"";
        let node = self.ask(key, Wanted::Size(range.clone()))?;
        let TomlValue::Text(_) = &node.value else { return self.wrong_kind(node, key, wanted, &node.value) };
        let text = self.text_of(node, &format!("`{key}`"))?.value;
        let value = self.parsed(node, key, &text, wanted, parse_size)?;
        if !range.contains(&value) {
            let limits =
                format!("a size from {} to {}", format_size(*range.start()), format_size(*range.end()));
            self.refuse(node.span.clone(), format!("`{key}` is {text}, out of range"), limits);
            return None;
        }
        Some(At { value, span: node.span.clone() })
    }

    fn within<T: PartialOrd + Display>(
        &self,
        node: &TomlNode,
        key: &str,
        value: T,
        range: &RangeInclusive<T>,
        wanted: &str,
    ) -> Option<At<T>> {
        if range.contains(&value) {
            return Some(At { value, span: node.span.clone() });
        }
        self.refuse(
            node.span.clone(),
            format!("`{key}` is {value}, out of range"),
            format!("write {wanted}"),
        );
        None
    }
}
