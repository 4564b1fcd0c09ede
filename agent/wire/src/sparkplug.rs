//! Metrics of Sparkplug B 3.0: those of one summary, reading, alert or prediction, each as field 2 of a `Payload`. Other
//! kinds of messages have none.
//!
//! The names of metrics are those of the numbers: `mean`, `p95`, `value`. An alert is the Boolean `alert/DETECTOR`, and the
//! text `alert/DETECTOR/reason`; a prediction is the text `prediction/DETECTOR` and the number `prediction/DETECTOR/score`.
//! The time of a summary is the end of its window, that of others their own (ms since the Unix epoch). A unit is the property
//! `engUnit`. A retracted summary has no metric. What tells revisions apart has no place here.
//!
//! Source: Eclipse Sparkplug 3.0.0, chapter 6; `sparkplug_b.proto`.

use super::figures::unit_of;
use super::place::{Placed, Placer};
use headwater_pipeline::event::{Alert, AlertState, Event, Labels, Prediction, Summary};
use headwater_pipeline::plan::Value;
use headwater_pipeline::unit;
use headwater_protobuf::{put_bits64, put_bytes, put_number};

/// The kinds that have metrics.
const KINDS: [&str; 4] = ["summary", "reading", "alert", "prediction"];

/// The numbers of the fields of a `Payload`, a `Metric`, a `PropertySet` and a `PropertyValue`.
mod fields {
    pub(super) const METRICS: u8 = 2;
    pub(super) const NAME: u8 = 1;
    pub(super) const TIMESTAMP: u8 = 3;
    pub(super) const DATATYPE: u8 = 4;
    pub(super) const PROPERTIES: u8 = 9;
    pub(super) const LONG: u8 = 11;
    pub(super) const DOUBLE: u8 = 13;
    pub(super) const BOOLEAN: u8 = 14;
    pub(super) const STRING: u8 = 15;
    pub(super) const KEYS: u8 = 1;
    pub(super) const VALUES: u8 = 2;
    pub(super) const PROPERTY_TYPE: u8 = 1;
    pub(super) const PROPERTY_STRING: u8 = 8;
}

/// The numbers of `DataType`.
mod types {
    pub(super) const INT64: u64 = 4;
    pub(super) const DOUBLE: u64 = 10;
    pub(super) const BOOLEAN: u64 = 11;
    pub(super) const STRING: u64 = 12;
}

/// The property that hosts read a unit from.
const UNIT: &str = "engUnit";

/// Whether messages of the kind have metrics.
pub(super) fn has_metrics(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// Appends the metrics of an event.
pub(super) fn encode(event: &Event, placer: &dyn Placer, to: &mut Vec<u8>) {
    let time_ms = match event {
        Event::Summary(summary) => summary.end_ms,
        Event::Reading(reading) => reading.time.ms,
        Event::Alert(alert) => alert.time.ms,
        Event::Prediction(prediction) => prediction.time.ms,
        Event::Evidence(_) | Event::Report(_) | Event::Clock(_) | Event::Status(_) => return,
    };
    let time = Placed::new(event.clock(), placer).at(time_ms);
    let mut metrics = Metrics { time: time.max(0).unsigned_abs(), to };
    match event {
        Event::Summary(summary) => put_summary(summary, &mut metrics),
        Event::Reading(reading) => {
            metrics.number("value", reading.value, unit::of(&reading.about.labels));
        }
        Event::Alert(alert) => put_alert(alert, &mut metrics),
        Event::Prediction(prediction) => put_prediction(prediction, &mut metrics),
        Event::Evidence(_) | Event::Report(_) | Event::Clock(_) | Event::Status(_) => {}
    }
}

fn put_summary(summary: &Summary, metrics: &mut Metrics<'_>) {
    let labels: &Labels = &summary.about.labels;
    for (name, value) in summary.numbers.iter().filter(|_| !summary.is_retracted) {
        let unit = unit_of(name, labels);
        match *value {
            Value::Count(count) => metrics.count(name, count, unit.as_deref()),
            Value::Number(number) => metrics.number(name, number, unit.as_deref()),
        }
    }
}

fn put_alert(alert: &Alert, metrics: &mut Metrics<'_>) {
    let name = format!("alert/{}", alert.detector);
    metrics.boolean(&name, alert.state == AlertState::Raised);
    metrics.text(&format!("{name}/reason"), &alert.reason);
}

fn put_prediction(prediction: &Prediction, metrics: &mut Metrics<'_>) {
    let name = format!("prediction/{}", prediction.detector);
    metrics.text(&name, &prediction.class);
    metrics.number(&format!("{name}/score"), prediction.score, None);
}

/// Metrics of one time (ms since the Unix epoch).
struct Metrics<'a> {
    time: u64,
    to: &'a mut Vec<u8>,
}

