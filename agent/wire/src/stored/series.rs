//! Stores events about series.

use super::fields::{Reader, StoredFields, put_f64, put_field, put_signed, put_text, put_varint};
use super::parts::{
    SUMMARY, StoredError, bad, clock_mark, fields_of, put_clock_mark, put_count, put_name, put_time, signed,
    text, time,
};
use super::shared::shared_name;
use super::tags;
use headwater_kernel::state::{State, StateReader, Tagged};
use headwater_pipeline::event::{
    Alert, AlertState, Evidence, Labels, Prediction, Reading, Readings, Subject, Summary, TimedValues,
    Timestamp,
};
use headwater_pipeline::plan::{Accumulators, Value};
use headwater_pipeline::sketch::GrowingSketch;
use std::sync::Arc;

const COUNT: u8 = 0;
const MEASURED: u8 = 1;

pub(super) fn put_summary(to: &mut Vec<u8>, summary: &Summary) {
    put_about(to, &summary.about);
    put_time(to, &summary.start);
    put_field(to, tags::LENGTH, |to| put_signed(to, summary.end_ms.wrapping_sub(summary.start.ms)));
    put_count(to, tags::REV, u64::from(summary.rev));
    if summary.named_end_ms != summary.end_ms {
        let length_ms = summary.named_end_ms.wrapping_sub(summary.start.ms);
        put_field(to, tags::NAMED_LENGTH, |to| put_signed(to, length_ms));
    }
    put_count(to, tags::PARTIAL, u64::from(summary.is_partial));
    put_count(to, tags::RETRACTED, u64::from(summary.is_retracted));
    put_count(to, tags::NUMBER, summary.number.map_or(0, |number| number.saturating_add(1)));
    put_field(to, tags::NUMBERS, |to| {
        summary.numbers.iter().for_each(|(name, value)| put_number(to, name, *value))
    });
    if let Some(names) = &summary.pair {
        put_field(to, tags::PAIR, |to| names.iter().for_each(|name| put_text(to, name)));
    }
    if let Some(points) = &summary.points {
        put_field(to, tags::POINTS, |to| put_readings(to, points));
    }
    let of_pane = summary.pane.as_ref().and_then(|pane| pane.sketch());
    if let Some(sketch) = &summary.sketch {
        put_field(to, tags::SKETCH, |to| {
            if of_pane != Some(sketch) {
                put_sketch(to, sketch);
            }
        });
    }
    if let Some(pane) = &summary.pane {
        put_field(to, tags::PANE, |to| pane.save(to));
    }
}

/// The accumulators for a roll-up, if they are stored and can be read.
pub(super) fn read_pane(fields: &StoredFields<'_>) -> Option<Accumulators> {
    Accumulators::load(&mut StateReader::new(fields.get(tags::PANE)?.0)).ok()
}

/// A summary without its accumulators; see [`read_pane`].
pub(super) fn read_summary(fields: &StoredFields<'_>) -> Result<Summary, StoredError> {
    let start = time(fields)?;
    let start_ms = start.ms;
    let end_ms = start_ms.wrapping_add(signed(fields, tags::LENGTH)?);
    let numbers = fields.of(tags::NUMBERS).list(number).ok_or(bad(tags::NUMBERS))?;
    Ok(Summary {
        about: about(fields)?,
        pair: fields.get(tags::PAIR).map(pair).transpose()?,
        start,
        end_ms,
        named_end_ms: match fields.get(tags::NAMED_LENGTH) {
            Some(_) => start_ms.wrapping_add(signed(fields, tags::NAMED_LENGTH)?),
            None => end_ms,
        },
        is_retracted: is_retracted(fields),
        rev: rev(fields)?,
        is_partial: is_partial(fields),
        number: number_of_window(fields)?,
        numbers,
        points: fields.get(tags::POINTS).map(|points| readings(points, tags::POINTS)).transpose()?,
        sketch: fields.get(tags::SKETCH).and_then(|bytes| sketch(bytes, fields)),
        pane: None,
    })
}

