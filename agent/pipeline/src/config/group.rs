//! `over` of `[[streams.NAME.detectors]]`: groups of series with a common detector.

use super::evidence::EvidenceConfig;
use crate::glob;
use headwater_kernel::detect::{AutoModel, Multivariate};

/// A detector of rows, with the models of `auto` on the heap.
pub type GroupDetector = Multivariate<Box<[AutoModel]>>;

/// A detector of groups, copied for each group.
#[derive(Clone)]
pub struct GroupConfig {
    /// Its name on the wire: the config's, or that of its kind.
    pub name: String,
    /// Its kind and all its parameters, for people.
    pub listing: String,
    /// The severity from the config.
    pub severity: String,
    /// One pattern for each place in a group; all have the same number of `*`.
    pub patterns: Vec<String>,
    /// The detector and its alarm, before the first reading.
    pub detector: GroupDetector,
    /// Identifies the state: kind, name, parameters and patterns.
    pub fingerprint: String,
    /// How many readings its alerts carry.
    pub evidence: EvidenceConfig,
}

impl GroupConfig {
    /// Finds the place and the group of a series. The group's name is the common part of its patterns, with the text
    /// of `*` in its place: `greenhouse/bed1` for `*/temp` and `*/hum`.
    #[must_use]
    pub fn place_of(&self, series: &str) -> Option<(usize, String)> {
        let found = self.patterns.iter().enumerate();
        let (place, texts) =
            found.filter_map(|(place, pattern)| Some((place, glob::captures(pattern, series)?))).next()?;
        let name = self.name_of(&texts);
        Some((place, if name.is_empty() { self.name.clone() } else { name }))
    }

    fn name_of(&self, texts: &[&str]) -> String {
        let (first, rest) = self.patterns.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
        let same = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        let length = rest.iter().map(|other| same(first, other)).min().unwrap_or(first.len());
        // Cut at a whole level, or after the last `*`.
        let end = first
            .as_bytes()
            .get(..length)
            .and_then(|common| common.iter().rposition(|byte| b"*/".contains(byte)));
        let common = end.and_then(|end| first.get(..=end)).unwrap_or("");
        if common.matches('*').count() < texts.len() {
            return texts.join("/");
        }
        let mut name = String::new();
        let mut texts = texts.iter();
        for part in common.split_inclusive('*') {
            name.push_str(part.trim_end_matches('*'));
            if part.ends_with('*') {
                name.push_str(texts.next().copied().unwrap_or(""));
            }
        }
        name.trim_matches('/').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_kernel::detect::{KINDS, Parameters};

    #[test]
    fn a_group_is_named_by_what_its_series_share() {
        let places = |patterns: &[&str], series: &[&str]| -> Vec<Option<(usize, String)>> {
            let config = GroupConfig {
                listing: String::new(),
                name: "pair".to_owned(),
                severity: String::new(),
                patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
                detector: GroupDetector::build(&KINDS[0], &Parameters::new(), 2).unwrap(),
                fingerprint: String::new(),
                evidence: EvidenceConfig { before: 0, after: 0 },
            };
            series.iter().map(|series| config.place_of(series)).collect()
        };
        let place = |place: usize, name: &str| Some((place, name.to_owned()));
        assert_eq!(
            places(&["*/temp", "*/hum"], &["g/bed1/hum", "g/bed1/temp", "g/bed1/lux", "temp"]),
            [place(1, "g/bed1"), place(0, "g/bed1"), None, None]
        );
        assert_eq!(places(&["a/*/temp1", "a/*/temp2"], &["a/x/temp2"]), [place(1, "a/x")]);
        assert_eq!(places(&["temp/*", "hum/*"], &["hum/bed1"]), [place(1, "bed1")]);
        assert_eq!(places(&["pump/flow", "pump/pressure"], &["pump/flow"]), [place(0, "pump")]);
        assert_eq!(places(&["flow", "pressure"], &["pressure"]), [place(1, "pair")]);
        assert_eq!(places(&["*-t-*", "*-h-*"], &["a-h-b"]), [place(1, "a/b")]);
    }
}
