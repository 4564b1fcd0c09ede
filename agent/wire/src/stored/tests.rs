//! Everything that is stored reads back equal; what cannot be read is an error that names the reason.

use super::fields::{put_field, put_signed};
use super::*;
use crate::kinds::Encoded;
use crate::{Encoding, Unplaced};
use headwater_kernel::series::Pane as _;
use headwater_kernel::time::Time;
use headwater_pipeline::account::{MessageDelta, ReadingCounts, ReadingLedger, SourceCounts};
use headwater_pipeline::event::{
    AckCounts, AgentPresence, Alert, AlertState, BootId, CheckpointBudget, CheckpointFigures, ClockMark,
    ClockSet, DiskStatus, Evidence, Prediction, Reading, Readings, Report, ReportCause, RunEnd, Subject,
    Summary, SyncFigures, TimedValues, Timestamp,
};
use headwater_pipeline::plan::{Aggregate, AggregatePlan, Value};
use proptest::prelude::*;
use std::sync::Arc;

fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-z~@#/é]{0,12}".prop_map(|text| Arc::from(text.as_str()))
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<i32>().prop_map(f64::from), -1e9..1e9_f64, Just(f64::MAX), Just(1e-300)]
}

fn mark() -> impl Strategy<Value = ClockMark> {
    prop_oneof![
        4 => Just(ClockMark::True),
        1 => (1..9_u32).prop_map(ClockMark::Turn),
        1 => "[0-9a-f-]{1,36}".prop_map(|id| ClockMark::Boot(BootId::from(id.as_str()))),
    ]
}

fn at() -> impl Strategy<Value = Timestamp> {
    (prop_oneof![1_700_000_000_000..1_700_000_100_000_i64, any::<i64>()], mark())
        .prop_map(|(ms, clock)| Timestamp { ms, clock })
}

fn about() -> impl Strategy<Value = Subject> {
    let labels = prop::collection::vec(("[a-z]{0,5}", ".{0,5}"), 0..4);
    (name(), name(), name(), labels).prop_map(|(agent, stream, series, labels)| Subject {
        agent,
        stream,
        series,
        labels: labels.into(),
    })
}

fn readings() -> impl Strategy<Value = TimedValues> {
    prop::collection::vec((any::<i64>(), number()), 0..20)
}

fn lists() -> impl Strategy<Value = Readings> {
    prop_oneof![
        readings().prop_map(Readings::Of),
        prop::collection::vec((name(), readings()), 0..4).prop_map(Readings::OfEach),
    ]
}

fn plan() -> AggregatePlan {
    let names = ["count", "mean", "p95", "rate", "slope", "states"];
    let named = names.iter().map(|name| ((*name).to_owned(), Aggregate::parse(name).unwrap()));
    AggregatePlan::new(named.collect(), None).with_sketch(true)
}

fn summary() -> impl Strategy<Value = Event> {
    let values = prop::collection::vec((0..60_000_i64, -1e6..1e6_f64), 0..80);
    let shape = (any::<u32>(), prop::option::of(0..u64::MAX), prop::option::of((name(), name())));
    let keeps = (prop::option::of(readings()), any::<bool>(), any::<bool>());
    (about(), at(), any::<i64>(), values, shape, keeps).prop_map(
        |(about, start, end_ms, values, (rev, number, pair), (points, keeps_sketch, keeps_pane))| {
            let plan = plan();
            let mut pane = plan.pane();
            values.iter().for_each(|(ms, value)| pane.push(Time(*ms), *value));
            let made = Summary::new(about, (start, end_ms), &plan, &pane);
            Event::Summary(Box::new(Summary {
                pair: pair.map(|(a, b)| [a, b]),
                rev,
                is_partial: keeps_pane && keeps_sketch,
                is_retracted: keeps_pane && !keeps_sketch,
                named_end_ms: if rev % 2 == 0 { end_ms } else { end_ms ^ 7 },
                number,
                points,
                sketch: made.sketch.filter(|_| keeps_sketch),
                pane: keeps_pane.then(|| Box::new(pane)),
                ..Summary { sketch: None, ..made }
            }))
        },
    )
}

