//! Nanoseconds of a judgement by trained models, and the bytes that they take.
//! `cargo bench -p headwater-kernel --bench models`.

use headwater_kernel::model::{Classifier, Diagnosis, Forest, Linear, Link, Node};
use std::hint::black_box;
use std::time::Instant;

const FEATURES: usize = 10;
const TREES: u32 = 100;
const DEPTH: u32 = 8;
const ROWS: usize = 2_000;
/// Rounds, of which the median counts: a busy machine disturbs some.
const ROUNDS: usize = 31;

/// A number that looks random, from 0 to 1.
fn dice(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// Full trees with random splits.
fn trees(state: &mut u64) -> (Vec<u32>, Vec<Node>, Vec<f32>) {
    let (mut roots, mut nodes) = (Vec::new(), Vec::new());
    let inner = (1_u32 << DEPTH) - 1;
    for tree in 0..TREES {
        let first = tree * (2 * inner + 1);
        roots.push(first);
        for at in 0..=2 * inner {
            let feature = (dice(state) * FEATURES as f64) as u32;
            let split = Node { threshold: dice(state), feature, low: first + 2 * at + 1 };
            let leaf = Node { threshold: 0.0, feature: Node::LEAF, low: 0 };
            nodes.push(if at < inner { split } else { leaf });
        }
    }
    let shares = nodes.iter().flat_map(|_| {
        let share = dice(state) as f32;
        [share, 1.0 - share]
    });
    let shares = shares.collect();
    (roots, nodes, shares)
}

/// The median of nanoseconds a row.
fn median_ns(rows: &[Vec<f64>], mut judge: impl FnMut(&[f64])) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            rows.iter().for_each(|row| judge(row));
            start.elapsed().as_nanos() as f64 / rows.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

fn show(name: &str, model: &impl Classifier, bytes: usize, rows: &[Vec<f64>]) {
    let mut shares = vec![0.0; model.classes()];
    let judge = median_ns(rows, |row| model.judge(black_box(row), black_box(&mut shares)));
    let with_reason = median_ns(rows, |row| {
        let mut diagnosis = Diagnosis::of(model, Some(0), black_box(row));
        diagnosis.iter_mut().for_each(|own| own.explain(model, row));
        black_box(diagnosis);
    });
    println!("{name:<28} {bytes:>9} {judge:>10.0} {with_reason:>12.0}");
}

fn main() {
    let state = &mut 0x9E37_79B9_7F4A_7C15;
    let rows: Vec<Vec<f64>> = (0..ROWS).map(|_| (0..FEATURES).map(|_| dice(state)).collect()).collect();
    let (roots, nodes, shares) = trees(state);
    let forest = Forest { features: FEATURES, classes: 2, roots: &roots, nodes: &nodes, shares: &shares };
    assert!(forest.is_sound());
    let bytes = size_of_val(&*roots) + size_of_val(&*nodes) + size_of_val(&*shares);
    println!("{:<28} {:>9} {:>10} {:>12}", "", "bytes", "ns", "ns + reason");
    show("forest, 100 trees, depth 8", &forest, bytes, &rows);
    let numbers: Vec<f64> = (0..4 * FEATURES).map(|_| dice(state) + 0.5).collect();
    let (centers, rest) = numbers.split_at(FEATURES);
    for sums in [1, 3] {
        let linear = Linear {
            centers,
            widths: centers,
            weights: rest.get(..sums * FEATURES).unwrap_or(rest),
            biases: rest.get(..sums).unwrap_or(rest),
            link: Link::Softmax,
        };
        let bytes = (2 * FEATURES + sums * (FEATURES + 1)) * size_of::<f64>();
        show(if sums == 1 { "linear, 2 classes" } else { "linear, 3 classes" }, &linear, bytes, &rows);
    }
}
