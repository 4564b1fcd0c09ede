//! Secrets: written in the file, or in one that only the service may read.

use super::Table;
use crate::at::At;
use crate::document::is_readable_by_others;
use crate::node::TomlValue;
use crate::outline::Wanted;
use crate::secret::Secret;
use std::path::{Path, PathBuf};

impl Table<'_> {
    /// A secret: a string (best `"${NAME}"`) or `{ file = "…" }`. A relative file is looked for in
    /// `$CREDENTIALS_DIRECTORY` (systemd credentials), then beside the config. One line ending is cut off.
    pub fn secret(&mut self, key: &str) -> Option<At<Secret>> {
        let node = self.ask(key, Wanted::Secret)?;
        if self.document.refuse_overlaid(&node.span, &format!("the secret `{key}`")) {
            return None;
        }
        let TomlValue::Table(entries) = &node.value else {
            let text = self.text_of(node, &format!("`{key}`"))?;
            if matches!(&node.value, TomlValue::Text(written) if !written.contains("${"))
                && self.document.is_readable_by_others()
            {
                let fix = format!("chmod 640 the config, or write `{key} = {{ file = \"…\" }}`");
                self.warn(text.span.clone(), format!("everybody on this machine may read `{key}` here"), fix);
            }
            self.document.hide(&text.value);
            return Some(At { value: Secret::new(text.value), span: text.span });
        };
        let mut table = Table::new(self.document, entries, node.span.clone(), self.child(key));
        let file = table.string("file");
        if file.is_none() {
            table.missing("file", "write it as { file = \"name-of-the-file\" }");
        }
        table.finish();
        let At { value, .. } = self.secret_in(file?)?;
        Some(At { value, span: node.span.clone() })
    }

    /// A secret in the file that the key names: the same as `{ file = "…" }` under another key.
    pub fn secret_file(&mut self, key: &str) -> Option<At<Secret>> {
        let file = self.string(key)?;
        if self.document.refuse_overlaid(&file.span, "a secret") {
            return None;
        }
        self.secret_in(file)
    }

    /// A table of secrets, such as `{ Authorization = "Token ${TOKEN}", X-Key = { file = "key" } }`, in the order of the file.
    pub fn secrets(&mut self, key: &str) -> Vec<(String, At<Secret>)> {
        let Some(node) = self.ask(key, Wanted::Secrets) else { return Vec::new() };
        let TomlValue::Table(entries) = &node.value else {
            self.wrong_kind::<()>(node, key, "a table of strings such as { name = \"value\" }", &node.value);
            return Vec::new();
        };
        let mut table = Table::new(self.document, entries, node.span.clone(), self.child(key));
        entries.iter().filter_map(|entry| Some((entry.key.clone(), table.secret(&entry.key)?))).collect()
    }

    fn secret_in(&self, file: At<String>) -> Option<At<Secret>> {
        let path = self.secret_path(Path::new(&file.value));
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.strip_suffix('\n').map_or(&*text, |t| t.strip_suffix('\r').unwrap_or(t));
                if text.is_empty() {
                    let fix = format!("write it into {}", self.document.folder().join(&file.value).display());
                    self.refuse(file.span, format!("the secret {} is missing or empty", path.display()), fix);
                    return None;
                }
                self.document.hide(text);
                self.document.note_content(file.span.start, text.as_bytes());
                if is_readable_by_others(&path) {
                    let what = format!("everybody on this machine may read the secret {}", path.display());
                    self.warn(file.span.clone(), what, format!("chmod 600 {}", path.display()));
                }
                Some(At { value: Secret::new(text.to_owned()), span: file.span })
            }
            Err(error) => {
                let fix = "check the path and that this user may read it (relative paths: $CREDENTIALS_DIRECTORY, \
                           then the config's folder)";
                self.refuse(file.span, format!("cannot read the secret {}: {error}", path.display()), fix);
                None
            }
        }
    }

    fn secret_path(&self, file: &Path) -> PathBuf {
        let credentials =
            self.document.environment("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(file));
        match credentials {
            Some(path) if file.is_relative() && path.exists() => path,
            _ => self.document.folder().join(file),
        }
    }
}
