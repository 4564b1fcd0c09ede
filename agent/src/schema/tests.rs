//! The schema has every key that the program asks for, and says what it means.

use super::explore::{document, not_shown, schema, shape};
use crate::config;
use headwater_settings::ConfigShape;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Found out once, for all tests.
static SHAPE: LazyLock<ConfigShape> = LazyLock::new(shape);

/// The places of keys without a description.
fn undescribed(schema: &Value, place: &str, found: &mut Vec<String>) {
    let tables = schema["anyOf"].as_array().into_iter().flatten();
    let inner = [&schema["additionalProperties"], &schema["items"]];
    for table in tables.chain(inner).filter(|table| table.is_object()) {
        undescribed(table, place, found);
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        let holds_tables = property.to_string().contains("\"properties\"");
        if property["description"].is_null() && property["const"].is_null() && !holds_tables {
            found.push(place.clone());
        }
        undescribed(property, &place, found);
    }
}

/// A line for each key and value. One space a level: the file is deep.
fn written(schema: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    schema.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter)).unwrap();
    text.push(b'\n');
    String::from_utf8(text).unwrap()
}

/// A build with less has sources and outputs less, and prints the same file.
#[cfg(all(feature = "kafka", feature = "i2c", feature = "modbus"))]
#[test]
fn the_file_is_what_the_reading_of_configs_asks_for() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    let explored = written(&schema(&SHAPE));
    if std::env::var_os("HEADWATER_BLESS").is_some() {
        std::fs::write(&file, &explored).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    let differs =
        explored.lines().zip(committed.lines()).position(|(explored, committed)| explored != committed);
    let at = differs.unwrap_or_else(|| explored.lines().count().min(committed.lines().count()));
    let line = |text: &str| text.lines().nth(at).map(str::to_owned);
    assert!(
        explored == committed,
        "agent/schema.json:{}: {:?} should be {:?}: HEADWATER_BLESS=1 cargo test -p headwater --lib schema writes the file",
        at + 1,
        line(&committed),
        line(&explored),
    );
}

#[test]
fn the_program_prints_the_whole_file() {
    let file = include_str!("../../schema.json");
    assert!(file.len() > 10_000 && super::schema() == file.as_bytes());
}

#[test]
fn every_key_says_what_it_means() {
    let mut found = Vec::new();
    undescribed(&schema(&SHAPE), "", &mut found);
    found.sort();
    found.dedup();
    assert_eq!(found, [""; 0], "write a comment behind it in a sample");
}

/// What the sample of a whole config leaves out, because a comment in it names it, or few need it. What a source has, its own
/// sample shows.
const LEFT_OUT: [&str; 5] =
    ["outputs.cert", "outputs.client_id", "outputs.key", "outputs.privacy", "outputs.topic"];

#[test]
fn the_sample_shows_every_key_but_those_that_are_left_out_on_purpose() {
    assert_eq!(
        not_shown(&SHAPE, "mqtt"),
        LEFT_OUT,
        "write it into systemd/headwater.toml, or say here that it is left out"
    );
}

/// The defaults of all keys that have one.
fn defaults<'s>(schema: &'s Value, found: &mut Vec<&'s Value>) {
    let inner = [&schema["additionalProperties"], &schema["items"]];
    for table in
        schema["anyOf"].as_array().into_iter().flatten().chain(inner).filter(|table| table.is_object())
    {
        defaults(table, found);
    }
    for property in schema["properties"].as_object().into_iter().flat_map(|keys| keys.values()) {
        found.extend(property.get("default"));
        defaults(property, found);
    }
}

#[test]
fn defaults_are_values_and_not_words_alone() {
    let schema = schema(&SHAPE);
    let mut found = Vec::new();
    defaults(&schema, &mut found);
    let count = |is_it: &dyn Fn(&Value) -> bool| found.iter().filter(|default| is_it(default)).count();
    let counts = [
        count(&|default| default.as_f64() == Some(12.0)),
        count(&|default| default == "0s"),
        count(&|default| default == "high"),
    ];
    assert!(counts[0] >= 14 && counts[1] >= 40 && counts[2] >= 1, "{counts:?} of {}", found.len());
}

/// The configs of all cases, and of the guides.
fn configs() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders =
        ["agent", "sensors", "forwarder", "systemd", "tests"].map(|folder| root.join(folder)).to_vec();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml")
                && !path.ends_with("Cargo.toml")
            {
                texts.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            } else if path.ends_with("README.md") {
                let guide = std::fs::read_to_string(&path).unwrap();
                let blocks = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
                texts.extend(blocks.map(|block| (path.clone(), block.to_owned())));
            }
        }
    }
    texts
}

#[test]
fn no_config_is_asked_for_a_key_that_the_schema_lacks() {
    let configs = configs();
    assert!(configs.len() > 100, "{}", configs.len());
    for (path, text) in configs {
        let document = document(&text);
        config::ask(&document);
        assert_eq!(SHAPE.lacks(&document), [""; 0], "{}:\n{text}", path.display());
    }
}
