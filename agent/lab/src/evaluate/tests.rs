//! The whole of it on two made-up recordings, against numbers of an independent scorer that reproduces what NAB
//! publishes.

use super::{Contender, Judged, Labelled, Score, as_json, as_table, load, sweep, sweep_table, write_scores};
use std::fmt::Write as _;
use std::path::PathBuf;

const LABELS: &str = r#"{"format": "anomaly-labels-1", "series": {
    "x/a.csv": {"corpus": "made-up", "probation": 60, "windows": [[100, 149], [250, 269]], "rows": 400},
    "x/b.csv": {"corpus": "made-up", "probation": 30, "windows": [[10, 25], [120, 139]], "rows": 200}}}"#;

fn score(row: usize) -> f64 {
    ((row * 37) % 101) as f64 / 101.0
}

/// A directory of its own for a test, with the labels and recordings of two columns, one of them patchy.
fn recordings(test: &str) -> (PathBuf, Vec<Labelled>) {
    let directory = std::env::temp_dir().join(format!("headwater-evaluate-{}-{test}", std::process::id()));
    std::fs::create_dir_all(directory.join("x")).unwrap();
    std::fs::write(directory.join("labels.json"), LABELS).unwrap();
    for (name, rows) in [("x/a.csv", 400), ("x/b.csv", 200)] {
        let mut text = "timestamp,value,other\n".to_owned();
        for row in 0..rows {
            let other = if row % 7 == 0 { String::new() } else { (row % 5).to_string() };
            writeln!(text, "2014-04-01 {:02}:{:02}:00,{},{other}", row / 60, row % 60, score(row)).unwrap();
        }
        std::fs::write(directory.join(name), text).unwrap();
    }
    let all = load(&directory.join("labels.json"), &directory, &["made-up".to_owned()]).unwrap();
    (directory, all)
}

fn judged(recording: &Labelled) -> Judged {
    let scores: Vec<f64> = (0..recording.times.len()).map(score).collect();
    let flags = scores.iter().map(|score| *score >= 0.95).collect();
    Judged { values: scores.clone(), scores, flags }
}

