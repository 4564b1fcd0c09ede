//! Ensembles of trees: forests, gradient boosting, isolation forests.
//!
//! Source: `tree_ensemble_common.h`, `tree_ensemble_aggregator.h` of onnxruntime 1.32. Deviations: the leaves' weights are
//! added up in 64 bits, as scikit-learn does; of two classes that both have weights the larger is the label.

mod flat;
mod forest;

use super::linear::label_and_scores;
use super::scores::{PostTransform, largest};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind};
use forest::{Forest, Leaf};

fn width(node: &ProtoNode<'_>, input: &Tensor) -> Result<usize, OnnxError> {
    let width = input.row().filter(|_| input.kind != TensorKind::Text);
    width.ok_or_else(|| node.unsupported("its input is no row of numbers"))
}

/// How the weights of the leaves become one.
#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

impl Aggregate {
    /// Of `TreeEnsemble`, which has numbers in the place of words.
    fn numbered(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        Ok(match node.integer("aggregate_function")?.unwrap_or(1) {
            0 => Self::Average,
            1 => Self::Sum,
            2 => Self::Min,
            3 => Self::Max,
            other => return Err(node.malformed(format!("there is no aggregate_function {other}"))),
        })
    }

    fn read(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        Ok(match node.text("aggregate_function")?.unwrap_or("SUM") {
            "SUM" => Self::Sum,
            "AVERAGE" => Self::Average,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            other => return Err(node.malformed(format!("there is no aggregate_function {other}"))),
        })
    }
}

struct TreeRegressorStep {
    forest: Forest,
    bases: Box<[f64]>,
    aggregate: Aggregate,
    post: PostTransform,
    kind: TensorKind,
}

impl RowStep for TreeRegressorStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let features = inputs.of(0);
        let none = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => 0.0,
            Aggregate::Min => f64::INFINITY,
            Aggregate::Max => f64::NEG_INFINITY,
        };
        out.fill(none);
        self.forest.visit(features, |Leaf { target, weight }| {
            let Some(sum) = out.get_mut(target) else { return };
            *sum = match self.aggregate {
                Aggregate::Sum | Aggregate::Average => *sum + weight,
                Aggregate::Min => sum.min(weight),
                Aggregate::Max => sum.max(weight),
            };
        });
        for (at, sum) in out.iter_mut().enumerate() {
            if self.aggregate == Aggregate::Average {
                *sum /= self.forest.trees().max(1) as f64;
            }
            if *sum == none {
                *sum = 0.0;
            }
            *sum = self.kind.hold(*sum + self.bases.get(at).copied().unwrap_or(0.0));
        }
        if self.post != PostTransform::None && (out.len() > 1 || self.post == PostTransform::Probit) {
            self.post.apply(out);
        }
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }
}

pub(super) fn regressor<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let targets = usize::try_from(node.integer("n_targets")?.unwrap_or(1)).unwrap_or(0);
    let forest = Forest::read(node, "target", width(node, &input)?, targets)?;
    let bases = node.floats_or_tensor("base_values")?;
    if targets == 0 || !(bases.is_empty() || bases.len() == targets) {
        return Err(node.malformed(format!("{} base values for {targets} targets", bases.len())));
    }
    // Files before version 3 have numbers of 32 bits only, whatever goes in.
    let kind = TensorKind::Single;
    let (aggregate, post) = (Aggregate::read(node)?, PostTransform::read(node)?);
    let step = TreeRegressorStep { forest, bases: bases.into(), aggregate, post, kind };
    add_regressor(graph, node, step, (&input, targets))
}

/// Any ensemble as files of ai.onnx.ml 5 have it.
pub(super) fn ensemble<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let targets = usize::try_from(node.integer("n_targets")?.unwrap_or(1)).unwrap_or(0);
    let forest = flat::read(node, width(node, &input)?, targets)?;
    if targets == 0 {
        return Err(node.malformed("no targets"));
    }
    let (aggregate, post) = (Aggregate::numbered(node)?, PostTransform::numbered(node)?);
    let kind = if input.kind == TensorKind::Double { TensorKind::Double } else { TensorKind::Single };
    let step = TreeRegressorStep { forest, bases: Box::default(), aggregate, post, kind };
    add_regressor(graph, node, step, (&input, targets))
}

fn add_regressor<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    step: TreeRegressorStep,
    (input, targets): (&Tensor, usize),
) -> Result<(), OnnxError> {
    let (kind, work) = (step.kind, step.forest.work());
    let made = graph.add_one(step, &[input], kind, &[1, targets], work)?;
    graph.output(node, 0, made)
}

struct TreeClassifierStep {
    forest: Forest,
    bases: Box<[f64]>,
    post: PostTransform,
    labels: Box<[f64]>,
    /// Of two classes only one has weights: they speak for the second, and its place among the sums.
    lone: Option<usize>,
    is_all_positive: bool,
}

impl TreeClassifierStep {
    fn base(&self, class: usize) -> f64 {
        self.bases.get(class).copied().unwrap_or(0.0)
    }

    /// Of two classes: the label, and both scores.
    fn judge_lone(&self, place: usize, scores: &mut [f64]) -> usize {
        let base = if self.bases.len() == 1 { self.base(0) } else { self.base(1) };
        let score = f64::from((scores.get(place).copied().unwrap_or(0.0) + base) as f32);
        self.post.of_two(score, self.is_all_positive, scores);
        usize::from(score > if self.is_all_positive { 0.5 } else { 0.0 })
    }
}

impl RowStep for TreeClassifierStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let Some((label, scores)) = out.split_first_mut() else { return };
        scores.fill(0.0);
        self.forest.visit(inputs.of(0), |Leaf { target, weight }| {
            if let Some(sum) = scores.get_mut(target) {
                *sum += weight;
            }
        });
        let class = if let Some(place) = self.lone {
            self.judge_lone(place, scores)
        } else {
            for (class, score) in scores.iter_mut().enumerate() {
                *score = f64::from((*score + self.base(class)) as f32);
            }
            let class = largest(scores);
            self.post.apply(scores);
            class
        };
        *label = self.labels.get(class).copied().unwrap_or(f64::NAN);
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }
}

pub(super) fn classifier<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let labels = graph.labels(node, "classlabels_strings", "classlabels_int64s")?;
    let classes = labels.values.len();
    let forest = Forest::read(node, "class", width(node, &input)?, classes)?;
    let bases = node.floats_or_tensor("base_values")?;
    if classes < 2 || ![0, 1, classes].contains(&bases.len()) {
        return Err(node.unsupported(format!("{} base values for {classes} classes", bases.len())));
    }
    let work = forest.work();
    let step = TreeClassifierStep {
        lone: forest.lone_target().filter(|_| classes == 2),
        is_all_positive: forest.is_all_positive(),
        forest,
        bases: bases.into(),
        post: PostTransform::read(node)?,
        labels: labels.values.clone().into(),
    };
    label_and_scores(graph, node, (step, &input), (labels, classes), (0, work))
}
