//! Files that are damaged or made to hurt: an answer or a reason, never a panic, and memory in proportion to the file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_onnx::OnnxModel;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Files of each kind that are tried; `HEADWATER_TRIES` asks for more.
const TRIES: usize = 150;

/// All memory that is taken while a file is read, one after the other: what its tensors may hold, and some for its bytes.
const BYTES_MAX: usize = 32 << 20;
const BYTES_PER_BYTE: usize = 300;

/// Changes a few bytes, cuts, or puts a part of one file into another.
fn damage(random: &mut fastrand::Rng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..bytes.len());
        // Mostly without a change of length, which the messages around would notice.
        match random.u8(..16) {
            0 => bytes.truncate(at.max(1)),
            1..=6 => bytes[at] = random.u8(..),
            7..=11 => bytes[at] ^= 1 << random.u8(..8),
            12 => bytes.insert(at, random.u8(..)),
            13 => {
                let end = (at + random.usize(1..200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.usize(..bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let other = &others[random.usize(..others.len())];
                let from = random.usize(..other.len());
                let part = &other[from..(from + random.usize(1..400)).min(other.len())];
                bytes.splice(at..at, part.iter().copied());
            }
        }
    }
}

#[test]
fn damaged_files_have_an_answer_or_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "onnx"));
    let mut files: Vec<_> = files.collect();
    files.sort();
    let files: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let tries = std::env::var("HEADWATER_TRIES").map_or(TRIES, |tries| tries.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(7);
    let (mut read, mut refused) = (0, 0);
    for file in &files {
        for _ in 0..tries {
            let mut bytes = file.clone();
            damage(&mut random, &mut bytes, &files);
            let region = Region::new(ALLOCATOR);
            let model = OnnxModel::read(&bytes);
            let taken = region.change().bytes_allocated;
            assert!(
                taken <= BYTES_MAX + BYTES_PER_BYTE * bytes.len(),
                "{taken} bytes for a file of {}",
                bytes.len()
            );
            let Ok(model) = model else {
                refused += 1;
                continue;
            };
            read += 1;
            let mut scratch = model.scratch();
            for features in [[0.5; 8], [f64::NAN; 8], [1e300; 8], [-1e300; 8], [f64::INFINITY; 8]] {
                let answer = model.judge(&features, &mut scratch);
                assert!(!answer.scores.is_empty());
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused: the test damages too much or too little"
    );
}