fn of_series() -> impl Strategy<Value = Event> {
    let reading = (about(), at(), any::<u32>(), number())
        .prop_map(|(about, time, rev, value)| Event::Reading(Reading { about, time, rev, value }));
    let texts = (".{0,9}", ".{0,9}", prop::option::of("[a-z]{0,5}"), ".{0,30}");
    let numbers = (number(), prop::collection::vec((name(), number()), 0..4), prop::option::of(number()));
    let alert = (about(), any::<bool>(), any::<u32>(), at(), at(), texts, numbers, lists()).prop_map(
        |(about, is_raised, rev, raised, time, texts, (value, values, score), evidence)| {
            let (detector, severity, on, reason) = texts;
            let state = if is_raised { AlertState::Raised } else { AlertState::Cleared };
            Event::Alert(Box::new(Alert {
                about,
                detector,
                state,
                rev,
                raised,
                time,
                severity,
                class: on.as_deref().map(Arc::from),
                on,
                value,
                values,
                expected: score.map(|score| score + 1.0),
                score,
                reason,
                evidence,
            }))
        },
    );
    let evidence = (about(), ".{0,9}", any::<u32>(), at(), mark(), lists()).prop_map(
        |(about, detector, rev, raised, clock, readings)| {
            Event::Evidence(Box::new(Evidence { about, detector, rev, raised, clock, readings }))
        },
    );
    let numbers = (number(), prop::collection::vec((name(), number()), 0..4));
    let prediction = (about(), (".{0,9}", name()), any::<u32>(), at(), numbers).prop_map(
        |(about, (detector, class), rev, time, (score, probabilities))| {
            let own = Prediction { about, detector, rev, time, class, score, probabilities };
            Event::Prediction(Box::new(own))
        },
    );
    prop_oneof![summary(), reading, alert, evidence, prediction]
}

fn of_agent() -> impl Strategy<Value = Event> {
    let counts = || {
        prop::array::uniform(any::<i32>()).prop_map(|counts: [i32; 10]| {
            let names = ReadingCounts::default().named().map(|(name, _)| name);
            ReadingCounts::from_named(names.into_iter().zip(counts.map(i64::from)))
        })
    };
    let parts = prop::collection::vec((name(), counts(), any::<i64>()), 0..4);
    let report =
        (name(), at(), any::<i64>(), 0..ReportCause::ALL.len(), ".{0,40}", counts(), counts(), parts)
            .prop_map(|(agent, to, from_ms, cause, detail, total, readings_total, parts)| {
                let intake = |made| SourceCounts { received: made, selected: 1, ..SourceCounts::default() };
                Event::Report(Box::new(Report {
                    agent,
                    from_ms,
                    to,
                    cause: ReportCause::ALL[cause],
                    detail,
                    stop: RunEnd::ALL.get(cause).copied(),
                    readings: ReadingLedger {
                        total,
                        sources: parts
                            .iter()
                            .map(|(name, _, made)| (name.to_string(), intake(*made)))
                            .collect(),
                        streams: parts.iter().map(|(name, counts, _)| (name.to_string(), *counts)).collect(),
                    },
                    messages: MessageDelta { made: from_ms, lost: 3, ..MessageDelta::default() },
                    readings_total,
                    messages_total: MessageDelta { waiting: 7, ..MessageDelta::default() },
                    suppressed: from_ms,
                    suppressed_total: -1,
                }))
            });
    let clock = (name(), at(), "[0-9a-f]{0,36}", any::<i64>(), any::<bool>()).prop_map(
        |(agent, time, boot, offset_ms, estimated)| {
            Event::Clock(ClockSet { agent, time, boot: BootId::from(boot.as_str()), offset_ms, estimated })
        },
    );
    let disk = (any::<u64>(), prop::option::of(any::<u64>())).prop_map(|(used, device)| DiskStatus {
        used_bytes: used,
        written_today_bytes: 2,
        daily_writes: 3,
        device_written_today_bytes: device,
    });
    let budget = prop::option::of(any::<u64>());
    let checkpoint = (any::<u64>(), budget).prop_map(|(every_ms, budget)| CheckpointFigures {
        every_ms,
        age_ms: 7,
        budget: budget.map(|allowed_ms| CheckpointBudget { allowed_ms, daily_bytes: 9 }),
    });
    let sync = prop::option::of(any::<u64>()).prop_map(|allowed_ms| SyncFigures { every_ms: 5, allowed_ms });
    let acks = ("[a-z]{1,9}", any::<u64>(), prop::option::of(0..u64::MAX))
        .prop_map(|(source, held, window)| AckCounts { source, held, stalled_ms: 3, window });
    let acks = prop::collection::vec(acks, 0..3);
    let trouble = prop::collection::vec(".{0,9}", 0..3);
    let status = (
        name(),
        any::<bool>(),
        any::<i64>(),
        prop::option::of("[a-f]{0,9}"),
        trouble,
        (prop::option::of(disk), prop::option::of(checkpoint), prop::option::of(sync), acks),
    )
        .prop_map(|(agent, online, started_ms, boot, trouble, (disk, checkpoint, sync, acks))| {
            let boot = boot.map(|boot| BootId::from(boot.as_str()));
            Event::Status(Box::new(AgentPresence {
                agent,
                online,
                started_ms,
                boot,
                trouble,
                disk,
                checkpoint,
                sync,
                acks,
            }))
        });
    prop_oneof![report, clock, status]
}

