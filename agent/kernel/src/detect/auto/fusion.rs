//! From evidence to a verdict: how much is needed, and how soon again.
//!
//! Three kinds of evidence are enough, each alone: all views together are more surprised than the limit ([`limit`]), one
//! view beside the last readings is far beyond what was usual, or the value is flat. Chance alone surprises now and then,
//! so of a single series all views together are believed when two readings close to each other surprise, or one does so by
//! more. After an alarm the detector rests, and each recent alarm raises what the views together must bring, the more the
//! faster readings come, so that an event that keeps happening stops being news. What is far beyond everything seen is
//! raised all the same. A return to what was usual before an alarm is the end of an event, and no other one.
//!
//! [`limit`]: super::limit

use super::flat::Plateau;
use super::limit::OwnLimit;
use super::reason::Reason;
use super::settings::AutoSettings;
use crate::detect::Verdict;
use crate::detect::learned::learned_struct;

learned_struct!(Fusion { rest, weariness, limit, witness });

/// The score of evidence that is just not enough, whatever the settings are.
const LIMIT: f64 = AutoSettings::DEFAULT.together;
/// Octaves beyond the hundredth that is exceeded, from which a view may speak alone.
const FAR: f64 = 0.6;
/// Octaves beyond the record, from which a view is heard at any tempo and whatever was raised before.
const UNHEARD_OF: f64 = 0.3;
/// How much rarer than the record that must be by the tail of the view itself, for each digit that the tempo asks for: a
/// heavy tail breaks records all the time.
const RARER: f64 = 0.6;
/// The excess of a value that is flat [digits].
const FLAT: f64 = 2.0;
/// More evidence for each digit that the tempo asks for.
const TEMPO_TOGETHER: f64 = 1.2;
const TEMPO_ALONE: f64 = 2.0;
/// A reading whose surprise comes so near to the limit [digits] is a witness for those behind it.
const NEARLY: f64 = 0.3;
const WITNESS_READINGS: u8 = 3;
/// More evidence for a surprise of a single series without a witness [digits].
const UNWITNESSED: f64 = 0.3;
/// Readings after an alarm without another.
const REST: u8 = 60;
/// What is unheard of is another event when it comes so many readings after an alarm.
const SAME_EVENT: u8 = 5;
/// Alarms stop being recent over this many readings; over more, as the tempo is faster; and not within a week, as far as
/// the series has been watched: what happens a few times a day is no news every day.
const WEARINESS_READINGS: f64 = 2_000.0;

/// What the views of one series say of a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Evidence {
    /// The surprise of all views together: their root mean square [digits].
    pub(super) together: f64,
    /// What is usual at this time [channel unit].
    pub(super) usual: f64,
    /// What they say of it.
    pub(super) reason: Reason,
    /// The views that may speak alone.
    pub(super) alone: [Alone; 2],
    pub(super) flat: Option<Plateau>,
    /// The digits that the tempo of the series asks for.
    pub(super) tempo: f64,
    /// The readings of a week, or of the time that the series has been watched.
    pub(super) week: f64,
    /// Whether it is a return to what was usual before an alarm.
    pub(super) returns: bool,
}

/// One view beside the last readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Alone {
    /// Its rarity [digits].
    pub(super) digits: f64,
    /// Octaves beyond what is usual, and beyond the record.
    pub(super) beyond_usual: f64,
    pub(super) beyond_record: f64,
    /// The rarity of the record [digits].
    pub(super) record: f64,
    /// What it says of it.
    pub(super) reason: Reason,
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
    limit: OwnLimit,
    /// Readings left for which the last witness stands.
    witness: u8,
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
    /// The value that this series was expected to have; `None`: it is not its value that is unusual.
    pub(super) expected: Option<f64>,
    pub(super) reason: Reason,
}

/// How far evidence is above what is needed.
#[derive(Clone, Copy, Debug)]
struct Excess {
    /// Without recent alarms [digits].
    plain: f64,
    /// With them.
    wearied: f64,
    unheard_of: bool,
    expected: Option<f64>,
    reason: Reason,
}

impl Fusion {
    pub(super) const fn new() -> Self {
        Self { rest: 0, weariness: 0.0, limit: OwnLimit::new(), witness: 0 }
    }

