//! Time a judgement and memory of a model: `cargo bench -p headwater-onnx`.
//!
//! Aim: below 20 µs for 10 features and 100 trees of depth 8, all of whose leaves are there. Rows are random, so that no
//! branch is guessed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench fails loudly")]

use headwater_onnx::OnnxModel;
use headwater_protobuf::{put_bytes, put_number};
use std::hint::black_box;
use std::time::Instant;

const FEATURES: u64 = 10;
const TREES: u64 = 100;
const DEPTH: u32 = 8;
const ROWS: usize = 1024;
const ROUNDS: usize = 40;
const CHUNK: usize = 32;

/// The attributes of an operator.
#[derive(Default)]
struct Attributes(Vec<u8>);

impl Attributes {
    fn put(&mut self, name: &str, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut attribute = Vec::new();
        put_bytes(&mut attribute, 1, name.as_bytes());
        fill(&mut attribute);
        put_bytes(&mut self.0, 5, &attribute);
    }

    fn integers(&mut self, name: &str, numbers: &[u64]) {
        self.put(name, |to| numbers.iter().for_each(|number| put_number(to, 8, *number)));
    }

    fn floats(&mut self, name: &str, numbers: &[f32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.put(name, |to| put_bytes(to, 7, &bytes));
    }

    fn texts(&mut self, name: &str, texts: &[&str]) {
        self.put(name, |to| texts.iter().for_each(|text| put_bytes(to, 9, text.as_bytes())));
    }
}

/// A file of one operator over `X`, whose outputs are `label` and `scores`.
fn file(operator: &str, Attributes(attributes): Attributes) -> Vec<u8> {
    let named = |name: &str| {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, name.as_bytes());
        value
    };
    let mut node = Vec::new();
    put_bytes(&mut node, 1, b"X");
    put_bytes(&mut node, 2, b"label");
    put_bytes(&mut node, 2, b"scores");
    put_bytes(&mut node, 4, operator.as_bytes());
    put_bytes(&mut node, 7, b"ai.onnx.ml");
    node.extend(attributes);
    let (mut dimension, mut shape, mut tensor, mut kind, mut input) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), named("X"));
    put_number(&mut dimension, 1, FEATURES);
    put_bytes(&mut shape, 1, &[]);
    put_bytes(&mut shape, 1, &dimension);
    put_number(&mut tensor, 1, 1);
    put_bytes(&mut tensor, 2, &shape);
    put_bytes(&mut kind, 1, &tensor);
    put_bytes(&mut input, 2, &kind);
    let mut graph = Vec::new();
    put_bytes(&mut graph, 1, &node);
    put_bytes(&mut graph, 11, &input);
    put_bytes(&mut graph, 12, &named("label"));
    put_bytes(&mut graph, 12, &named("scores"));
    let mut model = Vec::new();
    put_bytes(&mut model, 7, &graph);
    model
}

/// Full trees of three classes, whose thresholds are random.
fn forest(random: &mut fastrand::Rng) -> Vec<u8> {
    let nodes = (1_u64 << (DEPTH + 1)) - 1;
    let inner = (1_u64 << DEPTH) - 1;
    let (mut trees, mut ids, mut features, mut modes, mut values, mut yes, mut no) =
        (vec![], vec![], vec![], vec![], vec![], vec![], vec![]);
    let (mut leaf_trees, mut leaf_ids, mut classes, mut weights) = (vec![], vec![], vec![], vec![]);
    for (tree, node) in (0..TREES).flat_map(|tree| (0..nodes).map(move |node| (tree, node))) {
        let is_inner = node < inner;
        trees.push(tree);
        ids.push(node);
        features.push(if is_inner { random.u64(..FEATURES) } else { 0 });
        modes.push(if is_inner { "BRANCH_LEQ" } else { "LEAF" });
        values.push(random.f32());
        yes.push(if is_inner { 2 * node + 1 } else { 0 });
        no.push(if is_inner { 2 * node + 2 } else { 0 });
        for class in (0..3).filter(|_| !is_inner) {
            leaf_trees.push(tree);
            leaf_ids.push(node);
            classes.push(class);
            weights.push(random.f32() / TREES as f32);
        }
    }
    let mut attributes = Attributes::default();
    attributes.integers("nodes_treeids", &trees);
    attributes.integers("nodes_nodeids", &ids);
    attributes.integers("nodes_featureids", &features);
    attributes.texts("nodes_modes", &modes);
    attributes.floats("nodes_values", &values);
    attributes.integers("nodes_truenodeids", &yes);
    attributes.integers("nodes_falsenodeids", &no);
    attributes.integers("class_treeids", &leaf_trees);
    attributes.integers("class_nodeids", &leaf_ids);
    attributes.integers("class_ids", &classes);
    attributes.floats("class_weights", &weights);
    attributes.texts("classlabels_strings", &["ok", "leak", "cavitation"]);
    file("TreeEnsembleClassifier", attributes)
}

fn logistic(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut attributes = Attributes::default();
    let weights: Vec<f32> = (0..3 * FEATURES).map(|_| random.f32() - 0.5).collect();
    attributes.floats("coefficients", &weights);
    attributes.floats("intercepts", &[0.1, 0.2, -0.3]);
    attributes.texts("classlabels_strings", &["ok", "leak", "cavitation"]);
    attributes.put("post_transform", |to| put_bytes(to, 4, b"SOFTMAX"));
    file("LinearClassifier", attributes)
}

fn main() {
    let mut random = fastrand::Rng::with_seed(1);
    println!("{:34} {:>9} {:>10} {:>10}", "", "file", "memory", "ns a row");
    let files = [
        ("100 trees of depth 8, 3 classes", forest(&mut random)),
        ("logistic, 3 classes", logistic(&mut random)),
    ];
    let rows: Vec<[f64; FEATURES as usize]> =
        (0..ROWS).map(|_| std::array::from_fn(|_| random.f64())).collect();
    for (name, bytes) in files {
        let model = OnnxModel::read(&bytes).unwrap();
        let mut scratch = model.scratch();
        // The best of each few rows, so that what else the machine does counts little.
        let mut best = 0.0;
        for rows in rows.chunks(CHUNK) {
            let mut time = || {
                let start = Instant::now();
                for row in rows {
                    black_box(model.judge(black_box(row), &mut scratch));
                }
                start.elapsed().as_nanos() as f64
            };
            best += (0..ROUNDS).map(|_| time()).fold(f64::INFINITY, f64::min) / ROWS as f64;
        }
        println!("{name:34} {:>9} {:>10} {best:>10.0}", bytes.len(), model.bytes());
    }
}
