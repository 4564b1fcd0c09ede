//! Gives files their names when nothing more comes, and finishes what an earlier run has left.
//!
//! A file is complete as soon as it has its name. With `gzip` it is compressed into a hidden file beside it, which is synced
//! and renamed before the hidden original goes. So whatever a crash leaves between two steps, one whole file remains. Where
//! it cannot be compressed (a disk that is full, a stop that has no time left), it gets its name as it is.

use super::path::{GZ, PathTemplate};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs2::FileExt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Folders below the root that are looked into.
const DEPTH_MAX: usize = 16;

/// Bytes read at a time when the last whole line of a file is looked for, and when it is compressed.
const BLOCK: u64 = 64 << 10;

/// How files become complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// Whether they are compressed.
    pub(super) gzip: bool,
    /// Nothing is compressed from then on.
    pub(super) until: Option<Instant>,
}

impl Completion {
    /// Gives the synced file `hidden` its name.
    ///
    /// # Errors
    /// It keeps its hidden name.
    pub(super) fn reveal(self, hidden: &Path, complete: &Path) -> io::Result<()> {
        if self.gzip {
            let (part, whole) = (with_gz(hidden), with_gz(complete));
            match self.compress(hidden, &part) {
                Ok(()) => {
                    rename(&part, &whole)?;
                    return fs::remove_file(hidden);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot compress {}; it stays as it is", complete.display());
                    let _ = fs::remove_file(&part);
                }
            }
        }
        rename(hidden, complete)
    }

    fn compress(self, from: &Path, to: &Path) -> io::Result<()> {
        let mut source = File::open(from)?;
        let mut encoder = GzEncoder::new(File::create(to)?, Compression::default());
        let mut block = Vec::new();
        loop {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the agent stops"));
            }
            block.clear();
            if Read::by_ref(&mut source).take(BLOCK).read_to_end(&mut block)? == 0 {
                return encoder.finish()?.sync_all();
            }
            encoder.write_all(&block)?;
        }
    }

    /// Completes the files of an earlier run: cuts off a torn last line and gives them their names. An error comes with
    /// its path.
    pub(super) fn complete_all(self, template: &PathTemplate) -> Result<(), (PathBuf, io::Error)> {
        walk(template, &mut |folder, name| match name.strip_prefix('.').map(|name| folder.join(name)) {
            Some(complete) if template.fits(&complete) => self.complete_one(&folder.join(name), &complete),
            _ => Ok(()),
        })
    }

    fn complete_one(self, hidden: &Path, complete: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).open(hidden)?;
        // Another agent has it open.
        if file.try_lock_exclusive().is_err() {
            return Ok(());
        }
        let whole = end_of_lines(&mut file)?;
        // A compressed file that has its name holds all of it.
        if whole == 0 || with_gz(complete).exists() {
            return fs::remove_file(hidden);
        }
        file.set_len(whole)?;
        file.sync_all()?;
        match fs::remove_file(with_gz(hidden)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.reveal(hidden, complete),
        }
    }
}

/// The path with the ending of a compressed file.
pub(super) fn with_gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(GZ);
    name.into()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Makes what has happened in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Visits every file below the root of a template, by its folder and its name. An error comes with its path.
pub(super) fn walk(
    template: &PathTemplate,
    visit: &mut dyn FnMut(&Path, &str) -> io::Result<()>,
) -> Result<(), (PathBuf, io::Error)> {
    let mut folders = vec![(template.root(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |error| (folder.clone(), error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let (kind, name) = (entry.file_type().map_err(failed)?, entry.file_name());
            let name = name.to_string_lossy();
            if kind.is_dir() && depth < DEPTH_MAX && !name.starts_with('.') {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() {
                visit(&folder, &name).map_err(|error| (entry.path(), error))?;
            }
        }
    }
    Ok(())
}

/// Where the last whole line ends (bytes).
fn end_of_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
