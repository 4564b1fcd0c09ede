//! Finds the files that names and patterns stand for.

use super::place::FileIdentity;
use crate::access::explain;
use glob::{MatchOptions, Pattern, glob_with};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The drop-in of the service that opens folders.
pub(super) const DROP_IN: &str = "files.conf";

/// Names that begin with a dot are matched by a dot only, as in a shell.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The names and patterns of a source.
#[derive(Clone, Debug)]
pub(super) struct Finder(Vec<String>);

/// The files that are there.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where each is, what it is known by, how long it is (bytes), and when it was written last.
    pub(super) files: Vec<(PathBuf, FileIdentity, u64, Option<SystemTime>)>,
    /// Names that stand for no file that can be read, and why.
    pub(super) troubles: Vec<(PathBuf, String)>,
}

impl Finder {
    /// A finder of one or more patterns; relative ones start at a folder.
    ///
    /// # Errors
    /// The place in `patterns` of one that is none, and why.
    pub(super) fn new(patterns: &[&str], folder: &Path) -> Result<Self, (usize, String)> {
        let beside = Pattern::escape(&folder.to_string_lossy());
        let whole = |(at, pattern): (usize, &&str)| {
            Pattern::new(pattern).map_err(|error| (at, error.msg.to_owned()))?;
            Ok(Path::new(&beside).join(pattern).to_string_lossy().into_owned())
        };
        patterns.iter().enumerate().map(whole).collect::<Result<_, _>>().map(Self)
    }

    /// What is there now, what was written last at the end: in this order rotated files belong together.
    pub(super) fn look(&self) -> Found {
        let mut found = Found::default();
        for pattern in &self.0 {
            // It was checked.
            let Ok(paths) = glob_with(pattern, OPTIONS) else { continue };
            for path in paths {
                match path {
                    Ok(path) => found.add(path, is_literal(pattern)),
                    Err(error) => {
                        let path = error.path().to_owned();
                        let why = explain(&path, error.error(), DROP_IN);
                        found.troubles.push((path, why));
                    }
                }
            }
        }
        found.files.sort_by_key(|(.., modified)| *modified);
        found
    }

    /// What to say where nothing is there.
    pub(super) fn nothing(&self) -> String {
        let mut text = format!("no file {} is there; it is read as soon as it is", self.0.join(", "));
        for pattern in self.0.iter().filter(|pattern| is_literal(pattern)) {
            // The glob passes over names in folders that are shut.
            if let Err(error) = fs::metadata(pattern)
                && error.kind() == std::io::ErrorKind::PermissionDenied
            {
                text = explain(Path::new(pattern), &error, DROP_IN);
            }
        }
        text
    }
}

impl Found {
    fn add(&mut self, path: PathBuf, is_named: bool) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                let why = explain(&path, &error, DROP_IN);
                return self.troubles.push((path, why));
            }
        };
        let identity = FileIdentity::of(&metadata);
        if metadata.is_file() {
            if self.files.iter().all(|(_, known, ..)| *known != identity) {
                self.files.push((path, identity, metadata.len(), metadata.modified().ok()));
            }
        } else if is_named {
            let shown = path.display();
            let why = if metadata.is_dir() {
                format!("{shown} is a folder; write {shown}/* for the files in it")
            } else {
                format!("{shown} is no regular file; what a program prints is read by a source of type exec")
            };
            self.troubles.push((path, why));
        }
    }
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '['])
}

/// Where a file that had this path is now in the same folder, and how long it is (bytes).
pub(super) fn moved(from: &Path, identity: FileIdentity) -> Option<(PathBuf, u64)> {
    let entries = fs::read_dir(from.parent()?).ok()?;
    entries.flatten().find_map(|entry| {
        let metadata = entry.metadata().ok()?;
        (metadata.is_file() && FileIdentity::of(&metadata) == identity)
            .then(|| (entry.path(), metadata.len()))
    })
}
