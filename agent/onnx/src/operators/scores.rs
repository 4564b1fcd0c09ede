//! What classifiers and regressors make of their raw scores.
//!
//! Source: `ml_common.h` of onnxruntime 1.32. Deviation: in 64 bits, rounded at the end.

use crate::OnnxError;
use crate::proto::ProtoNode;

/// The last thing that is done to scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    /// Of `TreeEnsemble`, which has numbers in the place of words.
    pub(super) fn numbered(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        Ok(match node.integer("post_transform")?.unwrap_or(0) {
            0 => Self::None,
            1 => Self::Softmax,
            2 => Self::Logistic,
            3 => Self::SoftmaxZero,
            4 => Self::Probit,
            other => return Err(node.malformed(format!("there is no post_transform {other}"))),
        })
    }

    pub(super) fn read(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        Ok(match node.text("post_transform")?.unwrap_or("NONE") {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            other => return Err(node.malformed(format!("there is no post_transform {other}"))),
        })
    }

    /// Transforms the scores of several classes or targets.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > 1e-7),
        }
        round(scores);
    }

    /// The scores of two classes from that of the second; `is_share`: it is a probability already.
    pub(super) fn of_two(self, score: f64, is_share: bool, scores: &mut [f64]) {
        let both = match self {
            Self::Probit => [probit(score), 0.0],
            _ if is_share => [1.0 - score, score],
            Self::Logistic => [logistic(-score), logistic(score)],
            _ => [-score, score],
        };
        for (to, score) in scores.iter_mut().zip(both) {
            *to = score;
        }
        round(scores);
    }
}

fn round(scores: &mut [f64]) {
    scores.iter_mut().for_each(|score| *score = f64::from(*score as f32));
}

pub(super) fn logistic(score: f64) -> f64 {
    let share = 1.0 / (1.0 + (-score.abs()).exp());
    if score < 0.0 { 1.0 - share } else { share }
}

fn softmax(scores: &mut [f64], takes_part: impl Fn(f64) -> bool) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if takes_part(*score) {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= (-largest).exp();
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The quantile of the normal law, as onnxruntime approximates it (Winitzki 2008).
fn probit(share: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * share - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let root = ((v * v - log / A).sqrt() - v).sqrt();
    std::f64::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

/// The place of the largest score, the first of equal ones.
pub(super) fn largest(scores: &[f64]) -> usize {
    let mut best = (0, f64::NAN);
    for (at, score) in scores.iter().enumerate() {
        if at == 0 || *score > best.1 {
            best = (at, *score);
        }
    }
    best.0
}
