//! What the births of edge nodes have said: the names, kinds and units of metrics.
//!
//! Limits: [`NODES_MAX`] edge nodes and [`BYTES_MAX`] of metrics of a source, and names as long as those of series; what
//! comes past them is not remembered, so that its aliases stay unknown.

use crate::fields::NAME_BYTES_MAX;
use crate::hash::Seed;
use std::collections::HashMap;

const NODES_MAX: usize = 4_096;
const BYTES_MAX: usize = 8 << 20;

/// The memory of a metric without its texts (bytes).
const METRIC_BYTES: usize = 96;

/// The edge nodes of a source, by group and name.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    nodes: HashMap<Box<str>, Node, Seed>,
    /// The memory of the metrics of all nodes.
    bytes: usize,
}

/// The life of an edge node.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// The number of its last message; `None`: it has not been born.
    sequence: Option<u8>,
    by_alias: HashMap<u64, BornMetric, Seed>,
    /// The metrics without an alias, by device and name.
    by_name: HashMap<Box<str>, BornMetric, Seed>,
}

/// What a birth said of a metric.
#[derive(Clone, Debug)]
pub(super) struct BornMetric {
    pub(super) name: Box<str>,
    pub(super) kind: u64,
    pub(super) unit: Box<str>,
}

impl BornMetric {
    fn bytes(&self) -> usize {
        METRIC_BYTES + 2 * self.name.len() + self.unit.len()
    }
}

impl Nodes {
    /// Begins the life of a node.
    pub(super) fn on_birth(&mut self, node: &str, sequence: u8) {
        self.on_death(node);
        if self.nodes.len() < NODES_MAX || self.nodes.contains_key(node) {
            let born = Node { sequence: Some(sequence), ..Node::default() };
            self.nodes.insert(node.into(), born);
        }
    }

    /// Ends the life of a node.
    pub(super) fn on_death(&mut self, node: &str) {
        if let Some(node) = self.nodes.remove(node) {
            let metrics = node.by_alias.values().chain(node.by_name.values());
            self.bytes = self.bytes.saturating_sub(metrics.map(BornMetric::bytes).sum());
        }
    }

    /// Takes the number of a message; answers whether nothing is missing since the birth.
    pub(super) fn on_message(&mut self, node: &str, sequence: u8) -> bool {
        let Some(last) = self.nodes.get_mut(node).and_then(|node| node.sequence.as_mut()) else {
            return false;
        };
        let is_next = sequence == last.wrapping_add(1) || sequence == *last;
        *last = sequence;
        is_next
    }

    /// Remembers a metric of a birth; `key` is its device and name.
    pub(super) fn bear(&mut self, node: &str, alias: Option<u64>, key: &str, metric: BornMetric) {
        let bytes = metric.bytes();
        let has_room = self.bytes + bytes <= BYTES_MAX && bytes <= 2 * NAME_BYTES_MAX;
        let Some(node) = self.nodes.get_mut(node).filter(|_| has_room) else { return };
        let before = match alias {
            Some(alias) => node.by_alias.insert(alias, metric),
            None => node.by_name.insert(key.into(), metric),
        };
        self.bytes = (self.bytes + bytes).saturating_sub(before.map_or(0, |metric| metric.bytes()));
    }

    /// A node that has been born.
    pub(super) fn node(&self, node: &str) -> Option<&Node> {
        self.nodes.get(node)
    }
}

impl Node {
    /// The metric of an alias.
    pub(super) fn of_alias(&self, alias: u64) -> Option<&BornMetric> {
        self.by_alias.get(&alias)
    }

    /// The metric of a device and a name.
    pub(super) fn of_name(&self, key: &str) -> Option<&BornMetric> {
        self.by_name.get(key)
    }
}
