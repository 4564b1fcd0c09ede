//! `auto` on the labelled recordings beside the checkout: what it promises must stay true.

use headwater_tests::agent::run;
use headwater_tests::{TempDir, recording};
use serde_json::Value;

/// What `evaluate` says of `auto` on a corpus.
fn outcome(labels: &str, corpus: &str) -> Value {
    let arguments = ["evaluate", "--labels", labels, "--corpus", corpus, "--detector", "auto", "--json"];
    let output = run(&TempDir::new(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")[0].clone()
}

/// With room below the figures of README.md (76.9, 72.5, 0.29), so that only a real loss fails.
#[test]
fn auto_finds_what_it_should_and_makes_little_up() {
    let Some(labels) = recording::shared("labels.json") else { return };
    let labels = labels.to_string_lossy();
    let number = |of: &Value, pointer: &str| of.pointer(pointer).and_then(Value::as_f64).expect("a number");
    let one = outcome(&labels, "nab");
    assert!(number(&one, "/nab/standard") > 73.0, "{one}");
    assert!(number(&one, "/nab/reward_low_fp") > 68.0, "{one}");
    assert!(number(&one, "/false_per_1000") < 0.4, "{one}");
    // Several series together, as in a group.
    let several = outcome(&labels, "skab");
    assert_eq!(several["found"], several["windows"], "{several}");
    assert!(number(&several, "/false_per_1000") < 2.0, "{several}");
}
