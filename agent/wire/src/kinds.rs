//! The fields of each kind of message.

use super::WIRE_VERSION;
use super::fields::{Describe, Fields, serialize};
use super::id::Id;
use super::place::{Placed, Placer};
use super::report;
use super::sketch::WireSketch;
use headwater_pipeline::event::{
    AckCounts, AgentPresence, Alert, AlertState, CheckpointFigures, ClockSet, DiskStatus, Event, Evidence,
    Labels, Prediction, Reading, Readings, Subject, Summary, SyncFigures,
};
use headwater_pipeline::unit;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::sync::Arc;

/// An event as the map on the wire.
pub(super) struct Encoded<'a> {
    pub(super) event: &'a Event,
    pub(super) placer: &'a dyn Placer,
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Encoded<'_> {
    fn describe(&self, to: &mut impl Fields) {
        describe(self.event, self.placer, to);
    }
}

/// Adds all fields of an event.
fn describe(event: &Event, placer: &dyn Placer, to: &mut impl Fields) {
    let clock = Placed::new(event.clock(), placer);
    to.put("v", &WIRE_VERSION);
    to.put("kind", event.kind());
    to.put_some("id", Id::of(event, placer).as_ref());
    match event {
        Event::Summary(summary) => describe_summary(summary, clock, to),
        Event::Reading(reading) => describe_reading(reading, clock, to),
        Event::Alert(alert) => describe_alert(alert, clock, to),
        Event::Evidence(evidence) => describe_evidence(evidence, (placer, clock), to),
        Event::Prediction(prediction) => describe_prediction(prediction, clock, to),
        Event::Report(report) => report::describe(report, clock, to),
        Event::Clock(set) => describe_clock(set, clock, to),
        Event::Status(status) => describe_status(status, to),
    }
    if let Some((word, boot)) = clock.said {
        to.put("clock", word);
        to.put("boot", &**boot);
    }
}

fn describe_summary(summary: &Summary, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("rev", &summary.rev);
    if summary.is_partial {
        to.put("partial", &true);
    }
    if summary.is_retracted {
        to.put("retracted", &true);
    }
    describe_names(&summary.about, to);
    if let Some([a, b]) = &summary.pair {
        to.put("a", &**a);
        to.put("b", &**b);
    }
    describe_labels(&summary.about, to);
    to.put("start", &clock.at(summary.start.ms));
    to.put("end", &clock.at(summary.end_ms));
    summary.numbers.iter().for_each(|(name, value)| to.put(name, value));
    to.put_some("points", summary.points.as_ref().map(|points| Series(clock, points)).as_ref());
    to.put_some("sketch", summary.sketch.as_ref().map(WireSketch).as_ref());
}

fn describe_reading(reading: &Reading, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("rev", &reading.rev);
    describe_names(&reading.about, to);
    describe_labels(&reading.about, to);
    to.put("time", &clock.at(reading.time.ms));
    to.put("value", &reading.value);
}

fn describe_alert(alert: &Alert, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("rev", &alert.rev);
    to.put("state", if alert.state == AlertState::Raised { "raised" } else { "cleared" });
    describe_names(&alert.about, to);
    describe_labels(&alert.about, to);
    to.put("detector", alert.detector.as_str());
    to.put("severity", alert.severity.as_str());
    to.put("time", &clock.at(alert.time.ms));
    to.put_some("on", alert.on.as_deref());
    to.put_some("value", alert.value.is_finite().then_some(&alert.value));
    if !alert.values.is_empty() {
        to.put("values", &Named(&alert.values));
    }
    to.put_some("expected", alert.expected.as_ref());
    to.put_some("score", alert.score.as_ref());
    to.put_some("class", alert.class.as_deref());
    to.put("reason", alert.reason.as_str());
    if !alert.evidence.is_empty() {
        to.put("evidence", &ReadingLists(clock, &alert.evidence));
    }
}

