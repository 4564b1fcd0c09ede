//! House rules that no compiler knows, as a ratchet: a limit may only go down, an exception only go away.

use headwater_tests::imports::{self, Imports};
use headwater_tests::tree::{File, product, root, sources};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 400;

/// The only file of the product that may read the system's clocks.
const CLOCK: &str = "agent/src/clock.rs";

/// The only file that may name the store.
const STORE: &str = "forwarder/src/store/sled.rs";

/// Who may depend on whom inside the workspace: a star, whose leaves do not know each other.
const STAR: &[(&str, &[&str])] = &[
    (
        "headwater",
        &[
            "headwater-forwarder",
            "headwater-http",
            "headwater-kernel",
            "headwater-lab",
            "headwater-model",
            "headwater-mqtt",
            "headwater-onnx",
            "headwater-page",
            "headwater-pipeline",
            "headwater-sensors",
            "headwater-settings",
            "headwater-text",
            "headwater-wire",
        ],
    ),
    ("headwater-expression", &["headwater-settings"]),
    (
        "headwater-forwarder",
        &["headwater-http", "headwater-kafka", "headwater-mqtt", "headwater-protobuf", "headwater-settings"],
    ),
    ("headwater-http", &["headwater-settings", "headwater-text", "headwater-tls"]),
    ("headwater-kafka", &["headwater-settings", "headwater-text", "headwater-tls"]),
    ("headwater-kernel", &[]),
    (
        "headwater-lab",
        &[
            "headwater-kernel",
            "headwater-model",
            "headwater-pipeline",
            "headwater-sensors",
            "headwater-settings",
            "headwater-text",
            "headwater-wire",
        ],
    ),
    ("headwater-model", &["headwater-kernel"]),
    ("headwater-mqtt", &["headwater-settings", "headwater-tls"]),
    ("headwater-onnx", &["headwater-protobuf"]),
    ("headwater-page", &[]),
    ("headwater-pipeline", &["headwater-expression", "headwater-kernel", "headwater-settings"]),
    ("headwater-protobuf", &[]),
    (
        "headwater-sensors",
        &[
            "headwater-expression",
            "headwater-http",
            "headwater-kafka",
            "headwater-mqtt",
            "headwater-protobuf",
            "headwater-settings",
            "headwater-text",
        ],
    ),
    ("headwater-settings", &["headwater-text"]),
    ("headwater-tests", &["headwater", "headwater-forwarder", "headwater-kernel"]),
    ("headwater-text", &[]),
    ("headwater-tls", &["headwater-settings"]),
    (
        "headwater-wire",
        &["headwater-forwarder", "headwater-kernel", "headwater-pipeline", "headwater-protobuf"],
    ),
];

#[test]
fn time_is_an_argument() {
    let readers = ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"];
    // The runtime's own timer is no clock: it knows no date, and tests stop it.
    let timer = |file: &File| {
        file.text.lines().any(|line| line.starts_with("use tokio::time::") && line.contains("Instant"))
    };
    let own =
        |file: &File, place: &str| place.contains("Instant::now") && timer(file) || place.starts_with(CLOCK);
    let places = |file: File| {
        file.lines_with(&readers).into_iter().filter(|place| !own(&file, place)).collect::<Vec<_>>()
    };
    let found = product().flat_map(places).collect::<Vec<_>>();
    assert!(
        found.is_empty(),
        "only {CLOCK} reads a clock; take the time as an argument instead:\n{}",
        found.join("\n")
    );
}

#[test]
fn one_file_knows_the_store() {
    let found = product().flat_map(|file| file.lines_with(&["sled::", "use sled"])).collect::<Vec<_>>();
    let own = |place: &str| place.starts_with(STORE) || place.contains("store::sled::");
    let foreign = found.iter().filter(|place| !own(place)).collect::<Vec<_>>();
    assert!(foreign.is_empty(), "only {STORE} names sled: {foreign:#?}");
}

#[test]
fn nothing_is_left_half_done() {
    let marks =
        ["todo!(", "unimplemented!(", concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), "dbg!("];
    let found = sources()
        .flat_map(|file| file.lines_with(&marks))
        .filter(|place| !place.starts_with("tests/tests/tidy.rs"));
    let found = found.collect::<Vec<_>>();
    assert!(found.is_empty(), "finish it, or say in words what is missing:\n{}", found.join("\n"));
}

