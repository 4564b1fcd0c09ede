//! Model files: what is written is read, and whatever else there may be is refused with its name.

use super::{CardScore, MAGIC, ModelCard, ModelError, ModelFile, ModelNumbers};
use headwater_kernel::model::{Classifier, Node};

fn card() -> ModelCard {
    ModelCard {
        kind: "svm".to_owned(),
        stream: "pump".to_owned(),
        window: "tumbling size=60000".to_owned(),
        over: vec!["*/flow".to_owned(), "*/pressure".to_owned()],
        aggregates: vec!["mean".to_owned()],
        classes: vec!["normal".to_owned(), "valve".to_owned()],
        normal: Some("normal".to_owned()),
        rows: vec![90, 10],
        recordings: 4,
        data: "00c0ffee".to_owned(),
        seed: 7,
        folds: 4,
        scores: vec![CardScore { name: "accuracy".to_owned(), mean: 0.97, low: Some(0.9), high: Some(1.0) }],
    }
}

fn linear() -> ModelFile {
    let numbers = ModelNumbers::Linear {
        centers: vec![1.0, 2.0],
        widths: vec![0.5, 4.0],
        weights: vec![1.0, -1.0],
        biases: vec![0.25],
        curves: Some(vec![(2.0, -0.5)]),
    };
    ModelFile { card: card(), numbers }
}

fn forest() -> ModelFile {
    let leaf = Node { threshold: 0.0, feature: Node::LEAF, low: 0 };
    let numbers = ModelNumbers::Forest {
        features: 2,
        classes: 2,
        roots: vec![0],
        nodes: vec![Node { threshold: 1.5, feature: 1, low: 1 }, leaf, leaf],
        shares: vec![0.5, 0.5, 1.0, 0.0, 0.0, 1.0],
    };
    ModelFile { card: ModelCard { kind: "forest".to_owned(), ..card() }, numbers }
}

/// The bytes with a checksum that fits them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = (bytes.len() - 30) as u64;
    bytes[18..26].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[30..]).to_le_bytes();
    bytes[26..30].copy_from_slice(&checksum);
    bytes
}

#[test]
fn what_is_written_is_read() {
    for model in [linear(), forest()] {
        let bytes = model.write();
        let read = ModelFile::read(&bytes).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.write(), bytes);
        assert_eq!(read.normal(), Some(0));
        let names: Vec<String> = read.card.features().collect();
        assert_eq!(names, ["*/flow mean", "*/pressure mean"]);
    }
    let mut shares = [0.0; 2];
    forest().judge(&[0.0, 2.0], &mut shares);
    assert_eq!(shares, [0.0, 1.0]);
    assert_eq!(linear().numbers.heap_bytes(), 7 * 8 + 16);
    assert_eq!(forest().numbers.heap_bytes(), 4 + 3 * 16 + 6 * 4);
}

#[test]
fn what_is_cut_or_changed_is_noticed() {
    for model in [linear(), forest()] {
        let bytes = model.write();
        for length in 1..bytes.len() {
            assert_eq!(ModelFile::read(&bytes[..length]), Err(ModelError::CutOff), "{length}");
        }
        assert_eq!(ModelFile::read(&[]), Err(ModelError::Foreign));
        assert_eq!(ModelFile::read(b"\x08\x07onnx"), Err(ModelError::Foreign));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(ModelFile::read(&changed).is_err(), "{at}");
        }
        let longer = [&bytes[..], b"!"].concat();
        assert_eq!(ModelFile::read(&longer), Err(ModelError::Damaged));
    }
}

#[test]
fn a_later_version_is_named_and_an_unknown_section_skipped() {
    let mut later = linear().write();
    later[MAGIC.len()] = 9;
    let error = ModelFile::read(&later).unwrap_err();
    assert_eq!(error, ModelError::Newer(9));
    assert!(error.to_string().contains("version 9"), "{error}");
    let mut section = linear().write();
    section[31] = 3;
    assert_eq!(ModelFile::read(&sealed(section)), Err(ModelError::Newer(3)));
    let mut more = linear().write();
    more.extend([77, 9, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(ModelFile::read(&sealed(more)), Ok(linear()));
}

#[test]
fn what_is_whole_and_makes_no_sense_is_refused() {
    let mut named = linear();
    named.card.aggregates.push("max".to_owned());
    let mut classes = linear();
    classes.card.classes.push("leak".to_owned());
    let mut normal = linear();
    normal.card.normal = Some("calm".to_owned());
    let (mut flat, mut endless, mut nan) = (linear(), forest(), linear());
    if let ModelNumbers::Linear { widths, .. } = &mut flat.numbers {
        widths[0] = 0.0;
    }
    if let ModelNumbers::Linear { weights, .. } = &mut nan.numbers {
        weights[1] = f64::NAN;
    }
    if let ModelNumbers::Forest { nodes, .. } = &mut endless.numbers {
        nodes[0].low = 0;
    }
    // A leaf's threshold decides nothing, and a file that is read is equal to itself.
    let mut leaf = forest();
    if let ModelNumbers::Forest { nodes, .. } = &mut leaf.numbers {
        nodes[2].threshold = f64::NAN;
    }
    let wrong = [
        (leaf, "numbers"),
        (named, "4 features"),
        (classes, "3 classes"),
        (normal, "`calm`"),
        (flat, "numbers"),
        (endless, "numbers"),
        (nan, "numbers"),
    ];
    for (model, word) in wrong {
        let error = ModelFile::read(&model.write()).unwrap_err();
        assert!(matches!(error, ModelError::Unsound(_)) && error.to_string().contains(word), "{error}");
    }
    // Lengths without their bytes cost nothing.
    let mut huge = forest().write();
    let at = huge.len() - (4 + 3 * 16 + 6 * 4) - 4;
    huge[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(ModelFile::read(&sealed(huge)), Err(ModelError::Unsound(_))));
}
