//! The fields and the time that a source wants of every payload.

use super::captured::CapturePlan;
use crate::text::TextRules;
use crate::time::TimeRules;
use glob::Pattern;
use std::fmt;
use std::sync::Arc;

/// Where the records of a payload are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsPath {
    /// The path of the list; empty if it is the payload.
    pub list: Arc<str>,
    /// What the keys of an object there are.
    pub keys: RecordKeys,
    /// Where each member of the list holds the records, if it is none itself.
    pub inner: Option<Arc<RecordsPath>>,
}

impl RecordsPath {
    /// What the keys of an object of records are.
    pub(crate) fn record_keys(&self) -> &RecordKeys {
        self.inner.as_ref().map_or(&self.keys, |inner| &inner.keys)
    }

    /// The paths of the list, and of that in its members.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.list).chain(self.inner.iter().map(|inner| &inner.list))
    }
}

impl fmt::Display for RecordsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner {
            None => f.write_str(&self.list),
            Some(inner) if self.list.is_empty() => write!(f, "*/{inner}"),
            Some(inner) => write!(f, "{}/*/{inner}", self.list),
        }
    }
}

/// What the keys of an object that holds the records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKeys {
    /// Fields: the object is a record, and a list holds the records.
    None,
    /// The times of the records.
    Times,
    /// Names of the records, which are a field of this path.
    Names(Arc<str>),
}

/// The wanted fields and the time, as paths.
pub(crate) struct Plan {
    /// `None`: every number.
    pub(super) wanted: Option<Vec<Arc<str>>>,
    /// Patterns of further fields that are wanted, if they are numbers.
    patterns: Vec<FieldPattern>,
    /// The fields of the event time, which are joined by a blank; none: there is no event time.
    time: Vec<Arc<str>>,
    /// Whether there is one, and texts hold its name as it is.
    has_literal_time: bool,
    pub(super) time_rules: TimeRules,
    /// What texts mean.
    pub(super) text: TextRules,
    /// What is wanted for more than a reading.
    pub(super) captures: CapturePlan,
    /// Where the records are.
    pub(crate) records: Option<RecordsPath>,
    /// Whether any of these paths has more than one level.
    pub(super) nested: bool,
}

impl Plan {
    /// `fields` and `time` are paths; `is_named`: values have names, else a payload is one value.
    pub(crate) fn new(
        is_named: bool,
        fields: &[String],
        (time, time_rules): (&[String], TimeRules),
        text: TextRules,
        (captures, records): (CapturePlan, Option<RecordsPath>),
    ) -> Self {
        let (patterns, named): (Vec<&String>, Vec<&String>) =
            fields.iter().partition(|path| is_pattern(path));
        let wanted: Option<Vec<Arc<str>>> = match (is_named, fields.is_empty()) {
            (false, _) => Some(vec![Arc::from("")]),
            (true, true) => None,
            (true, false) => Some(named.iter().map(|path| Arc::from(path.as_str())).collect()),
        };
        let nested = !patterns.is_empty()
            || wanted.iter().flatten().any(|path| path.contains('/'))
            || time.iter().any(|path| path.contains('/'))
            || captures.paths().iter().any(|path| path.contains('/'));
        Self {
            wanted,
            patterns: patterns.iter().filter_map(|path| FieldPattern::new(path)).collect(),
            time: time.iter().map(|path| path.as_str().into()).collect(),
            has_literal_time: time.len() == 1 && time.iter().all(|path| is_literal(path)),
            time_rules,
            text,
            captures,
            records,
            nested,
        }
    }

    /// The paths of the lists of records.
    pub(super) fn record_lists(&self) -> impl Iterator<Item = &Arc<str>> {
        self.records.iter().flat_map(RecordsPath::lists)
    }

    pub(super) fn has_time(&self) -> bool {
        !self.time.is_empty()
    }

    /// The fields of the event time.
    pub(super) fn time(&self) -> &[Arc<str>] {
        &self.time
    }

    /// The one field of the event time, if texts hold its name as it is.
    #[inline]
    pub(super) fn literal_time(&self) -> Option<&str> {
        self.time.first().filter(|_| self.has_literal_time).map(AsRef::as_ref)
    }

    /// Which part of the event time a field is.
    #[inline]
    pub(super) fn time_part(&self, path: &str) -> Option<usize> {
        self.time.iter().position(|part| **part == *path)
    }

    /// How many parts of the time are to be kept until the record ends: none, if its only field is the time.
    pub(super) fn time_parts(&self) -> usize {
        if self.time.len() > 1 { self.time.len() } else { 0 }
    }

    /// The fields of the event time, for people.
    pub(super) fn time_name(&self) -> Arc<str> {
        self.time.join(" ").into()
    }

    /// Whether a field is wanted that is not named.
    pub(super) fn wants_unnamed(&self, path: &str) -> bool {
        self.wanted.is_none() || self.patterns.iter().any(|pattern| pattern.whole.matches(path))
    }

    /// Whether a field below `path` may match a pattern.
    pub(super) fn matches_inside(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_match_inside(path))
    }

    /// Whether what stands before the first `*` of a pattern goes through `path`.
    pub(super) fn names_inside(&self, path: &str) -> bool {
        let is_inside = |pattern: &FieldPattern| {
            pattern.beginning.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        self.patterns.iter().any(is_inside)
    }

    /// Whether the field of this number is named in `fields`, or is the one value of a payload.
    pub(super) fn is_named(&self, number: usize) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| number < wanted.len())
    }

    /// The paths that are wanted; none if every number is.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Arc<str>> {
        self.wanted.iter().flatten()
    }
}

/// Whether a text in quotes holds a name as it is, without an escape.
pub(super) fn is_literal(name: &str) -> bool {
    !name.contains(|character: char| matches!(character, '"' | '\\' | '\0'..='\x1f'))
}

/// Whether a word of `fields` stands for several.
pub(crate) fn is_pattern(field: &str) -> bool {
    field.contains('*')
}

/// A word of `fields` in which `*` stands for any text.
struct FieldPattern {
    whole: Pattern,
    /// What stands before its first `*`.
    beginning: Box<str>,
}

impl FieldPattern {
    fn new(field: &str) -> Option<Self> {
        let escaped = field.split('*').map(Pattern::escape).collect::<Vec<_>>().join("*");
        let beginning = field.split('*').next().unwrap_or_default().into();
        Some(Self { whole: Pattern::new(&escaped).ok()?, beginning })
    }

    fn may_match_inside(&self, path: &str) -> bool {
        match self.beginning.strip_prefix(path) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => path.starts_with(&*self.beginning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_the_way_to_it_is_known() {
        let pattern = FieldPattern::new("a/[b]/*/c").unwrap();
        assert!(pattern.whole.matches("a/[b]/x/c") && pattern.whole.matches("a/[b]/x/y/c"));
        assert!(!pattern.whole.matches("a/b/x/c") && !pattern.whole.matches("a/[b]/c"));
        for (path, may) in [("a", true), ("a/[b]", true), ("a/[b]/x", true), ("b", false), ("a/b", false)] {
            assert_eq!(pattern.may_match_inside(path), may, "{path}");
        }
        assert!(FieldPattern::new("*").unwrap().may_match_inside("x"));
    }
}
