//! Which files of a crate stand on which others, by the paths that they write.
//!
//! A file stands on the file that holds what a path of it names, and on every file that it declares with `mod`. What it
//! takes from a file that declares it, directly or not, does not count: a module and its parts are one thing. A name that
//! a module only imports or re-exports belongs to the file that the import leads to. Code for tests does not count.
//!
//! Methods are invisible here: a file can call one of a type that it never names.

use crate::tree::File;
use std::collections::{BTreeMap, BTreeSet};

/// A path from the crate's root, without `crate`.
type ModPath = Vec<String>;

/// The files of one crate by their names, each with those that it stands on.
#[derive(Debug, Default)]
pub struct Imports {
    edges: BTreeMap<String, BTreeSet<String>>,
    /// Imports of everything in a module, as `file: path`: nobody can tell what they take.
    pub globs: Vec<String>,
}

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Files declared inside.
    children: Vec<ModPath>,
    /// The names that `use` brings in, and what they stand for.
    uses: Vec<(String, ModPath)>,
    /// The paths that stand in the code itself.
    paths: Vec<ModPath>,
}

/// The imports of each crate among the files, by the crate's folder.
#[must_use]
pub fn of_crates(files: &[File]) -> BTreeMap<&str, Imports> {
    let mut crates: BTreeMap<&str, BTreeMap<ModPath, Module>> = BTreeMap::new();
    for file in files {
        // A binary beside a library is a crate of its own.
        let Some((folder, inside)) = file.name.split_once("/src/").filter(|(_, name)| *name != "main.rs")
        else {
            continue;
        };
        let mut path: ModPath = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        path.pop_if(|last| *last == "mod" || *last == "lib");
        Parser::new(&file.name, &file.text).parse(path, crates.entry(folder).or_default());
    }
    crates.into_iter().map(|(folder, modules)| (folder, imports(&modules))).collect()
}

fn imports(modules: &BTreeMap<ModPath, Module>) -> Imports {
    let mut found = Imports::default();
    for (at, module) in modules {
        let mut to: Vec<&ModPath> = module.children.iter().collect();
        for path in module.uses.iter().map(|(_, path)| path).chain(&module.paths) {
            let holder = holder_of(modules, at, path, 0);
            if holder.is_some() && path.last().is_some_and(|name| name == "*") {
                found.globs.push(format!("{}: {}", module.file, path.join("::")));
            }
            to.extend(holder.filter(|holder| !at.starts_with(holder)));
        }
        let files = to.into_iter().filter_map(|to| modules.get(to)).map(|to| to.file.clone());
        let edges = found.edges.entry(module.file.clone()).or_default();
        edges.extend(files.filter(|file| *file != module.file));
    }
    found
}

/// The module that holds what a path names that stands in the module `at`; `None`: it is not of this crate.
fn holder_of<'m>(
    modules: &'m BTreeMap<ModPath, Module>,
    at: &ModPath,
    path: &[String],
    depth: usize,
) -> Option<&'m ModPath> {
    let (mut here, mut rest) = (at.clone(), path);
    let mut is_own = false;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => here.clear(),
            "self" => {}
            "super" => drop(here.pop()),
            name => {
                here.push(name.to_owned());
                if !modules.contains_key(&here) {
                    here.pop();
                    break;
                }
            }
        }
        (is_own, rest) = (true, after);
    }
    let (here, module) = modules.get_key_value(&here)?;
    let import = rest.first().and_then(|name| module.uses.iter().find(|(known, _)| known == name));
    match import {
        // An import does not stand for itself, and a ring of imports ends.
        Some((_, import)) if import != path && depth < 16 => {
            let whole: ModPath = import.iter().chain(rest.get(1..).unwrap_or_default()).cloned().collect();
            holder_of(modules, here, &whole, depth + 1).or(is_own.then_some(here))
        }
        _ => is_own.then_some(here),
    }
}

