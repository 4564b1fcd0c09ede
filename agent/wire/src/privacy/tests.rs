//! What leaves and what does not, in every format.

use super::*;
use crate::{ENCODERS, Encoding, Messages, OutputEncoder, Unplaced};
use headwater_forwarder::{Encoder as _, Framing, Message};
use headwater_pipeline::account::{MessageDelta, ReadingCounts, ReadingLedger};
use headwater_pipeline::event::{AlertState, ClockMark, Reading, ReportCause, Timestamp};
use headwater_pipeline::plan::Value;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

const KEY: &[u8] = b"a key of 16 bytes";

fn privacy() -> Privacy {
    Privacy::new(vec!["owner".into()], vec!["device".into(), "room".into()], KEY)
}

fn at(ms: i64) -> Timestamp {
    Timestamp { ms, clock: ClockMark::True }
}

fn about(series: &str, labels: &[(&str, &str)]) -> Subject {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Subject { agent: "g7".into(), stream: "climate".into(), series: series.into(), labels }
}

fn reading(series: &str, labels: &[(&str, &str)]) -> Event {
    Event::Reading(Reading { about: about(series, labels), time: at(1_000), rev: 0, value: 0.5 })
}

fn summary(about: Subject, pair: Option<[&str; 2]>) -> Event {
    Event::Summary(Box::new(Summary {
        about,
        pair: pair.map(|names| names.map(Into::into)),
        start: at(60_000),
        end_ms: 120_000,
        rev: 0,
        is_partial: false,
        is_retracted: false,
        named_end_ms: 120_000,
        number: None,
        numbers: vec![("mean".into(), Value::Number(1.5))],
        points: None,
        sketch: None,
        pane: None,
    }))
}

fn alert(about: Subject, reason: String, others: &[&str]) -> Event {
    let of_each = others.iter().map(|name| ((*name).into(), vec![(1_000, 0.5)])).collect();
    Event::Alert(Box::new(Alert {
        about,
        detector: "auto".into(),
        state: AlertState::Raised,
        rev: 0,
        raised: at(1_000),
        time: at(1_000),
        severity: "warning".into(),
        on: None,
        value: 2.0,
        values: others.iter().map(|name| ((*name).into(), 0.5)).collect(),
        expected: None,
        score: None,
        class: None,
        reason,
        evidence: if others.is_empty() { Readings::Of(Vec::new()) } else { Readings::OfEach(of_each) },
    }))
}

fn encoder(format: Encoding) -> OutputEncoder {
    let privacy = Some(privacy());
    OutputEncoder {
        agent: "g7".into(),
        format,
        streams: None,
        kinds: None,
        placer: Arc::new(Unplaced),
        privacy,
    }
}

/// Everything that leaves of an event: its address, its identity, and its bytes in every format.
fn leaving(event: &Event) -> Vec<u8> {
    let message = Messages::default().message(event, 7);
    let mut bytes = Vec::new();
    for (_, format) in ENCODERS {
        let encoder = encoder(*format);
        let address = encoder.address(&message).unwrap();
        bytes.extend_from_slice(
            format!("{}|{}|{}\n", address.kind, address.stream, address.series).as_bytes(),
        );
        bytes.extend(encoder.identity(&message).into_iter().flat_map(|identity| identity.id.into_bytes()));
        encoder.encode(&[&message], Framing::Lines, &mut bytes).unwrap();
    }
    bytes
}

