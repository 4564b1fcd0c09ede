//! Files of skl2onnx 1.20, one of each kind, say what onnxruntime 1.32 says of them; `tests/onnx/check` makes them anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_onnx::{OnnxModel, OnnxPurpose};
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// As far as a score may be from that of onnxruntime, of the score where that is above 1.
const NEAR: f64 = 1e-5;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "onnx")).collect();
    files.sort();
    files
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn is_near(ours: f64, theirs: f64) -> bool {
    ours == theirs
        || (ours.is_nan() && theirs.is_nan())
        || (ours - theirs).abs() <= NEAR * theirs.abs().max(1.0)
}

/// The label that a model chooses, as onnxruntime says it.
fn label(model: &OnnxModel, class: usize) -> Option<String> {
    match model.purpose() {
        OnnxPurpose::Classes(classes) => Some(classes[class].clone()),
        OnnxPurpose::Value => None,
        OnnxPurpose::Outlier => Some(if class == 1 { "-1" } else { "1" }.into()),
    }
}

/// One test, because the allocator counts what other threads take too.
#[test]
fn files_of_skl2onnx_say_what_onnxruntime_says_and_take_no_memory_for_it() {
    let files = files();
    assert!(files.len() >= 15, "the vectors are not where this test looks: {files:?}");
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let model = OnnxModel::read_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        assert!(rows.len() > 30, "{name}");
        let mut scratch = model.scratch();
        for row in &rows {
            let (features, theirs) = (numbers(&row["features"]), numbers(&row["scores"]));
            let region = Region::new(ALLOCATOR);
            let answer = model.judge(&features, &mut scratch);
            assert_eq!(region.change().allocations, 0, "{name}: a judgement allocates");
            let fits = answer.scores.len() == theirs.len()
                && answer.scores.iter().zip(&theirs).all(|(ours, theirs)| is_near(*ours, *theirs));
            assert!(fits, "{name}: {features:?} has {:?}, not {theirs:?}", answer.scores);
            let best = theirs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // A label that hangs on NaN, or on two scores as good as equal, is nobody's.
            let is_clear = theirs.iter().filter(|score| score.is_nan() || best - **score < NEAR).count() < 2
                && !best.is_infinite();
            if is_clear {
                assert_eq!(
                    label(&model, answer.class).as_deref(),
                    row["label"].as_str(),
                    "{name}: {features:?}"
                );
            }
        }
    }
}
