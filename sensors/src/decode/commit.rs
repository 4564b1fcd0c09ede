//! Hands the values of one payload to the sink, after the whole payload was decoded.

use super::NamesOfTopic;
use super::repeats::Repeats;
use crate::fields::{Batch, RejectReason, SlotValue, Span, Topic, TopicField};
use crate::safe_name::safe;
use crate::{SeriesRef, Sink, Stamp};
use std::iter::Peekable;
use std::slice::Iter;

/// Hands the values over. At most `places_max` places of the topic are remembered.
pub(super) fn commit(
    batch: &Batch,
    topic: &mut Topic,
    names: &mut NamesOfTopic<'_>,
    places_max: usize,
    mut repeats: Option<&mut Repeats>,
    sink: &mut dyn Sink,
) {
    for reason in &batch.failures {
        names.refuse(reason, sink);
    }
    let mut refused = batch.refused;
    let mut repeated = 0;
    let mut hand_over = |series: SeriesRef, stamp: Stamp, value: f64, sink: &mut dyn Sink| {
        if repeats.as_mut().is_some_and(|repeats| repeats.is_repeat(series, stamp, value)) {
            repeated += 1;
        } else {
            sink.reading(series, stamp, value);
        }
    };
    let mut spans = batch.spans.iter().peekable();
    let is_plain = batch.spans.is_empty();
    let mut is_begun = false;
    let generation = sink.generation();
    let mut is_stale = false;
    for (at, SlotValue { slot, stamp, value }) in batch.values.iter().enumerate() {
        let record = if is_plain { None } else { record_at(&mut spans, at) };
        let known = match record {
            None => topic.slots.list.get(*slot).and_then(|slot| slot.series),
            Some(record) => topic.records.as_ref().and_then(|records| records.series(record, *slot)),
        };
        let series = match known.filter(|series| !is_stale || sink.knows(*series)) {
            Some(series) => Ok(Some(series)),
            None => {
                if !std::mem::replace(&mut is_begun, true) {
                    sink.message();
                }
                let series = register(topic, record, (*slot, batch.unit(at)), names, sink);
                // A series of this payload may have given way to another one.
                is_stale = sink.generation() != generation;
                series
            }
        };
        match series {
            Ok(Some(series)) => hand_over(series, *stamp, *value, sink),
            Ok(None) => refused = refused.saturating_add(1),
            Err(reason) => names.refuse(&reason, sink),
        }
    }
    topic.forget(places_max);
    if refused > 0 {
        sink.refused(refused);
    }
    if repeated > 0 {
        sink.repeated(repeated);
    }
    if batch.filtered > 0 {
        sink.filtered(batch.filtered);
    }
    if batch.empty > 0 {
        sink.empty(batch.empty);
    }
}

/// The record with an identity that contains the value at this place; call it with ascending places.
fn record_at(spans: &mut Peekable<Iter<'_, Span>>, at: usize) -> Option<usize> {
    while spans.next_if(|span| span.to <= at).is_some() {}
    spans.peek().filter(|span| span.from <= at).map(|span| span.record)
}

/// Introduces the series of a field to the sink, perhaps that of a record with an identity.
#[cold]
fn register(
    topic: &mut Topic,
    record: Option<usize>,
    (number, unit): (usize, Option<&str>),
    names: &mut NamesOfTopic<'_>,
    sink: &mut dyn Sink,
) -> Result<Option<SeriesRef>, RejectReason> {
    let Some(slot) = topic.slots.list.get_mut(number) else { return Ok(None) };
    let TopicField { path, series, is_registered, .. } = slot;
    let unit = unit.or(slot.unit.as_deref()).unwrap_or_default();
    if !unit.is_empty() {
        sink.unit(&safe(unit));
    }
    let introduced = match record.zip(topic.records.as_mut()) {
        None => {
            *series = names.introduce(path, None, sink)?;
            *series
        }
        Some((record, records)) => {
            let introduced = names.introduce(path, Some(records.identity(record)), sink)?;
            if let Some(series) = introduced {
                records.register(record, number, series);
            }
            introduced
        }
    };
    *is_registered |= introduced.is_some();
    Ok(introduced)
}

#[cfg(test)]
mod tests {
    use crate::decode::PLACES_PER_SERIES;
    use crate::decode::template::Places;
    use crate::decode::tests::{SERIES_MAX, Seen, config, context};
    use crate::{DecodeError, Decoder, Fields, Format, Scalar};

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
        config.series =
            crate::decode::template::NameTemplate::parse("{name}.{zone}.{room}.{field}", &[], Places::Labels)
                .unwrap();
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
        let places = 1 + 2 * SERIES_MAX;
        let left = PLACES_PER_SERIES * SERIES_MAX - places;
        assert_eq!((decoder.topics["g/z"].places(), decoder.places_left), (places, left));
        decoder.on_payload("g/z", "n1 t:1 l=".to_owned().as_bytes(), &mut seen);
        assert_eq!(seen.readings.len(), SERIES_MAX + 1, "a known series of an unknown record is used");
        decoder.on_payload("g/z", format!("{} t:1", "n".repeat(2_000)).as_bytes(), &mut seen);
        assert!(seen.invalid[0].contains("longer than 1024 bytes"), "{seen:?}");
    }
    /// What the sink takes is read, however much it is, and remembered within bounds, over all topics.
    #[test]
    fn what_no_stream_selects_is_neither_refused_nor_remembered_without_end() {
        const PLACES: usize = PLACES_PER_SERIES * SERIES_MAX;
        let fields: Vec<String> = (0..1_000).map(|n| format!("\"f{n}\":{n}")).collect();
        let records: Vec<String> =
            (0..500).map(|n| format!("{{\"id\":{n},\"f{n}\":1,\"g{n}\":1}}")).collect();
        for (text, payload) in [
            ("", format!("{{{}}}", fields.join(","))),
            ("records = \"\"\nseries = \"{id}/{field}\"", format!("[{}]", records.join(","))),
        ] {
            let mut decoder = Decoder::new(&config(text, &["#"]), &context());
            let mut seen = Seen::boundless();
            for round in 1..=3 {
                decoder.on_payload("t", payload.as_bytes(), &mut seen);
                assert_eq!((seen.readings.len(), seen.refused), (1_000 * round, 0), "{text}");
                assert!(decoder.topics["t"].places() <= PLACES, "{text}");
                assert_eq!(decoder.places_left, PLACES - decoder.topics["t"].places(), "{text}");
            }
            assert_eq!((seen.series.len(), seen.invalid.len()), (1_000, 0), "{text}");
            let known = seen.introduced;
            assert!(
                (2_900..=3_000).contains(&known),
                "{known}: few are known, the others are named each time"
            );
        }
    }
}