fn describe_evidence(evidence: &Evidence, (placer, clock): (&dyn Placer, Placed<'_>), to: &mut impl Fields) {
    to.put("rev", &evidence.rev);
    describe_names(&evidence.about, to);
    describe_labels(&evidence.about, to);
    to.put("detector", evidence.detector.as_str());
    to.put("alert", &Id::of_alert_before(evidence, placer));
    to.put("evidence", &ReadingLists(clock, &evidence.readings));
}

fn describe_prediction(prediction: &Prediction, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("rev", &prediction.rev);
    describe_names(&prediction.about, to);
    describe_labels(&prediction.about, to);
    to.put("detector", prediction.detector.as_str());
    to.put("time", &clock.at(prediction.time.ms));
    to.put("class", &*prediction.class);
    to.put("score", &prediction.score);
    to.put("probabilities", &Named(&prediction.probabilities));
}

fn describe_clock(set: &ClockSet, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("rev", &0);
    to.put("agent", &*set.agent);
    to.put("time", &clock.at(set.time.ms));
    to.put("boot", &*set.boot);
    to.put("offset", &set.offset_ms);
    if set.estimated {
        to.put("clock", "estimated");
    }
}

fn describe_status(status: &AgentPresence, to: &mut impl Fields) {
    to.put("agent", &*status.agent);
    to.put("state", if status.online { "online" } else { "offline" });
    to.put("version", env!("CARGO_PKG_VERSION"));
    to.put("started", &status.started_ms);
    to.put("clock", if status.boot.is_none() { "synced" } else { "unsynced" });
    to.put_some("boot", status.boot.as_deref());
    if !status.trouble.is_empty() {
        to.put("trouble", &status.trouble);
    }
    to.put_some("disk", status.disk.as_ref().map(Disk).as_ref());
    to.put_some("checkpoint", status.checkpoint.as_ref().map(Checkpoints).as_ref());
    to.put_some("sync", status.sync.as_ref().map(Syncs).as_ref());
    if !status.acks.is_empty() {
        to.put("acks", &AckMap(&status.acks));
    }
}

fn describe_names(about: &Subject, to: &mut impl Fields) {
    to.put("agent", &*about.agent);
    to.put("stream", &*about.stream);
    to.put("series", &*about.series);
}

fn describe_labels(about: &Subject, to: &mut impl Fields) {
    to.put_some("unit", unit::of(&about.labels));
    to.put("labels", &LabelMap(&about.labels));
}

/// Labels as a map, in their own order.
struct LabelMap<'a>(&'a Labels);

impl Serialize for LabelMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // CBOR says first how many there are.
        let mut map = serializer.serialize_map(Some(unit::named(self.0).count()))?;
        for (key, value) in unit::named(self.0) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Numbers by name.
struct Named<'a>(&'a [(Arc<str>, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (&**name, value)))
    }
}

/// Readings, with their times on the clock as it is sent.
struct Series<'a>(Placed<'a>, &'a [(i64, f64)]);

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.1.iter().map(|(ms, value)| (self.0.at(*ms), *value)))
    }
}

/// A list of readings; or one for each series, by name.
struct ReadingLists<'a>(Placed<'a>, &'a Readings);

impl Serialize for ReadingLists<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Readings::Of(readings) => Series(self.0, readings).serialize(serializer),
            Readings::OfEach(series) => serializer
                .collect_map(series.iter().map(|(name, readings)| (&**name, Series(self.0, readings)))),
        }
    }
}

struct Disk<'a>(&'a DiskStatus);

impl Serialize for Disk<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Disk<'_> {
    fn describe(&self, to: &mut impl Fields) {
        to.put("used", &self.0.used_bytes);
        to.put("written_today", &self.0.written_today_bytes);
        to.put("daily_writes", &self.0.daily_writes);
        to.put_some("device_written_today", self.0.device_written_today_bytes.as_ref());
    }
}

struct Checkpoints<'a>(&'a CheckpointFigures);

impl Serialize for Checkpoints<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Checkpoints<'_> {
    fn describe(&self, to: &mut impl Fields) {
        to.put("every", &self.0.every_ms);
        to.put("age", &self.0.age_ms);
        if let Some(budget) = &self.0.budget {
            to.put("allowed", &budget.allowed_ms);
            to.put("daily_bytes", &budget.daily_bytes);
        }
    }
}

struct Syncs<'a>(&'a SyncFigures);

impl Serialize for Syncs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Syncs<'_> {
    fn describe(&self, to: &mut impl Fields) {
        to.put("every", &self.0.every_ms);
        to.put_some("allowed", self.0.allowed_ms.as_ref());
    }
}

/// Acknowledgements by source.
struct AckMap<'a>(&'a [AckCounts]);

impl Serialize for AckMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|counts| (&counts.source, Acks(counts))))
    }
}

struct Acks<'a>(&'a AckCounts);

impl Serialize for Acks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Acks<'_> {
    fn describe(&self, to: &mut impl Fields) {
        to.put("held", &self.0.held);
        to.put_some("window", self.0.window.as_ref());
        to.put("stalled", &self.0.stalled_ms);
    }
}
