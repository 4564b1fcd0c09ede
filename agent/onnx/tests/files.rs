//! What a file says of itself, and files that do not run: the reason, and the way out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails loudly")]

use headwater_onnx::{FILE_BYTES_MAX, OnnxError, OnnxModel, OnnxPurpose};
use headwater_protobuf::{put_bytes, put_number};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// A message of fields.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    fields.iter().for_each(|(field, bytes)| put_bytes(&mut message, *field, bytes));
    message
}

/// An attribute of whole numbers.
fn integers(name: &str, numbers: &[u64]) -> Vec<u8> {
    let mut attribute = message(&[(1, name.as_bytes())]);
    numbers.iter().for_each(|number| put_number(&mut attribute, 8, *number));
    attribute
}

/// An input of kind 1 (numbers of 32 bits), or another, whose rows have `width` numbers; 0: it does not say.
fn input(name: &str, kind: u64, width: u64) -> Vec<u8> {
    let dimension = |size: u64| {
        let mut dimension = Vec::new();
        put_number(&mut dimension, 1, size);
        dimension
    };
    let mut tensor = Vec::new();
    put_number(&mut tensor, 1, kind);
    put_bytes(&mut tensor, 2, &message(&[(1, &dimension(0)), (1, &dimension(width))]));
    message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))])
}

/// A node of one input and one output.
fn node(operator: &str, domain: &str, (from, to): (&str, &str), attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = message(&[
        (1, from.as_bytes()),
        (2, to.as_bytes()),
        (4, operator.as_bytes()),
        (7, domain.as_bytes()),
    ]);
    attributes.iter().for_each(|attribute| put_bytes(&mut node, 5, attribute));
    node
}

/// A file of nodes over an input `X`, whose output is `Y`.
fn file(input: &[u8], nodes: &[Vec<u8>]) -> Vec<u8> {
    let mut graph = message(&[(11, input), (12, &message(&[(1, b"Y")]))]);
    nodes.iter().for_each(|node| put_bytes(&mut graph, 1, node));
    message(&[(7, &graph)])
}

fn reason(bytes: &[u8]) -> String {
    OnnxModel::read(bytes).expect_err("a file that does not run").to_string()
}

#[test]
fn a_model_says_what_it_is() {
    let of = |name: &str| OnnxModel::read_file(&path(name)).unwrap();
    let named = of("named-columns.onnx");
    let classes = ["cavitation", "leak", "ok"].map(str::to_owned).to_vec();
    assert_eq!(named.purpose(), &OnnxPurpose::Classes(classes));
    assert_eq!(named.names(), ["pump_a_mean", "pump_b_mean", "pump_c_mean", "pump_d_mean", "pump_e_mean"]);
    assert_eq!((named.features(), named.producer()), (5, "skl2onnx"));
    assert!(of("logistic-2.onnx").names().is_empty(), "one tensor has no names for its columns");
    assert_eq!(of("logistic-2.onnx").purpose(), &OnnxPurpose::Classes(vec!["0".into(), "1".into()]));
    assert_eq!(of("svm-value.onnx").purpose(), &OnnxPurpose::Value);
    assert_eq!(of("isolation-small.onnx").purpose(), &OnnxPurpose::Outlier);
    assert!(of("forest-small.onnx").bytes() > of("tree-2.onnx").bytes());
}

#[test]
fn a_file_of_numbers_runs() {
    let negated = file(&input("X", 1, 1), &[node("Neg", "", ("X", "Y"), &[])]);
    let model = OnnxModel::read(&negated).unwrap();
    assert_eq!(model.judge(&[2.5], &mut model.scratch()).scores, [-2.5]);
    assert!(
        model.judge(&[], &mut model.scratch()).scores.iter().all(|score| score.is_nan()),
        "no feature is NaN"
    );
}

#[test]
fn what_is_no_model_is_told_from_what_does_not_run() {
    for bytes in [&b""[..], b"{}", b"\x08\x0a", b"name = \"pump\"", &[0xff; 64]] {
        assert!(matches!(OnnxModel::read(bytes), Err(OnnxError::Malformed(_))), "{bytes:?}");
    }
    let whole = std::fs::read(path("logistic-2.onnx")).unwrap();
    let cut = &whole[..whole.len() - 40];
    assert!(matches!(OnnxModel::read(cut), Err(OnnxError::Malformed(_))));
}

