//! Trees as they are walked: nodes in the order of a walk that says yes, leaves apart.
//!
//! Memory: 16 bytes a node (24 where thresholds have 64 bits), 4 a leaf, 8 a weight. A walk ends, because every node of the
//! file is found to have one parent at most.

use crate::OnnxError;
use crate::proto::ProtoNode;
use std::collections::HashMap;

/// The nodes of all trees of an ensemble, leaves included.
pub(super) const NODES_MAX: usize = 1 << 18;

/// Marks the number of a leaf.
pub(super) const LEAF: u32 = 1 << 31;

/// How a node compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Unequal,
}

impl Comparison {
    #[inline]
    fn holds(self, number: f64, threshold: f64) -> bool {
        match self {
            Self::AtMost => number <= threshold,
            Self::Below => number < threshold,
            Self::AtLeast => number >= threshold,
            Self::Above => number > threshold,
            Self::Equal => number == threshold,
            Self::Unequal => number != threshold,
        }
    }
}

/// A node; `yes` and `no` are numbers of nodes or, marked, of leaves.
pub(super) struct TreeNode<T> {
    pub(super) threshold: T,
    pub(super) feature: u16,
    pub(super) comparison: Comparison,
    pub(super) takes_missing: bool,
    pub(super) yes: u32,
    pub(super) no: u32,
}

enum Nodes {
    Single(Box<[TreeNode<f32>]>),
    Double(Box<[TreeNode<f64>]>),
}

/// What a leaf says of a target or class.
pub(super) struct Leaf {
    pub(super) target: usize,
    pub(super) weight: f64,
}

/// Trees.
pub(super) struct Forest {
    nodes: Nodes,
    roots: Box<[u32]>,
    /// Where the weights of each leaf begin, and where those of the last end.
    begins: Box<[u32]>,
    weights: Box<[(u32, f32)]>,
}

/// The nodes of a file, as its lists say.
struct Lists {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    comparisons: Vec<Option<Comparison>>,
    thresholds: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
}

fn comparison(node: &ProtoNode<'_>, mode: &str) -> Result<Option<Comparison>, OnnxError> {
    Ok(Some(match mode {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Comparison::AtMost,
        "BRANCH_LT" => Comparison::Below,
        "BRANCH_GTE" => Comparison::AtLeast,
        "BRANCH_GT" => Comparison::Above,
        "BRANCH_EQ" => Comparison::Equal,
        "BRANCH_NEQ" => Comparison::Unequal,
        other => return Err(node.unsupported(format!("nodes of mode {other} do not run here"))),
    }))
}

impl Lists {
    fn read(node: &ProtoNode<'_>) -> Result<Self, OnnxError> {
        let modes = node.texts("nodes_modes")?;
        if modes.len() > NODES_MAX {
            return Err(
                node.unsupported(format!("more than {NODES_MAX} nodes; train fewer or shallower trees"))
            );
        }
        let lists = Self {
            trees: node.integers("nodes_treeids")?,
            ids: node.integers("nodes_nodeids")?,
            features: node.integers("nodes_featureids")?,
            comparisons: modes.into_iter().map(|mode| comparison(node, mode)).collect::<Result<_, _>>()?,
            thresholds: node.floats_or_tensor("nodes_values")?,
            yes: node.integers("nodes_truenodeids")?,
            no: node.integers("nodes_falsenodeids")?,
            missing: node.integers("nodes_missing_value_tracks_true")?,
        };
        let count = lists.comparisons.len();
        let lengths = [
            lists.trees.len(),
            lists.ids.len(),
            lists.features.len(),
            lists.thresholds.len(),
            lists.yes.len(),
            lists.no.len(),
        ];
        if lengths.iter().any(|length| *length != count) || ![0, count].contains(&lists.missing.len()) {
            return Err(node.malformed("its lists of nodes have different lengths"));
        }
        Ok(lists)
    }
}

fn of<T: Copy>(list: &[T], at: usize) -> Option<T> {
    list.get(at).copied()
}

/// The nodes of the file while they get their numbers.
struct Planting<'a> {
    lists: &'a Lists,
    places: HashMap<(i64, i64), usize>,
    /// The weights of each node of the file.
    weights: Vec<Vec<(u32, f32)>>,
    is_seen: Vec<bool>,
    nodes: Vec<TreeNode<f64>>,
    begins: Vec<u32>,
    leaves: Vec<(u32, f32)>,
}

