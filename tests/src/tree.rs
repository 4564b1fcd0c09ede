//! The workspace as files: what the house rules are checked on.

use std::path::{Path, PathBuf};

/// A source file of the workspace.
pub struct File {
    /// The file's path below the root.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl File {
    /// The text before the first `#[cfg(test)]`.
    #[must_use]
    pub fn before_tests(&self) -> &str {
        self.text.split("\n#[cfg(test)]").next().unwrap_or_default()
    }

    /// The lines of code before the tests that have one of the words, as `file:line: text`. Comments do not count.
    #[must_use]
    pub fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let lines = self.before_tests().lines().enumerate();
        let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        let bad = lines.filter(|(_, line)| words.iter().any(|word| code(line).contains(word)));
        bad.map(|(index, line)| format!("{}:{}: {}", self.name, index + 1, line.trim())).collect()
    }

    /// Whether cargo finds the file by itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        let folders = ["/tests/", "/benches/", "/examples/", "/bin/"];
        ["lib.rs", "main.rs", "build.rs"].contains(&last)
            || folders.iter().any(|folder| self.name.contains(folder))
    }

    /// Whether the file, or a folder that it lies in, is a module for tests or the fuzzer only.
    fn is_for_tests(&self) -> bool {
        let path = root().join(&self.name);
        path.ancestors().take_while(|path| *path != root()).any(|path| {
            let module = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let above = path.parent().unwrap_or(Path::new(""));
            let parents = [
                above.join("lib.rs"),
                above.join("main.rs"),
                above.join("mod.rs"),
                above.with_extension("rs"),
            ];
            let is_apart =
                |line: &str| line == "#[cfg(test)]" || line.starts_with("#[cfg(") && line.contains("fuzzing");
            let texts = parents.iter().filter_map(|parent| std::fs::read_to_string(parent).ok());
            texts.into_iter().any(|text| {
                let lines = text.lines().collect::<Vec<_>>();
                lines.windows(2).any(|pair| is_apart(pair[0]) && pair[1].ends_with(&format!("mod {module};")))
            })
        })
    }

    /// Whether another file declares this one as a module.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        let path = root().join(&self.name);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        let (module, above) = if stem == "mod" {
            (
                folder.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
                folder.parent().unwrap_or(folder),
            )
        } else {
            (stem, folder)
        };
        let mut parents = vec![above.join("main.rs"), above.join("mod.rs"), above.with_extension("rs")];
        parents.extend(above.ancestors().take(3).map(|folder| folder.join("lib.rs"))); // it may declare it inline
        let declares = |parent: &PathBuf| {
            let text = std::fs::read_to_string(parent).unwrap_or_default();
            text.lines().any(|line| line.trim_end().ends_with(&format!("mod {module};")))
        };
        parents.iter().any(declares)
    }
}

/// The root folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of the product.
pub fn product() -> impl Iterator<Item = File> {
    let apart = ["/tests/", "/tests.rs", "/benches/"];
    let shipped =
        move |name: &str| !name.starts_with("tests/") && !apart.iter().any(|part| name.contains(part));
    sources().filter(move |file| shipped(&file.name) && !file.is_for_tests())
}

/// Every Rust file of the workspace.
///
/// # Panics
/// When the files are not where they should be.
pub fn sources() -> impl Iterator<Item = File> {
    let mut paths = Vec::new();
    for folder in ["agent", "sensors", "forwarder", "tests", "cross"] {
        collect(&root().join(folder), &mut paths);
    }
    assert!(paths.len() > 10, "the sources are not where this test looks");
    paths.sort();
    paths.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("a path below the root").to_string_lossy().into_owned();
        File { text: std::fs::read_to_string(&path).expect("a source file"), name }
    })
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}
