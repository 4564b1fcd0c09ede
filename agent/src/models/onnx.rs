//! ONNX files as judges of windows.
//!
//! Probabilities are the file's where it has them. Margins, such as those of `LinearSVC`, become shares that keep their
//! order (softmax), and the score of a model that tells outliers becomes `0.5 - score`, so that 0.5 lies where the model
//! draws the line; of an isolation forest this is the anomaly score of Liu, Ting and Zhou (2008).

use headwater_kernel::model::{CLASSES_MAX, Classifier, FEATURES_MAX};
use headwater_onnx::{FILE_BYTES_MAX, OnnxModel, OnnxPurpose, OnnxScratch};
use headwater_pipeline::config::TrainedModel;
use headwater_settings::format_size;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

/// The classes of a model that tells outliers.
const OUTLIER_CLASSES: [&str; 2] = ["normal", "outlier"];

/// Names of the class of windows with which nothing is wrong, where the config names none.
const NORMAL_NAMES: [&str; 3] = ["normal", "ok", "0"];

/// What scores are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ScoreKind {
    Probabilities,
    Margins,
    Outlier,
}

/// A file that judges rows.
struct OnnxClassifier {
    model: OnnxModel,
    /// Judges take turns.
    scratch: RefCell<OnnxScratch>,
    kind: ScoreKind,
    classes: Vec<String>,
    normal: Option<usize>,
}

impl OnnxClassifier {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let model = OnnxModel::read(bytes).map_err(|error| error.to_string())?;
        let classes: Vec<String> = match model.purpose() {
            OnnxPurpose::Classes(classes) => classes.clone(),
            OnnxPurpose::Outlier => OUTLIER_CLASSES.map(str::to_owned).to_vec(),
            OnnxPurpose::Value => {
                return Err(
                    "it says a number and no class; export a classifier, or a model that tells outliers"
                        .into(),
                );
            }
        };
        if classes.len() > CLASSES_MAX || model.features() > FEATURES_MAX {
            return Err(format!(
                "it has {} classes and {} features, and a model may have {CLASSES_MAX} and {FEATURES_MAX}",
                classes.len(),
                model.features()
            ));
        }
        let kind = match model.purpose() {
            OnnxPurpose::Outlier => ScoreKind::Outlier,
            _ if says_probabilities(&model) => ScoreKind::Probabilities,
            _ => ScoreKind::Margins,
        };
        let normal = NORMAL_NAMES.iter().find_map(|name| classes.iter().position(|class| class == name));
        let scratch = RefCell::new(model.scratch());
        Ok(Self { model, scratch, kind, classes, normal })
    }
}

/// Whether the scores of some rows, all of them far from each other, are shares that add up to 1.
fn says_probabilities(model: &OnnxModel) -> bool {
    let mut scratch = model.scratch();
    let are_shares = |scores: &[f64]| {
        let is_share = |score: &f64| (-1e-3..=1.001).contains(score);
        scores.iter().all(is_share) && (scores.iter().sum::<f64>() - 1.0).abs() < 1e-3
    };
    [0.0, 1.0, -1.0, 10.0, -10.0, 1000.0, -1000.0].into_iter().all(|value| {
        let scores = model.judge(&vec![value; model.features()], &mut scratch).scores;
        are_shares(scores) || scores.iter().any(|score| !score.is_finite())
    })
}

impl Classifier for OnnxClassifier {
    fn features(&self) -> usize {
        self.model.features()
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn weighs(&self) -> bool {
        false
    }

    fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
        let mut scratch = self.scratch.borrow_mut();
        let scores = self.model.judge(features, &mut scratch).scores;
        if scores.iter().any(|score| !score.is_finite()) {
            // Features so far away that the file's 32 bits do not hold them: nothing can be said.
            let share = 1.0 / probabilities.len().max(1) as f64;
            for (class, probability) in probabilities.iter_mut().enumerate() {
                *probability = self.normal.map_or(share, |normal| f64::from(u8::from(class == normal)));
            }
            return;
        }
        match (self.kind, scores) {
            (ScoreKind::Outlier, [score, ..]) => {
                let outlier = (0.5 - score).clamp(0.0, 1.0);
                for (probability, share) in probabilities.iter_mut().zip([1.0 - outlier, outlier]) {
                    *probability = share;
                }
                return;
            }
            (ScoreKind::Margins, _) => {
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                for (probability, score) in probabilities.iter_mut().zip(scores) {
                    *probability = (score - largest).exp();
                }
            }
            _ => {
                for (probability, score) in probabilities.iter_mut().zip(scores) {
                    *probability = score.max(0.0);
                }
            }
        }
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
    }
}

