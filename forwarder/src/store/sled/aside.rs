//! Sets segments aside or copies them, and checks whether the file of a sealed segment has changed.
//!
//! Sled opens a damaged database by cutting its log at the first bad spot and zeroing all behind it. So a damaged
//! segment must be copied before it is opened. A database that was closed in order only grows, also when it is
//! opened and closed again: its first bytes stay. Only `db` is checked: our values are too small for blobs.

use super::of_io;
use crate::store::{Digest, StoreError};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Bytes of a file in memory at a time.
const READ_BYTES: usize = 64 << 10;

/// The file with all of sled's data.
pub(super) fn db(folder: &Path) -> PathBuf {
    folder.join("db")
}

/// The digest of a segment's folder. The file is synced first.
pub(super) fn digest(folder: &Path) -> io::Result<Digest> {
    let file = File::open(db(folder))?;
    file.sync_data()?;
    read(&file, u64::MAX)
}

/// # Errors
/// [`StoreError::Damaged`]: the file has changed.
pub(super) fn check(folder: &Path, known: &Digest) -> Result<(), StoreError> {
    if !folder.is_dir() {
        return Err(StoreError::Failed(format!("{} is gone", folder.display())));
    }
    let path = db(folder);
    let damaged = |what: String| Err(StoreError::Damaged(format!("{} {what}", path.display())));
    let found = match File::open(&path).and_then(|file| read(&file, known.bytes)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return damaged("is gone".into()),
        found => found.map_err(|error| of_io(&path, &error))?,
    };
    if found.bytes < known.bytes {
        return damaged(format!("has {} of {} bytes", found.bytes, known.bytes));
    }
    if found != *known {
        return damaged("is not as it was written".into());
    }
    Ok(())
}

/// The digest of at most so many first bytes of a file.
fn read(file: &File, bytes_max: u64) -> io::Result<Digest> {
    let mut reader = BufReader::with_capacity(READ_BYTES, file.take(bytes_max));
    let (mut bytes, mut crc) = (0, crc32fast::Hasher::new());
    loop {
        let part = reader.fill_buf()?;
        let length = part.len();
        if length == 0 {
            return Ok(Digest { bytes, crc: crc.finalize() });
        }
        crc.update(part);
        bytes += length as u64;
        reader.consume(length);
    }
}

/// Renames a segment's folder. Returns its new place.
pub(super) fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    let target = free_name(folder);
    fs::rename(folder, &target)?;
    Ok(target)
}

/// Copies a segment's folder. After a power cut there is all of the copy or none. Returns its place.
pub(super) fn copy_aside(folder: &Path) -> io::Result<PathBuf> {
    discard_copy(folder);
    let (fresh, target) = (unfinished(folder), free_name(folder));
    let copied = copy(folder, &fresh).and_then(|()| fs::rename(&fresh, &target));
    if let Err(error) = copied {
        discard_copy(folder);
        return Err(error);
    }
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())?;
    Ok(target)
}

/// Removes an unfinished copy that a killed program has left.
pub(super) fn discard_copy(folder: &Path) {
    let _ = fs::remove_dir_all(unfinished(folder));
}

fn unfinished(folder: &Path) -> PathBuf {
    folder.with_extension("copying")
}

fn free_name(folder: &Path) -> PathBuf {
    let free = (1..).map(|n| folder.with_extension(format!("damaged-{n}"))).find(|target| !target.exists());
    free.unwrap_or_else(|| folder.with_extension("damaged"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            // Not what a link leads to.
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}

/// The folders that are set aside in a buffer, and their size (bytes).
pub(super) fn list(buffer: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = fs::read_dir(buffer) else { return Vec::new() };
    let is_aside =
        |path: &PathBuf| path.extension().is_some_and(|end| end.to_string_lossy().starts_with("damaged"));
    let aside = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_aside);
    let mut aside: Vec<(String, u64)> =
        aside.map(|path| (path.display().to_string(), size_of(&path))).collect();
    aside.sort_unstable();
    aside
}

/// The size of a folder on disk (bytes).
pub(super) fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok()?;
            Some(if meta.is_dir() { size_of(&entry.path()) } else { meta.len() })
        })
        .sum()
}