/// The part of a stored summary that a roll-up needs.
pub struct Mergeable<'a> {
    /// The stream's name.
    pub stream: &'a str,
    /// The series' name.
    pub series: &'a str,
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it (ms).
    pub end_ms: i64,
    /// A later revision replaces an earlier one, unless it lacks readings.
    pub rev: u32,
    /// Whether it may lack readings.
    pub is_partial: bool,
    /// Whether it is a session that late readings have changed: it has grown, or is retracted.
    pub has_changed: bool,
    /// The number of a count window.
    pub number: Option<u64>,
    /// Its accumulators.
    pub pane: Accumulators,
}

/// Reads what a roll-up needs; `None`: the event is not a summary, or has no accumulators.
pub fn mergeable(body: &[u8]) -> Option<Mergeable<'_>> {
    let (kind, fields) = fields_of(body).ok()?;
    let pane = fields.get(tags::PANE).filter(|_| kind == SUMMARY)?;
    let start = time(&fields).ok()?;
    Some(Mergeable {
        stream: fields.of(tags::STREAM).rest_text()?,
        series: fields.of(tags::SERIES).rest_text()?,
        end_ms: start.ms.wrapping_add(signed(&fields, tags::LENGTH).ok()?),
        start,
        rev: rev(&fields).ok()?,
        is_partial: is_partial(&fields),
        has_changed: fields.get(tags::NAMED_LENGTH).is_some() || is_retracted(&fields),
        number: number_of_window(&fields).ok()?,
        pane: Accumulators::load(&mut StateReader::new(pane.0)).ok()?,
    })
}

pub(super) fn put_reading(to: &mut Vec<u8>, reading: &Reading) {
    put_about(to, &reading.about);
    put_time(to, &reading.time);
    put_count(to, tags::REV, u64::from(reading.rev));
    put_field(to, tags::VALUE, |to| put_f64(to, reading.value));
}

pub(super) fn read_reading(fields: &StoredFields<'_>) -> Result<Reading, StoredError> {
    let value = measured(fields, tags::VALUE)?.unwrap_or_default();
    Ok(Reading { about: about(fields)?, time: time(fields)?, rev: rev(fields)?, value })
}

pub(super) fn put_alert(to: &mut Vec<u8>, alert: &Alert) {
    put_about(to, &alert.about);
    put_time(to, &alert.time);
    put_count(to, tags::REV, u64::from(alert.rev));
    put_name(to, tags::DETECTOR, &alert.detector);
    put_count(to, tags::CLEARED, u64::from(alert.state == AlertState::Cleared));
    put_raised(to, &alert.raised);
    put_name(to, tags::SEVERITY, &alert.severity);
    put_field(to, tags::VALUE, |to| put_f64(to, alert.value));
    if let Some(on) = &alert.on {
        put_field(to, tags::ON, |to| to.extend_from_slice(on.as_bytes()));
    }
    if !alert.values.is_empty() {
        put_values(to, &alert.values);
    }
    for (tag, number) in [(tags::EXPECTED, alert.expected), (tags::SCORE, alert.score)] {
        if let Some(number) = number {
            put_field(to, tag, |to| put_f64(to, number));
        }
    }
    if let Some(class) = &alert.class {
        put_field(to, tags::CLASS, |to| to.extend_from_slice(class.as_bytes()));
    }
    put_name(to, tags::REASON, &alert.reason);
    put_evidence_list(to, &alert.evidence);
}

pub(super) fn read_alert(fields: &StoredFields<'_>) -> Result<Alert, StoredError> {
    let is_cleared = fields.of(tags::CLEARED).rest_varint() == Some(1);
    Ok(Alert {
        about: about(fields)?,
        detector: text(fields, tags::DETECTOR)?.to_owned(),
        state: if is_cleared { AlertState::Cleared } else { AlertState::Raised },
        rev: rev(fields)?,
        raised: raised(fields)?,
        time: time(fields)?,
        severity: text(fields, tags::SEVERITY)?.to_owned(),
        on: fields
            .get(tags::ON)
            .map(|on| on.rest_text().ok_or(bad(tags::ON)))
            .transpose()?
            .map(str::to_owned),
        value: measured(fields, tags::VALUE)?.unwrap_or_default(),
        values: values(fields)?,
        expected: measured(fields, tags::EXPECTED)?,
        score: measured(fields, tags::SCORE)?,
        class: fields.get(tags::CLASS).map(|_| text(fields, tags::CLASS)).transpose()?.map(Arc::from),
        reason: text(fields, tags::REASON)?.to_owned(),
        evidence: evidence_list(fields)?,
    })
}

