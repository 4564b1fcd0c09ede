//! `headwater evaluate`: detectors on the corpora that are named, and on no others.

use headwater_tests::TempDir;
use headwater_tests::agent::run;
use std::fmt::Write as _;

/// Recordings of three corpora, each with a spike that is labelled; that of the third is not there.
fn recordings() -> TempDir {
    let dir = TempDir::new();
    for name in ["a.csv", "b.csv"] {
        let mut text = "timestamp,value\n".to_owned();
        for row in 0..300_i64 {
            let value = if row == 250 { 90.0 } else { 20.0 + ((row * 37) % 100) as f64 / 100.0 };
            let _ = writeln!(text, "{},{value}", 1_700_000_000_000 + row * 60_000);
        }
        dir.write(name, text);
    }
    let label = |corpus: &str| serde_json::json!({ "corpus": corpus, "windows": [[248, 260]] });
    let series =
        serde_json::json!({"a.csv": label("pumps"), "b.csv": label("rooms"), "c.csv": label("doors")});
    dir.write("labels.json", serde_json::json!({"format": "anomaly-labels-1", "series": series}).to_string());
    dir
}

/// Exit code, stdout and stderr with these corpora.
fn evaluate(dir: &TempDir, corpora: &[&str], more: &[&str]) -> (Option<i32>, String, String) {
    let mut arguments = vec!["evaluate", "--labels", "labels.json", "--detector", "hampel"];
    corpora.iter().for_each(|corpus| arguments.extend(["--corpus", corpus]));
    arguments.extend(more);
    let output = run(dir, &arguments);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn several_corpora_are_judged_each_and_no_other_is_read() {
    let dir = recordings();
    let (code, said, wrong) = evaluate(&dir, &["rooms", "pumps"], &["--json"]);
    assert_eq!(code, Some(0), "{wrong}");
    let scores: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
    let judged: Vec<_> =
        scores.iter().map(|score| (&score["corpus"], &score["windows"], &score["found"])).collect();
    let one = serde_json::json!(1);
    assert_eq!(judged, [(&"pumps".into(), &one, &one), (&"rooms".into(), &one, &one)]);
    let (code, table, wrong) = evaluate(&dir, &["pumps", "rooms"], &[]);
    assert!(code == Some(0) && table.contains("mean over 2 corpora, each once"), "{table}{wrong}");
    let (code, table, wrong) = evaluate(&dir, &["rooms"], &[]);
    assert!(code == Some(0) && table.contains("rooms: 1 recordings"), "{wrong}");
    assert!(!table.contains("pumps") && !table.contains("mean over"), "{table}");
    // All of them: the third lacks its recording.
    let (code, _, wrong) = evaluate(&dir, &[], &[]);
    assert!(code != Some(0) && wrong.contains("c.csv"), "{wrong}");
}

#[test]
fn a_sweep_over_several_corpora_leaves_each_of_them_out() {
    let dir = recordings();
    let (code, table, wrong) = evaluate(&dir, &["pumps", "rooms"], &["--sweep"]);
    assert_eq!(code, Some(0), "{wrong}");
    assert!(table.contains(" on 2 parts\n") && table.contains("left out"), "{table}");
    assert!(
        table.contains("\n  pumps ") && table.contains("\n  rooms ") && !table.contains("doors"),
        "{table}"
    );
}

#[test]
fn a_corpus_that_labels_do_not_have_is_named() {
    let dir = recordings();
    let (code, said, wrong) = evaluate(&dir, &["pumps", "roms"], &[]);
    assert!(code != Some(0) && said.is_empty(), "{said}");
    assert!(wrong.contains("no series of corpus `roms` in it; did you mean `rooms`?"), "{wrong}");
    let (_, _, wrong) = evaluate(&dir, &["lathes"], &[]);
    assert!(wrong.contains("no series of corpus `lathes` in it; known: doors, pumps, rooms"), "{wrong}");
}
