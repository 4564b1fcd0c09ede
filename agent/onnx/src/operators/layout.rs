//! Numbers that change their order or their company.

use super::axes::{around, axis, sizes};
use super::shapes::renamed;
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{ClassLabels, Tensor, TensorKind, count, places, stretched, strides};
use std::rc::Rc;

/// Copies numbers: of each the input, and the place in it.
struct PickStep(Box<[(u32, u32)]>);

impl RowStep for PickStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for (out, (input, place)) in out.iter_mut().zip(&self.0) {
            *out = inputs.of(*input as usize).get(*place as usize).copied().unwrap_or(f64::NAN);
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Copies numbers whose place along one dimension a number says: of each input 0 in `rows` of `size` numbers of `inner`.
struct GatherStep {
    size: usize,
    inner: usize,
}

impl RowStep for GatherStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let (data, indices) = (inputs.of(0), inputs.of(1));
        let mut out = out.iter_mut();
        for row in data.chunks(self.size * self.inner) {
            for index in indices {
                let index = if *index < 0.0 { *index + self.size as f64 } else { *index };
                for inner in 0..self.inner {
                    let Some(out) = out.next() else { return };
                    *out = row.get(index as usize * self.inner + inner).copied().unwrap_or(f64::NAN);
                }
            }
        }
    }
}

fn pick(
    graph: &mut Builder<'_>,
    inputs: &[&Tensor],
    picks: Vec<(u32, u32)>,
    shape: &[usize],
) -> Result<Tensor, OnnxError> {
    let kind = inputs.first().map_or(TensorKind::Single, |input| input.kind);
    if inputs.iter().any(|input| input.kind != kind) {
        return Err(OnnxError::malformed("numbers of two kinds in one tensor"));
    }
    let work = picks.len();
    graph.add_one(PickStep(picks.into()), inputs, kind, shape, work)
}

fn pick_one(
    graph: &mut Builder<'_>,
    input: &Tensor,
    places: impl IntoIterator<Item = u32>,
    shape: &[usize],
) -> Result<Tensor, OnnxError> {
    pick(graph, &[input], places.into_iter().map(|place| (0, place)).collect(), shape)
}

pub(super) fn expand<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let (input, wanted) = (graph.input(node, 0)?, graph.input(node, 1)?);
    let wanted = sizes(node, &graph.known_integers(node, &wanted)?)?;
    let shape = crate::tensor::broadcast(&input.shape, &wanted)?;
    let Some(places) = stretched(&input.shape, &shape)? else { return renamed(graph, node, input, shape) };
    let made = pick_one(graph, &input, places, &shape)?;
    graph.output(node, 0, made)
}

/// One behind the other along a dimension.
fn joined(graph: &mut Builder<'_>, inputs: &[&Tensor], axis: usize) -> Result<Tensor, OnnxError> {
    let Some(first) = inputs.first() else { return Err(OnnxError::malformed("nothing to join")) };
    let mut shape = first.shape.clone();
    let of = |shape: &[usize]| shape.get(axis).copied().unwrap_or(1);
    let differs = |at: usize, size: usize| at != axis && first.shape.get(at) != Some(&size);
    if inputs.iter().any(|input| {
        input.shape.len() != shape.len()
            || input.shape.iter().enumerate().any(|(at, size)| differs(at, *size))
    }) {
        return Err(OnnxError::malformed("tensors to join do not fit"));
    }
    let size = inputs.iter().try_fold(0_usize, |sum, input| sum.checked_add(of(&input.shape)));
    if let (Some(at), Some(size)) = (shape.get_mut(axis), size) {
        *at = size;
    }
    let mut picks = Vec::with_capacity(count(&shape)?);
    let (outer, _, inner) = around(&shape, axis);
    for row in 0..outer {
        for (number, input) in inputs.iter().enumerate() {
            let length = of(&input.shape) * inner;
            picks.extend((0..length).map(|at| (number as u32, (row * length + at) as u32)));
        }
    }
    pick(graph, inputs, picks, &shape)
}

pub(super) fn concat<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let inputs =
        (0..node.inputs.len()).map(|at| graph.input(node, at)).collect::<Result<Vec<Tensor>, OnnxError>>()?;
    let rank = inputs.first().map_or(0, |input| input.shape.len());
    let at = axis(node, node.integer("axis")?.unwrap_or(1), rank)?;
    let made = joined(graph, &inputs.iter().collect::<Vec<_>>(), at)?;
    graph.output(node, 0, made)
}

pub(super) fn feature_vectorizer<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    _: u64,
) -> Result<(), OnnxError> {
    let inputs =
        (0..node.inputs.len()).map(|at| graph.input(node, at)).collect::<Result<Vec<Tensor>, OnnxError>>()?;
    let widths = node.integers("inputdimensions")?;
    let fits =
        |input: &Tensor, width: &i64| input.row().and_then(|row| i64::try_from(row).ok()) == Some(*width);
    if inputs.len() != widths.len() || !inputs.iter().zip(&widths).all(|(input, width)| fits(input, width)) {
        return Err(node.unsupported("its inputs are no rows of the widths that it names"));
    }
    let mut made = joined(graph, &inputs.iter().collect::<Vec<_>>(), 1)?;
    if !made.kind.is_float() {
        made.kind = TensorKind::Single;
    }
    graph.output(node, 0, made)
}

