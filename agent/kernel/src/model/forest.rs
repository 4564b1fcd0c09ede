//! Random forests: the mean of many decision trees, which lie in one flat array.
//!
//! Source: L. Breiman, "Random Forests", Machine Learning 45, 2001. A node sends a row to its low child if the feature is
//! at most the threshold, else to the one behind it. Children lie behind their parents, so that every walk ends. What a
//! feature says is what the class's share gains on the paths where the feature decides (A. Saabas, 2014). Cost: one
//! comparison for each tree and level.

use super::Classifier;

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Rows whose feature is at most this go to `low`.
    pub threshold: f64,
    /// The feature that decides; [`Node::LEAF`]: none.
    pub feature: u32,
    /// The child for low values; the other one follows it.
    pub low: u32,
}

impl Node {
    /// The feature of a leaf.
    pub const LEAF: u32 = u32::MAX;
}

/// Trees that are walked abreast, so that a processor need not wait for the memory of each.
const ABREAST: usize = 8;

/// A forest over borrowed nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forest<'m> {
    /// The number of features of a row.
    pub features: usize,
    /// The number of classes.
    pub classes: usize,
    /// The first node of each tree.
    pub roots: &'m [u32],
    /// The nodes of all trees.
    pub nodes: &'m [Node],
    /// For each node the share of every class among the rows that it was trained with.
    pub shares: &'m [f32],
}

impl Forest<'_> {
    /// Whether every walk ends in the forest: features and children exist, and children lie behind their parents.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let ends = |(at, node): (usize, &Node)| {
            let low = node.low as usize;
            node.feature == Node::LEAF
                || (node.feature as usize) < self.features
                    && !node.threshold.is_nan()
                    && low > at
                    && low < self.nodes.len().saturating_sub(1)
        };
        self.classes > 0
            && !self.roots.is_empty()
            && self.nodes.len().checked_mul(self.classes) == Some(self.shares.len())
            && self.nodes.iter().enumerate().all(ends)
            && self.roots.iter().all(|root| (*root as usize) < self.nodes.len())
    }

    /// The child to which a row goes, and the feature that sends it there; `None`: it is a leaf.
    #[inline]
    fn step(&self, at: u32, features: &[f64]) -> Option<(u32, usize)> {
        let node = self.nodes.get(at as usize)?;
        let feature = node.feature as usize;
        let goes_high = u32::from(features.get(feature)? > &node.threshold);
        Some((node.low + goes_high, feature))
    }

    #[inline]
    fn shares_at(&self, at: u32) -> &[f32] {
        let start = at as usize * self.classes;
        self.shares.get(start..start + self.classes).unwrap_or(&[])
    }
}

impl Classifier for Forest<'_> {
    fn features(&self) -> usize {
        self.features
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
        probabilities.fill(0.0);
        for roots in self.roots.chunks(ABREAST) {
            let mut places = [0; ABREAST];
            places.iter_mut().zip(roots).for_each(|(at, root)| *at = *root);
            let mut is_over = false;
            while !is_over {
                is_over = true;
                for at in places.iter_mut().take(roots.len()) {
                    if let Some((child, _)) = self.step(*at, features) {
                        (*at, is_over) = (child, false);
                    }
                }
            }
            for at in places.iter().take(roots.len()) {
                for (probability, share) in probabilities.iter_mut().zip(self.shares_at(*at)) {
                    *probability += f64::from(*share);
                }
            }
        }
        let trees = self.roots.len().max(1) as f64;
        probabilities.iter_mut().for_each(|probability| *probability /= trees);
    }

    fn weigh(&self, features: &[f64], class: usize, weights: &mut [f64]) {
        weights.fill(0.0);
        let share = |at| self.shares_at(at).get(class).copied().map_or(0.0, f64::from);
        for root in self.roots {
            let mut at = *root;
            while let Some((child, feature)) = self.step(at, features) {
                if let Some(weight) = weights.get_mut(feature) {
                    *weight += share(child) - share(at);
                }
                at = child;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn split(feature: u32, threshold: f64, low: u32) -> Node {
        Node { threshold, feature, low }
    }

    const LEAF: Node = split(Node::LEAF, 0.0, 0);

    /// Two trees of two features: one looks at both, the other at the second alone.
    const TREES: Forest<'_> = Forest {
        features: 2,
        classes: 2,
        roots: &[0, 5],
        nodes: &[split(0, 1.0, 1), LEAF, split(1, 5.0, 3), LEAF, LEAF, split(1, 2.0, 6), LEAF, LEAF],
        shares: &[0.5, 0.5, 1.0, 0.0, 0.25, 0.75, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.25, 0.75],
    };

    #[test]
    fn the_mean_of_the_leaves_and_what_each_feature_adds() {
        assert!(TREES.is_sound());
        let (mut shares, mut weights) = ([0.0; 2], [0.0; 2]);
        TREES.judge(&[1.0, 9.0], &mut shares);
        assert_eq!(shares, [0.625, 0.375], "at most the threshold is low");
        TREES.judge(&[1.5, 9.0], &mut shares);
        assert_eq!(shares, [0.125, 0.875]);
        TREES.weigh(&[1.5, 9.0], 1, &mut weights);
        assert_eq!(weights, [0.25, 0.25 + 0.25]);
        TREES.weigh(&[1.5, 9.0], 0, &mut weights);
        assert_eq!(weights, [-0.25, -0.5]);
    }

    #[test]
    fn what_would_never_end_or_lead_nowhere_is_not_sound() {
        for (nodes, roots) in [
            (&[split(0, 1.0, 0), LEAF][..], &[0][..]),
            (&[split(0, 1.0, 1), LEAF], &[0]),
            (&[split(2, 1.0, 1), LEAF, LEAF], &[0]),
            (&[split(0, f64::NAN, 1), LEAF, LEAF], &[0]),
            (&[LEAF], &[1]),
            (&[LEAF], &[]),
            (&[], &[]),
        ] {
            let shares = [0.5; 6];
            let shares = &shares[..2 * nodes.len()];
            assert!(!Forest { roots, nodes, shares, ..TREES }.is_sound(), "{nodes:?}");
        }
        assert!(!Forest { shares: &[], ..TREES }.is_sound());
        assert!(!Forest { classes: 0, ..TREES }.is_sound());
    }
}
