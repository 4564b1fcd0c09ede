//! Several messages as one: an array that begins with what most of them have in common.
//!
//! The first element is the head. A message is the head with the fields of its element over it: an element says only
//! what it has beside the head, or otherwise. A field is in the head if all messages have it, and more than half of
//! them with this value. The id of a summary or a reading is left out where the other fields tell it: `{stream}/{series}@`
//! with `{start}+{end-start}` or `{time}`.

use super::fields::Describe;
use super::id::Id;
use super::kinds::Encoded;
use super::parts::{PartForm, Parts, put_head, put_map};
use super::place::{Placed, Placer};
use super::wire::{Wire, WireError, read};
use flate2::read::GzDecoder;
use headwater_pipeline::event::Event;
use std::io::Read;

/// The fields of an event, without an id that they tell.
///
/// # Errors
/// A value that the form has no word for.
fn describe(event: &Event, placer: &dyn Placer, form: PartForm) -> Result<Parts, String> {
    let id = Id::of(event, placer).map(|id| id.to_string());
    let is_told = id.is_some() && id == told_by(event, placer);
    let mut parts = Parts::new(form, is_told.then_some("id"));
    Encoded { event, placer }.describe(&mut parts);
    parts.failed.take().map_or(Ok(parts), Err)
}

/// The id that the other fields of an event tell.
fn told_by(event: &Event, placer: &dyn Placer) -> Option<String> {
    let clock = Placed::new(event.clock(), placer);
    let (about, time) = match event {
        Event::Summary(summary) => {
            let (start, end) = (clock.at(summary.start.ms), clock.at(summary.end_ms));
            (&summary.about, TellingTime::Window(start, end))
        }
        Event::Reading(reading) => (&reading.about, TellingTime::Moment(clock.at(reading.time.ms))),
        _ => return None,
    };
    Some(told(&about.stream, &about.series, time))
}

/// The time in an id.
#[derive(Clone, Copy)]
enum TellingTime {
    Window(i64, i64),
    Moment(i64),
}

fn told(stream: &str, series: &str, time: TellingTime) -> String {
    match time {
        TellingTime::Window(start, end) => format!("{stream}/{series}@{start}+{}", end.saturating_sub(start)),
        TellingTime::Moment(ms) => format!("{stream}/{series}@{ms}"),
    }
}

/// Appends events as one message.
///
/// # Errors
/// A value that the form has no word for.
pub(super) fn encode(
    events: &[Event],
    placer: &dyn Placer,
    form: PartForm,
    to: &mut Vec<u8>,
) -> Result<(), String> {
    let messages: Vec<Parts> =
        events.iter().map(|event| describe(event, placer, form)).collect::<Result<_, _>>()?;
    let head = head_of(&messages);
    let is_beside = |field: &(&[u8], &[u8])| !head.contains(field);
    let elements = messages.iter().map(|message| message.fields().filter(is_beside).collect());
    let all: Vec<Vec<_>> = std::iter::once(head.clone()).chain(elements).collect();
    if form == PartForm::Json {
        for (position, element) in all.iter().enumerate() {
            to.push(if position == 0 { b'[' } else { b',' });
            put_map(form, element, to);
        }
        to.push(b']');
    } else {
        put_head(0x80, all.len(), to);
        all.iter().for_each(|element| put_map(form, element, to));
    }
    Ok(())
}

/// Appends an event with numbers for keys, and without an id that its other fields tell.
///
/// # Errors
/// A value that CBOR has no word for.
pub(super) fn encode_short(event: &Event, placer: &dyn Placer, to: &mut Vec<u8>) -> Result<(), String> {
    let parts: Parts = describe(event, placer, PartForm::ShortCbor)?;
    let fields: Vec<_> = parts.fields().collect();
    put_map(PartForm::ShortCbor, &fields, to);
    Ok(())
}

/// The fields that all messages have, and most of them with the value of the first.
fn head_of(messages: &[Parts]) -> Vec<(&[u8], &[u8])> {
    let Some(first) = messages.first() else { return Vec::new() };
    let is_common = |field: &(&[u8], &[u8])| {
        let of = |message: &Parts| {
            message.fields().find(|(key, _)| *key == field.0).map(|(_, value)| value == field.1)
        };
        let same: Option<Vec<bool>> = messages.iter().map(of).collect();
        same.is_some_and(|same| same.iter().filter(|same| **same).count() * 2 > messages.len())
    };
    first.fields().filter(is_common).collect()
}