    /// Judges the evidence of one series, or of several at one time.
    pub(super) fn judge(&mut self, settings: &AutoSettings, evidence: &[Evidence]) -> Fused {
        let tempo = evidence.iter().map(|one| one.tempo).fold(0.0, f64::max);
        let (mut most, mut all) = self.together(settings, evidence, tempo);
        let alone = settings.alone + libm::log10(evidence.len().max(1) as f64);
        let mut returned = false;
        for (index, one) in evidence.iter().enumerate() {
            let excess = one.excess(alone);
            returned |= one.returns && excess.wearied > 0.0;
            // What is odd about a value says more than what is odd about its steps.
            if excess.plain > all.plain && (all.plain <= 0.0 || excess.unheard_of && !all.unheard_of) {
                (most, all.expected, all.reason) = (index, excess.expected, excess.reason);
            }
            all.plain = all.plain.max(excess.plain);
            if !one.returns {
                all.wearied = all.wearied.max(excess.wearied);
                all.unheard_of |= excess.unheard_of;
            }
        }
        let Excess { plain, wearied, unheard_of, expected, reason } = all;
        let week = evidence.iter().map(|one| one.week).fold(0.0, f64::max);
        let recent = week.max(WEARINESS_READINGS * libm::pow(10.0, tempo));
        let verdict = self.verdict(wearied, unheard_of, returned, recent);
        Fused { verdict, clears: plain <= 0.0, most, expected, reason }
    }

    /// The series whose views are surprised most and do not return, and the excess of that, where the tempo
    /// asks for so many digits. Learns the surprise.
    fn together(&mut self, settings: &AutoSettings, evidence: &[Evidence], tempo: f64) -> (usize, Excess) {
        let limit = self.limit.of(settings.together, evidence.len() > 1) + TEMPO_TOGETHER * tempo;
        let news = evidence.iter().enumerate().filter(|(_, one)| !one.returns);
        let most = news.max_by(|(_, a), (_, b)| a.together.total_cmp(&b.together));
        let (index, one) = most.map_or((0, Evidence::default()), |(index, one)| (index, *one));
        if evidence.iter().any(|one| one.together > 0.0) {
            self.limit.learn(one.together);
        }
        let plain = one.together - limit;
        let alone = evidence.len() == 1 && self.witness == 0;
        self.witness = if plain > -NEARLY { WITNESS_READINGS } else { self.witness.saturating_sub(1) };
        let unwitnessed = if alone { UNWITNESSED } else { 0.0 };
        let wearied = plain - settings.weariness * (1.0 + tempo) * self.weariness - unwitnessed;
        (index, Excess { plain, wearied, unheard_of: false, expected: Some(one.usual), reason: one.reason })
    }

    /// The verdict, where alarms are recent for so many readings.
    fn verdict(&mut self, excess: f64, unheard_of: bool, returned: bool, recent: f64) -> Verdict {
        self.weariness -= self.weariness / recent;
        let rested = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        let score = (LIMIT + excess).max(0.0);
        let another = unheard_of && self.rest <= REST - SAME_EVENT;
        if excess > 0.0 && (rested || another) {
            self.rest = REST;
            self.weariness += 1.0;
            return Verdict::Anomalous(score);
        }
        if returned && rested {
            self.rest = REST;
        }
        Verdict::Normal(score.min(LIMIT))
    }
}

