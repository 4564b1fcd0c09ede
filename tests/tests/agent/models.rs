//! A model from recordings to an alert upstream, through the real binary.

mod onnx;
mod swapped;

use headwater_tests::agent::run;
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir};
use std::fmt::Write as _;

const START: i64 = 1_700_000_000_000;
const SECONDS: i64 = 600;
/// From second, to second, and what is wrong.
const FAULTS: [(i64, i64, &str); 2] = [(200, 260, "valve"), (400, 460, "leak")];

/// Flow and pressure at a second: a valve that sticks lets less through at more pressure, a leak loses both.
fn readings(second: i64, fault: &str) -> [f64; 2] {
    let noise = |prime: i64| ((second * prime) % 100) as f64 / 100.0 - 0.5;
    let (flow, pressure) = (10.0 + noise(37), 5.0 + noise(61));
    match fault {
        "valve" => [flow - 4.0, pressure + 2.0],
        "leak" => [flow - 3.0, pressure - 2.0],
        _ => [flow, pressure],
    }
}

fn fault_at(second: i64) -> &'static str {
    let found = FAULTS.iter().find(|(from, to, _)| (*from..*to).contains(&second));
    found.map_or("", |(.., fault)| fault)
}

/// Recordings of three pumps, and their labels.
fn write_recordings(dir: &TempDir) {
    let mut series = Vec::new();
    for pump in 0..3 {
        let mut text = "ts,flow,pressure\n".to_owned();
        for second in 0..SECONDS {
            let [flow, pressure] = readings(second + pump * 7, fault_at(second));
            let time = START + (pump * 10_000 + second) * 1_000;
            writeln!(text, "{time},{flow:.3},{pressure:.3}").expect("a line");
        }
        dir.write(&format!("pump{pump}.csv"), text);
        let windows: Vec<[i64; 2]> = FAULTS.iter().map(|(from, to, _)| [*from, to - 1]).collect();
        let classes: Vec<&str> = FAULTS.iter().map(|(.., fault)| *fault).collect();
        series.push(format!(
            "\"pump{pump}.csv\":{}",
            serde_json::json!({"corpus":"pump","probation":0,"rows":SECONDS,"windows":windows,"classes":classes})
        ));
    }
    dir.write(
        "labels.json",
        format!("{{\"format\":\"anomaly-labels-1\",\"series\":{{{}}}}}", series.join(",")),
    );
}

fn config(source: u16, uplink: u16, detector: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\n[sources.plant]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\n\
         topics = [\"plant/{{pump}}\"]\ntime = \"ts\"\nseries = \"{{pump}}/{{field}}\"\n\
         [streams.pump]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"2s\"\n\
         aggregates = [\"mean\", \"stddev\"]\n{detector}\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{uplink}\"\n"
    )
}

const OVER: &str = "over = [\"*/flow\", \"*/pressure\"]\n";

fn detector(more: &str) -> String {
    format!("[[streams.pump.detectors]]\ntype = \"model\"\nfile = \"pump.model\"\n{OVER}{more}")
}

