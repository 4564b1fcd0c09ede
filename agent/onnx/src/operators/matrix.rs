//! Products of matrices.

use super::arithmetic::{Makes, add_binary};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind};

/// A matrix as it lies: how far apart neighbours are, downwards and to the right.
#[derive(Clone, Copy)]
struct Steps {
    down: usize,
    right: usize,
}

/// `factor` times the product of two matrices, of `inner` numbers a sum.
struct MatrixStep {
    kind: TensorKind,
    left: Steps,
    right: Steps,
    inner: usize,
    columns: usize,
    factor: f64,
}

impl RowStep for MatrixStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let (left, right) = (inputs.of(0), inputs.of(1));
        for (row, out) in out.chunks_mut(self.columns).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                let left = left.iter().skip(row * self.left.down).step_by(self.left.right);
                let right = right.iter().skip(column * self.right.right).step_by(self.right.down);
                let sum: f64 = left.zip(right).take(self.inner).map(|(left, right)| left * right).sum();
                *out = self.kind.hold(sum * self.factor);
            }
        }
    }
}

/// Rows, columns and steps of a matrix, or of its transpose.
fn matrix(
    node: &ProtoNode<'_>,
    tensor: &Tensor,
    is_turned: bool,
) -> Result<(usize, usize, Steps), OnnxError> {
    let (rows, columns) = match *tensor.shape.as_slice() {
        [rows, columns] if rows * columns > 0 => (rows, columns),
        _ => return Err(node.unsupported(format!("shape {:?} is no matrix", tensor.shape))),
    };
    Ok(if is_turned {
        (columns, rows, Steps { down: 1, right: columns })
    } else {
        (rows, columns, Steps { down: columns, right: 1 })
    })
}

fn product(
    graph: &mut Builder<'_>,
    node: &ProtoNode<'_>,
    (left, turns_left): (&Tensor, bool),
    (right, turns_right): (&Tensor, bool),
    factor: f64,
) -> Result<Tensor, OnnxError> {
    let (rows, inner, left_steps) = matrix(node, left, turns_left)?;
    let (others, columns, right_steps) = matrix(node, right, turns_right)?;
    if inner != others || left.kind != right.kind || !left.kind.is_float() {
        return Err(node.malformed(format!("shapes {:?} and {:?} do not fit", left.shape, right.shape)));
    }
    let kind = left.kind;
    let step = MatrixStep { kind, left: left_steps, right: right_steps, inner, columns, factor };
    let work = rows.saturating_mul(inner).saturating_mul(columns);
    graph.add_one(step, &[left, right], kind, &[rows, columns], work)
}

pub(super) fn mat_mul<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let (left, mut right) = (graph.input(node, 0)?, graph.input(node, 1)?);
    let is_vector = right.shape.len() == 1;
    if is_vector {
        right.shape.push(1);
    }
    let mut made = product(graph, node, (&left, false), (&right, false), 1.0)?;
    if is_vector {
        made.shape.pop();
    }
    graph.output(node, 0, made)
}

pub(super) fn gemm<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let left = (&graph.input(node, 0)?, node.flag("transA")?);
    let right = (&graph.input(node, 1)?, node.flag("transB")?);
    let mut made = product(graph, node, left, right, node.float("alpha")?.unwrap_or(1.0))?;
    if let Some(added) = graph.optional(node, 2)? {
        let factor = graph.fixed(added.kind, Vec::new(), &[node.float("beta")?.unwrap_or(1.0)])?;
        let added = add_binary(graph, |a, b| a * b, Makes::Same, &added, &factor)?;
        let shape = made.shape.clone();
        made = add_binary(graph, |a, b| a + b, Makes::Same, &made, &added)?;
        if made.shape != shape {
            return Err(node.malformed("what it adds does not fit"));
        }
    }
    graph.output(node, 0, made)
}
