//! What a picture holds; how it looks is for people to judge.

use super::*;
use headwater_pipeline::config::{no_models, read_streams};
use headwater_pipeline::event::{Subject, Timestamp};
use headwater_pipeline::plan::{AggregatePlan, Value};
use headwater_settings::Document;
use std::path::Path;

const CONFIG: &str = "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n\
                      [streams.a]\nmap = \"value * 2\"\nwhere = \"value < 50\"\n[streams.b]\nseries = [\"y\"]\n";

fn plot() -> Plot {
    let document = Document::parse(Path::new("t.toml"), CONFIG, |_| None);
    let streams = read_streams(&mut document.root(), &[], &no_models);
    assert_eq!(document.render_all(), "");
    Plot::new("a <title> & more\u{1b}\u{202e}", &streams)
}

fn about(stream: &str, series: &str) -> Subject {
    Subject { agent: "a".into(), stream: stream.into(), series: series.into(), labels: [].into() }
}

fn summary(stream: &str, series: &str, (start, end_ms): (i64, i64), numbers: &[(&str, f64)]) -> Event {
    let numbers = numbers.iter().map(|(name, value)| ((*name).into(), Value::Number(*value))).collect();
    let start = Timestamp { ms: start, ..Timestamp::default() };
    let plan = AggregatePlan::new(Vec::new(), None);
    Event::Summary(Box::new(event::Summary {
        numbers,
        ..event::Summary::new(about(stream, series), (start, end_ms), &plan, &plan.pane())
    }))
}

fn alert(series: &str, state: AlertState, (raised, time): (i64, i64), values: &[(&str, f64)]) -> Event {
    let at = |ms| Timestamp { ms, ..Timestamp::default() };
    Event::Alert(Box::new(event::Alert {
        about: about("a", series),
        detector: "threshold".to_owned(),
        state,
        rev: 0,
        raised: at(raised),
        time: at(time),
        severity: "critical".to_owned(),
        on: None,
        value: 6.0,
        values: values.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
        expected: None,
        score: None,
        class: None,
        reason: "6 is above 5".to_owned(),
        evidence: event::Readings::Of(Vec::new()),
    }))
}

#[test]
fn a_panel_shows_what_its_stream_takes() {
    let mut plot = plot();
    plot.introduce(0, SeriesRef(0), "x", &[]);
    for (time, value) in [(0, 1.0), (1_000, 99.0), (2_000, 3.0)] {
        plot.reading(SeriesRef(0), Time(time), value);
    }
    plot.event(&summary("a", "x", (0, 60_000), &[("min", 2.0), ("max", 6.0), ("mean", 4.0)]));
    plot.event(&alert("x", AlertState::Raised, (2_000, 2_000), &[]));
    plot.event(&alert("x", AlertState::Cleared, (2_000, 30_000), &[]));
    plot.event(&summary("unknown", "x", (0, 60_000), &[]));
    let panel = &plot.panels[&(0, "x".to_owned())];
    assert_eq!(panel.readings, [(Time(0), 2.0), (Time(2_000), 6.0)]);
    assert_eq!(panel.alerts[0].cleared_ms, Some(30_000));
    let svg = plot.svg();
    for part in [
        "a &lt;title&gt; &amp; more\u{fffd}\u{fffd}",
        "1 alert",
        "class=\"band\"",
        "class=\"mean\"",
        "6 is above 5",
    ] {
        assert!(svg.contains(part), "{part} is not in {svg}");
    }
}

#[test]
fn an_alert_about_several_series_stands_in_the_panel_of_each_and_counts_once() {
    let mut plot = plot();
    plot.event(&alert("g", AlertState::Raised, (5, 5), &[("g/x", 1.0), ("g/y", 2.0)]));
    assert_eq!(plot.panels.keys().map(|(_, series)| series.as_str()).collect::<Vec<_>>(), ["g/x", "g/y"]);
    assert!(plot.svg().contains("1 alert<"));
}

#[test]
fn nothing_grows_without_bound() {
    let mut plot = plot();
    for series in 0..60 {
        plot.introduce(0, SeriesRef(series), &format!("s{series:02}"), &[]);
        plot.reading(SeriesRef(series), Time(0), 1.0);
    }
    assert_eq!((plot.panels.len(), plot.left_out.len()), (PANELS_MAX, 20));
    let peak = 70_001;
    for at in 0..200_000 {
        let value = if at == peak { 40.0 } else { f64::from(at % 10) };
        plot.reading(SeriesRef(0), Time(i64::from(at)), value);
    }
    for at in 0..100_000_i64 {
        let (start, end) = (at * 60_000, at * 60_000 + 60_000);
        plot.event(&summary("a", "s00", (start, end), &[("min", 1.0), ("max", 2.0), ("mean", 1.5)]));
    }
    let panel = &plot.panels[&(0, "s00".to_owned())];
    assert!(panel.readings.len() <= KEPT_MAX && panel.windows.len() <= KEPT_MAX);
    assert!(panel.readings.contains(&(Time(i64::from(peak)), 80.0)), "no peak is lost");
    let svg = plot.svg();
    assert!(svg.contains("20 series more") && svg.len() < 2_000_000, "{}", svg.len());
}

/// Whatever the numbers and times: a picture, and no number in it that is none.
#[test]
fn anything_can_be_drawn() {
    let pictures = [
        vec![],
        vec![(0, 5.0)],
        vec![(i64::MIN, f64::MIN), (0, 0.0), (i64::MAX, f64::MAX)],
        vec![(5, 1e-300), (4, 1e-300), (5, 2e-300)],
    ];
    for readings in pictures {
        let mut plot = plot();
        plot.introduce(0, SeriesRef(0), "y", &[]);
        for (time, value) in readings {
            plot.reading(SeriesRef(0), Time(time), value);
        }
        let svg = plot.svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