#[test]
fn files_stay_short_enough_to_read() {
    let mut found = Vec::new();
    for file in sources() {
        let count = file.before_tests().lines().count();
        if count > FILE_LINES_MAX {
            found.push(format!("{}: {count} lines before its tests; make it two files", file.name));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_is_part_of_the_program_and_says_what_it_is() {
    let mut found = Vec::new();
    for file in sources() {
        if !file.text.starts_with("//!") && !file.text.starts_with("#!") {
            found.push(format!("{}: no `//!` in its first line", file.name));
        }
        if !file.is_root() && !file.is_declared() {
            found.push(format!("{}: no module declares it", file.name));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A file that ARCHITECTURE.md names must exist, because a check that is not there holds nothing.
#[test]
fn the_architecture_names_files_that_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let names: Vec<String> = product().chain(sources()).map(|file| format!("/{}", file.name)).collect();
    let named = text.split('`').skip(1).step_by(2).filter(|word| word.ends_with(".rs") && word.contains('/'));
    let is_there = |word: &&str| {
        root().join(word).exists() || names.iter().any(|name| name.ends_with(&format!("/{word}")))
    };
    let gone: Vec<&str> = named.filter(|word| !is_there(word)).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names what is not there: {gone:?}");
}

#[test]
fn the_kernel_stays_free_of_the_standard_library() {
    let kernel = product().filter(|file| file.name.starts_with("agent/kernel/src/")).collect::<Vec<_>>();
    assert!(kernel.iter().any(|file| file.name.ends_with("lib.rs") && file.text.contains("#![no_std]")));
    let found = kernel.iter().flat_map(|file| file.lines_with(&["std::", "extern crate", "alloc::"]));
    let found = found.collect::<Vec<_>>();
    assert!(found.is_empty(), "the kernel runs on a microcontroller:\n{}", found.join("\n"));
}

/// CONTRIBUTING.md promises that a source needs one folder and two lines. A third place shows that a seam is wrong.
#[test]
fn a_source_is_one_folder_and_two_lines() {
    let folder = "sensors/src";
    let names: Vec<String> = names_in(folder).into_iter().filter(|name| holds_source(folder, name)).collect();
    assert!(names.len() >= 3, "the sources are not where this test looks: {names:?}");
    for name in names {
        for file in ["mod.rs", "README.md", "sample.toml", "cases"] {
            let path = format!("{folder}/{name}/{file}");
            assert!(root().join(&path).exists(), "{path} is missing");
        }
        // Outputs and protocols may have the same names.
        let is_other = |file: &File| ["forwarder/", "agent/mqtt/"].iter().any(|at| file.name.starts_with(at));
        let own = [format!("{folder}/{name}/")];
        // A module of the standard library and a format of times; a drop-in of the service; the listener and its crates.
        let is_a_word = ["unix", "serial", "http"].contains(&name.as_str());
        let files =
            product().filter(|file| !is_other(file) && (!is_a_word || file.name == "sensors/src/lib.rs"));
        check_mentions(files, "sensors/src/lib.rs", &name, &own);
    }
}

#[test]
fn a_payload_format_is_one_file_and_two_lines() {
    let list = "sensors/src/format.rs";
    let text = std::fs::read_to_string(root().join(list)).expect(list);
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.trim().split_once("::KIND")).map(|(n, _)| n).collect();
    assert!(names.len() >= 3, "the formats are not where this test looks: {names:?}");
    for name in names {
        assert!(root().join(format!("sensors/src/format/{name}.rs")).exists(), "no file for {name}");
        // A recording may be an envelope in JSON, or a table; JSON of one value is told of the format for such.
        let own = [
            format!("sensors/src/format/{name}"),
            "sensors/src/recording.rs".to_owned(),
            "sensors/src/format/json.rs".to_owned(),
        ];
        let files = product().filter(|file| file.name.starts_with("sensors/"));
        check_mentions(files, list, name, &own);
    }
}

#[test]
fn an_output_is_one_folder_and_two_lines() {
    const LIST: &str = "forwarder/src/lib.rs";
    let outputs = names_in("forwarder/src/output");
    assert!(outputs.len() >= 3, "the outputs are not where this test looks: {outputs:?}");
    for output in outputs {
        let folder = format!("forwarder/src/output/{output}/");
        for file in ["mod.rs", "README.md", "sample.toml"] {
            assert!(root().join(&folder).join(file).exists(), "{folder} has no {file}");
        }
        let list = std::fs::read_to_string(root().join(LIST)).expect("the list of outputs");
        let named = [format!("mod {output};"), format!("output::{output}::KIND")];
        for text in &named {
            assert_eq!(list.matches(text.as_str()).count(), 1, "{LIST} names {output} as `{text}`, once");
        }
        let foreign =
            product().filter(|file| file.name != LIST && !file.name.starts_with(&folder)).flat_map(|file| {
                file.lines_with(&[
                    &format!("output::{output}::"),
                    &format!("OutputKind {{ name: \"{output}\""),
                ])
            });
        let foreign = foreign.collect::<Vec<_>>();
        assert!(foreign.is_empty(), "{output} is named outside its own folder: {foreign:#?}");
    }
}

/// One word means one thing, so a name stands for one type.
#[test]
fn a_type_name_stands_for_one_type() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in product().filter(|file| !file.name.starts_with("cross/")) {
        for name in file.before_tests().lines().filter_map(type_name) {
            places.entry(name.to_owned()).or_default().push(file.name.clone());
        }
    }
    assert!(places.len() > 200, "the types are not where this test looks");
    let shared: Vec<_> = places.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(shared.is_empty(), "public or crate-wide types of one name: {shared:#?}");
}

/// Files whose types are recursive: a number of one kind can be made of one of the other.
const RECURSIVE_TYPES: [&str; 2] =
    ["agent/expression/src/node/double.rs", "agent/expression/src/node/int.rs"];

/// Files that import each other cannot be read or changed alone.
#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let files: Vec<File> = product().collect();
    let crates = imports::of_crates(&files);
    assert!(
        crates.values().map(Imports::files).sum::<usize>() > 300,
        "the files are not where this test looks"
    );
    let globs: Vec<&String> = crates.values().flat_map(|imports| &imports.globs).collect();
    assert!(globs.is_empty(), "name what is imported: {globs:?}");
    let circles = crates.values().flat_map(Imports::circles).filter(|circle| *circle != RECURSIVE_TYPES);
    let circles: Vec<_> = circles.collect();
    assert!(circles.is_empty(), "files that import each other: {circles:#?}");
}

/// The name of the type that a line declares for its whole crate, or for others.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub "))?;
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then_some(name) // a macro fills in the others
}

/// Checks that a list names `name` in exactly two lines, its `mod` and its entry, and that no other of the files does
/// but those in `own`.
fn check_mentions(files: impl Iterator<Item = File>, list: &str, name: &str, own: &[String]) {
    let words = [format!("mod {name};"), format!("{name}::"), format!("\"{name}\""), format!("\"{name}\\\"")];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_word = |place: &String| {
        let before =
            |at: usize| place[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        words.iter().any(|word| place.match_indices(word).any(|(at, _)| before(at)))
    };
    let places = files.flat_map(|file| file.lines_with(&words)).filter(is_word);
    // What a build leaves out is marked beside its two lines.
    let places: Vec<String> = places.filter(|place| !place.contains("#[cfg(feature = ")).collect();
    let (listed, others): (Vec<&String>, Vec<&String>) =
        places.iter().partition(|place| place.starts_with(list));
    assert_eq!(listed.len(), 2, "{list} names {name} in {listed:#?}");
    let foreign: Vec<_> =
        others.into_iter().filter(|place| !own.iter().any(|own| place.starts_with(own))).collect();
    assert!(foreign.is_empty(), "{name} is named outside its own place: {foreign:#?}");
}

fn names_in(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder").flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Whether a file of the folder makes a `SourceKind`.
fn holds_source(folder: &str, name: &str) -> bool {
    product()
        .filter(|file| file.name.starts_with(&format!("{folder}/{name}/")))
        .any(|file| !file.lines_with(&["SourceKind {"]).is_empty())
}

#[test]
fn the_crates_form_a_star() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON from cargo");
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        STAR.iter().map(|(name, others)| (*name, others.iter().copied().collect())).collect();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let Some(allowed) = allowed.get(name) else {
            assert!(name.contains("mcu"), "{name} has no place in the star yet: give it one in this test");
            continue;
        };
        let all = package["dependencies"].as_array().expect("dependencies").iter();
        let own = all.filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev");
        for dependency in own.map(|dependency| dependency["name"].as_str().expect("a name")) {
            assert!(allowed.contains(dependency), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn no_large_file_comes_in_unseen() {
    const LARGE: u64 = 300 << 10;
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Ok(output) = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()) else {
        return println!("skipped: no git here");
    };
    let size = |name: &str| std::fs::metadata(root().join(name)).map_or(0, |file| file.len());
    let large = output.split('\0').filter(|name| size(name) > LARGE).collect::<Vec<_>>();
    assert!(large.is_empty(), "files above {LARGE} bytes: {large:?}");
}
