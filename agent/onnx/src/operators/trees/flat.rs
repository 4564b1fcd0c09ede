//! The trees of `TreeEnsemble` (ai.onnx.ml 5): nodes and leaves in lists of their own, which point at each other.

use super::forest::{Comparison, Forest, LEAF, NODES_MAX, TreeNode};
use crate::OnnxError;
use crate::proto::ProtoNode;

/// The lists of a file, an entry a node.
struct FlatNodes {
    features: Vec<i64>,
    comparisons: Vec<Comparison>,
    thresholds: Vec<f64>,
    missing: Vec<i64>,
    /// Where a walk goes on, and whether at a leaf: if the comparison holds, and if it does not.
    branches: [(Vec<i64>, Vec<i64>); 2],
}

fn comparison(node: &ProtoNode<'_>, mode: f64) -> Result<Comparison, OnnxError> {
    Ok(match mode as u8 {
        0 => Comparison::AtMost,
        1 => Comparison::Below,
        2 => Comparison::AtLeast,
        3 => Comparison::Above,
        4 => Comparison::Equal,
        5 => Comparison::Unequal,
        6 => return Err(node.unsupported("nodes that ask for one of several values do not run here")),
        other => return Err(node.malformed(format!("there is no mode {other} of a node"))),
    })
}

fn numbers(node: &ProtoNode<'_>, name: &str) -> Result<Vec<f64>, OnnxError> {
    node.tensor(name)?.map_or(Ok(Vec::new()), |tensor| tensor.values())
}

impl FlatNodes {
    fn read(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        let modes = numbers(node, "nodes_modes")?;
        if modes.len() > NODES_MAX {
            return Err(
                node.unsupported(format!("more than {NODES_MAX} nodes; train fewer or shallower trees"))
            );
        }
        let lists = Self {
            features: node.integers("nodes_featureids")?,
            comparisons: modes.into_iter().map(|mode| comparison(node, mode)).collect::<Result<_, _>>()?,
            thresholds: numbers(node, "nodes_splits")?,
            missing: node.integers("nodes_missing_value_tracks_true")?,
            branches: [
                (node.integers("nodes_truenodeids")?, node.integers("nodes_trueleafs")?),
                (node.integers("nodes_falsenodeids")?, node.integers("nodes_falseleafs")?),
            ],
        };
        let count = lists.comparisons.len();
        let ends = lists.branches.iter().flat_map(|(ids, leaves)| [ids.len(), leaves.len()]);
        let mut lengths = [lists.features.len(), lists.thresholds.len()].into_iter().chain(ends);
        if lengths.any(|length| length != count) || ![0, count].contains(&lists.missing.len()) {
            return Err(node.malformed("its lists of nodes have different lengths"));
        }
        Ok(lists)
    }

    /// Where a branch of a node leads; `None`: nowhere.
    fn branch(&self, at: usize, side: usize, leaves: usize) -> Option<u32> {
        let (ids, are_leaves) = self.branches.get(side)?;
        let to = usize::try_from(*ids.get(at)?).ok()?;
        let is_leaf = *are_leaves.get(at)? != 0;
        let is_there = to < if is_leaf { leaves } else { self.comparisons.len() };
        let number = u32::try_from(to).ok().filter(|_| is_there)?;
        Some(if is_leaf { number | LEAF } else { number })
    }

    fn node(&self, at: usize, width: usize, leaves: usize) -> Option<TreeNode<f64>> {
        let feature = usize::try_from(*self.features.get(at)?).ok().filter(|feature| *feature < width)?;
        Some(TreeNode {
            threshold: *self.thresholds.get(at)?,
            feature: u16::try_from(feature).ok()?,
            comparison: *self.comparisons.get(at)?,
            takes_missing: self.missing.get(at).copied().unwrap_or(0) != 0,
            yes: self.branch(at, 0, leaves)?,
            no: self.branch(at, 1, leaves)?,
        })
    }
}

/// Reads the trees of a node, whose leaves have a weight for one of `targets` each.
pub(super) fn read(node: &ProtoNode<'_>, width: usize, targets: usize) -> Result<Forest, OnnxError> {
    let lists = FlatNodes::read(node)?;
    let (of, weights) = (node.integers("leaf_targetids")?, numbers(node, "leaf_weights")?);
    if of.len() != weights.len() || of.len() > 2 * NODES_MAX {
        return Err(node.malformed("its lists of leaves have different lengths"));
    }
    let weight = |(target, weight): (&i64, &f64)| {
        let target = u32::try_from(*target).ok().filter(|target| (*target as usize) < targets)?;
        Some((target, *weight as f32))
    };
    let weights: Option<Box<[(u32, f32)]>> = of.iter().zip(&weights).map(weight).collect();
    let weights = weights.ok_or_else(|| node.malformed("a leaf is of a target that there is not"))?;
    let nodes: Option<Vec<TreeNode<f64>>> =
        (0..lists.comparisons.len()).map(|at| lists.node(at, width, weights.len())).collect();
    let nodes = nodes.ok_or_else(|| node.malformed("a node leads nowhere"))?;
    let mut is_seen = vec![false; nodes.len()];
    let mut roots = Vec::new();
    for root in node.integers("tree_roots")? {
        let root = u32::try_from(root).ok().filter(|root| is_tree(&nodes, *root, &mut is_seen));
        roots.push(root.ok_or_else(|| node.malformed(format!("tree {} is none", roots.len())))?);
    }
    let begins = (0..=weights.len() as u32).collect();
    Ok(Forest::of(nodes, roots, begins, weights))
}

/// Whether every node from a root on is met for the first time, so that a walk ends.
fn is_tree(nodes: &[TreeNode<f64>], root: u32, is_seen: &mut [bool]) -> bool {
    let mut open = vec![root];
    while let Some(number) = open.pop() {
        if number & LEAF != 0 {
            continue;
        }
        let at = number as usize;
        let (Some(node), Some(seen)) = (nodes.get(at), is_seen.get_mut(at)) else { return false };
        if std::mem::replace(seen, true) {
            return false;
        }
        open.extend([node.yes, node.no]);
    }
    true
}
