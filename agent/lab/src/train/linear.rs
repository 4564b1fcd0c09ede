//! Logistic regression and linear support vector machines.
//!
//! Both find the very minimum that scikit-learn looks for, with its default strength `C = 1` and balanced class
//! weights. `LogisticRegression`: cross entropy, of several classes by softmax; L2 on the weights and not on the biases.
//! `LinearSVC`: squared hinge, one class against the rest; L2 on weights and biases; of more than two classes the rest
//! has weight 1, as in liblinear. Features are scaled by the mean and the deviation of the rows that train.
//! Probabilities of a machine are Platt's sigmoids of margins that come from models which did not see the rows, with the
//! same class weights.

use super::dataset::{Dataset, class_weights};
use super::minimise::{dot, minimise};
use headwater_model::{Curve, ModelNumbers};

/// Parts of the rows whose margins come from the other parts, and stretches of time that they are dealt from.
const PARTS: usize = 3;
const STRETCHES: usize = 15;
/// Steps of Newton's method for a curve.
const CURVE_STEPS_MAX: usize = 100;

/// Scaled rows with their classes.
struct Scaled {
    features: usize,
    classes: usize,
    values: Vec<f64>,
    of: Vec<usize>,
    /// The weight of each class.
    weights: Vec<f64>,
}

impl Scaled {
    fn new(data: &Dataset, rows: &[usize], (centers, widths): (&[f64], &[f64])) -> Self {
        let mut values = Vec::with_capacity(rows.len() * data.features);
        for row in rows {
            let scaled = data.row(*row).iter().zip(centers).zip(widths);
            values.extend(scaled.map(|((value, center), width)| (value - center) / width));
        }
        let (of, weights) = (rows.iter().map(|row| data.class(*row)).collect(), class_weights(data, rows));
        Self { features: data.features, classes: data.names.len(), values, of, weights }
    }

    /// Rows with their classes.
    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.values.chunks_exact(self.features).zip(self.of.iter().copied())
    }

    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(0.0)
    }

    /// Mean and deviation of each feature; a constant one has the width 1.
    fn scale(data: &Dataset, rows: &[usize]) -> (Vec<f64>, Vec<f64>) {
        let count = rows.len().max(1) as f64;
        let mut centers = vec![0.0; data.features];
        for row in rows {
            centers.iter_mut().zip(data.row(*row)).for_each(|(sum, value)| *sum += value / count);
        }
        let mut widths = vec![0.0; data.features];
        for row in rows {
            let apart = data.row(*row).iter().zip(&centers).map(|(value, center)| value - center);
            widths.iter_mut().zip(apart).for_each(|(sum, apart)| *sum += apart * apart / count);
        }
        let first = rows.first().map_or(&[][..], |row| data.row(*row));
        for ((width, center), first) in widths.iter_mut().zip(&mut centers).zip(first) {
            let spread = width.sqrt();
            if spread > 1e-12 * center.abs() {
                *width = spread;
            } else {
                // What rounding makes of equal values is no spread, and no distance.
                (*center, *width) = (*first, 1.0);
            }
        }
        (centers, widths)
    }
}

/// Trains a logistic regression with these rows.
pub(super) fn logistic(data: &Dataset, rows: &[usize]) -> ModelNumbers {
    let (centers, widths) = Scaled::scale(data, rows);
    let scaled = Scaled::new(data, rows, (&centers, &widths));
    let sums = sums_of(scaled.classes);
    let found = minimise(
        |at, gradient| if sums == 1 { two(&scaled, at, gradient) } else { several(&scaled, at, gradient) },
        vec![0.0; sums * (scaled.features + 1)],
    );
    let (weights, biases) = split(&found, scaled.features);
    ModelNumbers::Linear { centers, widths, weights, biases, curves: None }
}

/// Trains a linear support vector machine with these rows.
pub(super) fn machine(data: &Dataset, rows: &[usize]) -> ModelNumbers {
    let (centers, widths) = Scaled::scale(data, rows);
    let (weights, biases) = machines(&Scaled::new(data, rows, (&centers, &widths)));
    let curves = curves(data, rows);
    ModelNumbers::Linear { centers, widths, weights, biases, curves: Some(curves) }
}

/// Two classes share one sum.
const fn sums_of(classes: usize) -> usize {
    if classes > 2 { classes } else { 1 }
}

