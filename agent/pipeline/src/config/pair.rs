//! `pairs` of a stream: two series, and how they vary together.

use super::window::{Specs, WindowConfig};
use super::{MINUTE, fingerprint};
use crate::glob;
use headwater_settings::{At, Or, Table};

/// Two series whose covariance and correlation the stream emits.
#[derive(Clone, Debug, PartialEq)]
pub struct PairConfig {
    /// The name of the first series: text, with one `*` at most.
    pub a: Pattern,
    /// The name of the second series; its `*` stands for the same text as in the first.
    pub b: Pattern,
    /// The largest distance in time of a match (ms).
    pub tolerance_ms: i64,
}

impl PairConfig {
    /// Identifies the state of a pair in the windows of its stream.
    pub fn fingerprint(&self, specs: &Specs) -> String {
        let print = fingerprint::of_shape(&specs.of(false).shape);
        let print = print.with_text("a", &self.a.with("*")).with_text("b", &self.b.with("*"));
        print.with("tolerance", self.tolerance_ms).finish()
    }

    /// The most pairs that `series` series can form.
    #[must_use]
    pub fn pairs_max(&self, series: usize) -> usize {
        match (self.a.has_star(), glob::may_meet(&self.a.with("*"), &self.b.with("*"))) {
            (false, _) => 1,
            // Every name is in one pair at most.
            (true, false) => series / 2,
            (true, true) => series,
        }
    }
}

/// A series' name with one `*` at most, which stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    /// `None`: the pattern has no star.
    after: Option<String>,
}

impl Pattern {
    /// Parses a pattern; `None`: it has more than one star, or a `?`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('*').map(str::to_owned);
        let pattern = Self { before: parts.next()?, after: parts.next() };
        (parts.next().is_none() && !text.contains('?')).then_some(pattern)
    }

    /// The text that the star stands for in a name; empty for a pattern without a star. `None`: the name does not
    /// match.
    #[must_use]
    pub fn star<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(self.before.as_str())?;
        match &self.after {
            Some(after) => rest.strip_suffix(after.as_str()),
            None => rest.is_empty().then_some(rest),
        }
    }

    /// The name with this text in place of the star.
    #[must_use]
    pub fn with(&self, star: &str) -> String {
        match &self.after {
            Some(after) => format!("{}{star}{after}", self.before),
            None => self.before.clone(),
        }
    }

    fn has_star(&self) -> bool {
        self.after.is_some()
    }
}

/// The default distance in time of a match: readings of one payload that are stamped one after another (ms).
const TOLERANCE_MS: i64 = 1_000;

/// The most pairs of a stream; each series looks for its partners in all of them.
const PAIRS_MAX: usize = 32;

pub(super) fn read(stream: &mut Table<'_>, window: Option<&WindowConfig>) -> Vec<PairConfig> {
    let mut pairs: Vec<PairConfig> = Vec::new();
    for table in stream.tables("pairs") {
        let span = table.span();
        let Some(pair) = read_pair(table) else { continue };
        if pairs.iter().any(|known| (&known.a, &known.b) == (&pair.a, &pair.b)) {
            stream.refuse(span, "this pair stands here twice", "once is enough");
        }
        pairs.push(pair);
    }
    if matches!(window, Some(WindowConfig::None(_))) && stream.has("pairs") {
        let fix = "leave it out, or set a window, e.g. `window = { type = \"tumbling\", size = \"1m\" }`";
        stream.refuse(stream.place_of("pairs"), "`pairs` is of windows, but this stream has none", fix);
    }
    if pairs.len() > PAIRS_MAX {
        let what = format!("{} pairs are too many", pairs.len());
        stream.refuse(stream.place_of("pairs"), what, format!("at most {PAIRS_MAX}; `*` stands for many"));
    }
    pairs
}

fn read_pair(mut table: Table<'_>) -> Option<PairConfig> {
    table.note("a", "the one series; `*` stands for the same text in both");
    table.note("b", "the other series");
    table.note("tolerance", "readings of a pair are at most so far apart; default: 1s");
    let (a, b) = (table.string("a"), table.string("b"));
    for (key, pattern) in [("a", &a), ("b", &b)] {
        if pattern.is_none() {
            table.missing(key, format!("add `{key} = \"*/temp\"`"));
        }
    }
    let tolerance_ms = table.duration("tolerance", 0..=10 * MINUTE).value_or(TOLERANCE_MS);
    let parsed = |name: &At<String>| {
        let pattern = Pattern::parse(&name.value);
        if pattern.is_none() {
            let fix = "a name, or one `*` that stands for the same text in `a` and `b`";
            table.refuse(name.span.clone(), format!("`{}` is no pattern of a pair", name.value), fix);
        }
        pattern
    };
    let (at, (a, b)) = (b.as_ref()?.span.clone(), (parsed(a.as_ref()?)?, parsed(b.as_ref()?)?));
    if a == b {
        table.refuse(at, "`a` and `b` are the same series", "name two");
    } else if a.has_star() != b.has_star() {
        table.refuse(
            at,
            "`*` stands in one of `a` and `b` only",
            "write it in both, for the same text, or in none",
        );
    }
    table.finish();
    Some(PairConfig { a, b, tolerance_ms })
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stands_for_one_text() {
        let temp = Pattern::parse("g/*/temp").unwrap();
        assert_eq!(temp.star("g/bed1/temp"), Some("bed1"));
        assert_eq!(temp.star("g/a/b/temp"), Some("a/b"));
        assert_eq!(
            (temp.star("g/temp"), temp.star("x/bed1/temp"), temp.star("g/bed1/hum")),
            (None, None, None)
        );
        assert_eq!(temp.with("bed1"), "g/bed1/temp");
        let plain = Pattern::parse("g/temp").unwrap();
        assert_eq!(
            (plain.star("g/temp"), plain.star("g/temp2"), plain.with("")),
            (Some(""), None, "g/temp".to_owned())
        );
        assert_eq!((Pattern::parse("*/*"), Pattern::parse("a?")), (None, None));
    }
}
