//! The rule of forwarder/fleet/README.md, against its examples and the vectors.

use super::*;

fn fleet(lines: &str) -> (Vec<serde_json::Value>, Fleet) {
    let percentiles = vec![50.0, 95.0, 99.0];
    let options =
        MergeOptions { by: vec!["site".to_owned()], every_ms: 3_600_000, percentiles, with_sketch: true };
    let mut fleet = Fleet::new(options);
    fleet.read(lines.as_bytes()).unwrap();
    let mut out = Vec::new();
    fleet.write(&mut out).unwrap();
    let results = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (results.map(|line| serde_json::from_slice(line).unwrap()).collect(), fleet)
}

fn summary(change: &[(&str, serde_json::Value)]) -> String {
    let mut summary = serde_json::json!({
        "v": 1, "kind": "summary", "id": "c/x/temp@0+60000", "rev": 0, "agent": "a", "stream": "c", "series": "x/temp",
        "labels": {"site": "n"}, "start": 0, "end": 60_000, "count": 5, "min": -3.0, "max": 2.01, "mean": 0.402,
        "sketch": {"gamma": 1.02, "level": 0, "zero": 1, "negative": [[55, 1]], "positive": [[0, 1], [35, 2]]},
    });
    for (name, value) in change {
        summary[name] = value.clone();
    }
    summary.to_string() + "\n"
}

/// The example of the agent's guide.
#[test]
fn a_percentile_is_that_of_the_guide() {
    let (results, _) = fleet(&summary(&[]));
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["id"], "c/temp/site=n@0");
    for (name, expected) in [("p50", 0.99), ("p99", 2.0 * (101.0_f64 / 99.0).powi(35) / (200.0 / 99.0))] {
        let value = results[0][name].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{name} is {value}, not {expected}");
    }
}

#[test]
fn sketches_of_two_levels_meet_at_the_higher_one() {
    let finer =
        serde_json::json!({"level": -1, "zero": 0, "negative": [[-3, 1]], "positive": [[1, 1], [70, 3]]});
    let (results, _) = fleet(&(summary(&[]) + &summary(&[("agent", "b".into()), ("sketch", finer)])));
    let sketch = &results[0]["sketch"];
    assert_eq!((&sketch["level"], &sketch["zero"]), (&0.into(), &1.into()));
    assert_eq!(sketch["negative"], serde_json::json!([[-1, 1], [55, 1]]));
    assert_eq!(sketch["positive"], serde_json::json!([[0, 1], [1, 1], [35, 5]]));
    assert_eq!((&results[0]["count"], &results[0]["agents"]), (&10.into(), &2.into()));
}

/// Whatever the order, the highest revision counts, but for a partial one with fewer readings.
#[test]
fn revisions_count_in_any_order() {
    let revision = |rev: u64, count: u64, partial: bool| {
        let none = serde_json::Value::Null;
        summary(&[
            ("rev", rev.into()),
            ("count", count.into()),
            ("partial", partial.into()),
            ("sketch", none),
        ])
    };
    let lines = [revision(0, 10, false), revision(5, 7, false), revision(10, 9, true), revision(20, 5, true)];
    for first in 0..4 {
        for second in 0..4 {
            let order = [first, second, 3, 2, 1, 0, first];
            let text: String = order.into_iter().map(|at| lines[at].as_str()).collect();
            assert_eq!(fleet(&text).0[0]["count"], 9, "{order:?}");
        }
    }
}

#[test]
fn what_cannot_be_merged_is_counted_by_its_reason() {
    let null = serde_json::Value::Null;
    let level = serde_json::json!({"level": 40, "zero": 5, "negative": [], "positive": []});
    let lines = [
        summary(&[("v", 2.into())]),
        summary(&[("sketch", level)]),
        summary(&[("end", 86_400_000.into())]),
        summary(&[("count", null)]),
        summary(&[("count", (-1).into())]),
        "{\n".to_owned(),
        summary(&[]).replace("0.402", "NaN"),
        summary(&[("kind", "alert".into())]),
        summary(&[("labels", serde_json::json!({}))]),
    ];
    let (results, fleet) = fleet(&lines.concat());
    let counts: Vec<(&str, u64)> =
        fleet.refused().iter().map(|(reason, refused)| (*reason, refused.count)).collect();
    assert_eq!(counts, [("coarse", 1), ("malformed", 3), ("no_count", 1), ("sketch", 1), ("version", 1)]);
    assert_eq!(results.len(), 1);
    assert!(results[0]["labels"]["site"].is_null());
}

/// What becomes of each message that nobody should send. The Java and the Python merge are held to the same file.
#[test]
fn messages_are_refused_each_for_its_reason() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../forwarder/fleet/vectors/refused.tsv");
    let lines = std::fs::read_to_string(path).unwrap();
    assert!(lines.lines().count() > 100);
    for line in lines.lines() {
        let (expected, text) = line.split_once('\t').unwrap();
        let (results, fleet) = fleet(text);
        let reason = fleet.refused().keys().next().copied();
        let found = reason.unwrap_or(if results.is_empty() { "passed" } else { "merged" });
        assert_eq!(found, expected, "{}", text.get(..400).unwrap_or(text));
    }
}

/// The vectors hold this merge, the Java and the Python one together: tests/fleet/check compares all three.
#[test]
fn results_are_those_of_the_vectors() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../forwarder/fleet/vectors");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let (results, _) = fleet(&read("summaries.jsonl"));
    let lines = read("results.jsonl");
    let expected: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(expected.len() > 4);
    assert_eq!(results, expected);
}
