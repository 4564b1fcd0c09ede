//! Links in a buffer's folder, which somebody else may have laid there: sled would follow them and write elsewhere.

use crate::store::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Refuses a segment that is a link, or has one in its folder.
///
/// # Errors
/// [`StoreError::Blocked`] names the link.
pub(super) fn refuse(segment: &Path) -> Result<(), StoreError> {
    let inside = fs::read_dir(segment).into_iter().flatten().flatten().map(|entry| entry.path());
    let link: Option<PathBuf> =
        std::iter::once(segment.to_owned()).chain(inside).find(|path| path.is_symlink());
    link.map_or(Ok(()), |link| {
        let what =
            format!("{} is a link, which is not followed; put what it leads to in its place", link.display());
        Err(StoreError::Blocked(what))
    })
}

/// A new, empty file in the place of whatever stands there.
///
/// # Errors
/// What the system says.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => OpenOptions::new().write(true).create_new(true).open(path),
    }
}
