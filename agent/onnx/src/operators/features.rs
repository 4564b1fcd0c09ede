//! Features number by number: scaled, filled in, normalised.

use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind};

fn row(node: &ProtoNode<'_>, input: &Tensor) -> Result<usize, OnnxError> {
    let row = input.row().filter(|_| input.kind != TensorKind::Text);
    row.ok_or_else(|| node.unsupported(format!("shape {:?} is no row of numbers", input.shape)))
}

/// A list for each feature, or one number for all of them.
fn per_feature(node: &ProtoNode<'_>, numbers: Vec<f64>, width: usize) -> Result<Box<[f64]>, OnnxError> {
    match *numbers.as_slice() {
        [number] => Ok(vec![number; width].into()),
        _ if numbers.len() == width => Ok(numbers.into()),
        _ => Err(node.malformed(format!("{} numbers for {width} features", numbers.len()))),
    }
}

struct ScaleStep {
    kind: TensorKind,
    offsets: Box<[f64]>,
    scales: Box<[f64]>,
}

impl RowStep for ScaleStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let of = self.offsets.iter().zip(&self.scales);
        for ((out, number), (offset, scale)) in out.iter_mut().zip(inputs.of(0)).zip(of) {
            *out = TensorKind::Single.hold(self.kind.hold(number - offset) * scale);
        }
    }

    fn bytes(&self) -> usize {
        2 * size_of_val(&*self.offsets)
    }
}

pub(super) fn scaler<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let width = row(node, &input)?;
    let step = ScaleStep {
        kind: if input.kind == TensorKind::Single { TensorKind::Single } else { TensorKind::Double },
        offsets: per_feature(node, node.floats("offset")?, width)?,
        scales: per_feature(node, node.floats("scale")?, width)?,
    };
    let made = graph.add_one(step, &[&input], TensorKind::Single, &input.shape, width)?;
    graph.output(node, 0, made)
}

/// Numbers in the place of one that stands for what is missing.
struct ImputeStep {
    replaced: f64,
    values: Box<[f64]>,
}

impl RowStep for ImputeStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for ((out, number), value) in out.iter_mut().zip(inputs.of(0)).zip(&self.values) {
            let is_missing = *number == self.replaced || (number.is_nan() && self.replaced.is_nan());
            *out = if is_missing { *value } else { *number };
        }
    }
}

pub(super) fn imputer<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let width = row(node, &input)?;
    let (replaced, values) = if node.has("imputed_value_floats") {
        (node.float("replaced_value_float")?.unwrap_or(0.0), node.floats("imputed_value_floats")?)
    } else {
        let values = node.integers("imputed_value_int64s")?;
        let replaced = node.integer("replaced_value_int64")?.unwrap_or(0);
        (replaced as f64, values.into_iter().map(|value| value as f64).collect())
    };
    let step = ImputeStep { replaced, values: per_feature(node, values, width)? };
    let made = graph.add_one(step, &[&input], input.kind, &input.shape, width)?;
    graph.output(node, 0, made)
}

#[derive(Clone, Copy)]
enum Norm {
    Max,
    L1,
    L2,
}

struct NormalizeStep(Norm);

impl RowStep for NormalizeStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let numbers = inputs.of(0);
        let norm = match self.0 {
            Norm::Max => numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Norm::L1 => numbers.iter().map(|number| number.abs()).sum(),
            Norm::L2 => numbers.iter().map(|number| number * number).sum::<f64>().sqrt(),
        };
        for (out, number) in out.iter_mut().zip(numbers) {
            *out = TensorKind::Single.hold(if norm == 0.0 { *number } else { number / norm });
        }
    }
}

pub(super) fn normalizer<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let width = row(node, &input)?;
    let norm = match node.text("norm")?.unwrap_or("MAX") {
        "MAX" => Norm::Max,
        "L1" => Norm::L1,
        "L2" => Norm::L2,
        other => return Err(node.malformed(format!("there is no norm {other}"))),
    };
    let made = graph.add_one(NormalizeStep(norm), &[&input], TensorKind::Single, &input.shape, 2 * width)?;
    graph.output(node, 0, made)
}

struct BinarizeStep(f64);

impl RowStep for BinarizeStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for (out, number) in out.iter_mut().zip(inputs.of(0)) {
            *out = f64::from(u8::from(*number > self.0));
        }
    }
}

pub(super) fn binarizer<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let width = row(node, &input)?;
    let threshold = node.float("threshold")?.unwrap_or(0.0);
    let made = graph.add_one(BinarizeStep(threshold), &[&input], input.kind, &input.shape, width)?;
    graph.output(node, 0, made)
}