/// What a payload may hold once it is unpacked (bytes).
const UNPACKED_BYTES_MAX: u64 = 64 << 20;

/// The messages of an output's payload: one, or those of a batch, which may be gzip.
///
/// # Errors
/// [`WireError`] if it is neither JSON nor CBOR, or does not unpack.
pub fn read_all(payload: &[u8]) -> Result<Vec<Wire>, WireError> {
    if !payload.starts_with(&[0x1f, 0x8b]) {
        return Ok(messages(read(payload)?));
    }
    let mut unpacked = Vec::new();
    let mut unpacking = GzDecoder::new(payload).take(UNPACKED_BYTES_MAX);
    unpacking.read_to_end(&mut unpacked).map_err(|error| WireError(error.to_string()))?;
    Ok(messages(read(&unpacked)?))
}

/// The messages of a batch, or the one message that this is; each with its id.
fn messages(wire: Wire) -> Vec<Wire> {
    let Wire::List(items) = wire else { return vec![with_id(wire)] };
    let mut items = items.into_iter();
    let Some(Wire::Map(head)) = items.next() else { return Vec::new() };
    let over_head = |item: Wire| {
        let Wire::Map(own) = item else { return item };
        let mut message = head.clone();
        for (key, value) in own {
            match message.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => message.push((key, value)),
            }
        }
        with_id(Wire::Map(message))
    };
    items.map(over_head).collect()
}

/// Puts back an id that was left out.
fn with_id(wire: Wire) -> Wire {
    let id = told_by_fields(&wire).filter(|_| wire.get("id").is_none());
    match (wire, id) {
        (Wire::Map(mut entries), Some(id)) => {
            let after = entries.iter().position(|(key, _)| key == "kind").map_or(0, |kind| kind + 1);
            entries.insert(after, ("id".to_owned(), Wire::Text(id)));
            Wire::Map(entries)
        }
        (wire, _) => wire,
    }
}

