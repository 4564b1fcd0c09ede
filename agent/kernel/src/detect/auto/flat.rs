//! A value that does not change any more, for much longer than it ever did.
//!
//! State: 49 bytes. Cost: O(1).

use super::tempo::Tempo;
use crate::detect::learned::learned_struct;
use crate::time::Time;

learned_struct!(Flat { value, since, last, first, longest, usual, changes, told });

/// Flat is what lasts so many times as long as usual.
const TIMES: i64 = 8;
/// A value usually lasts at least as long as so many readings.
const READINGS: f64 = 5.0;
/// A plateau that was told counts as a quarter of its length, so that twice as long is told again.
const TOLD: i64 = 4;
/// So many changes, and so much time [ms], show how long values last: a night at least.
const CHANGES: u32 = 100;
const LEARNING_MS: i64 = 36 * 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// How long the value has been the same, and how long it ever was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flat {
    value: f64,
    /// The time of its first and of its last reading, and of the first reading of all [ms].
    since: i64,
    last: i64,
    first: i64,
    /// The longest time that a value lasted; the same, where plateaus that were told count less [ms].
    longest: i64,
    usual: i64,
    changes: u32,
    /// Whether the present plateau was told.
    told: bool,
}

/// A plateau that is flat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plateau {
    /// Its length, and that of the longest one before [ms].
    pub(super) length: i64,
    pub(super) longest: i64,
    /// Whether it has become one with this reading.
    pub(super) new: bool,
}

impl Flat {
    pub(super) const fn starting(value: f64, time: Time) -> Self {
        let at = time.0;
        Self { value, since: at, last: at, first: at, longest: 0, usual: 0, changes: 0, told: false }
    }

    /// Whether the series has been watched for a day.
    pub(super) const fn has_seen_a_day(&self, time: Time) -> bool {
        time.0.saturating_sub(self.first) >= DAY_MS
    }

    /// Takes a reading. One behind a gap begins anew, because nobody knows what was in between.
    pub(super) fn push(&mut self, time: Time, value: f64, tempo: &Tempo) -> Option<Plateau> {
        let gap = tempo.is_gap(time);
        if gap || value != self.value {
            if !gap {
                let lasted = self.last.saturating_sub(self.since);
                self.longest = self.longest.max(lasted);
                self.usual = self.usual.max(if self.told { lasted / TOLD } else { lasted });
                self.changes = self.changes.saturating_add(1);
            }
            (self.value, self.since, self.told) = (value, time.0, false);
        }
        self.last = time.0;
        let length = time.0.saturating_sub(self.since);
        let known = self.changes > CHANGES && self.since.saturating_sub(self.first) > LEARNING_MS;
        if !known || length <= self.usual.saturating_mul(TIMES) {
            return None;
        }
        let least = READINGS * tempo.usual_ms() * TIMES as f64;
        (length as f64 > least).then(|| Plateau {
            length,
            longest: self.longest,
            new: !core::mem::replace(&mut self.told, true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Flat, Plateau, Tempo, Time};

    extern crate std;
    use std::vec::Vec;

    const MINUTE: i64 = 60_000;

    /// Tells the plateaus of values that come every minute.
    struct Minutes {
        flat: Flat,
        tempo: Tempo,
        at: i64,
    }

    impl Minutes {
        /// Two days in which no value lasts longer than 20 minutes.
        fn learned() -> Self {
            let mut minutes = Self { flat: Flat::starting(0.0, Time(0)), tempo: Tempo::new(), at: 0 };
            let values = (0..2_880).map(|at| f64::from(at / 21));
            assert_eq!(minutes.told(values), []);
            minutes
        }

        fn told(&mut self, values: impl Iterator<Item = f64>) -> Vec<Plateau> {
            let each = values.filter_map(|value| {
                let time = Time(self.at * MINUTE);
                self.at += 1;
                let told = self.flat.push(time, value, &self.tempo);
                self.tempo.learn(time);
                told
            });
            each.filter(|plateau| plateau.new).collect()
        }
    }

    #[test]
    fn a_plateau_is_told_once_when_it_is_eight_times_the_longest() {
        let mut minutes = Minutes::learned();
        let told = minutes.told((0..1_000).map(|_| -1.0));
        assert_eq!(told, [Plateau { length: 161 * MINUTE, longest: 20 * MINUTE, new: true }]);
        // It counts as one of 250 minutes: 2,000 are needed now.
        assert_eq!(minutes.told((0..1_900).map(|_| -2.0)), []);
        assert_eq!(minutes.told((0..200).map(|_| -2.0)).len(), 1);
    }

    #[test]
    fn gaps_and_odd_times_make_no_plateau() {
        let mut minutes = Minutes::learned();
        minutes.told((0..100).map(|_| -1.0));
        minutes.at += 10_000;
        assert_eq!(minutes.told((0..150).map(|_| -1.0)), [], "nobody knows about the gap");
        for time in [i64::MIN, i64::MAX, 0, -5] {
            minutes.flat.push(Time(time), -1.0, &minutes.tempo);
        }
    }

    #[test]
    fn a_series_that_hardly_changes_has_no_usual_plateau() {
        let mut minutes = Minutes { flat: Flat::starting(0.0, Time(0)), tempo: Tempo::new(), at: 0 };
        assert_eq!(minutes.told((0..50_000).map(|at| f64::from(at / 1_000))), []);
    }
}
