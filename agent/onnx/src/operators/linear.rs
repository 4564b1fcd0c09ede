//! Linear classifiers and regressors.
//!
//! Source: `linearclassifier.cc`, `linearregressor.cc` of onnxruntime 1.32.

use super::scores::{PostTransform, largest};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{ClassLabels, Tensor, TensorKind};
use std::rc::Rc;

/// Rows of weights, one behind the other, each with an intercept.
struct Linear {
    weights: Box<[f32]>,
    intercepts: Box<[f64]>,
    width: usize,
}

/// Weights are numbers of 32 bits in the file too.
pub(super) fn singles(numbers: Vec<f64>) -> Box<[f32]> {
    numbers.into_iter().map(|number| number as f32).collect()
}

/// The sum of products.
pub(super) fn dot(weights: &[f32], numbers: &[f64]) -> f64 {
    weights.iter().zip(numbers).map(|(weight, number)| f64::from(*weight) * number).sum()
}

impl Linear {
    fn read(node: &ProtoNode<'_>, input: &Tensor, targets: usize) -> Result<Self, OnnxError> {
        let width = input.row().filter(|_| input.kind != TensorKind::Text);
        let width = width.ok_or_else(|| node.unsupported("its input is no row of numbers"))?;
        let weights = node.floats("coefficients")?;
        let mut intercepts = node.floats("intercepts")?;
        if intercepts.is_empty() {
            intercepts = vec![0.0; targets];
        }
        if targets == 0 || intercepts.len() != targets || Some(weights.len()) != width.checked_mul(targets) {
            return Err(node.malformed(format!(
                "{} coefficients and {} intercepts for {width} features",
                weights.len(),
                intercepts.len()
            )));
        }
        Ok(Self { weights: singles(weights), intercepts: intercepts.into(), width })
    }

    fn scores(&self, features: &[f64], scores: &mut [f64]) {
        let rows = self.weights.chunks(self.width.max(1)).zip(&self.intercepts);
        for (score, (weights, intercept)) in scores.iter_mut().zip(rows) {
            *score = f64::from((dot(weights, features) + intercept) as f32);
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.weights) + size_of_val(&*self.intercepts)
    }
}

/// Writes a label and the scores of all classes.
struct LinearClassifierStep {
    linear: Linear,
    post: PostTransform,
    labels: Box<[f64]>,
}

impl RowStep for LinearClassifierStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let Some((label, scores)) = out.split_first_mut() else { return };
        self.linear.scores(inputs.of(0), scores);
        let class = match *scores {
            // One row of weights says how much speaks for the second class.
            [score, ..] if self.linear.intercepts.len() == 1 => {
                self.post.of_two(score, true, scores);
                usize::from(score > 0.0)
            }
            _ => {
                let class = largest(scores);
                self.post.apply(scores);
                class
            }
        };
        *label = self.labels.get(class).copied().unwrap_or(f64::NAN);
    }

    fn bytes(&self) -> usize {
        self.linear.bytes()
    }
}

/// Adds a step that writes a label and scores, and names both.
pub(super) fn label_and_scores<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    (step, input): (impl RowStep + 'static, &Tensor),
    (labels, scores): (Rc<ClassLabels>, usize),
    (scratch, work): (usize, usize),
) -> Result<(), OnnxError> {
    let outputs: [(TensorKind, &[usize]); 3] =
        [(labels.kind, &[1]), (TensorKind::Single, &[1, scores]), (TensorKind::Double, &[scratch])];
    let made = graph.add(step, &[input], &outputs, work)?;
    let mut made = made.into_iter();
    if let Some(label) = made.next() {
        graph.output(node, 0, Tensor { labels: Some(labels), ..label })?;
    }
    made.next().map_or(Ok(()), |scores| graph.output(node, 1, scores))
}

pub(super) fn classifier<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let labels = graph.labels(node, "classlabels_strings", "classlabels_ints")?;
    let classes = labels.values.len();
    let rows = node.floats("intercepts")?.len();
    if classes < 2 || (rows != classes && (rows, classes) != (1, 2)) {
        return Err(node.unsupported(format!("{rows} rows of coefficients for {classes} classes")));
    }
    let linear = Linear::read(node, &input, rows)?;
    let work = linear.weights.len();
    let step = LinearClassifierStep {
        linear,
        post: PostTransform::read(node)?,
        labels: labels.values.clone().into(),
    };
    label_and_scores(graph, node, (step, &input), (labels, classes), (0, work))
}

struct LinearRegressorStep {
    linear: Linear,
    post: PostTransform,
}

impl RowStep for LinearRegressorStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        self.linear.scores(inputs.of(0), out);
        if out.len() > 1 || self.post == PostTransform::Probit {
            self.post.apply(out);
        }
    }

    fn bytes(&self) -> usize {
        self.linear.bytes()
    }
}

pub(super) fn regressor<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let targets = usize::try_from(node.integer("targets")?.unwrap_or(1)).unwrap_or(0);
    let linear = Linear::read(node, &input, targets)?;
    let work = linear.weights.len();
    let step = LinearRegressorStep { linear, post: PostTransform::read(node)? };
    let made = graph.add_one(step, &[&input], TensorKind::Single, &[1, targets], work)?;
    graph.output(node, 0, made)
}
