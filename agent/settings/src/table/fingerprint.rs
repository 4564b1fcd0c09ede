//! The fingerprint of a table, with the files that it names.

use super::Table;
use crate::fingerprint::{hash_entries, hash_node};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

impl Table<'_> {
    /// The fingerprint of the whole table.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let contents = self.document().contents.borrow();
        hash_entries(self.entries, &contents, &mut hasher);
        hasher.finish()
    }

    /// The fingerprint of one key's value, or of its absence.
    #[must_use]
    pub fn fingerprint_of(&self, key: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        let contents = self.document().contents.borrow();
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.is_some().hash(&mut hasher);
        if let Some(entry) = entry {
            hash_node(&entry.node, &contents, &mut hasher);
        }
        hasher.finish()
    }

    /// Notes that the file that the key names has been read: another content of it is a change of this table.
    pub fn note_file(&self, key: &str, path: &Path) {
        let content = std::fs::read(path).unwrap_or_default();
        self.document().note_content(self.place_of(key).start, &content);
    }
}

#[cfg(test)]
mod tests {
    use crate::Document;
    use std::path::Path;

    fn fingerprint(text: &str) -> u64 {
        Document::parse(Path::new("test.toml"), text, |_| None).root().fingerprint_of("a")
    }

    #[test]
    fn only_what_is_said_counts() {
        let said = fingerprint("[a]\nx = 1\ny = { z = [1, 2.5] }\n");
        for same in [
            "# a comment\n[a]\ny = { z = [ 1, 2.5 ] }\n\nx = 1\n",
            "b = 1\n[a]\nx = 1\n[a.y]\nz = [1, 2.50]\n",
        ] {
            assert_eq!(fingerprint(same), said, "{same}");
        }
        for other in [
            "",
            "[a]\n",
            "[a]\nx = 1.0\ny = { z = [1, 2.5] }\n",
            "[a]\nx = 1\ny = { z = [2.5, 1] }\n",
            "[a]\nx = 1\ny = { z = [1, 2.5], w = true }\n",
        ] {
            assert_ne!(fingerprint(other), said, "{other}");
        }
    }

    #[test]
    fn a_file_that_is_read_counts_with_its_content() {
        let folder = std::env::temp_dir().join(format!("headwater-fingerprint-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fingerprint = |content: &str| {
            for name in ["pw", "ca.pem"] {
                std::fs::write(folder.join(name), content).unwrap();
            }
            let text = "[a]\npassword = { file = \"pw\" }\n[b]\nca = \"ca.pem\"\n[c]\nca = \"ca.pem\"\n";
            let document = Document::parse(&folder.join("c.toml"), text, |_| None);
            let mut root = document.root();
            assert!(root.table("a").unwrap().secret("password").is_some());
            let table = root.table("b").unwrap();
            table.note_file("ca", &folder.join("ca.pem"));
            ["a", "b", "c"].map(|key| root.fingerprint_of(key))
        };
        let (one, other) = (fingerprint("one"), fingerprint("other"));
        assert!(one[0] != other[0] && one[1] != other[1] && one[2] == other[2], "{one:?} {other:?}");
        assert_eq!(one, fingerprint("one"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
