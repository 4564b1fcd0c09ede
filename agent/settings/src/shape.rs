//! The shape of a config: all keys that the program asks for, found by letting it read one config after another.

use crate::document::Document;
use crate::node::TomlValue;
use crate::outline::{KIND_KEY, Step, TableReading, Wanted};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// What a table may be: its keys, by its kind (what `type` says; `None`: it has no kind, or does not say it).
#[derive(Clone, Debug, Default)]
pub struct ConfigShape {
    /// The keys of each kind, by name.
    pub kinds: BTreeMap<Option<String>, BTreeMap<String, KeyShape>>,
}

/// What one key may be.
#[derive(Clone, Debug, Default)]
pub struct KeyShape {
    /// What it may hold: one of them.
    pub wanted: Vec<Wanted>,
    /// What it means, where the program says so.
    pub note: Option<String>,
    /// The tables that it holds.
    pub tables: ConfigShape,
    /// Whether the program did without it, and whether it said that it cannot.
    absent: (bool, bool),
}

/// The most configs that are read to find a shape.
const READINGS_MAX: usize = 100_000;

impl KeyShape {
    /// Whether it must be given.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.absent == (false, true)
    }
}

impl ConfigShape {
    /// Reads the seeds, and then each of them with another answer to a question that it was asked, until no new question
    /// comes. The seeds give what cannot be guessed, such as an address.
    #[must_use]
    pub fn explore(seeds: Vec<Document>, read: impl Fn(&Document)) -> Self {
        let mut shape = Self::default();
        let mut tried = HashSet::new();
        let mut waiting: VecDeque<Document> = seeds.into();
        for _ in 0..READINGS_MAX {
            let Some(document) = waiting.pop_front() else { break };
            read(&document);
            let readings = document.readings();
            shape.add(&readings);
            for reading in &readings {
                let place = format!("{:?}", with_kinds(&readings, &reading.place));
                for (key, wanted) in &reading.questions {
                    for answer in other_answers(&document, reading, key, wanted) {
                        if tried.insert(format!("{place} {key} {answer:?}")) {
                            waiting.push_back(document.with(&reading.place, key, answer));
                        }
                    }
                }
            }
        }
        shape
    }

    /// The keys of a document's tables that the program has asked for and that the shape lacks.
    #[must_use]
    pub fn lacks(&self, document: &Document) -> Vec<String> {
        let readings = document.readings();
        let mut lacking = Vec::new();
        for reading in &readings {
            let place = with_kinds(&readings, &reading.place);
            let keys = self.keys_at(&place);
            for (key, wanted) in reading.questions.iter().filter(|(_, wanted)| *wanted != Wanted::Presence) {
                let known = keys.and_then(|keys| keys.get(key));
                if known.is_none_or(|known| !known.wanted.contains(wanted)) {
                    lacking.push(format!("{place:?} {key}: {wanted:?}"));
                }
            }
        }
        lacking
    }

    fn keys_at(&self, place: &[(&str, Option<&str>)]) -> Option<&BTreeMap<String, KeyShape>> {
        place.iter().try_fold(self.kinds.get(&None)?, |keys, (key, kind)| {
            keys.get(*key)?.tables.kinds.get(&kind.map(str::to_owned))
        })
    }

    fn add(&mut self, readings: &[TableReading]) {
        for reading in readings {
            let mut keys = self.kinds.entry(None).or_default();
            for (key, kind) in with_kinds(readings, &reading.place) {
                let tables = &mut keys.entry(key.to_owned()).or_default().tables;
                keys = tables.kinds.entry(kind.map(str::to_owned)).or_default();
            }
            reading.add_to(keys);
        }
    }
}

impl TableReading {
    fn add_to(&self, keys: &mut BTreeMap<String, KeyShape>) {
        for (key, wanted) in self.questions.iter().filter(|(_, wanted)| *wanted != Wanted::Presence) {
            let known = keys.entry(key.clone()).or_default();
            if !known.wanted.contains(wanted) {
                known.wanted.push(wanted.clone());
            }
            if !self.given.contains(key) {
                let is_missing = self.missing.contains(key);
                known.absent = (known.absent.0 | !is_missing, known.absent.1 | is_missing);
            }
        }
        for (key, note) in &self.notes {
            if let Some(known) = keys.get_mut(key) {
                known.note = Some(note.clone());
            }
        }
    }

