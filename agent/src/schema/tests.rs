//! Every key is in the schema, and says what it means.

use super::*;
use std::path::PathBuf;

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

#[test]
fn every_key_says_what_it_means() {
    let mut found = Vec::new();
    undescribed(&schema(), "", &mut found);
    found.sort();
    found.dedup();
    assert_eq!(found, [""; 0], "write a comment behind it in a sample");
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
    let shape = shape(&Samples::read());
    let configs = configs();
    assert!(configs.len() > 100, "{}", configs.len());
    for (path, text) in configs {
        let document = document(&text);
        config::ask(&document);
        assert_eq!(shape.lacks(&document), [""; 0], "{}:\n{text}", path.display());
    }
}
