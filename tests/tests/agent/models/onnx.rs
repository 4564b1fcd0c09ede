//! A model of scikit-learn, as an ONNX file, through the real binary: it runs, or the build says that it runs none.

use headwater_tests::TempDir;
use headwater_tests::agent::run;
use headwater_tests::messages::Message;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const START: i64 = 1_700_000_000_000;
/// As far as a probability may be from that of scikit-learn.
const NEAR: f64 = 1e-5;

/// A file of skl2onnx, and what onnxruntime says of some rows.
fn vector(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    folder.join("agent/onnx/tests/vectors").join(name)
}

fn config(over: &str, aggregates: &str) -> String {
    format!(
        "[sources.plant]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"plant/+\"]\ntime = \"ts\"\nseries = \"{{field}}\"\n\
         [streams.pump]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\naggregates = [{aggregates}]\n\
         [[streams.pump.detectors]]\ntype = \"model\"\nfile = \"pump.onnx\"\nover = [{over}]\npredictions = true\nper_hour = 0\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\n"
    )
}

fn all_series() -> String {
    (0..5).map(|at| format!("\"f{at}\"")).collect::<Vec<_>>().join(", ")
}

/// What `check` says of a config.
fn check(dir: &TempDir, text: &str) -> (Option<i32>, String) {
    dir.write("headwater.toml", text);
    let output = run(dir, &["check", "--config", "headwater.toml"]);
    (output.status.code(), String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned())
}

/// Whether the program runs ONNX files. `HEADWATER_ONNX` says that it must.
fn runs_onnx(dir: &TempDir) -> bool {
    let (code, said) = check(dir, &config(&all_series(), "\"last\""));
    let runs = code == Some(0);
    assert!(runs || std::env::var_os("HEADWATER_ONNX").is_none(), "{said}");
    if !runs {
        assert!(
            code == Some(2) && said.contains("this build runs no ONNX files; build one that does"),
            "{said}"
        );
    }
    runs
}

#[test]
fn an_onnx_file_says_what_scikit_learn_says_or_the_build_that_it_runs_none() {
    let dir = TempDir::new();
    dir.write("pump.onnx", std::fs::read(vector("logistic-named.onnx")).expect("a model"));
    if !runs_onnx(&dir) {
        return;
    }
    let rows = std::fs::read_to_string(vector("logistic-named.json")).expect("rows");
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("JSON");
    let is_ordinary =
        |row: &&Value| row["features"].as_array().is_some_and(|all| all.iter().all(Value::is_f64));
    let rows: Vec<&Value> = rows.iter().filter(is_ordinary).collect();
    assert!(rows.len() > 20);
    let mut readings = String::new();
    for (at, row) in rows.iter().enumerate() {
        let mut payload = serde_json::json!({ "ts": START + at as i64 * 1_000 });
        for feature in 0..5 {
            payload[format!("f{feature}")] = row["features"][feature].clone();
        }
        let _ = writeln!(readings, "{payload}");
    }
    dir.write("pump.jsonl", readings);
    let output = run(&dir, &["replay", "--config", "headwater.toml", "pump.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let said: Vec<Message> = lines.map(|line| Message::new(String::new(), line.to_vec(), false)).collect();
    let of = |kind: &'static str| said.iter().filter(move |message| message.text("kind") == kind);
    assert_eq!(of("prediction").count(), rows.len());
    for (prediction, row) in of("prediction").zip(&rows) {
        let classes = ["cavitation", "leak", "ok"];
        for (class, score) in classes.iter().zip(row["scores"].as_array().expect("scores")) {
            let (ours, theirs) = (prediction.map["probabilities"][class].as_f64(), score.as_f64());
            let near = ours.zip(theirs).is_some_and(|(ours, theirs)| (ours - theirs).abs() <= NEAR);
            assert!(near, "{class}: {ours:?}, not {theirs:?}");
        }
    }
    // Alerts follow: one is raised where the sum of both faults is above a half, and ends where it is not.
    let fault = |row: &&Value| 1.0 - row["scores"][2].as_f64().expect("a score") > 0.5;
    let faults: Vec<bool> = rows.iter().map(fault).collect();
    let changes = std::iter::once(&false).chain(&faults).zip(&faults).filter(|(before, now)| before != now);
    let states: Vec<&str> = of("alert").map(|alert| alert.text("state")).collect();
    assert!(states.len() >= 4, "{states:?}");
    let expected = ["raised", "cleared"].iter().cycle().take(changes.count());
    assert!(states.iter().eq(expected), "{states:?}");
}

#[test]
fn an_onnx_file_that_does_not_fit_is_told_by_check() {
    let dir = TempDir::new();
    // Larger than any model may be; as it is full of holes, only what is read of it takes time.
    let huge = std::fs::File::create(dir.join("pump.onnx")).expect("a file");
    huge.set_len(200 << 30).expect("a file with holes");
    let text = config(&all_series(), "\"last\"");
    let (code, said) = check(&dir, &text);
    assert!(code == Some(2) && said.contains("is larger than ") && said.contains("MiB, the most"), "{said}");
    dir.write("pump.onnx", std::fs::read(vector("logistic-named.onnx")).expect("a model"));
    if !runs_onnx(&dir) {
        return;
    }
    let (code, said) = check(&dir, &config(&all_series(), "\"last\", \"max\""));
    assert!(code == Some(2) && said.contains("5 features") && said.contains("10"), "{said}");
}
