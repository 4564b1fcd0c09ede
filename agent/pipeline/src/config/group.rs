//! `over` of `[[streams.NAME.detectors]]`: groups of series with a common detector.

use super::evidence::EvidenceConfig;
use super::window_detector::WindowDetector;
use crate::glob;
use headwater_kernel::detect::{AutoModel, Multivariate};
use headwater_kernel::state::{Corrupt, StateReader, StateWriter};

/// A detector of rows, with the models of `auto` on the heap.
pub type GroupDetector = Multivariate<Box<[AutoModel]>>;

/// What a group is judged by.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a group boxes it, and a config has few")]
pub enum GroupJudge {
    /// Readings that come together, by a detector of rows.
    Readings(GroupDetector),
    /// Windows with one end, by a trained model.
    Windows(WindowDetector),
}

impl GroupJudge {
    /// Whether its alert is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        match self {
            Self::Readings(detector) => detector.is_raised(),
            Self::Windows(detector) => detector.is_raised(),
        }
    }

    /// The version of the detector's own state.
    #[must_use]
    pub fn version(&self) -> u16 {
        match self {
            Self::Readings(detector) => detector.detector_version(),
            Self::Windows(detector) => detector.version(),
        }
    }

    /// Its memory on the heap (bytes), without what all groups share.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Readings(detector) => detector.models() * size_of::<AutoModel>(),
            Self::Windows(detector) => detector.heap_bytes(),
        }
    }

    /// Writes what it has learned and the state of the alert, without the config.
    pub(crate) fn save(&self, to: &mut dyn StateWriter) {
        match self {
            Self::Readings(detector) => detector.save(to),
            Self::Windows(detector) => detector.save(to),
        }
    }

    /// Restores what [`GroupJudge::save`] wrote; of another version of the detector the alert alone.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it; it is as it was.
    pub(crate) fn restore(&mut self, alert_alone: bool, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        match self {
            Self::Readings(detector) if alert_alone => detector.restore_alert(from),
            Self::Readings(detector) => detector.restore(from),
            Self::Windows(detector) if alert_alone => detector.restore_alert(from),
            Self::Windows(detector) => detector.restore(from),
        }
    }
}

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
    pub judge: GroupJudge,
    /// Identifies the state: kind, name, parameters and patterns.
    pub fingerprint: String,
    /// How many readings its alerts carry.
    pub evidence: EvidenceConfig,
}

impl GroupConfig {
    /// Finds the place and the group of a series; see [`place_among`].
    #[must_use]
    pub fn place_of(&self, series: &str) -> Option<(usize, String)> {
        place_among(&self.patterns, &self.name, series)
    }
}

/// Finds the place of a series among patterns, and its group. The group's name is the common part of the patterns, with
/// the text of `*` in its place: `greenhouse/bed1` for `*/temp` and `*/hum`; where nothing is common, `fallback`.
#[must_use]
pub fn place_among(patterns: &[String], fallback: &str, series: &str) -> Option<(usize, String)> {
    let found = patterns.iter().enumerate();
    let (place, texts) =
        found.filter_map(|(place, pattern)| Some((place, glob::captures(pattern, series)?))).next()?;
    let name = name_of(patterns, &texts);
    Some((place, if name.is_empty() { fallback.to_owned() } else { name }))
}

fn name_of(patterns: &[String], texts: &[&str]) -> String {
    let (first, rest) = patterns.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
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
                judge: GroupJudge::Readings(GroupDetector::build(&KINDS[0], &Parameters::new(), 2).unwrap()),
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