/// Weights and biases of numbers that lie sum after sum, each with its bias last.
fn split(numbers: &[f64], features: usize) -> (Vec<f64>, Vec<f64>) {
    let sums = numbers.chunks_exact(features + 1);
    let parts: Vec<(&[f64], &f64)> = sums.filter_map(|sum| sum.split_last().map(|(b, w)| (w, b))).collect();
    let weights = parts.iter().flat_map(|(weights, _)| weights.iter().copied()).collect();
    (weights, parts.iter().map(|(_, bias)| **bias).collect())
}

/// One sum over a row.
fn sum(numbers: &[f64], row: &[f64]) -> f64 {
    numbers.split_last().map_or(0.0, |(bias, weights)| dot(weights, row) + bias)
}

/// Adds `factor` times a row, with 1 for the bias, to a gradient.
fn pull(gradient: &mut [f64], factor: f64, row: &[f64]) {
    let parts = row.iter().chain(std::iter::once(&1.0));
    gradient.iter_mut().zip(parts).for_each(|(gradient, value)| *gradient += factor * value);
}

/// The penalty on weights, into value and gradient.
fn penalise(at: &[f64], gradient: &mut [f64], features: usize, strength: f64) -> f64 {
    let mut value = 0.0;
    for (at, gradient) in at.chunks_exact(features + 1).zip(gradient.chunks_exact_mut(features + 1)) {
        for (weight, gradient) in at.iter().zip(gradient).take(features) {
            *gradient += strength * weight;
            value += 0.5 * strength * weight * weight;
        }
    }
    value
}

/// Cross entropy of two classes, per row.
fn two(data: &Scaled, at: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let (share, mut value) = (1.0 / data.of.len().max(1) as f64, 0.0);
    for (row, class) in data.rows() {
        let (weight, margin) = (share * data.weight(class), sum(at, row));
        let (loss, apart) = logistic_loss(if class == 1 { margin } else { -margin });
        value += weight * loss;
        pull(gradient, weight * if class == 1 { -apart } else { apart }, row);
    }
    value + penalise(at, gradient, data.features, share)
}

/// Cross entropy of several classes, per row.
fn several(data: &Scaled, at: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let (share, mut value) = (1.0 / data.of.len().max(1) as f64, 0.0);
    let mut sums = vec![0.0; data.classes];
    for (row, class) in data.rows() {
        let weight = share * data.weight(class);
        for (place, numbers) in sums.iter_mut().zip(at.chunks_exact(data.features + 1)) {
            *place = sum(numbers, row);
        }
        let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = sums.iter().fold(0.0, |total, sum| total + libm::exp(sum - most));
        let own = sums.get(class).copied().unwrap_or(0.0);
        value += weight * (most + libm::log(total) - own);
        for (other, (sum, gradient)) in
            sums.iter().zip(gradient.chunks_exact_mut(data.features + 1)).enumerate()
        {
            let wanted = if other == class { 1.0 } else { 0.0 };
            pull(gradient, weight * (libm::exp(sum - most) / total - wanted), row);
        }
    }
    value + penalise(at, gradient, data.features, share)
}

/// `log(1 + exp(-margin))`, and how far the probability is from 1.
fn logistic_loss(margin: f64) -> (f64, f64) {
    let small = libm::exp(-margin.abs());
    let apart = if margin >= 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
    ((-margin).max(0.0) + libm::log1p(small), apart)
}

/// Weights and biases of each class against the rest.
fn machines(data: &Scaled) -> (Vec<f64>, Vec<f64>) {
    let several = data.classes > 2;
    let mut found = Vec::new();
    for positive in if several { 0..data.classes } else { 1..2 } {
        let weight = |class| if several && class != positive { 1.0 } else { data.weight(class) };
        let hinge = |at: &[f64], gradient: &mut [f64]| {
            gradient.fill(0.0);
            let (share, mut value) = (1.0 / data.of.len().max(1) as f64, 0.0);
            for (row, class) in data.rows() {
                let sign = if class == positive { 1.0 } else { -1.0 };
                let gap = 1.0 - sign * sum(at, row);
                if gap > 0.0 {
                    let weight = share * weight(class);
                    value += weight * gap * gap;
                    pull(gradient, -2.0 * weight * sign * gap, row);
                }
            }
            for (gradient, number) in gradient.iter_mut().zip(at) {
                *gradient += share * number;
                value += 0.5 * share * number * number;
            }
            value
        };
        found.extend(minimise(hinge, vec![0.0; data.features + 1]));
    }
    split(&found, data.features)
}