impl Planting<'_> {
    fn child(&self, at: usize, ids: &[i64]) -> Option<usize> {
        let key = (of(&self.lists.trees, at)?, of(ids, at)?);
        self.places.get(&key).copied()
    }

    /// Gives a tree's nodes their numbers; `None`: it is none.
    fn plant(&mut self, root: usize, width: usize) -> Option<u32> {
        let first = self.number(root, width)?;
        // Nodes whose branches have no number yet: of the file, and as they will be walked.
        let mut open = vec![(root, first)];
        while let Some((at, number)) = open.pop() {
            if number & LEAF != 0 {
                continue;
            }
            let (yes, no) = (self.child(at, &self.lists.yes)?, self.child(at, &self.lists.no)?);
            let (yes_number, no_number) = (self.number(yes, width)?, self.number(no, width)?);
            let node = self.nodes.get_mut(number as usize)?;
            (node.yes, node.no) = (yes_number, no_number);
            open.push((no, no_number));
            open.push((yes, yes_number));
        }
        Some(first)
    }

    /// The number of a node or leaf, which must not have one yet.
    fn number(&mut self, at: usize, width: usize) -> Option<u32> {
        if std::mem::replace(self.is_seen.get_mut(at)?, true) {
            return None;
        }
        let Some(comparison) = of(&self.lists.comparisons, at)? else {
            let leaf = u32::try_from(self.begins.len()).ok()?;
            self.begins.push(u32::try_from(self.leaves.len()).ok()?);
            self.leaves.append(self.weights.get_mut(at)?);
            return Some(leaf | LEAF);
        };
        let feature =
            usize::try_from(of(&self.lists.features, at)?).ok().filter(|feature| *feature < width)?;
        let number = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(TreeNode {
            threshold: of(&self.lists.thresholds, at)?,
            feature: u16::try_from(feature).ok()?,
            comparison,
            takes_missing: of(&self.lists.missing, at).unwrap_or(0) != 0,
            yes: 0,
            no: 0,
        });
        Some(number)
    }
}

impl Forest {
    /// Reads the trees of a node, whose leaves have weights for `targets` classes or targets.
    pub(super) fn read(
        node: &ProtoNode<'_>,
        prefix: &str,
        width: usize,
        targets: usize,
    ) -> Result<Self, OnnxError> {
        let lists = Lists::read(node)?;
        let count = lists.trees.len();
        let mut places = HashMap::with_capacity(count);
        for (at, key) in lists.trees.iter().copied().zip(lists.ids.iter().copied()).enumerate() {
            if places.insert(key, at).is_some() {
                return Err(node.malformed(format!("tree {} has node {} twice", key.0, key.1)));
            }
        }
        let weights = weights(node, prefix, targets, &places, count)?;
        let mut planting = Planting {
            lists: &lists,
            places,
            weights,
            is_seen: vec![false; count],
            nodes: Vec::new(),
            begins: Vec::new(),
            leaves: Vec::new(),
        };
        let mut roots = Vec::new();
        let mut tree = None;
        for (at, of_tree) in lists.trees.iter().enumerate() {
            // The first node of a tree is its root.
            if tree.replace(*of_tree) != Some(*of_tree) {
                let root = planting.plant(at, width);
                roots.push(root.ok_or_else(|| node.malformed(format!("tree {of_tree} is none")))?);
            }
        }
        if planting.is_seen.contains(&false) {
            return Err(node.malformed("it has nodes that no tree reaches"));
        }
        planting.begins.push(planting.leaves.len() as u32);
        Ok(Self::of(planting.nodes, roots, planting.begins.into(), planting.leaves.into()))
    }

    /// Of nodes from which every walk ends. The weights of a leaf begin where `begins` says, which has one entry more.
    pub(super) fn of(
        nodes: Vec<TreeNode<f64>>,
        roots: Vec<u32>,
        begins: Box<[u32]>,
        weights: Box<[(u32, f32)]>,
    ) -> Self {
        Self { nodes: Nodes::of(nodes), roots: roots.into(), begins, weights }
    }

    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// The only class or target with weights.
    pub(super) fn lone_target(&self) -> Option<usize> {
        let first = self.weights.first()?.0;
        self.weights.iter().all(|(target, _)| *target == first).then_some(first as usize)
    }

