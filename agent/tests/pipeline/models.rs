//! Models that judge the windows of a group.

use super::*;
use headwater_model::{ModelCard, ModelFile, ModelNumbers};
use std::path::PathBuf;

/// Where flow is below pressure, it is a leak; a folder of its own for each test.
fn model(folder: &str, bias: f64) -> PathBuf {
    let text = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let card = ModelCard {
        kind: "logistic".to_owned(),
        window: "tumbling size=10000".to_owned(),
        over: text(&["*/flow", "*/pressure"]),
        aggregates: text(&["mean"]),
        classes: text(&["normal", "leak"]),
        normal: Some("normal".to_owned()),
        ..ModelCard::default()
    };
    let numbers = ModelNumbers::Linear {
        centers: vec![0.0; 2],
        widths: vec![1.0; 2],
        weights: vec![-2.0, 2.0],
        biases: vec![bias],
        curves: None,
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("models-{folder}"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("pump.model");
    std::fs::write(&path, ModelFile { card, numbers }.write()).unwrap();
    path
}

fn streams(model: &Path, more: &str) -> String {
    format!(
        "[streams.pumps]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\naggregates = [\"max\", \"mean\"]\n\
         lateness = \"0s\"\n[[streams.pumps.detectors]]\ntype = \"model\"\nfile = \"{}\"\n\
         over = [\"*/flow\", \"*/pressure\"]\npredictions = true\n{more}",
        model.display()
    )
}

/// Two pumps; at the first one the flow is low from 100 to 200. `lacks`: seconds without a pressure.
fn feed(pipeline: &mut Pipeline, seconds: std::ops::Range<i64>, lacks: &std::ops::Range<i64>) -> Vec<Wire> {
    let mut said = Vec::new();
    for second in seconds {
        let now = at(START + second * 1_000);
        pipeline.on_tick(now);
        for pump in ["p1", "p2"] {
            let is_odd = pump == "p1" && (100..200).contains(&second);
            let values = [("flow", if is_odd { 1.0 } else { 9.0 }), ("pressure", 5.0)];
            for (kind, value) in values {
                if kind == "pressure" && lacks.contains(&second) {
                    continue;
                }
                let series = pipeline.introduce(0, &format!("{pump}/{kind}"), &[]).unwrap();
                pipeline.on_reading(series, TakenAt::Event(START + second * 1_000), value, now);
            }
        }
        said.extend(drained(pipeline).into_iter().filter(|message| message.text("kind") != "summary"));
    }
    said
}

const NEVER: std::ops::Range<i64> = 0..0;

#[test]
fn every_row_is_judged_once_and_the_fault_is_named() {
    let path = model("named", 0.0);
    let said = feed(&mut pipeline(&streams(&path, ""), 10), 0..301, &NEVER);
    let predictions = said.iter().filter(|message| message.text("kind") == "prediction").count();
    assert_eq!(predictions, 2 * 30);
    let alerts: Vec<_> = said.iter().filter(|message| message.text("kind") == "alert").collect();
    let told: Vec<_> =
        alerts.iter().map(|own| (own.text("state"), own.text("class"), own.text("series"))).collect();
    assert_eq!(told, [("raised", "leak", "p1"), ("cleared", "normal", "p1")]);
    let raised = serde_json::to_value(alerts[0]).unwrap();
    assert_eq!(raised["time"], START + 110_000, "the end of the first window of the fault");
    assert_eq!(raised["id"], format!("pumps/p1/model@{}", START + 110_000));
    assert_eq!(raised["values"], serde_json::json!({"p1/flow mean": 1.0, "p1/pressure mean": 5.0}));
    assert_eq!(raised["reason"], "leak with a probability of 1.00: p1/pressure mean is 5");
    assert!(raised["score"].as_f64().unwrap() > 0.99);
    assert!(raised["evidence"]["p1/flow"].as_array().is_some_and(|readings| !readings.is_empty()));
    assert_eq!(alerts[1].text("id"), alerts[0].text("id"));
    // Without `predictions` the alerts are the same.
    let quiet = streams(&path, "").replace("predictions = true", "predictions = false");
    let quiet = feed(&mut pipeline(&quiet, 10), 0..301, &NEVER);
    assert_eq!(quiet.iter().collect::<Vec<_>>(), alerts);
    // With a higher bar nothing is told.
    let high = feed(&mut pipeline(&streams(&path, "above = 1.0"), 10), 0..301, &NEVER);
    assert!(high.iter().all(|message| message.text("kind") == "prediction"));
}

#[test]
fn a_short_gap_is_filled_and_an_outage_is_not() {
    let path = model("gaps", 0.0);
    let predictions = |more: &str, lacks: std::ops::Range<i64>| {
        feed(&mut pipeline(&streams(&path, more), 10), 0..301, &lacks)
            .iter()
            .filter(|m| m.text("kind") == "prediction")
            .count()
    };
    assert_eq!(predictions("", 40..60), 2 * 28);
    assert_eq!(predictions("fill = \"hold\"\nfill_within = \"30s\"", 40..60), 2 * 30);
    assert_eq!(predictions("fill = \"linear\"\nfill_within = \"30s\"", 40..60), 2 * 30);
    assert_eq!(predictions("fill = \"linear\"\nfill_within = \"30s\"", 40..70), 2 * 27);
    // What the stream says holds for detectors that say nothing.
    let stream = "aggregates = [\"max\", \"mean\"]\nfill = \"hold\"\nfill_within = \"30s\"";
    let text = streams(&path, "").replace("aggregates = [\"max\", \"mean\"]", stream);
    let said = feed(&mut pipeline(&text, 10), 0..301, &(40..60));
    assert_eq!(said.iter().filter(|m| m.text("kind") == "prediction").count(), 2 * 30);
}

#[test]
fn a_restart_at_any_point_and_another_model_go_on_with_the_alert() {
    let path = model("restart", 0.0);
    let text = streams(&path, "fill = \"hold\"");
    let gap = 95..112;
    let whole = feed(&mut pipeline(&text, 10), 0..301, &gap);
    for cut in [5, 99, 105, 111, 117, 150, 199, 205] {
        let mut first = pipeline(&text, 10);
        let mut said = feed(&mut first, 0..cut, &gap);
        let mut state = Vec::new();
        first.save(at(START), &mut state);
        let mut second = pipeline(&text, 10);
        second.restore(&mut StateReader::new(&state)).unwrap();
        second.resume(at(START + cut * 1_000), false);
        said.extend(feed(&mut second, cut..301, &gap));
        assert_eq!(said, whole, "cut at {cut}");
    }
    // The file is replaced while the alert stands: it ends under the id that it has.
    let mut first = pipeline(&text, 10);
    let before = feed(&mut first, 0..150, &NEVER);
    let mut state = Vec::new();
    first.save(at(START), &mut state);
    model("restart", -0.5);
    let mut second = pipeline(&text, 10);
    second.restore(&mut StateReader::new(&state)).unwrap();
    second.resume(at(START + 150_000), false);
    let after = feed(&mut second, 150..301, &NEVER);
    let alert = |said: &[Wire]| -> Vec<(String, String)> {
        let alerts = said.iter().filter(|message| message.text("kind") == "alert");
        alerts.map(|own| (own.text("id").to_owned(), own.text("state").to_owned())).collect()
    };
    let id = format!("pumps/p1/model@{}", START + 110_000);
    assert_eq!(alert(&before), [(id.clone(), "raised".to_owned())]);
    assert_eq!(alert(&after), [(id, "cleared".to_owned())]);
    let all = before.iter().chain(&after);
    let predictions = all.filter(|message| message.text("kind") == "prediction").count();
    assert_eq!(predictions, 2 * 30, "no window is lost, and none is judged twice");
}
