//! Random forests.
//!
//! Source: L. Breiman, 2001; trees as in CART, by Gini's impurity. Each tree sees as many rows as there are, drawn with
//! replacement, and looks at the square root of the features at each node. Deviation: a feature has at most 256 steps,
//! between neighbouring values where there are fewer, else between quantiles; so the work at a node grows with its rows
//! and not with their order. Counts are whole numbers until they are weighed, so that the order of sums leaves no trace.

use super::dataset::{Dataset, class_weights};
use headwater_kernel::model::Node;
use headwater_model::ModelNumbers;

/// Trees of a forest.
pub(super) const TREES: usize = 100;
/// Levels of a tree below its root.
pub(super) const DEPTH: usize = 8;
/// Steps of a feature.
const STEPS: usize = 256;

/// Numbers that look random: `SplitMix64`, G. Steele and others, 2014.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
}

/// The rows in steps.
struct Stepped<'d> {
    /// Per feature the thresholds between its steps, ascending.
    thresholds: Vec<Vec<f64>>,
    /// Per feature the step of each row.
    steps: Vec<Vec<u8>>,
    classes: Vec<usize>,
    weights: &'d [f64],
}

struct Growing<'d> {
    data: &'d Stepped<'d>,
    dice: Dice,
    nodes: Vec<Node>,
    shares: Vec<f32>,
}

/// The best split of a node.
struct Split {
    feature: usize,
    step: usize,
    gain: f64,
}

/// Trains a forest with these rows.
pub(super) fn forest(data: &Dataset, rows: &[usize], seed: u64) -> ModelNumbers {
    let weights = class_weights(data, rows);
    let thresholds: Vec<Vec<f64>> =
        (0..data.features).map(|feature| thresholds(data, rows, feature)).collect();
    let step = |feature: usize, thresholds: &[f64]| -> Vec<u8> {
        let value = |row: &usize| data.row(*row).get(feature).copied().unwrap_or(0.0);
        rows.iter().map(|row| thresholds.partition_point(|below| *below < value(row)) as u8).collect()
    };
    let steps = thresholds.iter().enumerate().map(|(feature, own)| step(feature, own)).collect();
    let classes = rows.iter().map(|row| data.class(*row)).collect();
    let stepped = Stepped { thresholds, steps, classes, weights: &weights };
    let mut growing =
        Growing { data: &stepped, dice: Dice::new(seed), nodes: Vec::new(), shares: Vec::new() };
    let roots = (0..TREES).map(|_| growing.tree(rows.len())).collect();
    let Growing { nodes, shares, .. } = growing;
    ModelNumbers::Forest { features: data.features, classes: data.names.len(), roots, nodes, shares }
}

/// The places where a feature may be split: at most one less than there are steps.
fn thresholds(data: &Dataset, rows: &[usize], feature: usize) -> Vec<f64> {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| data.row(*row).get(feature).copied()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let all = values.len();
    let mut neighbours: Vec<(f64, f64)> =
        values.windows(2).filter_map(|pair| <[f64; 2]>::try_from(pair).ok()).map(|[a, b]| (a, b)).collect();
    neighbours.retain(|(a, b)| a < b);
    if neighbours.len() >= STEPS {
        let quantile = |step: usize| {
            let at = step * all / STEPS;
            values.get(at.saturating_sub(1)).copied().zip(values.get(at).copied())
        };
        neighbours = (1..STEPS).filter_map(quantile).filter(|(a, b)| a < b).collect();
        neighbours.dedup();
    }
    let between = |(a, b): (f64, f64)| {
        let middle = f64::midpoint(a, b);
        if middle < b { middle } else { a }
    };
    neighbours.into_iter().map(between).collect()
}

