//! Reads one table of the file.

use crate::at::{At, Pairs};
use crate::document::{Document, Severity};
use crate::nearest::nearest;
use crate::node::{TomlEntry, TomlNode, TomlValue};
use crate::outline::{Step, Wanted};
use std::ops::Range;
use std::path::{Path, PathBuf};

mod address;
mod amount;
mod collections;
mod fingerprint;
mod numbers;
mod secret;
mod zone;

pub use amount::Amount;
pub use collections::SwitchOrTable;

/// One table being read. Each read marks its key as known; wrong values are reported and read as absent.
pub struct Table<'d> {
    document: &'d Document,
    entries: &'d [TomlEntry],
    span: Range<usize>,
    path: String,
    asked: Vec<String>,
    /// Where the table is, and the notes about this reading of it; `None`: nobody else chooses its keys.
    reading: Option<(Vec<Step>, usize)>,
    /// Keys of another table, and where they belong.
    misplaced: Vec<(&'static [&'static str], String)>,
}

impl Document {
    /// The whole file as a table.
    pub fn root(&self) -> Table<'_> {
        Table::new(self, &self.root, 0..0, String::new()).noted_at(Vec::new())
    }
}

impl<'d> Table<'d> {
    pub(crate) fn new(
        document: &'d Document,
        entries: &'d [TomlEntry],
        span: Range<usize>,
        path: String,
    ) -> Self {
        Self { document, entries, span, path, asked: Vec::new(), reading: None, misplaced: Vec::new() }
    }

    /// The table, with notes about what is asked of it.
    fn noted_at(mut self, place: Vec<Step>) -> Self {
        let number = self.document.begin_reading(place.clone(), self.entries);
        self.reading = Some((place, number));
        self
    }

    /// The place of a table in this one.
    fn below(&self, step: Step) -> Option<Vec<Step>> {
        let (place, _) = self.reading.as_ref()?;
        Some(place.iter().cloned().chain([step]).collect())
    }

    /// Says what a key means, for the config's schema.
    pub fn note(&self, key: &str, meaning: &str) {
        if let Some((_, number)) = &self.reading {
            let note = (key.to_owned(), meaning.to_owned());
            self.document.note_reading(*number, |reading| reading.notes.push(note));
        }
    }

    fn note_question(&self, key: &str, wanted: Wanted) {
        if let Some((_, number)) = &self.reading {
            self.document.note_reading(*number, |reading| reading.questions.push((key.to_owned(), wanted)));
        }
    }

    /// The place of the table's header or brace.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The table's dotted name, e.g. `sources.field`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the table stands in a text that lies over that of the file: [`Document::parse_over`].
    #[must_use]
    pub fn is_overlaid(&self) -> bool {
        self.document.is_overlaid(&self.span)
    }

