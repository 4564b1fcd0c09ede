//! What goes over the wire, to the byte: one message of every kind, in JSON and in CBOR, of clocks that are right, unknown,
//! and set back.

use super::*;
use headwater_pipeline::account::MessageDelta;
use headwater_pipeline::event::{
    AckCounts, AgentPresence, BootId, CheckpointBudget, CheckpointFigures, ClockSet, DiskStatus, Report,
    ReportCause, RunEnd, SyncFigures,
};
use headwater_wire::{Messages, Placement, Placer};
use std::fmt::Write as _;

const EXPECTED: &str = include_str!("golden.txt");

const STREAMS: &str = "[streams.all]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\nsketch = true\n\
    aggregates = [\"count\", \"mean\", \"p50\", \"rate\", \"states\", \"stddev\"]\n\
    downsample = { type = \"minmax\", points = 4 }\n\
    pairs = [{ a = \"*/temp\", b = \"*/hum\", tolerance = \"1s\" }]\n\
    [[streams.all.detectors]]\ntype = \"threshold\"\nabove = 30.0\nseverity = \"critical\"\n\
    evidence = { before = 2, after = 2 }\nper_hour = 0\n\
    [[streams.all.detectors]]\ntype = \"threshold\"\nname = \"windows\"\non = \"mean\"\nabove = 20.5\nper_hour = 0\n\
    [streams.pieces]\nseries = [\"*/temp\"]\nwindow = { type = \"count\", size = 3 }\naggregates = [\"count\", \"max\"]\n\
    [streams.raw]\nseries = [\"*/hum\"]\nwindow = { type = \"none\" }\n\
    [streams.pumps]\nseries = [\"hall/*\"]\nwindow = { type = \"none\" }\n[[streams.pumps.detectors]]\ntype = \"half-space\"\nname = \"auto\"\n\
    over = [\"*/pressure\", \"*/flow\"]\nevidence = { before = 2, after = 2 }\n";

/// Readings of two series, one a second for twelve seconds.
fn feed(pipeline: &mut Pipeline, start: i64, own: bool, synced: bool) {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let of = |kind: &str| [label("zone", "bed \"1\""), label("kind", kind)];
    let temp = pipeline.introduce(0, "bed1/temp", &of("t")).unwrap();
    let hum = pipeline.introduce(0, "bed1/hum", &of("h")).unwrap();
    for second in 0..12 {
        let now = Now { synced, ..at(start + second * 1_000) };
        let stamp = if own { TakenAt::Arrival } else { TakenAt::Event(now.time.0) };
        let value = if (4..6).contains(&second) { 35.25 } else { 20.1 - second as f64 * 1.5 };
        pipeline.on_reading(temp, stamp, value, now);
        pipeline.on_reading(hum, stamp, 55.0 + second as f64, now);
    }
}

/// What is usual alone and odd together.
fn feed_group(pipeline: &mut Pipeline) {
    let pressure = pipeline.introduce(0, "hall/pressure", &[]).unwrap();
    let flow = pipeline.introduce(0, "hall/flow", &[]).unwrap();
    for step in 0..1_540 {
        let time = START + step * 1_000;
        let level = ((step * 7_919) % 1_000) as f64 / 100.0;
        let (level, through) = if (1_500..1_530).contains(&step) { (9.0, 1.5) } else { (level, 2.0 * level) };
        pipeline.on_reading(pressure, TakenAt::Event(time), level, at(time));
        pipeline.on_reading(flow, TakenAt::Event(time), through, at(time));
    }
}

fn written(case: &str, event: &Event, placer: &dyn Placer, to: &mut String) {
    let of = |format: Encoding| encoded(format, event, placer);
    let (json, cbor) = (of(Encoding::Json), of(Encoding::Cbor));
    let hex = cbor.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let _ = writeln!(to, "{case}\n{}\n{hex}", std::str::from_utf8(&json).unwrap());
}

/// The boot whose time becomes known, by so much (ms).
struct Found(i64);

impl Placer for Found {
    fn place(&self, _: &BootId) -> Option<Placement> {
        Some(Placement { offset_ms: self.0, estimated: false })
    }
}

fn told(case: &str, pipeline: &mut Pipeline, placer: &dyn Placer, to: &mut String) {
    for (at, event) in pipeline.drain() {
        // The readings of the group are many, and all alike.
        let about = event.about().unwrap();
        if event.kind() == "reading" && about.series.starts_with("hall/")
            || &*about.stream == "all" && about.series.starts_with("hall/")
        {
            continue;
        }
        let message = Messages::default().message(&event, at.0);
        written(&format!("{case} {:?} {}", message.lane, message.made_ms), &event, placer, to);
    }
}

