//! Dimensions that nodes name.

use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;

/// A dimension, counted from the end where it is negative.
pub(super) fn axis(node: &ProtoNode<'_>, axis: i64, rank: usize) -> Result<usize, OnnxError> {
    let axis = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
    usize::try_from(axis)
        .ok()
        .filter(|axis| *axis < rank.max(1))
        .ok_or_else(|| node.malformed(format!("it has no dimension {axis}")))
}

/// The sizes of the dimensions before one, of it, and behind it.
pub(super) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    let outer = shape.iter().take(axis).product();
    let inner = shape.iter().skip(axis + 1).product();
    (outer, shape.get(axis).copied().unwrap_or(1), inner)
}

/// The dimensions that an attribute names, or an input in newer files.
pub(super) fn axes<'a>(
    graph: &Builder<'a>,
    node: &ProtoNode<'a>,
    rank: usize,
) -> Result<Option<Vec<usize>>, OnnxError> {
    let named = match graph.optional(node, 1)? {
        Some(tensor) => graph.known_integers(node, &tensor)?,
        None if node.has("axes") => node.integers("axes")?,
        None => return Ok(None),
    };
    named.into_iter().map(|at| axis(node, at, rank)).collect::<Result<Vec<_>, _>>().map(Some)
}

/// Sizes of a shape.
pub(super) fn sizes(node: &ProtoNode<'_>, sizes: &[i64]) -> Result<Vec<usize>, OnnxError> {
    let size = |size: &i64| usize::try_from(*size).map_err(|_| node.malformed("a negative size"));
    sizes.iter().map(size).collect()
}