impl Growing<'_> {
    /// Grows a tree over rows that are drawn with replacement; answers its root.
    fn tree(&mut self, count: usize) -> u32 {
        let mut rows: Vec<u32> = (0..count).map(|_| self.dice.below(count) as u32).collect();
        rows.sort_unstable();
        let root = self.push(&rows);
        self.grow(root, &mut rows, DEPTH);
        root
    }

    /// Adds a leaf for these rows.
    fn push(&mut self, rows: &[u32]) -> u32 {
        let counts = self.counts(rows);
        let total = self.weigh(&counts);
        let classes = counts.iter().zip(self.data.weights);
        let shares =
            classes.map(|(count, weight)| (*count as f64 * weight / total.max(f64::MIN_POSITIVE)) as f32);
        self.shares.extend(shares);
        self.nodes.push(Node { threshold: 0.0, feature: Node::LEAF, low: 0 });
        (self.nodes.len() - 1) as u32
    }

    /// Splits a leaf, and its children, as long as that makes them purer.
    fn grow(&mut self, at: u32, rows: &mut [u32], levels: usize) {
        let counts = self.counts(rows);
        if levels == 0 || counts.iter().filter(|count| **count > 0).count() < 2 {
            return;
        }
        let Some(split) = self.split(rows, &counts) else { return };
        let steps = self.data.steps.get(split.feature).map_or(&[][..], |steps| steps);
        let is_low =
            |row: &u32| steps.get(*row as usize).is_some_and(|step| usize::from(*step) <= split.step);
        // In order, so that the rows of a child do not depend on how a sort works.
        let (low_rows, high_rows): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| is_low(row));
        let (low, high) = rows.split_at_mut(low_rows.len());
        low.copy_from_slice(&low_rows);
        high.copy_from_slice(&high_rows);
        let first = self.push(low);
        let second = self.push(high);
        let threshold = self.data.thresholds.get(split.feature).and_then(|own| own.get(split.step));
        if let (Some(node), Some(threshold)) = (self.nodes.get_mut(at as usize), threshold) {
            *node = Node { threshold: *threshold, feature: split.feature as u32, low: first };
        }
        self.grow(first, low, levels - 1);
        self.grow(second, high, levels - 1);
    }

    /// The split that makes the children purest, among features that are drawn until one can be split.
    fn split(&mut self, rows: &[u32], counts: &[u64]) -> Option<Split> {
        let mut features: Vec<usize> = (0..self.data.steps.len()).collect();
        let wanted = (features.len() as f64).sqrt().ceil() as usize;
        let (mut best, mut tried): (Option<Split>, usize) = (None, 0);
        while !features.is_empty() && (tried < wanted || best.is_none()) {
            let feature = features.swap_remove(self.dice.below(features.len()));
            let found = self.split_by(feature, rows, counts);
            tried += 1;
            if let Some(found) = found
                && best.as_ref().is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    fn split_by(&self, feature: usize, rows: &[u32], counts: &[u64]) -> Option<Split> {
        let (steps, classes) = (self.data.steps.get(feature)?, counts.len());
        let mut histogram = vec![0_u64; STEPS * classes];
        for row in rows {
            let step = steps.get(*row as usize).copied().map_or(0, usize::from);
            let class = self.data.classes.get(*row as usize).copied().unwrap_or(0);
            if let Some(count) = histogram.get_mut(step * classes + class) {
                *count += 1;
            }
        }
        let whole = self.purity(counts);
        let (mut low, mut best): (Vec<u64>, Option<Split>) = (vec![0; classes], None);
        let last = self.data.thresholds.get(feature).map_or(0, Vec::len);
        for (step, own) in histogram.chunks_exact(classes).enumerate().take(last) {
            low.iter_mut().zip(own).for_each(|(low, own)| *low += own);
            let high: Vec<u64> = counts.iter().zip(&low).map(|(all, low)| all - low).collect();
            if own.iter().all(|count| *count == 0) || high.iter().all(|count| *count == 0) {
                continue;
            }
            let gain = self.purity(&low) + self.purity(&high) - whole;
            if gain > 1e-9 && best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { feature, step, gain });
            }
        }
        best
    }

    /// The squared weights of the classes over their sum: it grows as Gini's impurity falls.
    fn purity(&self, counts: &[u64]) -> f64 {
        let total = self.weigh(counts);
        let squares = counts.iter().zip(self.data.weights).fold(0.0, |sum, (count, weight)| {
            let own = *count as f64 * weight;
            sum + own * own
        });
        if total > 0.0 { squares / total } else { 0.0 }
    }

    fn weigh(&self, counts: &[u64]) -> f64 {
        counts.iter().zip(self.data.weights).fold(0.0, |sum, (count, weight)| sum + *count as f64 * weight)
    }

    fn counts(&self, rows: &[u32]) -> Vec<u64> {
        let mut counts = vec![0; self.data.weights.len()];
        for row in rows {
            let class = self.data.classes.get(*row as usize).copied().unwrap_or(0);
            if let Some(count) = counts.get_mut(class) {
                *count += 1;
            }
        }
        counts
    }
}
