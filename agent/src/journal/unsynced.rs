//! What of a journal is written and not synced.

use super::Place;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What has been written and not synced.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    pub(super) files: Vec<Arc<File>>,
    /// The folder, if it has a file that is new.
    pub(super) folder: Option<PathBuf>,
    /// The place behind it.
    pub(super) place: Place,
    /// How much a disk writes for it, at least (bytes).
    pub(crate) bytes: u64,
}

/// What a disk writes at once, at least (bytes).
pub(super) const PAGE_BYTES: u64 = 4_096;

impl Unsynced {
    pub(super) fn add(&mut self, file: &Arc<File>) {
        if !self.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            self.files.push(file.clone());
        }
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// What the system says. Whether it is durable is not known then, whatever a later sync says.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())?;
        self.folder.as_ref().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}
