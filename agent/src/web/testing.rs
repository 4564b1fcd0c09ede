//! Events for tests.

use headwater_pipeline::event::{Alert, AlertState, Event, Reading, Readings, Subject, Summary, Timestamp};
use headwater_pipeline::plan::Value;

fn about(stream: &str, series: &str) -> Subject {
    Subject { agent: "edge".into(), stream: stream.into(), series: series.into(), labels: [].into() }
}

fn time(ms: i64) -> Timestamp {
    Timestamp { ms, ..Timestamp::default() }
}

pub(crate) fn summary(
    stream: &str,
    series: &str,
    (start, end): (i64, i64),
    numbers: &[(&str, f64)],
) -> Event {
    let numbers = numbers.iter().map(|(name, value)| ((*name).into(), Value::Number(*value))).collect();
    Event::Summary(Box::new(Summary {
        about: about(stream, series),
        pair: None,
        start: time(start),
        end_ms: end,
        named_end_ms: end,
        is_retracted: false,
        rev: 0,
        is_partial: false,
        number: None,
        numbers,
        points: None,
        sketch: None,
        pane: None,
    }))
}

pub(crate) fn reading(stream: &str, series: &str, ms: i64, value: f64) -> Event {
    Event::Reading(Reading { about: about(stream, series), time: time(ms), rev: 0, value })
}

pub(crate) fn alert(series: &str, state: AlertState, raised: i64) -> Event {
    Event::Alert(Box::new(Alert {
        about: about("s", series),
        detector: "threshold".to_owned(),
        state,
        rev: 0,
        raised: time(raised),
        time: time(raised),
        severity: "warning".to_owned(),
        on: None,
        value: 1.0,
        values: Vec::new(),
        expected: None,
        score: None,
        class: None,
        reason: "too much".to_owned(),
        evidence: Readings::Of(Vec::new()),
    }))
}