fn stored(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_event(&mut bytes, event);
    bytes
}

proptest! {
    #[test]
    fn every_event_comes_back_equal(event in prop_oneof![3 => of_series(), 1 => of_agent()]) {
        let mut bytes = stored(&event);
        prop_assert_eq!(read_event(&bytes), Ok(event.clone()));
        let names = names(&bytes).unwrap();
        let about = event.about().map_or(("", ""), |about| (&*about.stream, &*about.series));
        prop_assert_eq!((names.kind, names.stream, names.series), (event.kind(), about.0, about.1));
        // A field of a later version is skipped.
        put_field(&mut bytes, 63, |to| put_signed(to, -5));
        prop_assert_eq!(read_event(&bytes), Ok(event));
    }

    /// The map that CBOR counts first and the one that JSON writes in one run.
    #[test]
    fn every_event_has_the_json_that_serde_makes(event in prop_oneof![3 => of_series(), 1 => of_agent()]) {
        let mut bytes = Vec::new();
        Encoding::Json.encode(&event, &Unplaced, &mut bytes).unwrap();
        prop_assert_eq!(bytes, serde_json::to_vec(&Encoded { event: &event, placer: &Unplaced }).unwrap());
    }

    #[test]
    fn what_is_damaged_never_panics(
        event in prop_oneof![of_series(), of_agent()], at in any::<prop::sample::Index>(), bit in 0..8_u8,
        rubbish in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = stored(&event);
        let at = at.index(bytes.len());
        prop_assert!(at > 1 || read_event(&bytes[..at]).is_err());
        let _ = read_event(&bytes[..at]);
        bytes[at] ^= 1 << bit;
        let _ = (read_event(&bytes), names(&bytes), mergeable(&bytes).is_some(), read_event(&rubbish));
    }
}

#[test]
fn another_version_is_named() {
    let set = ClockSet {
        agent: "a".into(),
        time: Timestamp::default(),
        boot: BootId::from("b"),
        offset_ms: 0,
        estimated: false,
    };
    let mut bytes = stored(&Event::Clock(set));
    bytes[1] = 9;
    let error = read_event(&bytes).unwrap_err();
    assert_eq!(error, StoredError::Version { kind: "clock", version: 9 });
    assert!(error.to_string().contains("a stored clock is of version 9"));
    bytes[0] = 99;
    assert_eq!(names(&bytes), Err(StoredError::Kind(99)));
    assert_eq!(read_event(&[]), Err(StoredError::CutOff));
}

/// The bytes of a message are what a later version must read: this is what version 1 of a summary looks like.
#[test]
fn the_layout_is_pinned() {
    let plan = AggregatePlan::new(vec![("mean".to_owned(), Aggregate::Mean)], None);
    let about = Subject {
        agent: "a".into(),
        stream: "s".into(),
        series: "t".into(),
        labels: [("k".to_owned(), "v".to_owned())].into(),
    };
    let start = Timestamp { ms: 60_000, clock: ClockMark::Boot(BootId::from("b")) };
    let summary = Summary {
        rev: 3,
        number: Some(0),
        numbers: vec![("n".into(), Value::Count(300)), ("m".into(), Value::Number(1.0))],
        points: Some(vec![(60_001, 2.0), (60_000, 0.0)]),
        ..Summary::new(about, (start, 120_000), &plan, &plan.pane())
    };
    let bytes = stored(&Event::Summary(Box::new(summary)));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "01010201730301740101610404016b01760603c0a90705030001620703c0a9070801030901010a10016e00ac02016d01\
         000000000000f03f0c14c2a9070000000000000040010000000000000000"
    );
}
