//! The keys that every source has that looks at devices: how often, and which of what it finds.

use crate::SourceContext;
use glob::Pattern;
use headwater_settings::{Or, Pairs, Table};
use std::time::Duration;

/// The longest time between two looks (ms).
const INTERVAL_MS_MAX: i64 = 86_400_000;

/// How often a source looks, and what it calls what it finds.
#[derive(Clone, Debug)]
pub(crate) struct PolledConfig {
    pub(super) every: Duration,
    /// The source's name, with which the names of its series begin.
    pub(super) source: String,
    /// The labels of every series.
    pub(super) labels: Vec<(String, String)>,
    /// Patterns of the names that are wanted; none: all.
    pub(super) only: Vec<Pattern>,
    /// Names that are found, or the first levels of such, each with the one that it has from now on.
    pub(super) names: Vec<(String, String)>,
}

impl PolledConfig {
    /// Reads `interval`, from `least_ms` on, `only` and `names`. `None`: there were mistakes.
    pub(crate) fn read(
        table: &mut Table<'_>,
        context: &SourceContext,
        labels: &Pairs,
        (default_ms, least_ms): (i64, i64),
    ) -> Option<Self> {
        let config = Self::read_interval(table, context, labels, (default_ms, least_ms));
        let (only, names) = (read_only(table), read_names(table));
        Some(Self { only: only?, names: names?, ..config? })
    }

    /// Reads `interval`, from `least_ms` on, of a source whose names stand in the config. `None`: there were mistakes.
    pub(crate) fn read_interval(
        table: &mut Table<'_>,
        context: &SourceContext,
        labels: &Pairs,
        (default_ms, least_ms): (i64, i64),
    ) -> Option<Self> {
        let every_ms = table.duration("interval", least_ms..=INTERVAL_MS_MAX).given();
        let every_ms = every_ms.or((!table.has("interval")).then_some(default_ms))?;
        Some(Self {
            every: Duration::from_millis(every_ms.unsigned_abs()),
            source: context.source.clone(),
            labels: labels.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect(),
            only: Vec::new(),
            names: Vec::new(),
        })
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn for_tests() -> Self {
        let every = Duration::from_millis(5);
        Self { every, source: "box".into(), labels: Vec::new(), only: Vec::new(), names: Vec::new() }
    }

    /// The names that its series may have.
    pub(crate) fn patterns(&self) -> Vec<String> {
        vec![format!("{}/*", self.source)]
    }

    /// The names of the labels.
    pub(crate) fn label_names(&self) -> Vec<String> {
        self.labels.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A word of `only` or `names` that is of nothing that was found, for people.
    pub(super) fn idle_word(&self, found: &[&str]) -> Option<String> {
        let only = self.only.iter().find(|pattern| !found.iter().any(|name| pattern.matches(name)));
        let only = only.map(|pattern| ("only", pattern.as_str()));
        let begins = |name: &str, found: &str| {
            found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let names = self.names.iter().find(|(name, _)| !found.iter().any(|found| begins(name, found)));
        let (key, word) = only.or(names.map(|(name, _)| ("names", name.as_str())))?;
        Some(format!(
            "`{key}` has `{word}`, and nothing here is called so; `headwater self-test` shows what is"
        ))
    }

    /// The name of the series that is found under this one; `None`: it is not wanted.
    pub(super) fn series_name(&self, found: &str) -> Option<String> {
        if !self.only.is_empty() && !self.only.iter().any(|pattern| pattern.matches(found)) {
            return None;
        }
        let rest_of = |name: &str| {
            found.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::len)
        };
        let own = self.names.iter().filter_map(|(name, own)| Some((rest_of(name)?, own)));
        Some(match own.min_by_key(|(rest, _)| *rest) {
            None => format!("{}/{found}", self.source),
            Some((rest, own)) => {
                format!("{}/{own}{}", self.source, found.get(found.len() - rest..).unwrap_or_default())
            }
        })
    }
}

fn read_only(table: &mut Table<'_>) -> Option<Vec<Pattern>> {
    let Some(only) = table.strings("only") else { return Some(Vec::new()).filter(|_| !table.has("only")) };
    let read = |text: &headwater_settings::At<String>| {
        Pattern::new(&text.value)
            .map_err(|why| {
                let what = format!("`{}` is no pattern: {why}", text.value);
                table.refuse(text.span.clone(), what, "`*`, `?` and `[…]` stand for other characters");
            })
            .ok()
    };
    let patterns: Vec<Option<Pattern>> = only.value.iter().map(read).collect();
    patterns.into_iter().collect()
}

fn read_names(table: &mut Table<'_>) -> Option<Vec<(String, String)>> {
    let Some(names) = table.pairs("names") else { return Some(Vec::new()).filter(|_| !table.has("names")) };
    if let Some((_, own)) = names.value.iter().find(|(_, own)| own.value.is_empty()) {
        table.refuse(own.span.clone(), "a name cannot be empty", "write the name that the device shall have");
        return None;
    }
    Some(names.value.into_iter().map(|(name, own)| (name, own.value)).collect())
}
