//! Lines as databases want them. What they really take is tried with databases, from the whole program.

use super::*;
use crate::{Placement, Unplaced};
use headwater_pipeline::event::{BootId, ClockMark, Readings, Timestamp};

fn about(series: &str, labels: &[(&str, &str)]) -> Subject {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Subject { agent: "g7".into(), stream: "climate".into(), series: series.into(), labels }
}

fn at(ms: i64, clock: ClockMark) -> Timestamp {
    Timestamp { ms, clock }
}

fn summary(numbers: &[(&str, Value)]) -> Summary {
    Summary {
        about: about("bed1/temp", &[("zone", "bed1")]),
        pair: None,
        start: at(1_700_000_040_000, ClockMark::True),
        end_ms: 1_700_000_100_000,
        named_end_ms: 1_700_000_100_000,
        is_retracted: false,
        rev: 0,
        is_partial: false,
        number: None,
        numbers: numbers.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
        points: None,
        sketch: None,
        pane: None,
    }
}

fn line(event: &Event, precision: Precision, placer: &dyn Placer) -> String {
    let mut bytes = Vec::new();
    encode(event, precision, placer, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn line_of(summary: Summary) -> String {
    line(&Event::Summary(Box::new(summary)), Precision::Milliseconds, &Unplaced)
}

/// An alert that is over, with a reason that must be escaped.
fn cleared() -> Alert {
    Alert {
        about: about("bed1/temp", &[]),
        detector: "threshold".into(),
        state: AlertState::Cleared,
        rev: 1,
        raised: at(1_000, ClockMark::True),
        time: at(2_000, ClockMark::Boot(BootId::from("b"))),
        severity: "warning".into(),
        on: None,
        value: f64::NAN,
        values: Vec::new(),
        expected: Some(35.0),
        score: None,
        class: None,
        reason: "it is \"back\"\nagain \\".into(),
        evidence: Readings::Of(Vec::new()),
    }
}

#[test]
fn a_summary_is_a_line_and_a_revision_takes_its_place() {
    let numbers = [("count", Value::Count(60)), ("mean", Value::Number(21.5)), ("sum", Value::Number(1e300))];
    let first = line_of(summary(&numbers));
    let expected =
        "climate,agent=g7,zone=bed1,series=bed1/temp count=60i,mean=21.5,sum=1e300 1700000040000\n";
    assert_eq!(first, expected);
    let second = line_of(Summary { rev: 1, ..summary(&numbers) });
    assert_eq!(second, expected.replace(" 17", ",rev=1i,partial=false,retracted=false 17"));
    let gone = line_of(Summary { rev: 2, ..summary(&numbers) }.retracted());
    let fields = "count=0i,rev=2i,partial=false,retracted=true";
    assert_eq!(gone, expected.replace("count=60i,mean=21.5,sum=1e300", fields));
    let partial = line_of(Summary { is_partial: true, ..summary(&[]) });
    assert!(partial.contains(" rev=0i,partial=true,retracted=false "), "{partial}");
    for (precision, time) in
        [(Precision::Nanoseconds, "1700000040000000000"), (Precision::Seconds, "1700000040")]
    {
        let text = line(&Event::Summary(Box::new(summary(&numbers))), precision, &Unplaced);
        assert!(text.ends_with(&format!(" {time}\n")), "{text}");
    }
}

#[test]
fn what_the_protocol_has_no_place_for_is_left_out_or_escaped() {
    let numbers = [
        ("a b", Value::Number(f64::NAN)),
        ("c,d=e", Value::Number(f64::INFINITY)),
        ("f g", Value::Number(1e-300)),
    ];
    let mut odd = summary(&numbers);
    odd.about = Subject {
        stream: "#a b,c".into(),
        ..about("x,y= z\n\\", &[("empty", ""), ("time", "now"), ("series", "s\\"), ("_field", "1")])
    };
    let text = line_of(odd);
    let expected = "_#a\\ b\\,c,agent=g7,label_time=now,label_series=s\\_,label__field=1,series=x\\,y\\=\\ z\\ \\_ \
                    f\\ g=1e-300 1700000040000\n";
    assert_eq!(text, expected);
    let nothing = line_of(summary(&[("mean", Value::Number(f64::NAN))]));
    assert!(nothing.contains(" rev=0i,partial=false,retracted=false "), "{nothing}");
}

#[test]
fn alerts_have_a_measurement_of_their_own_and_times_that_are_not_sure_a_tag() {
    let alert = cleared();
    struct Guessed;
    impl Placer for Guessed {
        fn place(&self, _: &BootId) -> Option<Placement> {
            Some(Placement { offset_ms: 10_000, estimated: true })
        }
    }
    let text = line(&Event::Alert(Box::new(alert)), Precision::Milliseconds, &Guessed);
    let expected = "alerts,agent=g7,clock=estimated,series=bed1/temp,detector=threshold,severity=warning,state=cleared,\
                    stream=climate rev=1i,expected=35,reason=\"it is \\\"back\\\" again \\\\\" 12000\n";
    assert_eq!(text, expected);
}

/// The tags and fields of lines, and their measurements.
fn keys(lines: &str) -> Vec<&str> {
    let mut keys = Vec::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, ' ');
        let tags = parts.next().unwrap().split(',');
        let fields = parts.next().unwrap().split(',');
        keys.extend(tags.chain(fields).map(|pair| pair.split('=').next().unwrap()));
    }
    keys
}

/// What the dashboards for databases ask for is in the lines that these get.
#[test]
fn dashboards_ask_for_what_there_is() {
    let alert = Event::Alert(Box::new(Alert { value: 36.1, ..cleared() }));
    let numbers = ["count", "mean", "min", "max", "p95"].map(|name| (name, Value::Number(1.0)));
    let lines = line_of(summary(&numbers)) + &line(&alert, Precision::Milliseconds, &Unplaced);
    let keys = keys(&lines);
    let influx = include_str!("../../../grafana/summaries-influxdb.json");
    let influx: serde_json::Value = serde_json::from_str(influx).unwrap();
    let panels = influx["panels"].as_array().unwrap();
    let questions = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut count = 0;
    for question in questions.map(|target| target["query"].as_str().unwrap()) {
        for name in question.split('"').skip(1).step_by(2).filter(|name| *name != "$stream") {
            assert!(keys.contains(&name), "{name} in {question}: {keys:?}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
    let victoria = include_str!("../../../grafana/summaries-victoriametrics.json");
    let victoria: serde_json::Value = serde_json::from_str(victoria).unwrap();
    let panels = victoria["panels"].as_array().unwrap();
    let questions = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for question in questions.map(|target| target["expr"].as_str().unwrap()) {
        let name = question.strip_prefix("{__name__=\"${stream}_").and_then(|rest| rest.split('"').next());
        let name = name.or(question.strip_prefix("alerts_").and_then(|rest| rest.split('{').next()));
        assert!(name.is_some_and(|name| keys.contains(&name)), "{question}");
        let matchers = question.split(['{', ',', '}']).filter(|matcher| !matcher.starts_with("__name__"));
        for label in matchers.filter_map(|matcher| Some(matcher.split_once('=')?.0)) {
            assert!(keys.contains(&label), "{label} in {question}");
        }
    }
}