impl Imports {
    /// The sets of files that all stand on each other, each with its files in order.
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let mut left: BTreeSet<&str> = self.edges.keys().map(String::as_str).collect();
        let mut circles = Vec::new();
        while let Some(first) = left.pop_first() {
            let circle: Vec<&str> =
                self.below(first).into_iter().filter(|f| self.below(f).contains(first)).collect();
            left.retain(|file| !circle.contains(file));
            if !circle.is_empty() {
                circles.push(circle);
            }
        }
        circles
    }

    /// How many files there are.
    #[must_use]
    pub fn files(&self) -> usize {
        self.edges.len()
    }

    /// The files that a file stands on, directly or not; itself, if there is a circle.
    fn below<'s>(&'s self, file: &'s str) -> BTreeSet<&'s str> {
        let (mut below, mut next) = (BTreeSet::new(), vec![file]);
        while let Some(file) = next.pop() {
            next.extend(
                self.edges.get(file).into_iter().flatten().map(String::as_str).filter(|to| below.insert(*to)),
            );
        }
        below
    }
}

/// Reads one file's declarations, imports and paths.
struct Parser<'f> {
    file: &'f str,
    tokens: Vec<String>,
    at: usize,
}

impl<'f> Parser<'f> {
    fn new(file: &'f str, text: &str) -> Self {
        Self { file, tokens: tokens(text), at: 0 }
    }

    fn parse(mut self, path: ModPath, modules: &mut BTreeMap<ModPath, Module>) {
        self.module(path, modules);
    }

    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    /// Reads up to the brace that closes the module, or to the end of the file.
    fn module(&mut self, path: ModPath, modules: &mut BTreeMap<ModPath, Module>) {
        let mut module = Module { file: self.file.to_owned(), ..Module::default() };
        let mut depth = 0_u32;
        while self.at < self.tokens.len() {
            if self.tokens[self.at..]
                .starts_with(&["#", "[", "cfg", "(", "test", ")", "]"].map(str::to_owned))
            {
                self.skip_item();
                continue;
            }
            match self.next().as_str() {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "use" => self.use_tree(&mut Vec::new(), &mut module.uses),
                "mod" => {
                    let child: ModPath = path.iter().cloned().chain([self.next()]).collect();
                    if self.next() == "{" {
                        self.module(child, modules);
                    } else {
                        module.children.push(child);
                    }
                }
                first @ ("crate" | "self" | "super") if self.peek(0) == "::" => {
                    let mut whole = vec![first.to_owned()];
                    while self.peek(0) == "::" && is_name(self.peek(1)) {
                        self.at += 1;
                        whole.push(self.next());
                    }
                    module.paths.push(whole);
                }
                _ => {}
            }
        }
        modules.insert(path, module);
    }

