//! Servers that others wrote in Python. `tests/run` installs what they need.

use crate::process::{Process, command};
use crate::skip;
use crate::tree::root;
use std::path::PathBuf;
use std::process::Stdio;

/// The Python that has what tests need; `None`: there is none, and the test is skipped.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let own = std::env::var_os("HEADWATER_PYTHON").map(PathBuf::from);
    let python = own.unwrap_or_else(|| root().join("target/python/bin/python3"));
    if !python.exists() {
        skip(&format!("no {}; tests/run makes it", python.display()));
        return None;
    }
    Some(python)
}

/// Starts a script of `tests/data`.
#[must_use]
pub fn start_script(python: &PathBuf, name: &str, arguments: &[&str]) -> Process {
    let mut command = command(python);
    command
        .arg(root().join("tests/data").join(name))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(&mut command)
}
