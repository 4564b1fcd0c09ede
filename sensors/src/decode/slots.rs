//! The series of one topic, as far as they are known: fields, and records that say of themselves who they are.

use super::fields::Plan;
use crate::SeriesRef;
use crate::hash::Seed;
use std::collections::HashMap;
use std::sync::Arc;

/// More fields than this in a topic are looked up by hash, not one by one.
const SCAN_MAX: usize = 24;

/// One topic.
pub(super) struct Topic {
    pub(super) slots: Slots,
    /// Records with an identity; few topics have any.
    pub(super) records: Option<Box<Records>>,
}

/// The fields of one topic, and the sink's numbers for their series.
#[derive(Default)]
pub(super) struct Slots {
    pub(super) list: Vec<Slot>,
    /// Of all in `list`, once they are many.
    index: HashMap<Arc<str>, usize, Seed>,
    /// The first of them are there from the beginning, and stay.
    fixed: usize,
}

pub(super) struct Slot {
    pub(super) path: Arc<str>,
    /// The series of records without an identity.
    pub(super) series: Option<SeriesRef>,
    /// Whether some record's series is known to the sink.
    pub(super) is_registered: bool,
    /// Where its last value is in the batch; may be of an older payload, so that must be checked.
    pub(super) at: usize,
}

/// The records of one topic that have an identity: a name or labels of their own.
#[derive(Default)]
pub(super) struct Records {
    list: Vec<Record>,
    index: HashMap<Arc<str>, usize, Seed>,
}

struct Record {
    identity: Arc<str>,
    /// The sink's numbers, by slot.
    series: Vec<Option<SeriesRef>>,
}

impl Topic {
    /// A topic that has not been seen yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut slots = Slots::default();
        for path in plan.wanted() {
            slots.push(path.clone());
        }
        slots.fixed = slots.list.len();
        Self { slots, records: None }
    }

    /// Whether any series of it is known to the sink.
    pub(super) fn has_series(&self) -> bool {
        self.slots.list.iter().any(|slot| slot.is_registered)
    }

    /// Records with an identity that are remembered.
    pub(super) fn records_len(&self) -> usize {
        self.records.as_ref().map_or(0, |records| records.list.len())
    }

    /// Drops fields and records that have no series, and records past `records_max`.
    pub(super) fn drop_unregistered(&mut self, records_max: usize) {
        self.slots.drop_unregistered();
        if let Some(records) = &mut self.records {
            records.drop_unregistered(records_max);
        }
    }
}

impl Slots {
    pub(super) fn push(&mut self, path: Arc<str>) -> usize {
        let number = self.list.len();
        if number == SCAN_MAX {
            self.index =
                self.list.iter().enumerate().map(|(number, slot)| (slot.path.clone(), number)).collect();
        }
        if number >= SCAN_MAX {
            self.index.insert(path.clone(), number);
        }
        self.list.push(Slot { path, series: None, is_registered: false, at: usize::MAX });
        number
    }

    pub(super) fn find(&self, path: &str) -> Option<usize> {
        if self.list.len() > SCAN_MAX {
            return self.index.get(path).copied();
        }
        self.list.iter().position(|slot| *slot.path == *path)
    }

    fn drop_unregistered(&mut self) {
        while self.list.len() > self.fixed && self.list.last().is_some_and(|slot| !slot.is_registered) {
            if let Some(slot) = self.list.pop() {
                self.index.remove(&slot.path);
            }
        }
    }
}

impl Records {
    /// The number of the record with this identity; it is remembered if it is new.
    pub(super) fn number(&mut self, identity: &str) -> usize {
        if let Some(number) = self.index.get(identity) {
            return *number;
        }
        let identity: Arc<str> = identity.into();
        self.index.insert(identity.clone(), self.list.len());
        self.list.push(Record { identity, series: Vec::new() });
        self.list.len() - 1
    }

    pub(super) fn identity(&self, record: usize) -> &str {
        self.list.get(record).map_or("", |record| &record.identity)
    }

    pub(super) fn series(&self, record: usize, slot: usize) -> Option<SeriesRef> {
        *self.list.get(record)?.series.get(slot)?
    }

    pub(super) fn register(&mut self, record: usize, slot: usize, series: SeriesRef) {
        let Some(record) = self.list.get_mut(record) else { return };
        if record.series.len() <= slot {
            record.series.resize(slot + 1, None);
        }
        if let Some(place) = record.series.get_mut(slot) {
            *place = Some(series);
        }
    }

