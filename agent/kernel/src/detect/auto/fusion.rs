//! From evidence to a verdict: how much is needed, and how soon again.
//!
//! Two kinds of evidence are enough, each alone: all views together are surprised, or one view beside the last
//! readings is far beyond what was usual. After an alarm the detector rests, and each recent alarm raises what the
//! views together must bring, so that an event that keeps happening stops being news. What is far beyond everything
//! seen is raised all the same.

use crate::detect::Verdict;
use crate::detect::learned::learned_struct;

learned_struct!(Fusion { rest, weariness });

/// The surprise of all views together that is needed [digits].
pub(super) const LIMIT: f64 = 2.35;
/// The rarity in one of the two views that may speak alone that is needed [digits].
const ALONE: f64 = 3.3;
/// Octaves beyond the hundredth that is exceeded, from which a view may speak alone.
const FAR: f64 = 0.6;
/// Octaves beyond the record, from which a view is heard at any tempo and whatever was raised before.
const UNHEARD_OF: f64 = 0.3;
/// More evidence for each tenfold number of series that are judged together [digits].
const SERIES_TOGETHER: f64 = 0.5;
/// More evidence for each digit that the tempo asks for.
const TEMPO_TOGETHER: f64 = 1.2;
const TEMPO_ALONE: f64 = 2.0;
/// Readings after an alarm without another.
const REST: u8 = 60;
/// What a recent alarm adds to the surprise needed [digits].
const WEARINESS: f64 = 0.2;
/// Alarms stop being recent over this many readings; over more, as the tempo is faster.
const WEARINESS_READINGS: f64 = 2_000.0;

/// What the views of one series say of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Evidence {
    /// The surprise of all views together: their root mean square [digits].
    pub(super) together: f64,
    /// What is usual at this time [channel unit].
    pub(super) usual: f64,
    /// The views that may speak alone.
    pub(super) alone: [Alone; 2],
    /// The digits that the tempo of the series asks for.
    pub(super) tempo: f64,
}

/// One view beside the last readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Alone {
    /// Its rarity [digits].
    pub(super) digits: f64,
    /// Octaves beyond what is usual, and beyond the record.
    pub(super) beyond_usual: f64,
    pub(super) beyond_record: f64,
    /// The value that it expected [channel unit]; `None`: it looks at steps.
    pub(super) expected: Option<f64>,
}

/// The recent alarms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fusion {
    /// Readings without an alarm that are left.
    rest: u8,
    /// Recent alarms.
    weariness: f64,
}

/// What a row of evidence comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fused {
    /// Its score is above [`LIMIT`] by the digits that the evidence is above what is needed.
    pub(super) verdict: Verdict,
    /// Whether an alert may clear.
    pub(super) clears: bool,
    /// The series with the most evidence.
    pub(super) most: usize,
    /// The value that this series was expected to have; `None`: it is its steps that are unusual.
    pub(super) expected: Option<f64>,
}

/// How far evidence is above what is needed.
#[derive(Clone, Copy, Debug)]
struct Excess {
    /// Without recent alarms [digits].
    plain: f64,
    /// With them.
    wearied: f64,
    unheard_of: bool,
    /// What the first view expected that has enough.
    expected: Option<f64>,
}

impl Fusion {
    pub(super) const fn new() -> Self {
        Self { rest: 0, weariness: 0.0 }
    }

    /// Judges the evidence of one series, or of several at one time.
    pub(super) fn judge(&mut self, evidence: &[Evidence]) -> Fused {
        let series = libm::log10(evidence.len().max(1) as f64);
        let mut all = Excess {
            plain: f64::NEG_INFINITY,
            wearied: f64::NEG_INFINITY,
            unheard_of: false,
            expected: None,
        };
        let (mut most, mut tempo) = (0, 0.0_f64);
        for (index, one) in evidence.iter().enumerate() {
            let excess = one.excess(series, self.weariness);
            if excess.plain > all.plain {
                (most, all.expected) = (index, excess.expected);
            }
            all.plain = all.plain.max(excess.plain);
            all.wearied = all.wearied.max(excess.wearied);
            all.unheard_of |= excess.unheard_of;
            tempo = tempo.max(one.tempo);
        }
        self.weariness -= self.weariness / (WEARINESS_READINGS * libm::pow(10.0, tempo));
        let rested = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        let score = (LIMIT + all.wearied).max(0.0);
        let verdict = if all.wearied > 0.0 && (rested || all.unheard_of) {
            self.rest = REST;
            self.weariness += 1.0;
            Verdict::Anomalous(score)
        } else {
            Verdict::Normal(score.min(LIMIT))
        };
        Fused { verdict, clears: all.plain <= 0.0, most, expected: all.expected }
    }
}

