//! A sink that forgets: the decoder uses no series that is gone, and introduces it again.

use super::PLACES_PER_SERIES;
use super::tests::{SERIES_MAX, decoder};
use crate::{ConnectionState, SeriesRef, Sink, Stamp};

/// It has room for a few series; a new one takes the place of the one that has been silent for the longest time.
#[derive(Default)]
struct Small {
    /// Number, name and the time of the last reading.
    known: Vec<(u64, String, usize)>,
    forgotten: u32,
    introduced: u64,
    readings: Vec<String>,
    repeated: u32,
}

impl Sink for Small {
    fn series(&mut self, name: &str, _: &[(String, String)]) -> Option<SeriesRef> {
        if let Some((number, ..)) = self.known.iter().find(|(_, known, _)| known == name) {
            return Some(SeriesRef(*number));
        }
        if self.known.len() == 3 {
            let oldest = (0..3).min_by_key(|at| self.known[*at].2).unwrap();
            self.known.remove(oldest);
            self.forgotten += 1;
        }
        self.introduced += 1;
        self.known.push((self.introduced, name.to_owned(), self.readings.len()));
        Some(SeriesRef(self.introduced))
    }

    fn generation(&self) -> u32 {
        self.forgotten
    }

    fn knows(&self, series: SeriesRef) -> bool {
        self.known.iter().any(|(number, ..)| *number == series.0)
    }

    fn reading(&mut self, series: SeriesRef, _: Stamp, value: f64) {
        let count = self.readings.len();
        let (_, name, last) =
            self.known.iter_mut().find(|(number, ..)| *number == series.0).expect("a known one");
        *last = count;
        self.readings.push(format!("{name} {value}"));
    }

    fn refused(&mut self, _: u32) {}

    fn invalid(&mut self, _: &str, why: &dyn std::fmt::Display) {
        panic!("{why}");
    }

    fn repeated(&mut self, count: u32) {
        self.repeated += count;
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}

#[test]
fn a_series_that_is_gone_is_introduced_again() {
    for records in ["", "records = \"\"\nseries = \"{id}/{field}\"\ntime = \"t\"\nrepeats = \"drop\""] {
        let mut decoder = decoder(records);
        let mut sink = Small::default();
        let mut read = |topic: &str, ids: &[u32], time: u32| {
            let payload = if records.is_empty() {
                ids.iter().map(|id| format!("\"{id}\":{time}")).collect::<Vec<_>>().join(",")
            } else {
                ids.iter()
                    .map(|id| format!("{{\"id\":{id},\"v\":{time},\"t\":{time}}}"))
                    .collect::<Vec<_>>()
                    .join(",")
            };
            let (open, close) = if records.is_empty() { ('{', '}') } else { ('[', ']') };
            decoder.on_payload(topic, format!("{open}{payload}{close}").as_bytes(), &mut sink);
            let taken = sink.readings.len();
            (taken, sink.forgotten, sink.repeated)
        };
        assert_eq!(read("t", &[1, 2, 3], 1), (3, 0, 0));
        // The new one comes first, and one of the same payload gives way to it.
        assert_eq!(read("t", &[4, 1, 2, 3], 2), (7, 4, 0));
        assert_eq!(read("u", &[7, 8, 9], 3), (10, 7, 0));
        assert_eq!(read("t", &[2, 3, 4], 4), (13, 10, 0));
        let repeated = read("t", &[2, 3, 4], 4);
        assert_eq!(repeated, if records.is_empty() { (16, 10, 0) } else { (13, 10, 3) });
        assert!(decoder.topics.len() <= 2 && decoder.topics.values().all(|topic| topic.has_series()));
        let places: usize = decoder.topics.values().map(|topic| topic.places()).sum();
        assert!(places <= 8 && decoder.places_left + places == PLACES_PER_SERIES * SERIES_MAX, "{places}");
    }
}