    fn drop_unregistered(&mut self, records_max: usize) {
        let is_unused = |record: &Record| record.series.iter().all(Option::is_none);
        while self.list.len() > records_max || self.list.last().is_some_and(is_unused) {
            let Some(record) = self.list.pop() else { return };
            self.index.remove(&record.identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::tests::{SERIES_MAX, Seen, config, context};
    use crate::format::{DecodeError, Format};
    use crate::{Decoder, Fields, Scalar};

    /// Lines of `NAME KEY=VALUE FIELD:NUMBER MS`; parts may be left out, a line `!` is a bad record.
    #[derive(Clone, Debug)]
    struct Lines;

    impl Format for Lines {
        fn brings_labels(&self) -> bool {
            true
        }

        fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
            for line in std::str::from_utf8(payload).unwrap().lines() {
                if line == "!" {
                    fields.reject(DecodeError::new("bad"));
                    continue;
                }
                for word in line.split(' ') {
                    if let Some((key, value)) = word.split_once('=') {
                        fields.label(key, value);
                    } else if let Some((field, number)) = word.split_once(':') {
                        let want = fields.want(field);
                        fields.put(want, field, Scalar::Number(number.parse().unwrap()));
                    } else if let Ok(ms) = word.parse() {
                        fields.time(ms);
                    } else {
                        fields.name(word);
                    }
                }
                fields.end();
            }
            Ok(())
        }

        fn boxed(&self) -> Box<dyn Format> {
            Box::new(self.clone())
        }
    }

    fn decoder(text: &str) -> Decoder {
        let mut config = config(text, &["g/{zone}"]);
        config.series = crate::SeriesTemplate::parse("{name}.{zone}.{room}.{field}", &[], true).unwrap();
        config.format = Box::new(Lines);
        Decoder::new(&config, &context())
    }

    #[test]
    fn records_bring_names_labels_and_times() {
        let mut decoder = decoder("labels = { site = \"north\" }");
        let mut seen = Seen::roomy();
        for _ in 0..2 {
            let payload = b"air room=a room2=x t:1 1000\nair room2=x room=b t:2\n!\nt:3 site=no 3000";
            decoder.on_payload("g/z", payload, &mut seen);
        }
        let once = [("air.z.a.t", Some(1_000), 1.0), ("air.z.b.t", None, 2.0), (".z..t", Some(3_000), 3.0)];
        let twice = [once, once].concat();
        let seen_readings: Vec<_> =
            seen.readings.iter().map(|(name, time, value)| (name.as_str(), *time, *value)).collect();
        assert_eq!(seen_readings, twice);
        assert_eq!(seen.invalid, ["bad", "bad"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = [pair("zone", "z"), pair("site", "north"), pair("room", "b"), pair("room2", "x")];
        assert_eq!(seen.series[1].1, labels, "sorted, and the config's labels stay");
        assert_eq!(seen.introduced, 3, "once each");
    }

    #[test]
    fn a_configured_time_comes_before_the_records_own() {
        let mut decoder = decoder("time = \"t\"");
        let mut seen = Seen::roomy();
        decoder.on_payload("g/z", b"v:1 t:5 1000\nv:2 2000\nv:3", &mut seen);
        let times: Vec<_> = seen.readings.iter().map(|(_, time, _)| *time).collect();
        assert_eq!(times, [Some(5), Some(2_000)]);
        assert!(seen.invalid[0].contains("no field `t`"), "{seen:?}");
    }

    #[test]
    fn records_past_the_limit_are_refused_and_not_remembered() {
        let mut decoder = decoder("");
        let mut seen = Seen::roomy();
        for n in 0..20 {
            decoder.on_payload("g/z", format!("n{n} t:1\nm{n} t:2").as_bytes(), &mut seen);
        }
        assert_eq!((seen.series.len(), seen.readings.len(), seen.refused), (SERIES_MAX, SERIES_MAX, 32));
        assert_eq!((decoder.topics["g/z"].records_len(), decoder.records_left), (SERIES_MAX, 0));
        decoder.on_payload("g/z", "n1 t:1 l=".to_owned().as_bytes(), &mut seen);
        assert_eq!(seen.readings.len(), SERIES_MAX + 1, "a known series of an unknown record is used");
        decoder.on_payload("g/z", format!("{} t:1", "n".repeat(2_000)).as_bytes(), &mut seen);
        assert!(seen.invalid[0].contains("longer than 1024 bytes"), "{seen:?}");
    }
}