    /// The file that contains the table.
    #[must_use]
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// Whether the table has the key, whatever its value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.note_question(key, Wanted::Presence);
        self.holds(key)
    }

    fn holds(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The place of the key's value, or else of the table.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Range<usize> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map_or(self.span.clone(), |entry| entry.node.span.clone())
    }

    /// Reports an error at a place.
    pub fn refuse(&self, span: Range<usize>, what: impl Into<String>, fix: impl Into<String>) {
        self.document.add(Severity::Error, span, what, fix);
    }

    /// Reports a warning at a place.
    pub fn warn(&self, span: Range<usize>, what: impl Into<String>, fix: impl Into<String>) {
        self.document.add(Severity::Warning, span, what, fix);
    }

    /// Reports that a key is needed, unless it is there (then its value was wrong, and that is reported already).
    pub fn missing(&self, key: &str, fix: impl Into<String>) {
        if !self.holds(key) {
            if let Some((_, number)) = &self.reading {
                self.document.note_reading(*number, |reading| reading.missing.push(key.to_owned()));
            }
            let name = if self.path.is_empty() { String::new() } else { format!(" in [{}]", self.path) };
            self.refuse(self.span.clone(), format!("`{key}` is missing{name}"), fix);
        }
    }

    /// A string, with `${NAME}` replaced.
    pub fn string(&mut self, key: &str) -> Option<At<String>> {
        let node = self.ask(key, Wanted::Text)?;
        self.text_of(node, &format!("`{key}`"))
    }

    /// One of the given words.
    pub fn choice<T: Clone>(&mut self, key: &str, words: &[(&str, T)]) -> Option<At<T>> {
        let wanted = Wanted::Choice(words.iter().map(|(word, _)| (*word).to_owned()).collect());
        let node = self.ask(key, wanted)?;
        let text = self.text_of(node, &format!("`{key}`"))?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let likely = nearest(&text.value, words.iter().map(|(word, _)| *word));
            let fix = likely
                .map_or(format!("one of {known}"), |word| format!("did you mean `{word}`? One of {known}"));
            self.refuse(text.span.clone(), format!("`{key}` cannot be `{}`", text.value), fix);
        }
        found.map(|(_, value)| At { value: value.clone(), span: text.span })
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<At<bool>> {
        let node = self.ask(key, Wanted::Boolean)?;
        match &node.value {
            TomlValue::Boolean(value) => Some(At { value: *value, span: node.span.clone() }),
            other => self.wrong_kind(node, key, "true or false, without quotes", other),
        }
    }

    /// A list of strings.
    pub fn strings(&mut self, key: &str) -> Option<At<Vec<At<String>>>> {
        let node = self.ask(key, Wanted::Texts)?;
        self.texts_of(node, key)
    }

    fn texts_of(&self, node: &TomlNode, key: &str) -> Option<At<Vec<At<String>>>> {
        let TomlValue::List(items) = &node.value else {
            return self.wrong_kind(node, key, "a list of strings, in brackets", &node.value);
        };
        let texts =
            items.iter().filter_map(|item| self.text_of(item, &format!("an entry of `{key}`"))).collect();
        Some(At { value: texts, span: node.span.clone() })
    }

    /// A table of strings, e.g. `{ site = "north" }`, in the order of the file.
    pub fn pairs(&mut self, key: &str) -> Option<At<Pairs>> {
        let node = self.ask(key, Wanted::Pairs)?;
        let TomlValue::Table(entries) = &node.value else {
            return self.wrong_kind(
                node,
                key,
                "a table of strings such as { site = \"north\" }",
                &node.value,
            );
        };
        let pairs = entries
            .iter()
            .filter_map(|entry| {
                Some((entry.key.clone(), self.text_of(&entry.node, &format!("`{}`", entry.key))?))
            })
            .collect();
        Some(At { value: pairs, span: node.span.clone() })
    }

    /// The folder of the file, where relative paths start.
    #[must_use]
    pub fn folder(&self) -> &'d Path {
        self.document.folder()
    }

    /// A path; relative ones start at the file's folder.
    pub fn path_to(&mut self, key: &str) -> Option<At<PathBuf>> {
        let text = self.string(key)?;
        if self.document.refuse_overlaid(&text.span, &format!("the file of `{key}`")) {
            return None;
        }
        Some(At { value: self.document.folder().join(&text.value), span: text.span })
    }

    /// A sub-table.
    pub fn table(&mut self, key: &str) -> Option<Table<'d>> {
        let node = self.ask(key, Wanted::Table)?;
        self.table_of(node, self.child(key), Step::Table(key.to_owned()))
    }

    /// The sub-tables of `key`, each with its name and the place of the name: `[key.name]`.
    pub fn named_tables(&mut self, key: &str) -> Vec<(At<String>, Table<'d>)> {
        let Some(node) = self.ask(key, Wanted::NamedTables) else { return Vec::new() };
        let TomlValue::Table(entries) = &node.value else {
            self.wrong_kind::<()>(node, key, &format!("tables with a name, [{key}.NAME]"), &node.value);
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|entry| {
                let name = At { value: entry.key.clone(), span: entry.key_span.clone() };
                let step = Step::Named(key.to_owned(), entry.key.clone());
                let mut table =
                    self.table_of(&entry.node, format!("{}.{}", self.child(key), entry.key), step)?;
                table.span = entry.key_span.clone();
                Some((name, table))
            })
            .collect()
    }

    /// A list of tables: `[[key]]`.
    pub fn tables(&mut self, key: &str) -> Vec<Table<'d>> {
        let Some(node) = self.ask(key, Wanted::Tables) else { return Vec::new() };
        let TomlValue::List(items) = &node.value else {
            self.wrong_kind::<()>(
                node,
                key,
                &format!("a list of tables, [[{}]]", self.child(key)),
                &node.value,
            );
            return Vec::new();
        };
        let table_of =
            |(number, item)| self.table_of(item, self.child(key), Step::Item(key.to_owned(), number));
        items.iter().enumerate().filter_map(table_of).collect()
    }

    /// Says where keys belong that people write here and that are not of this table.
    pub fn belongs_elsewhere(&mut self, keys: &'static [&'static str], fix: impl Into<String>) {
        self.misplaced.push((keys, fix.into()));
    }

    /// Ends the reading: every unknown key is an error that suggests the nearest known one.
    pub fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !self.asked.contains(&entry.key)) {
            let known = || self.asked.iter().map(String::as_str);
            let elsewhere = self.misplaced.iter().find(|(keys, _)| keys.contains(&entry.key.as_str()));
            let fix = match (elsewhere, nearest(&entry.key, known())) {
                (Some((_, fix)), _) => fix.clone(),
                (None, Some(key)) => format!("did you mean `{key}`?"),
                (None, None) => format!("known here: {}", known().collect::<Vec<_>>().join(", ")),
            };
            let place = if self.path.is_empty() { String::new() } else { format!(" in [{}]", self.path) };
            self.refuse(entry.key_span.clone(), format!("unknown key `{}`{place}", entry.key), fix);
        }
    }

    fn ask(&mut self, key: &str, wanted: Wanted) -> Option<&'d TomlNode> {
        self.note_question(key, wanted);
        if !self.asked.iter().any(|asked| asked == key) {
            self.asked.push(key.to_owned());
        }
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn table_of(&self, node: &'d TomlNode, path: String, step: Step) -> Option<Table<'d>> {
        match &node.value {
            TomlValue::Table(entries) => {
                let table = Table::new(self.document, entries, node.span.clone(), path);
                Some(match self.below(step) {
                    Some(place) => table.noted_at(place),
                    None => table,
                })
            }
            other => self.wrong_kind(node, &path, "a table", other),
        }
    }

    fn wrong_kind<T>(&self, node: &TomlNode, key: &str, wanted: &str, got: &TomlValue) -> Option<T> {
        let what = format!("`{key}` is {} here, not {}", got.kind(), crate::units::first_words(wanted));
        self.refuse(node.span.clone(), what, format!("write {wanted}"));
        None
    }

    fn parsed<T>(
        &self,
        node: &TomlNode,
        key: &str,
        text: &str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(text);
        if value.is_none() {
            self.refuse(node.span.clone(), format!("`{key}` cannot be `{text}`"), format!("write {wanted}"));
        }
        value
    }

    /// The node's text with each `${NAME}` replaced by the environment's answer.
    fn text_of(&self, node: &TomlNode, name: &str) -> Option<At<String>> {
        let TomlValue::Text(text) = &node.value else {
            let fix = "write it in quotes".to_owned();
            self.refuse(
                node.span.clone(),
                format!("{name} is {} here, not a string", node.value.kind()),
                fix,
            );
            return None;
        };
        let mut value = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let Some((variable, tail)) = after.split_once('}') else { break };
            value.push_str(before);
            match self.document.environment(variable) {
                Some(answer) => {
                    self.document.hide(&answer);
                    value.push_str(&answer);
                }
                None => {
                    let what = format!("the environment variable `{variable}` is not set");
                    self.refuse(node.span.clone(), what, "set it for the service, or write the value itself");
                    return None;
                }
            }
            rest = tail;
        }
        value.push_str(rest);
        Some(At { value, span: node.span.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Or;
    use std::path::Path;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("test.toml"), text, |name| (name == "ZONE").then(|| "bed1".to_owned()))
    }

    #[test]
    fn every_mistake_is_reported_with_its_place_and_the_way_out() {
        let text = "[window]\nsize = \"1x\"\nqos = 7\ntpye = \"tumbling\"\nshape = \"tubmling\"\n";
        let document = document(text);
        let mut root = document.root();
        let mut window = root.table("window").unwrap();
        assert_eq!(window.duration("size", 1..=1000), None);
        assert_eq!(window.integer("qos", 0..=2), None);
        assert_eq!(window.string("type"), None);
        window.missing("type", "add `type = \"tumbling\"`");
        assert_eq!(window.choice("shape", &[("tumbling", 1), ("sliding", 2)]), None);
        window.finish();
        root.finish();
        let shown: Vec<String> = document.mistakes().iter().map(|m| document.render(m)).collect();
        assert_eq!(shown.len(), 5, "{shown:#?}");
        assert!(shown[0].contains("test.toml:1:1: error: `type` is missing in [window]"), "{}", shown[0]);
        assert!(shown[1].contains("test.toml:2:8: error: `size` cannot be `1x`"), "{}", shown[1]);
        assert!(shown[1].contains("2 | size = \"1x\"\n  |        ^^^^\n"), "{}", shown[1]);
        assert!(shown[2].contains("3:7: error: `qos` is 7, out of range"), "{}", shown[2]);
        assert!(shown[3].contains("4:1: error: unknown key `tpye` in [window]\n"), "{}", shown[3]);
        assert!(shown[3].contains("did you mean `type`?"), "{}", shown[3]);
        assert!(shown[4].contains("did you mean `tumbling`?"), "{}", shown[4]);
    }

    #[test]
    fn environment_and_secrets_are_filled_in() {
        let folder = std::env::temp_dir().join(format!("headwater-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pw"), "hunter2\n").unwrap();
        let text = "a = \"x/${ZONE}/y\"\nb = \"${NOPE}\"\nc = { file = \"pw\" }\nd = { file = \"gone\" }\n";
        let document =
            Document::parse(&folder.join("c.toml"), text, |name| (name == "ZONE").then(|| "bed1".to_owned()));
        let mut root = document.root();
        assert_eq!(root.string("a").given().as_deref(), Some("x/bed1/y"));
        assert_eq!(root.string("b"), None);
        assert_eq!(root.secret("c").given().unwrap().reveal(), "hunter2");
        assert_eq!(root.secret("d"), None);
        root.finish();
        let mut mistakes = document.mistakes();
        mistakes.retain(|mistake| mistake.severity == Severity::Error);
        assert_eq!(mistakes.len(), 2);
        assert!(mistakes[0].what.contains("`NOPE` is not set"));
        assert!(mistakes[1].what.starts_with("cannot read the secret"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_secret_is_shown() {
        let text = "a = \"${PW}\"\nurl = \"mqtt://u:hunter2@host\"\npassword = 'hunter2' x\n";
        let document = Document::parse(Path::new("t.toml"), text, |_| Some("hunter2".to_owned()));
        let mut root = document.root();
        assert_eq!(
            (root.duration("a", 0..=1), root.choice::<()>("url", &[]), root.secret("b")),
            (None, None, None)
        );
        root.finish();
        let shown = document.render_all();
        assert!(!shown.contains("hunter2") && shown.matches("***").count() > 3, "{shown}");
        assert!(shown.contains("t.toml:3:") && shown.contains("`a` cannot be `***`"), "{shown}");
    }

    #[test]
    fn secrets_that_others_may_read_are_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("headwater-readable-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("c.toml");
        let text = "a = \"hunter2\"\nb = { file = \"pw\" }\nc = \"${PW}\"\n";
        for (name, content) in [("pw", "x"), ("c.toml", text)] {
            std::fs::write(folder.join(name), content).unwrap();
        }
        for (mode, expected) in [(0o640, 0), (0o644, 2)] {
            for name in ["pw", "c.toml"] {
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(folder.join(name), mode).unwrap();
            }
            let document = Document::parse(&config, text, |_| Some("y".to_owned()));
            let mut root = document.root();
            assert!(["a", "b", "c"].into_iter().all(|key| root.secret(key).is_some()));
            let warnings = document.mistakes();
            assert_eq!(warnings.len(), expected, "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.what.contains("everybody")), "{warnings:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn broken_syntax_is_a_mistake_with_a_place() {
        let document = document("a = \n[b\nc = 1\n");
        assert!(document.is_syntax_broken() && document.has_errors());
        assert!(document.render(&document.mistakes()[0]).starts_with("test.toml:1:"));
    }
}