impl Evidence {
    /// The evidence besides that of all views together, where a view that speaks alone needs `needed` digits.
    fn excess(&self, needed: f64) -> Excess {
        let mut most = Excess {
            plain: f64::NEG_INFINITY,
            wearied: f64::NEG_INFINITY,
            unheard_of: false,
            expected: None,
            reason: Reason::Steps,
        };
        for one in self.alone.iter().filter(|one| one.beyond_usual >= FAR) {
            let rare = one.digits - needed;
            let is_rarer = one.digits >= one.record + RARER * self.tempo;
            let unheard_of = rare > 0.0 && one.beyond_record >= UNHEARD_OF && is_rarer;
            let alone = if unheard_of { rare } else { rare - TEMPO_ALONE * self.tempo };
            if alone > most.plain && most.plain <= 0.0 {
                (most.expected, most.reason) = (one.expected, one.reason);
            }
            most.plain = most.plain.max(alone);
            most.unheard_of |= unheard_of;
        }
        most.wearied = most.plain;
        if let Some(Plateau { length, longest, new }) = self.flat {
            most.plain = most.plain.max(FLAT);
            // It is raised once, and lasts until the value changes.
            if new {
                (most.wearied, most.unheard_of) = (most.wearied.max(FLAT), true);
                (most.expected, most.reason) = (None, Reason::Flat { length, longest });
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Alone, AutoSettings, Evidence, Fusion, LIMIT, Plateau, REST, Reason, SAME_EVENT, WITNESS_READINGS,
    };
    use crate::detect::Verdict;

    const QUIET: Evidence = Evidence {
        together: 0.5,
        usual: 20.0,
        reason: Reason::Usual { readings: 1, by: 5.0, at: None },
        alone: [Alone {
            digits: 0.3,
            beyond_usual: -2.0,
            beyond_record: -3.0,
            record: 2.7,
            reason: Reason::Neighbours { by: 6.0 },
            expected: Some(19.0),
        }; 2],
        flat: None,
        tempo: 0.0,
        week: 0.0,
        returns: false,
    };

    fn together(digits: f64) -> Evidence {
        Evidence { together: digits, ..QUIET }
    }

    fn needle(digits: f64, beyond_usual: f64, beyond_record: f64) -> Evidence {
        let needle = Alone { digits, beyond_usual, beyond_record, ..QUIET.alone[0] };
        Evidence { alone: [needle, QUIET.alone[1]], ..QUIET }
    }

    fn raises(fusion: &mut Fusion, evidence: Evidence) -> bool {
        matches!(fusion.judge(&AutoSettings::DEFAULT, &[evidence]).verdict, Verdict::Anomalous(score) if score > LIMIT)
    }

    #[test]
    fn either_kind_of_evidence_is_enough() {
        let alone = |evidence: Evidence| raises(&mut Fusion::new(), evidence);
        assert!(alone(together(2.7)) && !alone(together(2.6)));
        assert!(
            alone(needle(3.5, 0.7, -0.1)) && !alone(needle(3.5, 0.5, -0.1)) && !alone(needle(3.1, 0.7, -0.1))
        );
        let fast = |evidence: Evidence| Evidence { tempo: 1.0, ..evidence };
        assert!(!alone(fast(together(2.6))) && !alone(fast(needle(3.5, 0.7, -0.1))));
        assert!(alone(fast(needle(3.5, 0.7, 0.5))), "beyond the record at any tempo");
        assert_eq!(
            Fusion::new().judge(&AutoSettings::DEFAULT, &[needle(3.5, 0.7, -0.1)]).expected,
            Some(19.0)
        );
        assert_eq!(Fusion::new().judge(&AutoSettings::DEFAULT, &[together(2.6)]).expected, Some(20.0));
        assert_eq!(Fusion::new().judge(&AutoSettings::DEFAULT, &[together(2.6)]).reason, QUIET.reason);
        assert_eq!(
            Fusion::new().judge(&AutoSettings::DEFAULT, &[needle(3.5, 0.7, -0.1)]).reason,
            QUIET.alone[0].reason
        );
    }

    #[test]
    fn a_surprise_of_a_single_series_needs_a_witness_or_more() {
        let then = |quiet: u8| {
            let mut fusion = Fusion::new();
            assert!(!raises(&mut fusion, together(2.5)));
            (0..quiet).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[QUIET]));
            raises(&mut fusion, together(2.4))
        };
        assert!(then(0) && then(WITNESS_READINGS - 1) && !then(WITNESS_READINGS));
        let several = [QUIET, together(2.6)];
        let fused = Fusion::new().judge(&AutoSettings::DEFAULT, &several);
        assert!(matches!(fused.verdict, Verdict::Anomalous(_)), "several have a limit of their own");
    }

    #[test]
    fn a_heavy_tail_is_heard_when_it_is_rarer_than_its_record() {
        let fast = |record: f64| {
            let mut evidence = Evidence { tempo: 1.0, ..needle(4.5, 1.0, 0.5) };
            evidence.alone[0].record = record;
            raises(&mut Fusion::new(), evidence)
        };
        assert!(fast(3.8) && !fast(4.0));
    }

