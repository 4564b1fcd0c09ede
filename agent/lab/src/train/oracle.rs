//! Training against scikit-learn: `vectors.json` is what `tests/models/vectors.py` says, and `tests/models/check vectors`
//! writes it anew. With `HEADWATER_VECTORS` the test reads another file.

use super::dataset::Dataset;
use super::judge::curve_areas;
use super::tests::dataset;
use super::{forest, linear};
use headwater_kernel::model::Classifier;
use headwater_model::ModelNumbers;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    features: usize,
    classes: usize,
    values: Vec<Vec<f64>>,
    of: Vec<usize>,
    fresh: Vec<Vec<f64>>,
    of_fresh: Vec<usize>,
    logistic: Oracle,
    machine: Oracle,
    forest: Accuracy,
    areas: Areas,
}

#[derive(Deserialize)]
struct Oracle {
    weights: Vec<Vec<f64>>,
    biases: Vec<f64>,
    says: Vec<usize>,
    #[serde(default)]
    first: Vec<f64>,
}

#[derive(Deserialize)]
struct Accuracy {
    accuracy: f64,
}

#[derive(Deserialize)]
struct Areas {
    pr: f64,
    roc: f64,
}

impl Case {
    fn data(&self) -> Dataset {
        let names = ["a", "b", "c", "d"];
        dataset(&names[..self.classes], 1, self.of.len(), |_, row| (self.values[row].clone(), self.of[row]))
    }
}

fn cases() -> Vec<Case> {
    let text = match std::env::var("HEADWATER_VECTORS") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => include_str!("vectors.json").to_owned(),
    };
    serde_json::from_str(&text).unwrap()
}

/// The largest distance of weights and biases.
fn apart(model: &ModelNumbers, oracle: &Oracle) -> f64 {
    let ModelNumbers::Linear { weights, biases, .. } = model else { panic!("not linear") };
    let wanted: Vec<f64> = oracle.weights.iter().flatten().chain(&oracle.biases).copied().collect();
    assert_eq!(wanted.len(), weights.len() + biases.len());
    let own = weights.iter().chain(biases);
    own.zip(&wanted).map(|(own, wanted)| (own - wanted).abs()).fold(0.0, f64::max)
}

fn most(shares: &[f64]) -> usize {
    (0..shares.len()).reduce(|a, b| if shares[b] > shares[a] { b } else { a }).unwrap()
}

fn shares(model: &ModelNumbers, row: &[f64]) -> Vec<f64> {
    let mut shares = vec![0.0; model.classes()];
    model.judge(row, &mut shares);
    shares
}

/// The class with the largest margin.
fn by_margin(model: &ModelNumbers, row: &[f64]) -> usize {
    let ModelNumbers::Linear { centers, widths, weights, biases, .. } = model else { panic!("not linear") };
    let margin = |(weights, bias): (&[f64], &f64)| -> f64 {
        let scaled =
            row.iter().zip(centers).zip(widths).map(|((value, center), width)| (value - center) / width);
        bias + scaled.zip(weights).map(|(value, weight)| value * weight).sum::<f64>()
    };
    let margins: Vec<f64> = weights.chunks_exact(centers.len()).zip(biases).map(margin).collect();
    if margins.len() == 1 { usize::from(margins[0] > 0.0) } else { most(&margins) }
}

#[test]
fn training_finds_the_optimum_that_scikit_learn_finds() {
    let (mut same, mut all) = (0, 0);
    for case in cases() {
        let (data, rows) = (case.data(), (0..case.of.len()).collect::<Vec<_>>());
        assert_eq!(data.features, case.features);
        let (logistic, machine) = (linear::logistic(&data, &rows), linear::machine(&data, &rows));
        let distances = (apart(&logistic, &case.logistic), apart(&machine, &case.machine));
        assert!(distances.0 < 1e-3 && distances.1 < 1e-3, "{} classes: {distances:?}", case.classes);
        println!("{} classes: weights apart by {:.1e} and {:.1e}", case.classes, distances.0, distances.1);
        let mut first = Vec::new();
        for (at, row) in case.fresh.iter().enumerate() {
            let own = shares(&logistic, row);
            assert!((own[0] - case.logistic.first[at]).abs() < 1e-4, "{own:?}");
            same += usize::from(most(&own) == case.logistic.says[at]);
            same += usize::from(by_margin(&machine, row) == case.machine.says[at]);
            all += 2;
            first.push(own[0]);
        }
        let is_first: Vec<bool> = case.of_fresh.iter().map(|class| *class == 0).collect();
        let (pr, roc) = curve_areas(&is_first, &first).unwrap();
        assert!((pr - case.areas.pr).abs() < 1e-4 && (roc - case.areas.roc).abs() < 1e-4, "{pr} {roc}");
    }
    println!("{same} of {all} predictions are equal");
    assert!(same * 1000 >= all * 999, "{same} of {all}");
}

/// Two forests are never equal. Ours is as good on rows that it has not seen.
#[test]
fn a_forest_is_as_good_as_that_of_scikit_learn() {
    for case in cases() {
        let (data, rows) = (case.data(), (0..case.of.len()).collect::<Vec<_>>());
        let model = forest::forest(&data, &rows, 1);
        let right =
            case.fresh.iter().zip(&case.of_fresh).filter(|(row, of)| most(&shares(&model, row)) == **of);
        let accuracy = right.count() as f64 / case.fresh.len() as f64;
        println!("{} classes: {accuracy:.3}, scikit-learn {:.3}", case.classes, case.forest.accuracy);
        assert!(accuracy > case.forest.accuracy - 0.03, "{accuracy} against {}", case.forest.accuracy);
    }
}