pub(super) fn put_prediction(to: &mut Vec<u8>, prediction: &Prediction) {
    put_about(to, &prediction.about);
    put_time(to, &prediction.time);
    put_count(to, tags::REV, u64::from(prediction.rev));
    put_name(to, tags::DETECTOR, &prediction.detector);
    put_name(to, tags::CLASS, &prediction.class);
    put_field(to, tags::SCORE, |to| put_f64(to, prediction.score));
    put_values(to, &prediction.probabilities);
}

pub(super) fn read_prediction(fields: &StoredFields<'_>) -> Result<Prediction, StoredError> {
    Ok(Prediction {
        about: about(fields)?,
        detector: text(fields, tags::DETECTOR)?.to_owned(),
        rev: rev(fields)?,
        time: time(fields)?,
        class: text(fields, tags::CLASS)?.into(),
        score: measured(fields, tags::SCORE)?.unwrap_or_default(),
        probabilities: values(fields)?,
    })
}

/// Appends numbers by name.
fn put_values(to: &mut Vec<u8>, values: &[(Arc<str>, f64)]) {
    put_field(to, tags::VALUES, |to| {
        for (name, value) in values {
            put_text(to, name);
            put_f64(to, *value);
        }
    });
}

fn values(fields: &StoredFields<'_>) -> Result<Vec<(Arc<str>, f64)>, StoredError> {
    let value = |from: &mut Reader<'_>| Some((Arc::from(from.text()?), from.f64()?));
    fields.of(tags::VALUES).list(value).ok_or(bad(tags::VALUES))
}

pub(super) fn put_evidence(to: &mut Vec<u8>, evidence: &Evidence) {
    put_about(to, &evidence.about);
    put_clock_mark(to, tags::CLOCK, &evidence.clock);
    put_count(to, tags::REV, u64::from(evidence.rev));
    put_name(to, tags::DETECTOR, &evidence.detector);
    put_raised(to, &evidence.raised);
    put_evidence_list(to, &evidence.readings);
}

pub(super) fn read_evidence(fields: &StoredFields<'_>) -> Result<Evidence, StoredError> {
    Ok(Evidence {
        about: about(fields)?,
        detector: text(fields, tags::DETECTOR)?.to_owned(),
        rev: rev(fields)?,
        raised: raised(fields)?,
        clock: clock_mark(fields, tags::CLOCK)?,
        readings: evidence_list(fields)?,
    })
}

fn put_about(to: &mut Vec<u8>, about: &Subject) {
    put_name(to, tags::STREAM, &about.stream);
    put_name(to, tags::SERIES, &about.series);
    put_name(to, tags::AGENT, &about.agent);
    if !about.labels.is_empty() {
        put_field(to, tags::LABELS, |to| {
            for (key, value) in about.labels.iter() {
                put_text(to, key);
                put_text(to, value);
            }
        });
    }
}

fn about(fields: &StoredFields<'_>) -> Result<Subject, StoredError> {
    let label = |from: &mut Reader<'_>| Some((from.text()?.to_owned(), from.text()?.to_owned()));
    let labels: Labels = fields.of(tags::LABELS).list(label).ok_or(bad(tags::LABELS))?.into();
    let [agent, stream, series] =
        [tags::AGENT, tags::STREAM, tags::SERIES].map(|tag| text(fields, tag).map(Arc::from));
    Ok(Subject { agent: agent?, stream: stream?, series: series?, labels })
}

fn put_raised(to: &mut Vec<u8>, raised: &Timestamp) {
    put_field(to, tags::RAISED, |to| put_signed(to, raised.ms));
    put_clock_mark(to, tags::RAISED_CLOCK, &raised.clock);
}

fn raised(fields: &StoredFields<'_>) -> Result<Timestamp, StoredError> {
    Ok(Timestamp { ms: signed(fields, tags::RAISED)?, clock: clock_mark(fields, tags::RAISED_CLOCK)? })
}

fn put_number(to: &mut Vec<u8>, name: &str, value: Value) {
    put_text(to, name);
    match value {
        Value::Count(count) => {
            to.push(COUNT);
            put_varint(to, count);
        }
        Value::Number(number) => {
            to.push(MEASURED);
            put_f64(to, number);
        }
    }
}