    /// Whether the table is read by its kind, which is a known one.
    fn knows_kind(&self) -> bool {
        self.questions.iter().any(|(key, wanted)| {
            let Wanted::Choice(words) = wanted else { return false };
            key == KIND_KEY && self.kind.as_ref().is_some_and(|kind| words.contains(kind))
        })
    }
}

/// Answers to a question that a document does not give: none, where it gives one; else one of each sort.
fn other_answers(
    document: &Document,
    reading: &TableReading,
    key: &str,
    wanted: &Wanted,
) -> Vec<Option<TomlValue>> {
    let answers = wanted.answers().into_iter().map(Some);
    match (document.has_at(&reading.place, key), wanted) {
        (true, Wanted::Choice(_)) => answers.chain([None]).collect(),
        (true, _) => vec![None],
        (false, _) => answers.collect(),
    }
}

/// The keys on the way to a place, each with the kind of the table that it leads to.
fn with_kinds<'a>(readings: &'a [TableReading], place: &'a [Step]) -> Vec<(&'a str, Option<&'a str>)> {
    let kind_at = |place: &[Step]| {
        let here = readings.iter().find(|reading| reading.place == place && reading.knows_kind());
        here.and_then(|reading| reading.kind.as_deref())
    };
    let steps = place.iter().enumerate();
    steps.map(|(at, step)| (step.key(), kind_at(place.get(..=at).unwrap_or_default()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use std::path::Path;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("t.toml"), text, |_| None)
    }

    fn read(document: &Document) {
        let mut root = document.root();
        for (_, mut pump) in root.named_tables("pumps") {
            let kind = pump.choice("type", &[("gear", 1), ("screw", 2)]);
            if kind.is_none() {
                pump.missing("type", "");
            }
            match kind.map(|kind| kind.value) {
                Some(1) => read_gear(&mut pump),
                Some(_) => {
                    pump.size("size", 1..=9);
                }
                None => {}
            }
            pump.finish();
        }
        root.finish();
    }

    fn read_gear(pump: &mut Table<'_>) {
        if pump.string("url").is_none_or(|url| url.value != "good") {
            return pump.missing("url", "");
        }
        if pump.boolean("deep").is_some_and(|deep| deep.value) {
            pump.tables("parts").into_iter().for_each(|mut part| {
                part.number("wear", 0.0..=1.0);
            });
        }
        pump.note("deep", "whether it is deep");
    }

    #[test]
    fn keys_are_found_behind_every_answer_that_can_be_guessed_and_those_of_the_seeds() {
        let shape =
            ConfigShape::explore(vec![document("[pumps.a]\ntype = \"gear\"\nurl = \"good\"\n")], read);
        let pumps = &shape.kinds[&None]["pumps"];
        assert_eq!(pumps.wanted, [Wanted::NamedTables]);
        let of = |kind: Option<&str>| &pumps.tables.kinds[&kind.map(str::to_owned)];
        assert!(of(None)["type"].is_required() && of(None).len() == 1);
        assert_eq!(of(Some("screw"))["size"].wanted, [Wanted::Size(1..=9)]);
        let gear = of(Some("gear"));
        assert_eq!(gear.keys().collect::<Vec<_>>(), ["deep", "parts", "type", "url"]);
        assert!(!gear["deep"].is_required() && gear["deep"].note.as_deref() == Some("whether it is deep"));
        assert_eq!(gear["parts"].tables.kinds[&None]["wear"].wanted, [Wanted::Number(0.0..=1.0)]);
        let other = document("[pumps.b]\ntype = \"screw\"\n");
        read(&other);
        assert_eq!(shape.lacks(&other), [""; 0]);
        other.root().boolean("late");
        assert_eq!(shape.lacks(&other), ["[] late: Boolean"]);
    }
}
