//! A file of a trained model: a byte for its kind, then ours without its head, or ONNX.
#![no_main]

use headwater_fuzz::begin_with;
use headwater_kernel::model::{Classifier as _, Node};
use headwater_model::{MAGIC, ModelCard, ModelFile, ModelNumbers};
use headwater_onnx::OnnxModel;
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::Path;

/// The largest file of ONNX that a run begins with (bytes).
const BEGIN_BYTES_MAX: usize = 4 << 10;

/// Magic, version, length and checksum.
const HEAD_BYTES: usize = 30;

fuzz_target!(init: begin(), |data: &[u8]| {
    match data.split_first() {
        Some((kind, bytes)) if kind % 2 == 0 => own(bytes),
        Some((_, bytes)) => onnx(bytes),
        None => {}
    }
});

/// Our own, from its sections on.
fn own(sections: &[u8]) {
    let mut file = MAGIC.to_vec();
    file.extend(headwater_model::MODEL_VERSION.to_le_bytes());
    file.extend((sections.len() as u64).to_le_bytes());
    file.extend(crc32fast::hash(sections).to_le_bytes());
    file.extend_from_slice(sections);
    let Ok(model) = ModelFile::read(&file) else { return };
    let (mut probabilities, mut weights) = (vec![0.0; model.classes()], vec![0.0; model.features()]);
    for value in [0.0, -1e300, 1e300] {
        let row = vec![value; model.features()];
        model.judge(&row, &mut probabilities);
        assert!(probabilities.iter().all(|one| (0.0..=1.0).contains(one)), "{probabilities:?}");
        model.weigh(&row, 0, &mut weights);
    }
    assert_eq!(ModelFile::read(&model.write()).as_ref(), Ok(&model));
}

fn onnx(bytes: &[u8]) {
    let Ok(model) = OnnxModel::read(bytes) else { return };
    let mut scratch = model.scratch();
    for value in [0.0, -1e300, f64::NAN] {
        let _ = format!("{:?}", model.judge(&vec![value; model.features()], &mut scratch));
    }
}

/// One of each kind.
fn begin() {
    let card = ModelCard {
        over: vec!["*/flow".to_owned(), "*/pressure".to_owned()],
        aggregates: vec!["mean".to_owned()],
        classes: vec!["normal".to_owned(), "valve".to_owned()],
        ..ModelCard::default()
    };
    let linear = ModelNumbers::Linear {
        centers: vec![1.0, 2.0],
        widths: vec![0.5, 4.0],
        weights: vec![1.0, -1.0],
        biases: vec![0.25],
        curves: Some(vec![(2.0, -0.5)]),
    };
    let leaf = Node { threshold: 0.0, feature: Node::LEAF, low: 0 };
    let forest = ModelNumbers::Forest {
        features: 2,
        classes: 2,
        roots: vec![0],
        nodes: vec![Node { threshold: 1.5, feature: 1, low: 1 }, leaf, leaf],
        shares: vec![0.5, 0.5, 1.0, 0.0, 0.0, 1.0],
    };
    for (name, numbers) in [("linear", linear), ("forest", forest)] {
        let file = ModelFile { card: card.clone(), numbers }.write();
        begin_with(name, &[&[0], &file[HEAD_BYTES..]].concat());
    }
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent/onnx/tests/vectors");
    for path in fs::read_dir(vectors).expect("the vectors of ONNX").flatten().map(|entry| entry.path()) {
        let bytes = fs::read(&path).expect("a file");
        if path.extension().is_some_and(|end| end == "onnx") && bytes.len() <= BEGIN_BYTES_MAX {
            begin_with(&path.file_name().expect("a name").to_string_lossy(), &[&[1], &*bytes].concat());
        }
    }
}