    pub(super) fn is_all_positive(&self) -> bool {
        self.weights.iter().all(|(_, weight)| *weight >= 0.0)
    }

    /// Comparisons and sums of a judgement, when trees are as deep as their number of nodes allows on average.
    pub(super) fn work(&self) -> usize {
        64 * self.trees()
    }

    pub(super) fn bytes(&self) -> usize {
        let nodes = match &self.nodes {
            Nodes::Single(nodes) => size_of_val(&**nodes),
            Nodes::Double(nodes) => size_of_val(&**nodes),
        };
        nodes + size_of_val(&*self.roots) + size_of_val(&*self.begins) + size_of_val(&*self.weights)
    }

    /// Shows the leaf of each tree.
    #[inline]
    pub(super) fn visit(&self, features: &[f64], mut leaf: impl FnMut(Leaf)) {
        for root in &self.roots {
            let number = match &self.nodes {
                Nodes::Single(nodes) => walk(nodes, *root, features),
                Nodes::Double(nodes) => walk(nodes, *root, features),
            };
            let at = (number & !LEAF) as usize;
            let (Some(begin), Some(end)) = (self.begins.get(at), self.begins.get(at + 1)) else { continue };
            for (target, weight) in self.weights.get(*begin as usize..*end as usize).unwrap_or_default() {
                leaf(Leaf { target: *target as usize, weight: f64::from(*weight) });
            }
        }
    }
}

/// From a root to a leaf.
#[inline]
fn walk<T: Copy + Into<f64>>(nodes: &[TreeNode<T>], root: u32, features: &[f64]) -> u32 {
    let mut number = root;
    while let Some(node) = nodes.get(number as usize) {
        let feature = features.get(usize::from(node.feature)).copied().unwrap_or(f64::NAN);
        let is =
            node.comparison.holds(feature, node.threshold.into()) || (node.takes_missing && feature.is_nan());
        number = if is { node.yes } else { node.no };
    }
    number
}

impl Nodes {
    /// Thresholds that 32 bits hold take no more.
    fn of(nodes: Vec<TreeNode<f64>>) -> Self {
        let is_held = |node: &TreeNode<f64>| f64::from(node.threshold as f32) == node.threshold;
        if !nodes.iter().all(is_held) {
            return Self::Double(nodes.into());
        }
        let single = |node: TreeNode<f64>| TreeNode {
            threshold: node.threshold as f32,
            feature: node.feature,
            comparison: node.comparison,
            takes_missing: node.takes_missing,
            yes: node.yes,
            no: node.no,
        };
        Self::Single(nodes.into_iter().map(single).collect())
    }
}

/// The weights of each node.
fn weights(
    node: &ProtoNode<'_>,
    prefix: &str,
    targets: usize,
    places: &HashMap<(i64, i64), usize>,
    count: usize,
) -> Result<Vec<Vec<(u32, f32)>>, OnnxError> {
    let trees = node.integers(&format!("{prefix}_treeids"))?;
    let ids = node.integers(&format!("{prefix}_nodeids"))?;
    let of = node.integers(&format!("{prefix}_ids"))?;
    let numbers = node.floats_or_tensor(&format!("{prefix}_weights"))?;
    if [ids.len(), of.len(), numbers.len()].iter().any(|length| *length != trees.len()) {
        return Err(node.malformed("its lists of weights have different lengths"));
    }
    let mut weights = vec![Vec::new(); count];
    for (((tree, id), target), number) in trees.into_iter().zip(ids).zip(of).zip(numbers) {
        let target = u32::try_from(target).ok().filter(|target| (*target as usize) < targets);
        let target = target.ok_or_else(|| node.malformed("a weight for a class that is not there"))?;
        let place = places.get(&(tree, id)).and_then(|at| weights.get_mut(*at));
        place
            .ok_or_else(|| {
                node.malformed(format!("a weight for node {id} of tree {tree}, which is not there"))
            })?
            .push((target, number as f32));
    }
    Ok(weights)
}
