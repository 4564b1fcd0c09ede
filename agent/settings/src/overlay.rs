//! A second text that lies over that of the file, table by table: what was changed remotely.
//!
//! `[sources.NAME]`, `[streams.NAME]` and `[limits]` take the place of the file's tables of the same name. Nothing else may
//! stand there, and nothing that reads a file, an environment variable or a secret: whoever may change the config remotely
//! must not be able to send what only this machine knows to a place of their choice.

use crate::document::{Document, OverlayPlace, Severity};
use crate::node::{TomlEntry, TomlNode, TomlValue};
use std::ops::Range;
use std::path::Path;

/// Tables of tables, each of which is taken by its name.
const NAMED: [&str; 2] = ["sources", "streams"];

/// Tables that are taken as a whole.
const WHOLE: [&str; 1] = ["limits"];

/// The way out of a table that has no place there.
const ONLY: &str =
    "write [sources.NAME], [streams.NAME] or [limits]; the rest is changed in the config's file";

/// The way out of a value that comes from elsewhere.
const IN_FILE: &str = "write the value itself, or change the table in the config's file";

/// A text that lies over that of a file.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'o> {
    /// What messages call it.
    pub path: &'o Path,
    /// The text, in TOML.
    pub text: &'o str,
}

impl Document {
    /// Parses a text and another one that lies over it. As [`Document::parse`]; mistakes in the second text have its path.
    #[must_use]
    pub fn parse_over(
        path: &Path,
        text: &str,
        overlay: Overlay<'_>,
        env: impl Fn(&str) -> Option<String> + 'static,
    ) -> Self {
        let mut document = Self::parse(path, text, env);
        // Blanks in the place of the file's text give what lies over it places behind those of the file.
        let start = text.len() + 1;
        let entries = document.add_text(&(" ".repeat(start) + overlay.text), start);
        document.overlay = Some(OverlayPlace { path: overlay.path.to_owned(), start });
        for entry in entries {
            document.refuse_variables(&entry.node);
            document.lay(entry);
        }
        document
    }

    /// Whether a place is in the text that lies over the file's.
    pub(crate) fn is_overlaid(&self, span: &Range<usize>) -> bool {
        self.overlay.as_ref().is_some_and(|overlay| span.start >= overlay.start)
    }

    /// Refuses a value that comes from elsewhere where it stands in an overlay. True: it is refused.
    pub(crate) fn refuse_overlaid(&self, span: &Range<usize>, what: &str) -> bool {
        let is_overlaid = self.is_overlaid(span);
        if is_overlaid {
            self.add(Severity::Error, span.clone(), format!("{what} cannot be set remotely"), IN_FILE);
        }
        is_overlaid
    }

    fn lay(&mut self, entry: TomlEntry) {
        let key = entry.key.as_str();
        if WHOLE.contains(&key) {
            put(&mut self.root, entry);
        } else if NAMED.contains(&key) {
            let TomlValue::Table(named) = entry.node.value else {
                let what = format!("`{key}` is {} here", entry.node.value.kind());
                return self.add(Severity::Error, entry.node.span, what, ONLY);
            };
            if !self.root.iter().any(|own| own.key == key) {
                let node = TomlNode { span: entry.node.span, value: TomlValue::Table(Vec::new()) };
                self.root.push(TomlEntry { key: entry.key.clone(), key_span: entry.key_span, node });
            }
            let own = self.root.iter_mut().find(|own| own.key == entry.key);
            if let Some(TomlNode { value: TomlValue::Table(tables), .. }) = own.map(|own| &mut own.node) {
                named.into_iter().for_each(|table| put(tables, table));
            }
        } else {
            self.add(Severity::Error, entry.key_span, format!("`{key}` cannot be changed remotely"), ONLY);
        }
    }

