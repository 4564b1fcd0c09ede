//! The JSON Schema of the config, in the hands of a validator that others wrote: Python's `jsonschema`.

use crate::TempDir;
use crate::agent::run;
use std::collections::BTreeMap;
use std::process::Command;

/// Prints a line for each config that does not fit: its number, and the first mistake.
const VALIDATE: &str = "
import json, sys, tomllib
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for number, path in enumerate(sys.argv[2:]):
    error = best_match(validator.iter_errors(tomllib.load(open(path, 'rb'))))
    if error:
        print(number, error.json_path, error.message.replace('\\n', ' ')[:300])
";

/// What the validator says of configs that do not fit the schema, by their number; `None`: there is no validator here.
///
/// # Panics
/// When the schema is none, or a config is no TOML.
#[must_use]
pub fn misfits(configs: &[String]) -> Option<BTreeMap<usize, String>> {
    let has = |module: &str| {
        let code = format!("import {module}");
        Command::new("python3").args(["-c", &code]).output().is_ok_and(|output| output.status.success())
    };
    if !has("jsonschema, tomllib") {
        return None;
    }
    let dir = TempDir::new();
    let schema = run(&dir, &["schema"]);
    assert!(schema.status.success(), "{}", String::from_utf8_lossy(&schema.stderr));
    let mut command = Command::new("python3");
    command.args(["-c", VALIDATE]).arg(dir.write("schema.json", schema.stdout));
    for (number, config) in configs.iter().enumerate() {
        command.arg(dir.write(&format!("{number}.toml"), config));
    }
    let output = command.output().expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let (number, mistake) = line.split_once(' ')?;
        Some((number.parse().ok()?, mistake.to_owned()))
    };
    Some(lines.lines().filter_map(line).collect())
}