#[test]
fn all_operators_that_do_not_run_are_named_at_once() {
    let nodes = [
        node("Scan", "", ("X", "a"), &[]),
        node("Neg", "", ("a", "b"), &[]),
        node("Scan", "", ("b", "c"), &[]),
        node("Rotate", "com.example", ("c", "Y"), &[]),
    ];
    let error = OnnxModel::read(&file(&input("X", 1, 2), &nodes)).expect_err("it does not run");
    assert_eq!(error, OnnxError::Operators(vec!["Scan".into(), "com.example.Rotate".into()]));
    assert!(error.to_string().contains("headwater train"), "{error}");
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let folder = std::env::temp_dir().join(format!("headwater-onnx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let large = folder.join("large.onnx");
    std::fs::File::create(&large).unwrap().set_len(200_000_000).unwrap();
    let refused = OnnxModel::read_file(&large);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(refused.err(), Some(OnnxError::TooLarge(200_000_000)));
    let text = OnnxError::TooLarge(200_000_000).to_string();
    assert!(text.contains(&FILE_BYTES_MAX.to_string()) && text.contains("shallower trees"), "{text}");
    let missing = OnnxModel::read_file(Path::new("/nowhere/pump.onnx"));
    assert!(matches!(missing, Err(OnnxError::Unreadable(_))));
}

#[test]
fn mistakes_name_their_place() {
    let negate = [node("Neg", "", ("X", "Y"), &[])];
    for (bytes, text) in [
        (file(&input("X", 8, 2), &negate), "input `X`: only numbers go in"),
        (file(&input("X", 1, 0), &negate), "export with `FloatTensorType([None, N])`"),
        (file(&input("X", 1, 5000), &negate), "too many features"),
        (file(&input("X", 1, 3), &negate), "3 scores without the names of their classes"),
        (file(&input("X", 1, 3), &[node("Neg", "", ("Z", "Y"), &[])]), "nothing before it makes `Z`"),
        (file(&input("X", 1, 3), &[node("Neg", "", ("X", "Z"), &[])]), "nothing makes output `Y`"),
        (
            file(&input("X", 1, 3), &[node("Neg", "", ("X", "X"), &[])]),
            "two things of its graph are named `X`",
        ),
        (
            file(&input("X", 1, 3), &[node("Transpose", "", ("X", "Y"), &[integers("perm", &[0, 0])])]),
            "its order is none of its dimensions",
        ),
        (
            file(&input("X", 1, 2), &[node("Scaler", "ai.onnx.ml", ("X", "Y"), &[])]),
            "operator Scaler (``): 0 numbers for 2 features",
        ),
    ] {
        let reason = reason(&bytes);
        assert!(reason.contains(text), "{reason}, not {text}");
    }
}

/// A tree whose node is its own child would be walked for ever.
#[test]
fn a_tree_with_a_circle_is_no_tree() {
    let texts = |name: &str, texts: &[&str]| {
        let mut attribute = message(&[(1, name.as_bytes())]);
        texts.iter().for_each(|text| put_bytes(&mut attribute, 9, text.as_bytes()));
        attribute
    };
    let floats = |name: &str, numbers: &[f32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        message(&[(1, name.as_bytes()), (7, &bytes)])
    };
    let tree = |yes: u64, no: u64| {
        let attributes = [
            integers("nodes_treeids", &[0, 0, 0]),
            integers("nodes_nodeids", &[0, 1, 2]),
            integers("nodes_featureids", &[0, 0, 0]),
            texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
            floats("nodes_values", &[0.5, 0.0, 0.0]),
            integers("nodes_truenodeids", &[yes, 0, 0]),
            integers("nodes_falsenodeids", &[no, 0, 0]),
            integers("target_treeids", &[0, 0]),
            integers("target_nodeids", &[1, 2]),
            integers("target_ids", &[0, 0]),
            floats("target_weights", &[7.0, 9.0]),
        ];
        file(&input("X", 1, 1), &[node("TreeEnsembleRegressor", "ai.onnx.ml", ("X", "Y"), &attributes)])
    };
    let model = OnnxModel::read(&tree(1, 2)).unwrap();
    assert_eq!(model.judge(&[0.5], &mut model.scratch()).scores, [7.0]);
    assert_eq!(model.judge(&[0.6], &mut model.scratch()).scores, [9.0]);
    for (yes, no) in [(0, 2), (1, 0), (1, 1), (1, 3)] {
        assert!(reason(&tree(yes, no)).contains("tree 0 is none"), "{yes} {no}");
    }
}

/// The same in the form of ai.onnx.ml 5, whose nodes and leaves point at each other by number.
#[test]
fn an_ensemble_whose_nodes_lead_in_a_circle_or_nowhere_is_none() {
    let tensor = |name: &str, kind: u8, bytes: &[u8], count: u8| {
        let tensor = message(&[(9, bytes)]);
        let tensor = [&[0x08, count, 0x10, kind], tensor.as_slice()].concat();
        message(&[(1, name.as_bytes()), (5, &tensor)])
    };
    let floats =
        |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let ensemble = |yes: [u64; 2], yes_leaves: [u64; 2], modes: [u8; 2], targets: [u64; 2]| {
        let attributes = [
            integers("tree_roots", &[0]),
            integers("nodes_featureids", &[0, 0]),
            tensor("nodes_splits", 1, &floats(&[0.5, -1.0]), 2),
            tensor("nodes_modes", 2, &modes, 2),
            integers("nodes_truenodeids", &yes),
            integers("nodes_trueleafs", &yes_leaves),
            integers("nodes_falsenodeids", &[0, 0]),
            integers("nodes_falseleafs", &[1, 1]),
            integers("leaf_targetids", &targets),
            tensor("leaf_weights", 1, &floats(&[7.0, 9.0]), 2),
        ];
        file(&input("X", 1, 1), &[node("TreeEnsemble", "ai.onnx.ml", ("X", "Y"), &attributes)])
    };
    let model = OnnxModel::read(&ensemble([1, 1], [0, 1], [0, 0], [0, 0])).unwrap();
    for (feature, score) in [(0.6, 7.0), (0.0, 7.0), (-2.0, 9.0)] {
        assert_eq!(model.judge(&[feature], &mut model.scratch()).scores, [score]);
    }
    let bad = [
        (ensemble([0, 1], [0, 1], [0, 0], [0, 0]), "tree 0 is none"),
        (ensemble([1, 0], [0, 0], [0, 0], [0, 0]), "tree 0 is none"),
        (ensemble([1, 2], [0, 1], [0, 0], [0, 0]), "a node leads nowhere"),
        (ensemble([2, 1], [0, 1], [0, 0], [0, 0]), "a node leads nowhere"),
        (ensemble([1, 1], [0, 1], [6, 0], [0, 0]), "one of several values"),
        (ensemble([1, 1], [0, 1], [0, 9], [0, 0]), "no mode 9"),
        (ensemble([1, 1], [0, 1], [0, 0], [0, 4]), "a target that there is not"),
    ];
    for (bytes, words) in bad {
        let reason = reason(&bytes);
        assert!(reason.contains(words), "{reason}, not {words}");
    }
}
