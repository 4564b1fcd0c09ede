//! Readings that come again: `repeats = "drop"`.

use crate::hash::Seed;
use crate::{SeriesRef, Stamp};
use std::collections::HashMap;

/// How many readings of a series are remembered: as many of it as one payload or one attempt may bring again. They take
/// 1 KiB a series.
const REMEMBERED: usize = 64;

/// The last readings of each series of a source.
#[derive(Default)]
pub(super) struct Repeats(HashMap<u64, Last, Seed>);

/// Times (ms since the Unix epoch), and the bits of the values.
#[derive(Default)]
struct Last {
    readings: Vec<(i64, u64)>,
    /// The place of the oldest one, once there are as many as are remembered.
    next: usize,
}

impl Repeats {
    /// Whether a reading of the same time and value is among the last of its series; a new one is remembered. A
    /// reading without a time of its own never comes again.
    pub(super) fn is_repeat(&mut self, series: SeriesRef, stamp: Stamp, value: f64) -> bool {
        let Stamp::Event(ms) = stamp else { return false };
        let reading = (ms, value.to_bits());
        let last = self.0.entry(series.0).or_default();
        if last.readings.contains(&reading) {
            return true;
        }
        if last.readings.len() < REMEMBERED {
            last.readings.push(reading);
        } else if let Some(place) = last.readings.get_mut(last.next) {
            *place = reading;
            last.next = (last.next + 1) % REMEMBERED;
        }
        false
    }

    /// Drops the readings of series that are not known any more.
    pub(super) fn drop_forgotten(&mut self, knows: impl Fn(SeriesRef) -> bool) {
        self.0.retain(|series, _| knows(SeriesRef(*series)));
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{Seen, decoder};

    #[test]
    fn equal_readings_of_a_series_are_dropped_and_counted() {
        let mut decoder = decoder("time = \"t\"\nrepeats = \"drop\"");
        let mut seen = Seen::roomy();
        for payload in ["1,2", "1,2", "1,3", "2,2", "1,2", "3,2", "2,2"] {
            let (time, value) = payload.split_once(',').unwrap();
            let payload = format!("{{\"t\":{time},\"a\":{value},\"b\":{time}}}");
            decoder.on_payload("t", payload.as_bytes(), &mut seen);
        }
        let of = |name: &str| -> Vec<_> {
            let own = seen.readings.iter().filter(|(series, ..)| series == name);
            own.map(|(_, time, value)| (time.unwrap(), *value)).collect()
        };
        assert_eq!(of("t/a"), [(1, 2.0), (1, 3.0), (2, 2.0), (3, 2.0)]);
        assert_eq!(of("t/b"), [(1, 1.0), (2, 2.0), (3, 3.0)]);
        assert_eq!(seen.repeated, 7);
    }
    #[test]
    fn a_payload_that_comes_again_as_a_whole_is_dropped_as_a_whole() {
        let mut decoder = decoder("time = \"t\"\nrecords = \"\"\nrepeats = \"drop\"");
        let mut seen = Seen::roomy();
        let payload = |from: usize| {
            let records = (from..from + super::REMEMBERED).map(|t| format!("{{\"t\":{t},\"a\":1}}"));
            format!("[{}]", records.collect::<Vec<_>>().join(","))
        };
        let taken = |seen: &Seen| (seen.readings.len(), seen.repeated as usize);
        for (round, from) in [1, 1_000].into_iter().enumerate() {
            for attempt in 0..3 {
                decoder.on_payload("t", payload(from).as_bytes(), &mut seen);
                let (new, again) =
                    (super::REMEMBERED * (round + 1), super::REMEMBERED * (2 * round + attempt));
                assert_eq!(taken(&seen), (new, again));
            }
        }
    }
}