/// Trains with the recordings of a folder, whose series are their columns; answers exit code, stdout and stderr.
fn train(dir: &TempDir, text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    dir.write("headwater.toml", text);
    let own = ["train", "--config", "headwater.toml", "--labels", "labels.json", "--stream", "pump"];
    let own = [&own[..], &["--over", "flow", "--over", "pressure"]].concat();
    let output = run(dir, &[&own[..], more].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_model_is_trained_deployed_by_reload_and_names_the_fault_upstream() {
    let (source, uplink) = (Mosquitto::start(), Mosquitto::start());
    let (told, mut publisher) = (Subscriber::new(uplink.port), Publisher::new(source.port));
    let dir = TempDir::new();
    write_recordings(&dir);
    // The agent runs while the model is trained.
    let without = config(source.port, uplink.port, "");
    let mut agent = Agent::start(&dir, &without);
    agent.wait_log(&["source connected"]);
    let with = config(source.port, uplink.port, &detector("predictions = true\nper_hour = 0\n"));
    for model in ["logistic", "svm", "forest"] {
        let trained = train(&dir, &with, &["--model", model, "--folds", "3", "--out", "pump.model"]);
        assert_eq!(trained.0, Some(0), "{}", trained.2);
        for words in ["3 recordings", "valve", "always the same", "auto", "is, said"] {
            assert!(trained.1.contains(words), "{model}: {}", trained.1);
        }
        let shown = run(&dir, &["model", "show", "pump.model"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(&format!("{model} model")) && shown.contains("class valve: "), "{shown}");
        let again = train(&dir, &with, &["--model", model, "--folds", "3", "--out", "again.model"]);
        assert_eq!((again.0, again.1), (Some(0), trained.1));
        let bytes = |name: &str| std::fs::read(dir.join(name)).expect("a model");
        assert!(bytes("pump.model") == bytes("again.model"), "{model}: the same input gives the same bytes");
    }
    let mut publish = |seconds: std::ops::Range<i64>| {
        for second in seconds {
            let [flow, pressure] = readings(second, fault_at(second));
            let time = START + 100_000_000 + second * 1_000;
            let payload = format!("{{\"ts\":{time},\"flow\":{flow},\"pressure\":{pressure}}}");
            publisher.publish("plant/p9", &payload).expect("a publish");
        }
        publisher.flush().expect("what is published");
    };
    publish(0..100);
    told.wait_until("windows without a model", |messages| messages.count_ids("summary") >= 18);
    agent.reload();
    agent.wait_log(&["went on with another config", "is_new_life=true"]);
    publish(100..SECONDS);
    let alerts = |state: &'static str| {
        move |messages: &headwater_tests::Messages| {
            messages.of("alert").filter(|m| m.text("state") == state).count()
        }
    };
    let messages =
        told.wait_until("both faults, and their ends", |messages| alerts("cleared")(messages) >= 2);
    agent.check_running();
    let raised: Vec<_> = messages.of("alert").filter(|alert| alert.text("state") == "raised").collect();
    let classes: Vec<&str> = raised.iter().map(|alert| alert.text("class")).collect();
    assert_eq!(classes, ["valve", "leak"], "{raised:?}");
    for (alert, (from, to, fault)) in raised.iter().zip(FAULTS) {
        let second = (alert.integer("time") - START - 100_000_000) / 1_000;
        assert!((from..=to).contains(&second), "{second}");
        assert_eq!((alert.text("series"), alert.text("detector")), ("p9", "model"));
        assert!(alert.number("score") > 0.5);
        let reason = alert.text("reason");
        assert!(reason.starts_with(&format!("{fault} with a probability of ")), "{reason}");
        assert!(reason.contains("p9/flow mean is ") || reason.contains("p9/pressure mean is "), "{reason}");
    }
    let judged = |messages: &headwater_tests::Messages| messages.count_ids("prediction") >= 50;
    let messages = told.wait_until("a judgement of every window since the reload", judged);
    let predictions: Vec<_> = messages.of("prediction").collect();
    assert!(predictions.iter().any(|own| own.text("class") == "normal" && own.number("score") < 0.5));
    let topic = "headwater/edge-1/prediction/pump/p9";
    assert!(predictions.iter().all(|own| own.topic == topic), "{:?}", predictions[0]);
    messages.check_repeats();
    // Another model under the same name is a change.
    let trained = train(&dir, &with, &["--model", "logistic", "--folds", "3", "--out", "pump.model"]);
    assert_eq!(trained.0, Some(0), "{}", trained.2);
    agent.reload();
    agent.wait_logs(&["went on with another config", "is_new_life=true"], 2);
    assert!(agent.terminate().success());
}

/// Cells that are no number are gaps, which a stream fills where it says so, and a scale is a part of the model.
#[test]
fn gaps_and_scales_of_the_stream_are_those_of_the_model() {
    let dir = TempDir::new();
    write_recordings(&dir);
    let recording = std::fs::read_to_string(dir.join("pump1.csv")).expect("a recording");
    let lacks = |row: usize| (101..121).contains(&row) || (301..341).contains(&row);
    let cut = |(row, line): (usize, &str)| match line.rsplit_once(',') {
        Some((kept, _)) if lacks(row) => format!("{kept},NaN\n"),
        _ => format!("{line}\n"),
    };
    dir.write("pump1.csv", recording.lines().enumerate().map(cut).collect::<String>());
    let scaled = "aggregates = [\"mean\", \"stddev\"]\nnormalise = \"zscore\"";
    let filled = "aggregates = [\"mean\", \"stddev\"]\nfill = \"linear\"\nfill_within = \"30s\"";
    let plain = config(1, 1, &detector(""));
    let with = |more: &str| plain.replace("aggregates = [\"mean\", \"stddev\"]", more);
    for (text, windows) in [(&plain, 180 - 6), (&with(filled), 180 - 4), (&with(scaled), 180 - 6 - 3 * 3)] {
        let (code, said, wrong) = train(&dir, text, &["--model", "logistic", "--plot", "report.svg"]);
        assert!(
            code == Some(0) && said.contains(&format!("3 recordings, {windows} windows")),
            "{said}{wrong}"
        );
        let picture = std::fs::read_to_string(dir.join("report.svg")).expect("a picture");
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    }
    let (code, _, said) = train(&dir, &with(scaled), &["--model", "svm", "--out", "pump.model"]);
    assert_eq!(code, Some(0), "{said}");
    for (text, fits) in [(with(scaled), true), (plain.clone(), false)] {
        dir.write("headwater.toml", text);
        let output = run(&dir, &["check", "--config", "headwater.toml"]);
        let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
        assert_eq!(output.status.code() == Some(0), fits, "{said}");
        assert_eq!(
            said.contains("trained with windows `tumbling size=10000 normalise=zscore"),
            !fits,
            "{said}"
        );
    }
}

#[test]
fn what_does_not_fit_is_told_by_check_and_train() {
    let dir = TempDir::new();
    write_recordings(&dir);
    let plain = config(1, 1, &detector(""));
    let (code, _, said) = train(&dir, &plain, &["--model", "logistic", "--out", "pump.model"]);
    assert_eq!(code, Some(0), "{said}");
    let check = |text: &str| {
        dir.write("headwater.toml", text);
        let output = run(&dir, &["check", "--config", "headwater.toml"]);
        (output.status.code(), String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned())
    };
    let (code, said) = check(&plain);
    assert!(code == Some(0) && said.contains("4 features, normal/leak/valve, above 0.5"), "{said}");
    let whole = std::fs::read(dir.join("pump.model")).expect("the model");
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        bytes
    };
    let files = [
        (whole[..whole.len() / 2].to_vec(), "cut off"),
        (changed(whole.len() - 9), "damaged"),
        (changed(16), "version 64"),
        (b"PK\x03\x04".to_vec(), "no model file"),
    ];
    for (bytes, words) in files {
        dir.write("pump.model", bytes);
        let (code, said) = check(&plain);
        assert!(code == Some(2) && said.contains(words), "{words}: {said}");
        let shown = run(&dir, &["model", "show", "pump.model"]);
        let said = String::from_utf8_lossy(&shown.stderr).into_owned();
        assert!(shown.status.code() == Some(1) && said.contains(words), "{said}");
    }
    dir.write("pump.model", &whole);
    let streams = [
        (
            ("\"mean\", \"stddev\"", "\"mean\", \"max\""),
            "trained with `stddev`, and the stream's `aggregates` are mean, max",
        ),
        (("\"10s\"", "\"20s\""), "trained with windows `tumbling size=10000`"),
        (
            ("\"*/flow\", \"*/pressure\"", "\"*/pressure\", \"*/flow\""),
            "`over` has `*/pressure` where the model was trained with `flow`",
        ),
        (("\"*/flow\", ", ""), "trained over 2 series"),
        (("pump.model", "pmp.model"), "cannot read"),
        (("type = \"tumbling\", size = \"10s\"", "type = \"none\""), "a model judges windows"),
        (("type = \"tumbling\", size = \"10s\"", "type = \"count\", size = 10"), "end together"),
        (("type = \"model\"\n", "type = \"model\"\nabove = 2\n"), "`above`"),
        (("type = \"model\"\n", "type = \"model\"\nnormal = \"nomal\"\n"), "did you mean `normal`?"),
        (("type = \"model\"\n", "type = \"model\"\non = \"mean\"\n"), "leave `on` out"),
    ];
    for ((from, to), words) in streams {
        assert!(plain.contains(from), "{from}");
        let (code, said) = check(&plain.replacen(from, to, 1));
        assert!(code == Some(2) && said.contains(words), "{words}: {said}");
    }
    // Labels that do not fit.
    let labels = std::fs::read_to_string(dir.join("labels.json")).expect("labels");
    let wrong = [
        ("pump0.csv", "pump7.csv", "pump7.csv"),
        ("\"rows\":600", "\"rows\":601", "600 rows, the label says 601"),
        ("\"classes\":[\"valve\",\"leak\"]", "\"classes\":[\"valve\"]", "1 classes for 2 windows"),
        ("anomaly-labels-1", "anomaly-labels-9", "anomaly-labels-9"),
    ];
    for (from, to, words) in wrong {
        dir.write("labels.json", labels.replacen(from, to, 1));
        let (code, _, said) = train(&dir, &plain, &["--model", "svm"]);
        assert!(code != Some(0) && said.contains(words), "{words}: {said}");
    }
    dir.write(
        "labels.json",
        labels.replace("[[200,259],[400,459]]", "[]").replace("[\"valve\",\"leak\"]", "[]"),
    );
    let (code, _, said) = train(&dir, &plain, &["--model", "svm"]);
    assert!(code == Some(2) && said.contains("of one class, `normal`"), "{said}");
    dir.write("labels.json", &labels);
    let (code, _, said) = train(&dir, &plain, &["--model", "svm", "--over", "flw"]);
    assert!(
        code == Some(2) && said.contains("no window of stream `pump` is of all of flow, pressure, flw"),
        "{said}"
    );
    assert!(said.contains("there are windows of `flow`, `pressure`"), "{said}");
}