impl Evidence {
    fn excess(&self, series: f64, weariness: f64) -> Excess {
        let together = self.together - LIMIT - SERIES_TOGETHER * series - TEMPO_TOGETHER * self.tempo;
        let mut excess = Excess {
            plain: together,
            wearied: together - WEARINESS * weariness,
            unheard_of: false,
            expected: Some(self.usual),
        };
        for one in self.alone.iter().filter(|one| one.beyond_usual >= FAR) {
            let rare = one.digits - ALONE - series;
            let unheard_of = rare > 0.0 && one.beyond_record >= UNHEARD_OF;
            let alone = if unheard_of { rare } else { rare - TEMPO_ALONE * self.tempo };
            // What is odd about a value says more than what is odd about its steps.
            if alone > 0.0 && excess.plain <= 0.0 {
                excess.expected = one.expected;
            }
            excess.plain = excess.plain.max(alone);
            excess.wearied = excess.wearied.max(alone);
            excess.unheard_of |= unheard_of;
        }
        excess
    }
}

#[cfg(test)]
mod tests {
    use super::{Alone, Evidence, Fusion, LIMIT, REST};
    use crate::detect::Verdict;

    const QUIET: Evidence = Evidence {
        together: 0.5,
        usual: 20.0,
        alone: [Alone { digits: 0.3, beyond_usual: -2.0, beyond_record: -3.0, expected: Some(19.0) }; 2],
        tempo: 0.0,
    };

    fn together(digits: f64) -> Evidence {
        Evidence { together: digits, ..QUIET }
    }

    fn needle(digits: f64, beyond_usual: f64, beyond_record: f64) -> Evidence {
        let needle = Alone { digits, beyond_usual, beyond_record, expected: Some(19.0) };
        Evidence { alone: [needle, QUIET.alone[1]], ..QUIET }
    }

    fn raises(fusion: &mut Fusion, evidence: Evidence) -> bool {
        matches!(fusion.judge(&[evidence]).verdict, Verdict::Anomalous(score) if score > LIMIT)
    }

    #[test]
    fn either_kind_of_evidence_is_enough() {
        let alone = |evidence: Evidence| raises(&mut Fusion::new(), evidence);
        assert!(alone(together(2.6)) && !alone(together(2.2)));
        assert!(
            alone(needle(3.5, 0.7, -0.1)) && !alone(needle(3.5, 0.5, -0.1)) && !alone(needle(3.1, 0.7, -0.1))
        );
        let fast = |evidence: Evidence| Evidence { tempo: 1.0, ..evidence };
        assert!(!alone(fast(together(2.6))) && !alone(fast(needle(3.5, 0.7, -0.1))));
        assert!(alone(fast(needle(3.5, 0.7, 0.5))), "beyond the record at any tempo");
        assert_eq!(Fusion::new().judge(&[needle(3.5, 0.7, -0.1)]).expected, Some(19.0));
        assert_eq!(Fusion::new().judge(&[together(2.6)]).expected, Some(20.0));
    }

    #[test]
    fn an_alarm_makes_the_next_one_harder_but_not_the_unheard_of() {
        let mut fusion = Fusion::new();
        assert!(raises(&mut fusion, together(2.5)));
        assert!(!raises(&mut fusion, together(9.0)), "at rest");
        assert!(raises(&mut fusion, needle(3.5, 0.7, 0.5)));
        (0..REST).for_each(|_| _ = fusion.judge(&[QUIET]));
        assert!(!raises(&mut fusion, together(2.5)) && raises(&mut fusion, together(2.9)));
        (0..20_000).for_each(|_| _ = fusion.judge(&[QUIET]));
        assert!(raises(&mut fusion, together(2.5)), "forgotten");
    }

    #[test]
    fn of_several_series_the_one_with_the_most_evidence_speaks() {
        let fused = Fusion::new().judge(&[QUIET, together(3.5), QUIET]);
        assert!(matches!(fused.verdict, Verdict::Anomalous(_)) && fused.most == 1 && !fused.clears);
        let eight = [QUIET, QUIET, QUIET, QUIET, QUIET, QUIET, QUIET, together(2.5)];
        assert!(Fusion::new().judge(&eight).clears, "more series need more evidence");
    }
}
