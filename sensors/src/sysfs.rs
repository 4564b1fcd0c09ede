//! Small files of the kernel: sysfs and procfs (sysfs(5), proc(5)).
//!
//! Limits: [`FILE_BYTES_MAX`] of a file, [`ENTRIES_MAX`] entries of a folder.

use std::fs::{File, read_dir};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// More is not read of a file.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// More entries of a folder are not looked at.
const ENTRIES_MAX: usize = 4_096;

/// The text of a file, without blanks around it.
///
/// # Errors
/// What the system says; also of a text that is not UTF-8.
pub(crate) fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// The number in a file.
///
/// # Errors
/// What the system says; also of a text that is no number.
pub(crate) fn number(path: &Path) -> io::Result<f64> {
    let text = text(path)?;
    let no_number = |_| io::Error::new(io::ErrorKind::InvalidData, format!("`{text}` is no number"));
    text.trim_start().parse().map_err(no_number)
}

/// The entries of a folder whose names begin like that, those with numbers in the order of their numbers; none, if there is
/// no such folder.
pub(crate) fn entries(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let names =
        read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX).map(|entry| entry.file_name());
    let mut names: Vec<String> =
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(beginning)).collect();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// The last level of a path.
pub(crate) fn name(path: &Path) -> &str {
    path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default()
}

/// The last level of what a link points to.
pub(crate) fn target(link: &Path) -> Option<String> {
    Some(name(&std::fs::canonicalize(link).ok()?).to_owned()).filter(|name| !name.is_empty())
}