    fn refuse_variables(&self, node: &TomlNode) {
        match &node.value {
            TomlValue::Text(text) if text.contains("${") => {
                self.add(Severity::Error, node.span.clone(), "a variable cannot be read remotely", IN_FILE);
            }
            TomlValue::List(items) => items.iter().for_each(|item| self.refuse_variables(item)),
            TomlValue::Table(entries) => entries.iter().for_each(|entry| self.refuse_variables(&entry.node)),
            _ => {}
        }
    }
}

/// In the place of the entry with its key, or behind all.
fn put(entries: &mut Vec<TomlEntry>, entry: TomlEntry) {
    match entries.iter_mut().find(|own| own.key == entry.key) {
        Some(own) => *own = entry,
        None => entries.push(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Or as _;

    const FILE: &str =
        "[limits]\nseries = 1\npayload = 2\n[sources.a]\nx = \"file\"\ny = 1\n[sources.b]\nx = \"stays\"\n";

    fn over(text: &str) -> Document {
        let overlay = Overlay { path: Path::new("/state/config.remote"), text };
        Document::parse_over(Path::new("/etc/c.toml"), FILE, overlay, |_| Some("hunter2".to_owned()))
    }

    #[test]
    fn tables_take_the_place_of_those_of_their_name() {
        let document =
            over("[sources.c]\nx = \"new\"\n[sources.a]\nx = \"ü\"\n[streams.s]\n[limits]\nseries = 7\n");
        let mut root = document.root();
        let names = root.named_tables("sources").into_iter().map(|(name, mut table)| {
            let (x, has_y) = (table.string("x").given(), table.has("y"));
            (name.value, x.unwrap(), has_y, table.is_overlaid())
        });
        let of = |name: &str, x: &str, is_overlaid| (name.to_owned(), x.to_owned(), false, is_overlaid);
        let expected = [of("a", "ü", true), of("b", "stays", false), of("c", "new", true)];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        assert_eq!(root.named_tables("streams").len(), 1);
        let mut limits = root.table("limits").unwrap();
        assert_eq!(limits.integer("series", 0..=9).given(), Some(7));
        assert!(!limits.has("payload"), "the whole table is another one");
        assert_eq!(document.mistakes(), []);
    }

    #[test]
    fn a_mistake_has_the_place_of_its_own_text() {
        let document = over("# ü\n[limits]\nseries = 70\n");
        document.root().table("limits").unwrap().integer("series", 0..=9);
        let shown = document.render_all();
        assert!(shown.starts_with("/state/config.remote:3:10: error: `series` is 70"), "{shown}");
        assert!(shown.contains("3 | series = 70\n  |          ^^"), "{shown}");
        let broken = over("[limits\n").render_all();
        assert!(broken.starts_with("/state/config.remote:1:"), "{broken}");
    }

    #[test]
    fn what_only_the_machine_knows_is_refused() {
        for (text, said) in [
            ("[outputs.o]\nurl = \"x\"\n", "`outputs` cannot be changed"),
            ("[agent]\nid = \"x\"\n", "`agent` cannot be changed"),
            ("sources = 3\n", "`sources` is an integer here"),
            ("[sources.c]\nx = [{ y = \"${PW}\" }]\n", "a variable cannot be read"),
            ("[sources.c]\nca = \"/etc/shadow\"\n", "the file of `ca` cannot be set"),
            ("[sources.c]\npassword = \"x\"\n", "the secret `password` cannot be set"),
            ("[sources.c]\npassword = { file = \"/etc/shadow\" }\n", "the secret `password` cannot be set"),
            ("[sources.c]\ntoken_file = \"/etc/shadow\"\n", "a secret cannot be set"),
        ] {
            let document = over(text);
            for (_, mut table) in document.root().named_tables("sources") {
                assert!(table.path_to("ca").is_none() && table.secret("password").is_none());
                assert!(table.secret_file("token_file").is_none());
            }
            let shown = document.render_all();
            assert!(shown.contains(said) && shown.contains("1 error"), "{text}: {shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("root:"), "{shown}");
        }
    }
}