fn told_by_fields(wire: &Wire) -> Option<String> {
    let whole = |key: &str| match wire.get(key) {
        Some(Wire::Integer(number)) => Some(*number),
        _ => None,
    };
    let time = match wire.text("kind") {
        "summary" => TellingTime::Window(whole("start")?, whole("end")?),
        "reading" => TellingTime::Moment(whole("time")?),
        _ => return None,
    };
    Some(told(wire.text("stream"), wire.text("series"), time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Unplaced};
    use headwater_pipeline::event::{ClockMark, Subject, Summary, Timestamp};
    use headwater_pipeline::plan::Value;
    use std::io::Write;

    fn summaries(count: usize, aggregates: &[&str]) -> Vec<Event> {
        let summary = |n: usize| {
            let about = Subject {
                agent: "greenhouse-7".into(),
                stream: "climate".into(),
                series: format!("g/bed{n}/temp").as_str().into(),
                labels: [("zone".to_owned(), format!("bed{n}"))].into(),
            };
            let number = |name: &&str| match *name {
                "count" => Value::Count(20),
                "mean" => Value::Number(20.0 + (n * 7_919 % 1_000) as f64 / 333.0),
                // Two decimals, as sensors have.
                name => {
                    let of_name = name.bytes().fold(n, |sum, byte| (sum * 31 + usize::from(byte)) % 9_973);
                    Value::Number((2_000 + of_name % 977) as f64 / 100.0)
                }
            };
            Event::Summary(Box::new(Summary {
                about,
                pair: None,
                start: Timestamp { ms: 1_700_000_040_000, clock: ClockMark::True },
                end_ms: 1_700_000_050_000,
                named_end_ms: 1_700_000_050_000,
                rev: 0,
                is_retracted: false,
                is_partial: false,
                number: None,
                numbers: aggregates.iter().map(|name| ((*name).into(), number(name))).collect(),
                points: None,
                sketch: None,
                pane: None,
            }))
        };
        (0..count).map(summary).collect()
    }

    /// An event as it is alone. Floats in JSON are read to the last digit but one, so that each form has its own.
    fn plain(event: &Event, form: PartForm) -> Wire {
        let format = if form == PartForm::Json { Encoding::Json } else { Encoding::Cbor };
        let mut bytes = Vec::new();
        format.encode(event, &Unplaced, &mut bytes).unwrap();
        read(&bytes).unwrap()
    }

    fn sorted(wire: &Wire) -> Vec<(String, String)> {
        let Wire::Map(entries) = wire else { panic!("{wire:?}") };
        let mut entries: Vec<_> =
            entries.iter().map(|(key, value)| (key.clone(), format!("{value:?}"))).collect();
        entries.sort();
        entries
    }

    /// Whatever the form: the messages come back as they are alone, with their ids.
    #[test]
    fn a_batch_says_what_its_messages_say_alone() {
        let mut events = summaries(9, &["count", "mean", "p95", "odd"]);
        for (at, event) in events.iter_mut().enumerate() {
            let Event::Summary(summary) = event else { panic!() };
            summary.rev = u32::from(at == 4);
            summary.is_partial = at == 5;
            summary.named_end_ms += i64::from(at == 6);
            if at == 7 {
                summary.numbers.clear();
            }
        }
        for form in [PartForm::Json, PartForm::Cbor, PartForm::ShortCbor] {
            let mut bytes = Vec::new();
            encode(&events, &Unplaced, form, &mut bytes).unwrap();
            let back = read_all(&bytes).unwrap();
            assert_eq!(back.len(), events.len(), "{form:?}");
            for (event, back) in events.iter().zip(&back) {
                assert_eq!(sorted(&plain(event, form)), sorted(back), "{form:?}");
            }
        }
        let mut alone = Vec::new();
        encode_short(&events[6], &Unplaced, &mut alone).unwrap();
        assert_eq!(sorted(&read_all(&alone).unwrap()[0]), sorted(&plain(&events[6], PartForm::ShortCbor)));
    }

    fn guide() -> String {
        let path = format!("{}/../../forwarder/src/output/mqtt/README.md", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    /// The bytes of a series and window, with its share of the topic, that the guide's table promises at most.
    #[test]
    fn a_series_takes_as_few_bytes_as_the_guide_says() {
        let events = summaries(100, &["count", "mean", "max", "p95"]);
        let topic = "headwater/greenhouse-7/summary/climate".len();
        let of_batch = |form| {
            let mut bytes = Vec::new();
            encode(&events, &Unplaced, form, &mut bytes).unwrap();
            bytes
        };
        let packed = |bytes: &[u8]| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            packer.write_all(bytes).unwrap();
            packer.finish().unwrap().len()
        };
        let mut short = Vec::new();
        encode_short(&events[50], &Unplaced, &mut short).unwrap();
        let plain = crate::to_json(&events[50]).unwrap().len() + topic + "/g/bed50/temp".len();
        let (json, cbor) = (of_batch(PartForm::Json), of_batch(PartForm::ShortCbor));
        let share = |bytes: usize| (bytes + topic) / 100;
        let figures = [
            plain,
            short.len(),
            share(json.len()),
            share(cbor.len()),
            share(packed(&json)),
            share(packed(&cbor)),
        ];
        let table = guide().split("\n## Few bytes").nth(1).unwrap().to_owned();
        let rows = table.lines().filter(|line| line.starts_with("| `") || line.starts_with("| none"));
        let told =
            rows.map(|row| row.split("| ").nth(2).unwrap().split(' ').next().unwrap().parse().unwrap());
        assert_eq!(told.collect::<Vec<usize>>(), figures);
        assert!(figures[3] < 60 && figures[1] < 120);
    }

    /// What the guide of the MQTT output shows.
    #[test]
    fn the_guide_shows_a_batch_and_the_numbers_of_the_keys() {
        let guide = guide();
        let shown = guide.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
        let mut batch = Vec::new();
        encode(&summaries(2, &["count", "mean"]), &Unplaced, PartForm::Json, &mut batch).unwrap();
        assert_eq!(shown.replace("\n ", "").trim_end(), String::from_utf8(batch).unwrap());
        let numbers: Vec<String> =
            (0..).map_while(crate::short::key).enumerate().map(|(n, key)| format!("{n} `{key}`")).collect();
        let listed =
            guide.split("they are: ").nth(1).unwrap().split(".\n").next().unwrap().replace('\n', " ");
        assert_eq!(listed, numbers.join(", "));
    }

    #[test]
    fn what_is_no_batch_of_ours_is_told_apart() {
        for (text, messages) in [("[]", 0), ("[1,2]", 0), ("[{\"v\":1},{\"a\":2},3]", 2), ("{\"v\":1}", 1)] {
            assert_eq!(read_all(text.as_bytes()).unwrap().len(), messages, "{text}");
        }
        assert!(read_all(b"[").is_err() && read_all(&[0x1f, 0x8b, 8, 0]).is_err());
    }
}