#[test]
fn a_recording_of_which_no_row_can_be_read_is_no_recording_without_anomalies() {
    let (directory, _) = recordings("unread");
    let seconds: String = (0..400).map(|row| format!("{},1\n", 1_700_000_000 + row)).collect();
    std::fs::write(directory.join("x/a.csv"), format!("timestamp,value\n{seconds}")).unwrap();
    let error = load(&directory.join("labels.json"), &directory, &[]).unwrap_err().to_string();
    assert!(error.contains("a.csv: no row can be read") && error.contains("unix"), "{error}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn agrees_with_the_independent_scorer() {
    let (directory, all) = recordings("scorer");
    assert_eq!((all[0].times[1] - all[0].times[0], all[0].columns.len()), (60_000, 2));
    assert!(all[0].columns[1][0].is_nan() && all[0].columns[1][8] == 3.0);
    let outcome = Score::of("made-up", "made-up", &all, &all.iter().map(judged).collect::<Vec<_>>());
    let json: serde_json::Value = serde_json::from_str(&as_json(std::slice::from_ref(&outcome))).unwrap();
    let close = |pointer: &str, right: f64| {
        let found = json.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap();
        assert!((found - right).abs() < 1e-9, "{pointer}: {found}, not {right}");
    };
    close("/0/nab/standard", 55.984_196_486_043_96);
    close("/0/nab/reward_low_fp", 27.488_274_791_951_69);
    close("/0/nab/reward_low_fn", 69.188_937_540_230_85);
    close("/0/nab_best/standard", 64.966_723_741_742_09);
    close("/0/nab_best/reward_low_fp", 53.618_762_262_073_794);
    close("/0/nab_best/reward_low_fn", 75.47670661921947);
    close("/0/f1", 0.375);
    close("/0/false_per_1000", 47.619_047_619_047_62);
    close("/0/delay_share", 0.153_598_281_417_830_3);
    assert!(
        as_table(std::slice::from_ref(&outcome))
            .starts_with("made-up: 2 recordings, 3 windows\n  detector  found")
    );
    let none = Judged { flags: vec![false; 200], ..judged(&all[1]) };
    let other = Score::of("made-up", "other", &all[1..], &[none]);
    let table = as_table(&[outcome, other]);
    let mean = "mean over 2 corpora, each once\n  detector  NAB std  false/1000  worst\n  made-up      28.0       23.81  47.62\n";
    assert!(table.ends_with(mean), "{table}");
    std::fs::remove_dir_all(directory).unwrap();
}

/// People know when something failed, and neither rows nor corpora.
#[test]
fn a_label_may_tell_times_and_nothing_else() {
    let (directory, by_rows) = recordings("times");
    let time = |row: usize| {
        let ms = by_rows[0].times[row];
        jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
    };
    let load = |from: &str, to: &str| {
        let span = serde_json::json!([[from, to]]);
        let text = format!(
            "{{\"format\": \"anomaly-labels-1\", \"series\": {{\"x/a.csv\": {{\"windows\": {span}}}}}}}"
        );
        std::fs::write(directory.join("labels.json"), text).unwrap();
        load(&directory.join("labels.json"), &directory, &[])
    };
    let own = load(&time(100), &time(149)).unwrap().remove(0);
    assert_eq!(own.label.windows, by_rows[0].label.windows[..1]);
    assert_eq!((own.label.corpus.as_str(), own.label.probation), ("own", 0));
    assert_eq!(own.label.classes().collect::<Vec<_>>(), ["fault"]);
    let wrong = load("yesterday", &time(1)).unwrap_err().to_string();
    assert!(wrong.contains("x/a.csv: `yesterday` is no time; write `2026-03-12T14:05:00Z`"), "{wrong}");
    let outside = load("1999-01-01T00:00:00Z", "1999-01-02T00:00:00Z").unwrap_err().to_string();
    assert!(
        outside.contains(&format!("the recording reaches from {} to {}", time(0), time(399))),
        "{outside}"
    );
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn detectors_run_over_recordings_and_their_parameters_are_tried() {
    let (directory, all) = recordings("run");
    let contender = Contender::parse("jump:above=0.7").unwrap();
    let judged = contender.judge(&all[0]).unwrap();
    assert!(judged.flags.iter().any(|flag| *flag) && judged.scores.iter().all(|score| score.is_finite()));
    write_scores(&directory.join("out"), &all[0], &judged).unwrap();
    let written = std::fs::read_to_string(directory.join("out/x/a.csv")).unwrap();
    assert_eq!(written.lines().count(), 401);
    assert!(written.starts_with("timestamp,value,anomaly_score,flag\n1396310400000,"));
    let table =
        |name: &str| sweep_table(name, &sweep(&Contender::parse(name).unwrap(), &all, |_, _| ()).unwrap());
    let zscore = table("zscore");
    assert!(zscore.starts_with("zscore: 26 combinations on 2 parts\n"), "{zscore}");
    assert!(zscore.contains("\n  made-up 2/2  ") && zscore.contains("\n  best on all parts: "), "{zscore}");
    let auto = table("auto");
    assert!(auto.starts_with("auto: 46 combinations on 2 parts\n"), "{auto}");
    assert!(auto.contains("with together 2.") || auto.ends_with("with auto\n"), "{auto}");
    for contender in Contender::all() {
        contender.judge(&all[1]).unwrap();
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_does_not_fit_is_named() {
    let (directory, _) = recordings("unfit");
    let refused = |labels: &str| {
        std::fs::write(directory.join("labels.json"), labels).unwrap();
        load(&directory.join("labels.json"), &directory, &[]).unwrap_err().to_string()
    };
    assert!(refused("{").contains("not labels"));
    let label = refused(&LABELS.replace("\"probation\"", "\"probaton\""));
    assert!(label.contains("the label of `x/") && label.contains("did you mean `probation`?"), "{label}");
    let label = refused(&LABELS.replace("\"windows\"", "\"window\""));
    assert!(label.contains("missing field `windows`; a label has `windows`, such as"), "{label}");
    assert!(refused(&LABELS.replace("labels-1", "labels-2")).contains("not `anomaly-labels-1`"));
    assert!(refused(&LABELS.replace("400", "401")).contains("400 rows, the label says 401"));
    assert!(refused(&LABELS.replace("250, 269", "140, 269")).contains("overlap"));
    assert!(refused(&LABELS.replace("x/a.csv", "x/c.csv")).contains("x/c.csv"));
    std::fs::remove_dir_all(directory).unwrap();
}