/// A file for the pipeline.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<TrainedModel, String> {
    let classifier = OnnxClassifier::read(bytes).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(TrainedModel {
        classes: classifier.classes.iter().map(|class| class.as_str().into()).collect(),
        normal: classifier.normal,
        wants: None,
        bytes: classifier.model.bytes(),
        checksum: crc32fast::hash(bytes),
        classifier: Rc::new(classifier),
    })
}

/// The largest file that is read [bytes].
pub(super) const BYTES_MAX: u64 = FILE_BYTES_MAX;

/// What a file is, for people.
pub(super) fn described(bytes: &[u8]) -> Result<String, String> {
    let classifier = OnnxClassifier::read(bytes)?;
    let model = &classifier.model;
    let (disk, memory) = (format_size(bytes.len() as u64), format_size(model.bytes() as u64));
    let mut text = format!("ONNX model of {}, {disk} on disk, {memory} in memory\n", model.producer());
    let names = if model.names().is_empty() { "without names".to_owned() } else { model.names().join(", ") };
    let _ = writeln!(text, "{} features: {names}", model.features());
    for (class, name) in classifier.classes.iter().enumerate() {
        let usual = if Some(class) == classifier.normal { " (normal)" } else { "" };
        let _ = writeln!(text, "class {name}{usual}");
    }
    let _ = writeln!(
        text,
        "{}",
        match classifier.kind {
            ScoreKind::Probabilities => "its scores are probabilities",
            ScoreKind::Margins => "its scores are margins, of which shares are made that keep their order",
            ScoreKind::Outlier => "its score tells outliers: above 0.5 is one",
        }
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> OnnxClassifier {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/tests/vectors");
        OnnxClassifier::read(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    }

    fn shares(model: &OnnxClassifier, features: [f64; 5]) -> Vec<f64> {
        let mut probabilities = vec![0.0; model.classes()];
        model.judge(&features, &mut probabilities);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{probabilities:?}");
        probabilities
    }

    #[test]
    fn every_kind_of_score_becomes_shares_that_keep_the_choice_of_the_model() {
        for (name, kind) in [
            ("logistic-named.onnx", ScoreKind::Probabilities),
            ("boosting-2.onnx", ScoreKind::Probabilities),
            ("linear-svm-3.onnx", ScoreKind::Margins),
            ("isolation-small.onnx", ScoreKind::Outlier),
            ("svm-outlier.onnx", ScoreKind::Outlier),
        ] {
            let model = of(name);
            assert_eq!(model.kind, kind, "{name}");
            let mut scratch = model.model.scratch();
            for features in
                [[0.0, 5.0, 50.0, 0.0, 0.0], [3.0, -20.0, 250.0, 0.2, -2.0], [-3.0, 40.0, -90.0, 0.0, 1.0]]
            {
                let shares = shares(&model, features);
                let chosen = model.model.judge(&features, &mut scratch).class;
                let most = shares.iter().copied().fold(0.0, f64::max);
                assert!(shares[chosen] >= most - 1e-6, "{name}: {shares:?}, and it chooses {chosen}");
            }
        }
    }

    #[test]
    fn what_32_bits_do_not_hold_is_no_fault() {
        let model = of("logistic-named.onnx");
        assert_eq!(
            (model.classes.as_slice(), model.normal),
            (&["cavitation", "leak", "ok"].map(str::to_owned)[..], Some(2))
        );
        assert_eq!(shares(&model, [1e300; 5]), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_model_of_numbers_is_refused_and_any_other_is_described() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/tests/vectors");
        let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let refused = described(&bytes("svm-value.onnx"));
        assert!(refused.is_err_and(|why| why.contains("export a classifier")));
        let text = described(&bytes("named-columns.onnx")).unwrap();
        assert!(text.starts_with("ONNX model of skl2onnx, 1"), "{text}");
        assert!(text.contains("5 features: pump_a_mean, pump_b_mean"), "{text}");
        assert!(text.ends_with("class ok (normal)\nits scores are probabilities\n"), "{text}");
    }
}