#[test]
fn every_kind_is_on_the_wire_as_it_has_been() {
    let mut out = String::new();
    let mut pipeline = pipeline(STREAMS, 10);
    feed(&mut pipeline, START, false, true);
    told("true", &mut pipeline, &Unplaced, &mut out);
    feed_group(&mut pipeline);
    told("group", &mut pipeline, &Unplaced, &mut out);
    let mut pipeline = super::pipeline(STREAMS, 10);
    pipeline.stamp_with(Some(BootId::from("1f0c22b3-0000-4000-8000-000000000000")));
    feed(&mut pipeline, 86_400_000, true, false);
    told("unsynced", &mut pipeline, &Unplaced, &mut out);
    pipeline.on_clock_step(Now { synced: false, ..at(86_415_000) }, START - 86_415_000, None);
    told("unsynced", &mut pipeline, &Unplaced, &mut out);
    feed(&mut pipeline, START, true, true);
    told("then true", &mut pipeline, &Found(START - 86_415_000), &mut out);
    pipeline.on_clock_step(at(START + 15_000), -15_000, None);
    feed(&mut pipeline, START, true, true);
    told("set back", &mut pipeline, &Found(START - 86_415_000), &mut out);
    let mut pipeline = super::pipeline("[streams.all]\nlateness = \"0s\"\n", 10);
    pipeline.forget_past();
    pipeline.resume(at(START), false);
    feed(&mut pipeline, START, false, true);
    pipeline.on_tick(at(START + 3_600_000));
    told("partial", &mut pipeline, &Unplaced, &mut out);
    own(&pipeline_of_own(), &mut out);
    if std::env::var_os("HEADWATER_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pipeline/golden.txt");
        std::fs::write(path, &out).unwrap();
        return;
    }
    let lines = out.lines().zip(EXPECTED.lines());
    lines.enumerate().for_each(|(at, (now, then))| assert_eq!(now, then, "line {}", at + 1));
    assert_eq!(out.lines().count(), EXPECTED.lines().count());
}

fn pipeline_of_own() -> std::cell::RefCell<Pipeline> {
    let mut pipeline = pipeline("[streams.all]\n", 10);
    feed(&mut pipeline, START, false, true);
    pipeline.into()
}

/// What the agent says of itself.
fn own(pipeline: &std::cell::RefCell<Pipeline>, to: &mut String) {
    let messages = MessageDelta { made: 9, delivered: 4, waiting: 3, thinned: 1, lost: 1 };
    let mut pipeline = pipeline.borrow_mut();
    let readings = pipeline.ledger();
    let mut written_at = |kind: &str, event: Event, at: i64| {
        let message = Messages::default().message(&event, at);
        written(&format!("{kind} {:?} {}", message.lane, message.made_ms), &event, &Unplaced, to);
    };
    let agent = pipeline.agent().clone();
    for (cause, detail, stop, boot) in [
        (ReportCause::Interval, "", None, None),
        (ReportCause::Shed, "3 \"messages\" lost", None, Some(BootId::from("1f0c22b3-0000"))),
        (ReportCause::Restart, "", Some(RunEnd::Power), None),
    ] {
        pipeline.stamp_with(boot);
        let report = Report {
            agent: agent.clone(),
            from_ms: START,
            to: pipeline.own_time(Time(START + 60_000)),
            cause,
            detail: detail.to_owned(),
            stop,
            readings: readings.clone(),
            messages,
            readings_total: readings.total,
            messages_total: messages,
            suppressed: 2,
            suppressed_total: 5,
        };
        written_at("report", Event::Report(Box::new(report)), START + 60_001);
    }
    pipeline.stamp_with(None);
    for estimated in [false, true] {
        let (time, boot) = (pipeline.own_time(Time(START)), BootId::from("1f0c22b3-0000"));
        let set = ClockSet { agent: agent.clone(), time, boot, offset_ms: -5, estimated };
        written_at("clock", Event::Clock(set), START);
    }
    let disk = DiskStatus {
        used_bytes: 1,
        written_today_bytes: 2,
        daily_writes: 3,
        device_written_today_bytes: Some(4),
    };
    let budget = CheckpointBudget { allowed_ms: 25_000, daily_bytes: 6 };
    let checkpoint = CheckpointFigures { every_ms: 10_000, age_ms: 5, budget: Some(budget) };
    let sync = SyncFigures { every_ms: 1_000, allowed_ms: Some(900) };
    let acks = AckCounts { source: "field".to_owned(), held: 20, stalled_ms: 7, window: Some(20) };
    for (boot, trouble, disk, checkpoint, sync, acks) in [
        (None, &[][..], None, None, None, vec![]),
        (
            Some(BootId::from("1f0c22b3-0000")),
            &["one", "two"][..],
            Some(disk),
            Some(checkpoint),
            Some(sync),
            vec![acks.clone(), AckCounts { source: "x".to_owned(), window: None, ..acks }],
        ),
        (
            None,
            &[][..],
            Some(DiskStatus { device_written_today_bytes: None, ..disk }),
            Some(CheckpointFigures { budget: None, ..checkpoint }),
            Some(SyncFigures { allowed_ms: None, ..sync }),
            vec![],
        ),
    ] {
        let trouble = trouble.iter().map(|text| (*text).to_owned()).collect();
        let status = AgentPresence {
            agent: agent.clone(),
            online: true,
            started_ms: START,
            boot,
            trouble,
            disk,
            checkpoint,
            sync,
            acks,
        };
        written("status", &Event::Status(Box::new(status)), &Unplaced, to);
    }
}
