//! Writes the schema of the config: tests compare it with the file that the program prints.
//!
//! What it says comes from the reading of configs itself: every key that `check` knows is one that it asks for
//! ([`ConfigShape`]). Descriptions come from the comments of the samples. Only words that older drafts have too, because some
//! editors know no newer ones.

mod samples;

use crate::config;
use headwater_settings::{
    ConfigShape, Document, KeyShape, Wanted, format_duration, format_size, parse_duration, parse_size,
};
use samples::Samples;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Where the schema says which one it is.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What [`headwater_settings::parse_duration`] takes.
const DURATION: &str = r"^\s*(\d+(\.\d*)?\s*(d|h|m|s|ms)\s*)+$";

/// What [`headwater_settings::parse_size`] takes.
const SIZE: &str = r"^\s*\d+(\.\d*)?\s*([KMGT]iB|[kKMGT]?B)?\s*$";

/// A value from the environment.
const VARIABLE: &str = r"\$\{";

/// The schema.
pub(super) fn schema(shape: &ConfigShape) -> Value {
    let samples = Samples::read();
    let mut schema = Writer { samples: &samples }.kind(shape, &[]);
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    put(&mut schema, "$schema", DRAFT);
    put(&mut schema, "title", "The config of Headwater");
    put(
        &mut schema,
        "$defs",
        json!({
            "variable": text(VARIABLE),
            "duration": { "anyOf": [text(DURATION), variable()] },
            "size": { "anyOf": [text(SIZE), variable()] },
            "secret": { "anyOf": [{ "type": "string" }, {
                "type": "object",
                "properties": { "file": { "type": "string" } },
                "required": ["file"],
                "additionalProperties": false,
            }] },
        }),
    );
    schema
}

/// The keys that the sample of a whole config does not show: of its tables, of its streams, and of its
/// output, which is of a kind.
pub(super) fn not_shown(shape: &ConfigShape, output: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (table, of) in shape.kinds.get(&None).into_iter().flatten() {
        let kind = (table == "outputs").then_some(output);
        for key in of.tables.kinds.get(&kind.map(str::to_owned)).into_iter().flat_map(BTreeMap::keys) {
            if table != "sources" && !Samples::shows(table, kind, key) {
                missing.push(format!("{table}.{key}"));
            }
        }
    }
    missing
}

/// All that `check` asks for.
pub(super) fn shape() -> ConfigShape {
    ConfigShape::explore(Samples::read().configs().iter().map(|text| document(text)).collect(), config::ask)
}

pub(super) fn document(text: &str) -> Document {
    Document::parse(Path::new("/nonexistent/headwater.toml"), text, |_| None)
}

fn variable() -> Value {
    json!({ "$ref": "#/$defs/variable" })
}

/// A place in the config: its keys, each with the kind of the table there.
type Place<'p> = [(&'p str, Option<&'p str>)];

struct Writer<'s> {
    samples: &'s Samples,
}