    /// Reads a branch of an import to its end. It begins after `use`, or after a brace inside.
    fn use_tree(&mut self, before: &mut ModPath, to: &mut Vec<(String, ModPath)>) {
        let length = before.len();
        loop {
            match self.next().as_str() {
                "{" => {
                    while !["}", ""].contains(&self.peek(0)) {
                        self.use_tree(before, to);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                }
                "::" => {}
                "as" => {
                    let name = self.next();
                    to.push((name, before.clone()));
                }
                name => {
                    // `self` at the end of a tree is the module before it.
                    if name != "self" || before.is_empty() {
                        before.push(name.to_owned());
                    }
                    if !["::", "as"].contains(&self.peek(0)) {
                        to.push((before.last().cloned().unwrap_or_default(), before.clone()));
                    }
                }
            }
            if [",", ";", "}", ""].contains(&self.peek(0)) {
                break;
            }
        }
        before.truncate(length);
    }

    /// Skips an attribute and the item that it belongs to.
    fn skip_item(&mut self) {
        let mut depth = 0_u32;
        while self.at < self.tokens.len() {
            match self.next().as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" if depth == 1 => return,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                ";" | "," if depth == 0 => return,
                _ => {}
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and every other sign by itself; no comment, no text, no number of more than a digit.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = text_length(rest) {
            length
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            tokens.extend((!first.is_whitespace()).then(|| rest[..length].to_owned()));
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The bytes of the text or the character that this begins with.
fn text_length(rest: &str) -> Option<usize> {
    let raw = ["r", "br"].iter().find_map(|prefix| rest.strip_prefix(prefix));
    if let Some(raw) = raw {
        let inside = raw.trim_start_matches('#');
        let hashes = &raw[..raw.len() - inside.len()];
        if let Some(text) = inside.strip_prefix('"') {
            let end = format!("\"{hashes}");
            let length = text.find(&end).map_or(text.len(), |at| at + end.len());
            return Some(rest.len() - text.len() + length);
        }
    }
    if let Some(inside) = rest.strip_prefix('"') {
        let mut is_escaped = false;
        let end = inside.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        return Some(end.map_or(rest.len(), |end| end + 2));
    }
    let inside = rest.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return inside[2..].find('\'').map(|end| end + 4);
    }
    // A lifetime has no second mark.
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let file =
            |(name, text): &(&str, &str)| File { name: format!("c/src/{name}"), text: (*text).to_owned() };
        let files: Vec<File> = files.iter().map(file).collect();
        let crates = of_crates(&files);
        let owned = |circle: Vec<&str>| circle.into_iter().map(str::to_owned).collect();
        crates["c"].circles().into_iter().map(owned).collect()
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle() {
        let circle = [["c/src/a.rs", "c/src/b.rs"]];
        let lib = ("lib.rs", "mod a;\nmod b;");
        for (a, b) in [
            ("use crate::b::B;", "use super::a::A;"),
            ("use crate::{z::Z, b::{self, B}};", "fn f() -> crate::a::A {}"),
            ("fn f() { super::b::f(&'a', r#\"\"\"#) }", "use crate::{a as other};"),
            ("#[cfg(test)]\nmod t { fn f() {} }\nuse crate::b;", "mod inner { use super::super::a::A; }"),
        ] {
            assert_eq!(circles(&[lib, ("a.rs", a), ("b.rs", b)]), circle, "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_import_makes_no_circle() {
        let lib = ("lib.rs", "mod a;\nmod b;");
        for b in [
            "// use crate::a;",
            "\"use crate::a;\"",
            "#[cfg(test)]\nuse crate::a;",
            "use a::A;",
            "use std::a;",
        ] {
            assert_eq!(circles(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", b)]), [[""; 0]; 0], "{b}");
        }
    }

    #[test]
    fn a_part_may_name_its_whole_and_the_whole_its_part() {
        let files = [("lib.rs", "mod a; const X: u8 = 1;"), ("a.rs", "mod p; use p::P; use crate::X;")];
        let part = ("a/p.rs", "use super::A; use crate::a::f;");
        assert_eq!(circles(&[files[0], files[1], part]), [[""; 0]; 0]);
    }

    #[test]
    fn a_circle_may_lead_through_a_part_and_through_a_re_export() {
        let through_part = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod p;"),
            ("a/p.rs", "use crate::b;"),
            ("b.rs", "use crate::a;"),
        ];
        assert_eq!(circles(&through_part), [["c/src/a.rs", "c/src/a/p.rs", "c/src/b.rs"]]);
        let beside = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod p; mod q; pub use p::P;"),
            ("a/p.rs", "use super::q::Q;"),
            ("a/q.rs", "use super::P;"),
        ];
        assert_eq!(circles(&beside), [["c/src/a/p.rs", "c/src/a/q.rs"]]);
        let one_way = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod p; mod q; pub use p::P;"),
            ("a/p.rs", ""),
            ("a/q.rs", "use crate::b;"),
            ("b.rs", "use crate::a::P;"),
        ];
        assert_eq!(circles(&one_way), [[""; 0]; 0]);
    }

    #[test]
    fn an_import_of_everything_is_shown() {
        let file = |name: &str, text: &str| File { name: format!("c/src/{name}"), text: text.to_owned() };
        let files = [file("lib.rs", "mod a;"), file("a.rs", "use super::*; use other::*;")];
        assert_eq!(of_crates(&files)["c"].globs, ["c/src/a.rs: super::*"]);
    }
}
