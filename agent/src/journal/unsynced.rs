//! What of a journal is written and not synced.

use super::Place;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Frames that are written and not synced.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    pub(super) files: Vec<Arc<File>>,
    /// The folder, if it has a file that is new.
    pub(super) folder: Option<PathBuf>,
    /// The place behind the last of these frames.
    pub(super) place: Place,
    /// The least that a disk writes for them (bytes).
    pub(crate) bytes: u64,
}

/// The smallest unit that a disk writes (bytes).
pub(crate) const PAGE_BYTES: u64 = 4_096;

impl Unsynced {
    pub(super) fn add(&mut self, file: &Arc<File>) {
        if !self.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            self.files.push(file.clone());
        }
    }

    /// Syncs the frames to the disk.
    ///
    /// # Errors
    /// What the system says. Whether the frames are durable is not known then, whatever a later sync says.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| file.sync_data())?;
        self.folder.as_ref().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}
