//! Numbers that stay where they are and get another shape, and those that the graph itself says.

use super::axes::{axes, sizes};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::tensor::{Tensor, TensorKind, count};

/// The same numbers in another shape.
pub(super) fn renamed<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    input: Tensor,
    shape: Vec<usize>,
) -> Result<(), OnnxError> {
    if count(&shape)? != input.count() {
        return Err(node.malformed(format!("{} numbers do not fit into {shape:?}", input.count())));
    }
    graph.output(node, 0, Tensor { shape, ..input })
}

pub(super) fn identity<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    graph.output(node, 0, input)
}

pub(super) fn reshape<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let sizes = graph.input(node, 1)?;
    let wanted = graph.known_integers(node, &sizes)?;
    let keeps_zero = !node.flag("allowzero")?;
    let (mut shape, mut rest) = (Vec::new(), None);
    for (at, size) in wanted.iter().enumerate() {
        shape.push(match *size {
            -1 => {
                rest = Some(at);
                1
            }
            0 if keeps_zero => input.shape.get(at).copied().unwrap_or(0),
            size => usize::try_from(size).map_err(|_| node.malformed("a negative size"))?,
        });
    }
    let known = count(&shape)?;
    if let Some(size) = rest.and_then(|at| shape.get_mut(at)) {
        *size = input.count().checked_div(known).unwrap_or(0);
    }
    renamed(graph, node, input, shape)
}

pub(super) fn flatten<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let at = node.integer("axis")?.unwrap_or(1);
    let at = if at < 0 { at.saturating_add_unsigned(input.shape.len() as u64) } else { at };
    let at = usize::try_from(at).map_err(|_| node.malformed("it has no such dimension"))?;
    let outer = input.shape.iter().take(at).product();
    let inner = input.shape.iter().skip(at).product();
    renamed(graph, node, input, vec![outer, inner])
}

pub(super) fn squeeze<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let axes = axes(graph, node, input.shape.len())?;
    let goes = |at: usize, size: usize| axes.as_ref().map_or(size == 1, |axes| axes.contains(&at));
    let shape = input.shape.iter().enumerate().filter(|(at, size)| !goes(*at, **size)).map(|(_, size)| *size);
    let shape = shape.collect();
    renamed(graph, node, input, shape)
}

pub(super) fn unsqueeze<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let added = match graph.optional(node, 1)? {
        Some(tensor) => graph.known_integers(node, &tensor)?.len(),
        None => node.integers("axes")?.len(),
    };
    let rank = input.shape.len() + added;
    if rank > crate::tensor::RANK_MAX {
        return Err(node.unsupported("too many dimensions"));
    }
    let axes = axes(graph, node, rank)?.unwrap_or_default();
    let mut sizes = input.shape.iter();
    let shape =
        (0..rank).map(|at| if axes.contains(&at) { 1 } else { sizes.next().copied().unwrap_or(1) }).collect();
    renamed(graph, node, input, shape)
}

pub(super) fn shape<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    if node.has("start") || node.has("end") {
        return Err(node.unsupported("a part of a shape does not run here"));
    }
    let sizes: Vec<f64> = input.shape.iter().map(|size| *size as f64).collect();
    let made = graph.fixed(TensorKind::Integer, vec![sizes.len()], &sizes)?;
    graph.output(node, 0, made)
}

pub(super) fn constant<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let made = if let Some(tensor) = node.tensor("value")? {
        graph.constant_tensor(&tensor)?
    } else if let Some(number) = node.float("value_float")? {
        graph.fixed(TensorKind::Single, Vec::new(), &[number])?
    } else if let Some(number) = node.integer("value_int")? {
        graph.fixed(TensorKind::Integer, Vec::new(), &[number as f64])?
    } else if node.has("value_floats") {
        let numbers = node.floats("value_floats")?;
        graph.fixed(TensorKind::Single, vec![numbers.len()], &numbers)?
    } else if node.has("value_ints") {
        let numbers: Vec<f64> =
            node.integers("value_ints")?.into_iter().map(|number| number as f64).collect();
        graph.fixed(TensorKind::Integer, vec![numbers.len()], &numbers)?
    } else {
        return Err(node.unsupported("a constant that is no number"));
    };
    graph.output(node, 0, made)
}

pub(super) fn constant_of_shape<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    _: u64,
) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let shape = sizes(node, &graph.known_integers(node, &input)?)?;
    let (kind, value) = match node.tensor("value")? {
        Some(tensor) => (tensor.kind()?, tensor.values()?.first().copied().unwrap_or(0.0)),
        None => (TensorKind::Single, 0.0),
    };
    let values = vec![value; count(&shape)?];
    let made = graph.fixed(kind, shape, &values)?;
    graph.output(node, 0, made)
}