    #[test]
    fn a_return_is_the_end_of_an_event() {
        let returns = |evidence: Evidence| Evidence { returns: true, ..evidence };
        let mut fusion = Fusion::new();
        for evidence in [together(3.5), needle(3.5, 0.7, 0.5)] {
            assert!(!raises(&mut fusion, returns(evidence)));
        }
        // Another series may have an event of its own.
        let fused = Fusion::new().judge(&AutoSettings::DEFAULT, &[returns(together(5.0)), together(3.5)]);
        assert!(matches!(fused.verdict, Verdict::Anomalous(_)) && fused.most == 1);
    }

    #[test]
    fn a_plateau_is_raised_once_and_lasts() {
        let plateau = Plateau { length: 9, longest: 1, new: true };
        let flat = |new: bool| Evidence { flat: Some(Plateau { new, ..plateau }), ..QUIET };
        let mut fusion = Fusion::new();
        let first = fusion.judge(&AutoSettings::DEFAULT, &[flat(true)]);
        assert!(matches!(first.verdict, Verdict::Anomalous(_)) && !first.clears);
        assert_eq!((first.expected, first.reason), (None, Reason::Flat { length: 9, longest: 1 }));
        assert!((0..200).all(|_| {
            let later = fusion.judge(&AutoSettings::DEFAULT, &[flat(false)]);
            matches!(later.verdict, Verdict::Normal(_)) && !later.clears
        }));
        assert!(fusion.judge(&AutoSettings::DEFAULT, &[QUIET]).clears);
    }

    #[test]
    fn an_alarm_makes_the_next_one_harder_but_not_the_unheard_of() {
        let mut fusion = Fusion::new();
        assert!(raises(&mut fusion, together(2.7)));
        assert!(!raises(&mut fusion, together(5.0)), "at rest");
        assert!(!raises(&mut fusion, needle(3.5, 0.7, 0.5)), "the same event");
        (0..SAME_EVENT).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[QUIET]));
        assert!(raises(&mut fusion, needle(3.5, 0.7, 0.5)));
        (0..REST).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[QUIET]));
        assert!(!raises(&mut fusion, together(2.5)) && raises(&mut fusion, together(3.0)));
        (0..20_000).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[QUIET]));
        assert!(raises(&mut fusion, together(2.7)), "forgotten");
    }

    #[test]
    fn an_alarm_counts_for_more_where_readings_come_fast() {
        let third = |tempo: f64| {
            let with = |digits: f64| Evidence { tempo, ..together(digits + super::TEMPO_TOGETHER * tempo) };
            let mut fusion = Fusion::new();
            for _ in 0..2 {
                assert!(raises(&mut fusion, with(3.25)));
                (0..REST).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[with(0.5)]));
            }
            raises(&mut fusion, with(3.25))
        };
        assert!(third(0.0) && !third(1.0));
    }

    #[test]
    fn an_alarm_stays_recent_for_a_week_of_readings() {
        let week = |evidence: Evidence| Evidence { week: 10_080.0, ..evidence };
        let mut fusion = Fusion::new();
        for _ in 0..4 {
            assert!(raises(&mut fusion, week(together(4.0))));
            (0..1_440).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[week(QUIET)]));
        }
        assert!(!raises(&mut fusion, week(together(3.0))), "no news any more");
        (0..20_160).for_each(|_| _ = fusion.judge(&AutoSettings::DEFAULT, &[week(QUIET)]));
        assert!(raises(&mut fusion, week(together(3.0))), "two weeks later it is");
    }

    #[test]
    fn of_several_series_the_one_with_the_most_evidence_speaks() {
        let fused = Fusion::new().judge(&AutoSettings::DEFAULT, &[QUIET, together(3.5), QUIET]);
        assert!(matches!(fused.verdict, Verdict::Anomalous(_)) && fused.most == 1 && !fused.clears);
        let eight = [QUIET, QUIET, QUIET, QUIET, QUIET, QUIET, QUIET, together(2.45)];
        assert!(
            Fusion::new().judge(&AutoSettings::DEFAULT, &eight).clears,
            "several series need more evidence"
        );
    }
}
