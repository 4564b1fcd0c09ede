//! Time per evaluation, against the same written in Rust: `cargo bench -p headwater-expression`.
//!
//! Aim: below 100 ns for `value > -40.0 && value < 85.0`. Both sides read the same inputs from memory and are called
//! through a pointer that the compiler cannot see through, as a pipeline calls them.

#![allow(clippy::unwrap_used, reason = "a bench fails loudly")]

use headwater_expression::{Expression, ExpressionType, Input, Program};
use std::hint::black_box;
use std::time::Instant;

const INPUTS: usize = 1024;
const PASSES: usize = 2000;
const ROUNDS: usize = 9;

fn main() {
    println!("{:58} {:>8} {:>8} {:>7}", "", "ns", "Rust ns", "ratio");
    condition("value > -40.0 && value < 85.0", |on| on.value > -40.0 && on.value < 85.0);
    condition("value in [1.0, 2.0, 3.0]", |on| [1.0, 2.0, 3.0].contains(&on.value));
    condition("series.endsWith('/temp') && value < 85", |on| on.series.ends_with("/temp") && on.value < 85.0);
    condition("labels.zone == 'bed1'", |on| label(on, "zone") == Some("bed1"));
    condition("labels.zone in ['bed1', 'bed2'] && !has(labels.lab)", |on| {
        label(on, "zone").is_some_and(|zone| ["bed1", "bed2"].contains(&zone)) && label(on, "lab").is_none()
    });
    condition("value > double(labels.limit)", |on| {
        label(on, "limit").and_then(|limit| limit.parse().ok()).is_some_and(|limit: f64| on.value > limit)
    });
    condition("time.getHours() >= 6 && time.getHours() < 22", |on| {
        let hour = on.time_ms.div_euclid(3_600_000).rem_euclid(24);
        (6..22).contains(&hour)
    });
    number("value * 1.8 + 32.0", |on| on.value * 1.8 + 32.0);
    number("value < 0.0 ? 0.0 : math.round(value * 10) / 10", |on| {
        if on.value < 0.0 { 0.0 } else { (on.value * 10.0).round() / 10.0 }
    });
}

fn label<'a>(on: &Input<'a>, name: &str) -> Option<&'a str> {
    on.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn condition(text: &str, rust: fn(&Input<'_>) -> bool) {
    let compile = || Expression::compile(text, ExpressionType::Condition).unwrap();
    let ours = |program: &Program, on: &Input<'_>| f64::from(program.filter(on) == Ok(true));
    compare(text, &compile(), ours, |on| f64::from(rust(on)));
}

fn number(text: &str, rust: fn(&Input<'_>) -> f64) {
    let program = Expression::compile(text, ExpressionType::Number).unwrap();
    compare(text, &program, |program, on| program.number(on).unwrap_or(0.0), rust);
}

fn compare(
    text: &str,
    program: &Program,
    ours: impl Fn(&Program, &Input<'_>) -> f64,
    rust: impl Fn(&Input<'_>) -> f64,
) {
    let labels = [("site", "north"), ("limit", "12.5"), ("zone", "bed1")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let values =
        (0..INPUTS).map(|n| f64::from(u32::try_from(n * 2_654_435_761 % 1000).unwrap()) / 7.0 - 50.0);
    let inputs: Vec<Input<'_>> = values
        .zip((1_700_000_000_000_i64..).step_by(7_777_777))
        .map(|(value, time_ms)| Input {
            value,
            time_ms,
            series: "greenhouse/bed1/climate/temp",
            labels: &labels,
            fields: &[],
        })
        .collect();
    let (a, ours) = fastest(&inputs, |on| ours(black_box(program), on));
    let (b, rust) = fastest(&inputs, rust);
    assert!(a == b, "both calculate the same");
    println!("{text:58} {ours:8.1} {rust:8.1} {:7.1}", ours / rust);
}

/// The sum of a pass, and the nanoseconds of one call in the fastest round.
fn fastest(inputs: &[Input<'_>], call: impl Fn(&Input<'_>) -> f64) -> (f64, f64) {
    let mut best = f64::INFINITY;
    let mut sum = 0.0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PASSES {
            sum = black_box(inputs).iter().map(|on| black_box(call(black_box(on)))).sum();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    (sum, best * 1e9 / (PASSES * INPUTS) as f64)
}