fn json(event: &Event) -> String {
    let message: Message = Messages::default().message(event, 7);
    let mut bytes = Vec::new();
    encoder(Encoding::Json).encode(&[&message], Framing::Single, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn names_and_labels_lose_what_must_not_leave_and_keep_the_rest() {
    let private = privacy();
    let labels = [("owner", "smith"), ("device", "pump7"), ("site", "north"), ("note", "of smith at pump7")];
    let text = json(&reading("home/smith/pump7/temp", &labels));
    let (device, whole) = (private.of("pump7"), private.whole("home/smith/pump7/temp"));
    let series = format!("home/{device}/temp/{whole}");
    assert!(text.contains(&format!("\"id\":\"climate/{series}@1000\"")), "{text}");
    let labels =
        format!("\"labels\":{{\"device\":\"{device}\",\"site\":\"north\",\"note\":\"of  at {device}\"}}");
    assert!(text.contains(&labels), "{text}");
    assert_eq!(device.len(), 16);
    // The key, and nothing else, chooses the pseudonym.
    assert_eq!(device, privacy().of("pump7"));
    assert_ne!(device, Privacy::new(vec![], vec![], b"another key of 16").of("pump7"));
    // What has none of the labels stays as it is.
    let plain = [("site", "north")];
    assert!(
        json(&reading("home/temp", &plain))
            .contains("\"series\":\"home/temp\",\"labels\":{\"site\":\"north\"}")
    );
    // A value that names are cleaned of takes the whole name with it.
    let odd = json(&reading("a_b/c/temp", &[("device", "a b/c")]));
    assert!(odd.contains(&format!("\"series\":\"{}\"", private.whole("a_b/c/temp"))), "{odd}");
}

#[test]
fn what_the_agent_says_in_words_stays_at_home() {
    let report = Event::Report(Box::new(Report {
        agent: "g7".into(),
        from_ms: 0,
        to: at(1_000),
        cause: ReportCause::Refused,
        detail: "1 messages refused: headwater/g7/reading/climate/home/smith".into(),
        stop: None,
        readings: ReadingLedger::default(),
        messages: MessageDelta::default(),
        readings_total: ReadingCounts::default(),
        messages_total: MessageDelta::default(),
        suppressed: 0,
        suppressed_total: 0,
    }));
    let status = Event::Status(Box::new(AgentPresence {
        agent: "g7".into(),
        online: true,
        started_ms: 0,
        boot: None,
        trouble: vec!["nothing of home/smith".into(), "the disk is full".into()],
        disk: None,
        checkpoint: None,
        sync: None,
        acks: Vec::new(),
    }));
    let texts = [json(&report), json(&status)];
    assert!(texts.iter().all(|text| !text.contains("smith")), "{texts:?}");
    assert!(texts[0].contains("\"cause\":\"refused\"") && texts[1].contains("2 troubles"), "{texts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// No value of a hidden label stands in any byte that leaves, wherever `series` had put it, and ids stay apart.
    #[test]
    fn no_hidden_value_leaves(
        values in proptest::collection::hash_set("Q[A-Z]{3,6}[ /+#._-]?[X-Z]{0,3}", 6..=6),
        shape in 0..5_usize,
    ) {
        let values: Vec<String> = values.into_iter().collect();
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        for owner in &values[..3] {
            for device in &values[3..] {
                let labels = [("owner", owner.as_str()), ("device", device.as_str()), ("copy", device.as_str())];
                let safe = |value: &str| value.replace([' ', '+', '#'], "_");
                let series = match shape {
                    0 => format!("home/{}/{}/temp", safe(owner), safe(device)),
                    1 => format!("home/{}-{}", safe(owner), safe(device)),
                    2 => format!("{}{}", safe(device), safe(owner)),
                    3 => format!("of{}x/{}", safe(owner), safe(device)),
                    _ => format!("{}/{}/{}", safe(owner), safe(owner), safe(device)),
                };
                let about = about(&series, &labels);
                let pair = Subject { series: format!("{series}~b").into(), labels: [].into(), ..about.clone() };
                let group = Subject { series: "all".into(), labels: [].into(), ..about.clone() };
                let events = [
                    reading(&series, &labels),
                    summary(about.clone(), None),
                    summary(pair.clone(), Some([&series, "b"])),
                    alert(about.clone(), format!("{series} of {owner} is above 1"), &[]),
                    alert(pair, format!("{series} is odd"), &[]),
                    alert(group, format!("{series}: far from b"), &[&series, "b"]),
                    Event::Evidence(Box::new(Evidence {
                        about: about.clone(),
                        detector: "auto".into(),
                        rev: 0,
                        raised: at(1_000),
                        clock: ClockMark::True,
                        readings: Readings::OfEach(vec![(series.as_str().into(), vec![(1_000, 0.5)])]),
                    })),
                ];
                for event in &events {
                    let bytes = leaving(event);
                    let text = String::from_utf8_lossy(&bytes);
                    for value in [owner, device] {
                        prop_assert!(!text.contains(value.as_str()), "{value}: {text}");
                        prop_assert!(!text.contains(&safe(value)), "{value}: {text}");
                    }
                    // The same again, after a restart.
                    prop_assert_eq!(&bytes, &leaving(event));
                }
                let text = json(&events[0]);
                let id = text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
                names.insert(id.split('@').next().unwrap().to_owned());
                ids.insert(id);
            }
        }
        prop_assert_eq!((ids.len(), names.len()), (9, 9), "two series stay two");
    }
}