impl Metrics<'_> {
    fn number(&mut self, name: &str, number: f64, unit: Option<&str>) {
        if number.is_finite() {
            let value = |metric: &mut Vec<u8>| put_bits64(metric, fields::DOUBLE, number.to_bits());
            self.metric(name, types::DOUBLE, unit, value);
        }
    }

    fn count(&mut self, name: &str, count: u64, unit: Option<&str>) {
        self.metric(name, types::INT64, unit, |metric| put_number(metric, fields::LONG, count));
    }

    fn boolean(&mut self, name: &str, value: bool) {
        let value = |metric: &mut Vec<u8>| put_number(metric, fields::BOOLEAN, value.into());
        self.metric(name, types::BOOLEAN, None, value);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.metric(name, types::STRING, None, |metric| put_bytes(metric, fields::STRING, text.as_bytes()));
    }

    fn metric(&mut self, name: &str, datatype: u64, unit: Option<&str>, value: impl FnOnce(&mut Vec<u8>)) {
        let mut metric = Vec::with_capacity(64);
        put_bytes(&mut metric, fields::NAME, name.as_bytes());
        put_number(&mut metric, fields::TIMESTAMP, self.time);
        put_number(&mut metric, fields::DATATYPE, datatype);
        if let Some(unit) = unit {
            let (mut property, mut properties) = (Vec::new(), Vec::new());
            put_number(&mut property, fields::PROPERTY_TYPE, types::STRING);
            put_bytes(&mut property, fields::PROPERTY_STRING, unit.as_bytes());
            put_bytes(&mut properties, fields::KEYS, UNIT.as_bytes());
            put_bytes(&mut properties, fields::VALUES, &property);
            put_bytes(&mut metric, fields::PROPERTIES, &properties);
        }
        value(&mut metric);
        put_bytes(self.to, fields::METRICS, &metric);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unplaced;
    use headwater_pipeline::event::{ClockMark, Reading, Subject, Timestamp};
    use headwater_protobuf::{WireFields, WireValue};

    #[test]
    fn a_metric_has_name_time_type_unit_and_value() {
        let labels = unit::with_unit(&[], Some("Cel".to_owned())).into_owned();
        let about = Subject {
            agent: "g7".into(),
            stream: "raw".into(),
            series: "attic".into(),
            labels: labels.into(),
        };
        let time = Timestamp { ms: 1_000, clock: ClockMark::True };
        let mut payload = Vec::new();
        encode(&Event::Reading(Reading { about, time, rev: 0, value: -0.5 }), &Unplaced, &mut payload);
        let (field, metric) = WireFields(&payload).field().unwrap().unwrap();
        assert_eq!(field, 2);
        let mut fields = WireFields(metric.bytes());
        let told: Vec<_> = std::iter::from_fn(|| fields.field().unwrap()).collect();
        let [name, at, kind, (9, properties), value] = &told[..] else { panic!("{told:?}") };
        assert_eq!((name.1.text(), at), (Some("value"), &(3, WireValue::Varint(1_000))));
        assert_eq!((kind, value.1), (&(4, WireValue::Varint(10)), WireValue::Bits64((-0.5_f64).to_bits())));
        let properties = String::from_utf8_lossy(properties.bytes());
        assert!(properties.contains("engUnit") && properties.contains("Cel"), "{properties}");
    }

    #[test]
    fn other_kinds_have_no_metrics() {
        assert!(has_metrics("summary") && !has_metrics("report") && !has_metrics("evidence"));
    }
}