impl Writer<'_> {
    /// Tables of a shape, one of its kinds each.
    fn tables(&self, shape: &ConfigShape, place: &Place<'_>, key: &str) -> Value {
        let below = |kind| [place, &[(key, kind)]].concat();
        let without = shape.kinds.get(&None);
        let needs_kind = without.is_none_or(|keys| keys.get("type").is_some_and(KeyShape::is_required));
        let mut kinds: Vec<Value> = Vec::new();
        for (kind, keys) in &shape.kinds {
            match kind {
                None if needs_kind => {}
                kind => kinds.push(self.table(keys, &below(kind.as_deref()))),
            }
        }
        match kinds.len() {
            0 => json!({ "type": "object" }),
            1 => kinds.remove(0),
            _ => json!({ "type": "object", "anyOf": kinds }),
        }
    }

    fn kind(&self, shape: &ConfigShape, place: &Place<'_>) -> Value {
        self.table(shape.kinds.get(&None).unwrap_or(&BTreeMap::new()), place)
    }

    fn table(&self, keys: &BTreeMap<String, KeyShape>, place: &Place<'_>) -> Value {
        let kind = place.last().and_then(|(_, kind)| *kind);
        let property = |(key, shape): (&String, &KeyShape)| {
            let value = match kind {
                Some(kind) if key == "type" => json!({ "const": kind }),
                _ => self.key(key, shape, place),
            };
            (key.clone(), value)
        };
        let mut required: Vec<&String> =
            keys.iter().filter(|(_, shape)| shape.is_required()).map(|(key, _)| key).collect();
        let type_key = "type".to_owned();
        if kind.is_some() && !required.contains(&&type_key) {
            required.push(&type_key);
        }
        let mut table = json!({
            "type": "object",
            "properties": keys.iter().map(property).collect::<Map<_, _>>(),
            "additionalProperties": false,
        });
        if let Some(kind) = kind {
            put(&mut table, "title", kind);
        }
        if !required.is_empty() {
            put(&mut table, "required", json!(required));
        }
        table
    }

    fn key(&self, key: &str, shape: &KeyShape, place: &Place<'_>) -> Value {
        let mut wanted: Vec<Value> =
            shape.wanted.iter().flat_map(|wanted| self.wanted(wanted, &shape.tables, place, key)).collect();
        let mut value = match wanted.len() {
            1 if wanted.iter().all(|one| one.get("$ref").is_none()) => wanted.remove(0),
            // Beside a reference older drafts see nothing else.
            _ => json!({ "anyOf": wanted }),
        };
        if let Some(meaning) = self.meaning(key, shape, place) {
            if let Some(default) = default(&meaning, &shape.wanted) {
                put(&mut value, "default", default);
            }
            put(&mut value, "description", meaning);
        }
        value
    }

    /// What a key means: as the program says, or the samples, and from where to where it goes.
    fn meaning(&self, key: &str, shape: &KeyShape, place: &Place<'_>) -> Option<String> {
        let said = shape.note.as_deref().or_else(|| self.samples.meaning(place, key));
        let range = shape.wanted.iter().find_map(|wanted| match wanted {
            Wanted::Duration(range) => {
                Some(format!("{} to {}", format_duration(*range.start()), format_duration(*range.end())))
            }
            Wanted::Size(range) => {
                Some(format!("{} to {}", format_size(*range.start()), format_size(*range.end())))
            }
            _ => None,
        });
        match (said, range) {
            (Some(said), Some(range)) => Some(format!("{said} ({range})")),
            (said, range) => said.map(str::to_owned).or(range),
        }
    }

    /// What answers a question well: one of these.
    fn wanted(&self, wanted: &Wanted, tables: &ConfigShape, place: &Place<'_>, key: &str) -> Vec<Value> {
        let below = || self.tables(tables, place, key);
        let text = || json!({ "type": "string" });
        let texts = || json!({ "type": "array", "items": text() });
        let named = |values: Value| json!({ "type": "object", "additionalProperties": values });
        match wanted {
            Wanted::Presence => Vec::new(),
            Wanted::Text => vec![text()],
            Wanted::Choice(words) => vec![json!({ "enum": words }), variable()],
            Wanted::Boolean => vec![json!({ "type": "boolean" })],
            Wanted::Integer(range) => vec![
                json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
                variable(),
            ],
            Wanted::Number(range) => vec![number(*range.start(), *range.end()), variable()],
            Wanted::Amount => {
                vec![number(0.0, f64::MAX), json!({ "type": "string", "pattern": r"%\s*$" }), variable()]
            }
            Wanted::Duration(_) => vec![json!({ "$ref": "#/$defs/duration" })],
            Wanted::Size(_) => vec![json!({ "$ref": "#/$defs/size" })],
            Wanted::Texts => vec![texts()],
            Wanted::TextOrTexts => vec![text(), texts()],
            Wanted::Pairs => vec![named(text())],
            Wanted::Numbers => vec![named(json!({ "anyOf": [{ "type": "number" }, variable()] }))],
            Wanted::Secrets => vec![named(json!({ "$ref": "#/$defs/secret" }))],
            Wanted::Secret => vec![json!({ "$ref": "#/$defs/secret" })],
            Wanted::Table => vec![below()],
            Wanted::NamedTables => vec![named(below())],
            Wanted::Tables => vec![json!({ "type": "array", "items": below() })],
        }
    }
}

/// The value that stands for one that is not given, where the meaning of a key says a single one.
fn default(meaning: &str, wanted: &[Wanted]) -> Option<Value> {
    let (_, said) = meaning.split_once("default: ")?;
    let word = said.split([' ', ',', ';']).next()?;
    let is_only = !said.strip_prefix(word)?.starts_with(", or");
    wanted.iter().find_map(|wanted| as_answer(word, wanted)).filter(|_| is_only)
}

/// A word as the answer to a question; `None`: it is none.
fn as_answer(word: &str, wanted: &Wanted) -> Option<Value> {
    let number = || word.parse::<f64>().ok();
    let fits = match wanted {
        Wanted::Choice(words) => words.iter().any(|known| known == word),
        Wanted::Duration(range) => parse_duration(word).is_some_and(|ms| range.contains(&ms)),
        Wanted::Size(range) => parse_size(word).is_some_and(|bytes| range.contains(&bytes)),
        Wanted::Integer(range) => {
            return word.parse().ok().filter(|count| range.contains(count)).map(Value::from);
        }
        Wanted::Number(range) => return number().filter(|number| range.contains(number)).map(Value::from),
        Wanted::Amount => return number().map(Value::from),
        _ => false,
    };
    fits.then(|| word.into())
}

fn put(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(entries) = object {
        entries.insert(key.to_owned(), value.into());
    }
}

fn number(least: f64, most: f64) -> Value {
    let mut number = json!({ "type": "number" });
    if least > f64::MIN {
        put(&mut number, "minimum", least);
    }
    if most < f64::MAX {
        put(&mut number, "maximum", most);
    }
    number
}