/// The curve of each margin, from margins of rows that the machine did not see.
fn curves(data: &Dataset, rows: &[usize]) -> Vec<Curve> {
    let part = |at: usize| (at * STRETCHES / rows.len().max(1)) % PARTS;
    let sums = sums_of(data.names.len());
    // Per sum: margin, whether it is the class, weight.
    let mut margins: Vec<Vec<(f64, bool, f64)>> = vec![Vec::new(); sums];
    let balance = class_weights(data, rows);
    for own in 0..PARTS {
        let of = |wanted: bool| -> Vec<usize> {
            let part = rows.iter().enumerate().filter(|(at, _)| (part(*at) == own) == wanted);
            part.map(|(_, row)| *row).collect()
        };
        let others = of(false);
        let scale = Scaled::scale(data, &others);
        let (weights, biases) = machines(&Scaled::new(data, &others, (&scale.0, &scale.1)));
        let unseen = Scaled::new(data, &of(true), (&scale.0, &scale.1));
        for (row, class) in unseen.rows() {
            let each = margins.iter_mut().zip(weights.chunks_exact(data.features)).zip(&biases);
            for (positive, ((margins, weights), bias)) in each.enumerate() {
                let is_own = if sums == 1 { class == 1 } else { class == positive };
                let weight = balance.get(class).copied().unwrap_or(0.0);
                margins.push((dot(weights, row) + bias, is_own, weight));
            }
        }
    }
    margins.iter().map(|margins| curve(margins)).collect()
}

/// Slope and offset that fit best: Newton's method with Platt's targets, after H. Lin, C. Lin, R. Weng, 2007.
fn curve(margins: &[(f64, bool, f64)]) -> Curve {
    let count = |wanted: bool| {
        margins.iter().filter(|(_, own, _)| *own == wanted).fold(0.0, |sum, (.., weight)| sum + weight)
    };
    let (own, others) = (count(true), count(false));
    let (high, low) = ((own + 1.0) / (own + 2.0), 1.0 / (others + 2.0));
    let target = |is_own: bool| if is_own { high } else { low };
    let loss = |slope: f64, offset: f64| {
        margins.iter().fold(0.0, |sum, (margin, own, weight)| {
            let (target, at) = (target(*own), slope * margin + offset);
            let (loss, _) = logistic_loss(at);
            sum + weight * (loss + (1.0 - target) * at)
        })
    };
    let (mut slope, mut offset) = (0.0, libm::log((own + 1.0) / (others + 1.0)));
    let mut value = loss(slope, offset);
    for _ in 0..CURVE_STEPS_MAX {
        let (mut g, mut h) = ([0.0; 2], [1e-12, 1e-12, 0.0]);
        for (margin, own, weight) in margins {
            let at = slope * margin + offset;
            let probability = 1.0 / (1.0 + libm::exp(-at));
            let apart = weight * (probability - target(*own));
            let bend = weight * probability * (1.0 - probability);
            g = [g[0] + apart * margin, g[1] + apart];
            h = [h[0] + bend * margin * margin, h[1] + bend, h[2] + bend * margin];
        }
        let determinant = h[0] * h[1] - h[2] * h[2];
        if g.iter().all(|part| part.abs() < 1e-9) || determinant <= 0.0 {
            break;
        }
        let way = [-(h[1] * g[0] - h[2] * g[1]) / determinant, -(h[0] * g[1] - h[2] * g[0]) / determinant];
        let promised = g[0] * way[0] + g[1] * way[1];
        let lengths = std::iter::successors(Some(1.0), |length| Some(0.5 * length)).take(40);
        let mut steps = lengths.map(|length| {
            let (slope, offset) = (slope + length * way[0], offset + length * way[1]);
            (slope, offset, loss(slope, offset), length)
        });
        let Some(step) = steps.find(|step| step.2 < value + 1e-4 * step.3 * promised) else { break };
        (slope, offset, value) = (step.0, step.1, step.2);
    }
    (slope, offset)
}