pub(super) fn transpose<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let rank = input.shape.len();
    let order = match node.has("perm") {
        true => {
            node.integers("perm")?.into_iter().map(|at| axis(node, at, rank)).collect::<Result<_, _>>()?
        }
        false => (0..rank).rev().collect::<Vec<_>>(),
    };
    let own = strides(&input.shape);
    let along = |at: &usize| Some((*input.shape.get(*at)?, own.get(*at)?.cast_signed()));
    let (shape, steps): (Vec<usize>, Vec<isize>) = order.iter().filter_map(along).unzip();
    if count(&shape)? != input.count() {
        return Err(node.malformed("its order is none of its dimensions"));
    }
    let made = pick_one(graph, &input, places(&shape, &steps, 0)?, &shape)?;
    graph.output(node, 0, made)
}

pub(super) fn slice<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let part = |at: usize, name: &str| -> Result<Option<Vec<i64>>, OnnxError> {
        match graph.optional(node, at)? {
            Some(tensor) => graph.known_integers(node, &tensor).map(Some),
            None if node.has(name) => node.integers(name).map(Some),
            None => Ok(None),
        }
    };
    let starts = part(1, "starts")?.unwrap_or_default();
    let ends = part(2, "ends")?.unwrap_or_default();
    let axes = part(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = part(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let mut shape = input.shape.clone();
    let own = strides(&input.shape);
    let mut moves: Vec<isize> = own.iter().map(|stride| stride.cast_signed()).collect();
    let mut first = 0_isize;
    for (((start, end), at), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let at = axis(node, *at, input.shape.len())?;
        let (Some(size), Some(stride), Some(along)) = (shape.get_mut(at), own.get(at), moves.get_mut(at))
        else {
            continue;
        };
        if *step < 1 {
            return Err(node.unsupported("slices that go backwards do not run here"));
        }
        let length = *size as i64;
        let within =
            |place: i64| (if place < 0 { place.saturating_add(length) } else { place }).clamp(0, length);
        let (start, end) = (within(*start), within(*end).max(within(*start)));
        *size = usize::try_from((end - start).unsigned_abs().div_ceil(step.unsigned_abs())).unwrap_or(0);
        first += start as isize * stride.cast_signed();
        *along = stride.cast_signed().saturating_mul(*step as isize);
    }
    let made = pick_one(graph, &input, places(&shape, &moves, first)?, &shape)?;
    graph.output(node, 0, made)
}

/// The places along a dimension whose place depends on features become a step, those that are constants a copy.
fn gathered(
    graph: &mut Builder<'_>,
    node: &ProtoNode<'_>,
    (data, indices): (&Tensor, &Tensor),
    at: usize,
    shape: &[usize],
) -> Result<Tensor, OnnxError> {
    let (outer, size, inner) = around(&data.shape, at);
    let Some(known) = graph.known(indices) else {
        if size * inner == 0 {
            return Err(node.malformed("it takes numbers of an empty tensor"));
        }
        let work = count(shape)?;
        let mut made = graph.add_one(GatherStep { size, inner }, &[data, indices], data.kind, shape, work)?;
        if let Some(values) = graph.known(data).filter(|_| outer == 1 && inner == 1) {
            made.labels = Some(Rc::new(ClassLabels { kind: data.kind, values: values.to_vec() }));
        }
        return Ok(made);
    };
    let mut picks = Vec::new();
    for row in 0..outer {
        for index in known {
            let index = if *index < 0.0 { *index + size as f64 } else { *index };
            if !(0.0..size as f64).contains(&index) {
                return Err(node.malformed(format!("place {index} of {size}")));
            }
            let first = (row * size + index as usize) * inner;
            picks.extend((first..first + inner).map(|place| place as u32));
        }
        count(&[picks.len()])?;
    }
    pick_one(graph, data, picks, shape)
}

pub(super) fn gather<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let (data, indices) = (graph.input(node, 0)?, graph.input(node, 1)?);
    let at = axis(node, node.integer("axis")?.unwrap_or(0), data.shape.len())?;
    let mut shape: Vec<usize> = data.shape.iter().take(at).copied().collect();
    shape.extend(&indices.shape);
    shape.extend(data.shape.iter().skip(at + 1));
    let made = gathered(graph, node, (&data, &indices), at, &shape)?;
    graph.output(node, 0, made)
}

/// Takes numbers of the last dimension.
pub(super) fn array_feature_extractor<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    _: u64,
) -> Result<(), OnnxError> {
    let (data, indices) = (graph.input(node, 0)?, graph.input(node, 1)?);
    let last = data.shape.len().saturating_sub(1);
    let mut shape: Vec<usize> = data.shape.iter().take(last).copied().collect();
    if shape.is_empty() {
        shape.push(1);
    }
    shape.push(indices.count());
    let made = gathered(graph, node, (&data, &indices), last, &shape)?;
    graph.output(node, 0, made)
}
