//! How a journal ends: as it should, or because it cannot be written.

use super::super::record::Encoder;
use super::Journal;
use crate::frames;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

impl Journal {
    /// Ends the journal until the next checkpoint. A mark tells the reader that input is missing from here on.
    pub(crate) fn end(&self) {
        self.put(Encoder::end);
        self.flush();
        let mut state = self.state.borrow_mut();
        if state.file.take().is_some() {
            let segment = (state.place, state.path.clone());
            state.older.push_back(segment);
        }
        state.follows = false;
    }

    /// Removes the journal, because the last checkpoint holds the state and nothing follows.
    pub(crate) fn remove(&self) {
        self.end();
        self.drop_before(u64::MAX);
        let _ = fs::remove_file(self.checkpoint_path());
    }

    /// Passes over the segment that would follow a checkpoint, and returns its number: no input of it is taken.
    pub(crate) fn skip(&self) -> u64 {
        self.end();
        let mut state = self.state.borrow_mut();
        state.place.segment += 1;
        state.place.segment
    }

    /// A journal with a hole would be taken for a whole one: it goes, or ends where it is known to be whole.
    #[cold]
    pub(super) fn give_up(&self, error: &io::Error, whole_bytes: u64) {
        {
            let mut state = self.state.borrow_mut();
            let path = state.path.clone();
            state.trouble = Some(format!("the journal {} cannot be written: {error}", path.display()));
            state.follows = false;
            if let Some(file) = state.file.take() {
                let whole = if self.is_synced() { whole_bytes } else { 0 };
                // A frame of zeros is no frame: whoever reads it knows that the journal is not whole.
                let _ = file.set_len(whole).and_then(|()| {
                    let hole = if whole > 0 { whole + frames::HEADER_BYTES as u64 } else { 0 };
                    file.set_len(hole)
                });
            }
            tracing::error!(
                "the journal {} cannot be written: {error}; a crash costs what came since the last checkpoint",
                path.display()
            );
            let segment = (state.place, path);
            state.older.push_back(segment);
        }
        if !self.is_synced() {
            self.drop_before(u64::MAX);
        }
    }

    /// Whether somebody has removed the segment that is written, which ends the journal: nobody would find it.
    pub(crate) fn is_removed(&self) -> bool {
        let file = self.state.borrow().file.clone();
        let is_removed = file.and_then(|file| file.metadata().ok()).is_some_and(|data| data.nlink() == 0);
        if is_removed {
            self.give_up(&io::Error::new(io::ErrorKind::NotFound, "it was removed"), 0);
        }
        is_removed
    }

    /// Notes that a sync has failed.
    pub(crate) fn fail(&self, error: &io::Error) {
        let bytes = self.state.borrow().place.bytes;
        if self.is_on() {
            self.give_up(error, bytes);
        }
    }
}