fn number(from: &mut Reader<'_>) -> Option<(Arc<str>, Value)> {
    let name = shared_name(from.text()?);
    let value = match from.byte()? {
        COUNT => Value::Count(from.varint()?),
        MEASURED => Value::Number(from.f64()?),
        _ => return None,
    };
    Some((name, value))
}

fn number_of_window(fields: &StoredFields<'_>) -> Result<Option<u64>, StoredError> {
    Ok(fields.of(tags::NUMBER).rest_varint().ok_or(bad(tags::NUMBER))?.checked_sub(1))
}

fn pair(mut from: Reader<'_>) -> Result<[Arc<str>; 2], StoredError> {
    let mut name = || from.text().map(Arc::from).ok_or(bad(tags::PAIR));
    Ok([name()?, name()?])
}

fn put_sketch(to: &mut Vec<u8>, sketch: &GrowingSketch) {
    let mut put = |bytes: &[u8]| to.extend_from_slice(bytes);
    GrowingSketch::VERSION.save(&mut put);
    sketch.save(&mut put);
}

/// Reads a sketch; `None`: its version is unknown to this program.
fn sketch(bytes: Reader<'_>, fields: &StoredFields<'_>) -> Option<GrowingSketch> {
    if bytes.0.is_empty() {
        return read_pane(fields)?.sketch().cloned();
    }
    let mut from = StateReader::new(bytes.0);
    let version = u16::load(&mut from).ok()?;
    GrowingSketch::load_version(version, &mut from).ok()
}

fn put_readings(to: &mut Vec<u8>, readings: &[(i64, f64)]) {
    let mut before = 0_i64;
    for (ms, value) in readings {
        put_signed(to, ms.wrapping_sub(before));
        put_f64(to, *value);
        before = *ms;
    }
}

/// Reads all readings in the field.
fn readings(from: Reader<'_>, tag: u8) -> Result<TimedValues, StoredError> {
    let mut before = 0;
    from.list(|from| next_reading(from, &mut before)).ok_or(bad(tag))
}

fn next_reading(from: &mut Reader<'_>, before: &mut i64) -> Option<(i64, f64)> {
    *before = before.wrapping_add(from.signed()?);
    Some((*before, from.f64()?))
}

fn put_evidence_list(to: &mut Vec<u8>, readings: &Readings) {
    match readings {
        Readings::Of(readings) => put_field(to, tags::EVIDENCE, |to| put_readings(to, readings)),
        Readings::OfEach(series) => put_field(to, tags::EVIDENCE_OF_EACH, |to| {
            for (name, readings) in series {
                put_text(to, name);
                put_varint(to, readings.len() as u64);
                put_readings(to, readings);
            }
        }),
    }
}

fn evidence_list(fields: &StoredFields<'_>) -> Result<Readings, StoredError> {
    let Some(of_each) = fields.get(tags::EVIDENCE_OF_EACH) else {
        return readings(fields.of(tags::EVIDENCE), tags::EVIDENCE).map(Readings::Of);
    };
    let series = |from: &mut Reader<'_>| {
        let (name, count, mut before) = (Arc::from(from.text()?), from.varint()?, 0);
        let readings = (0..count).map(|_| next_reading(from, &mut before)).collect::<Option<_>>()?;
        Some((name, readings))
    };
    of_each.list(series).map(Readings::OfEach).ok_or(bad(tags::EVIDENCE_OF_EACH))
}

fn is_retracted(fields: &StoredFields<'_>) -> bool {
    fields.of(tags::RETRACTED).rest_varint() == Some(1)
}

fn is_partial(fields: &StoredFields<'_>) -> bool {
    fields.of(tags::PARTIAL).rest_varint() == Some(1)
}

fn rev(fields: &StoredFields<'_>) -> Result<u32, StoredError> {
    let rev = fields.of(tags::REV).rest_varint().and_then(|rev| u32::try_from(rev).ok());
    rev.ok_or(bad(tags::REV))
}

fn measured(fields: &StoredFields<'_>, tag: u8) -> Result<Option<f64>, StoredError> {
    fields.get(tag).map(|mut number| number.f64().ok_or(bad(tag))).transpose()
}
