//! The folders that a journal may be kept in, and what an earlier run has left there.

use super::{Identity, Segments};
use crate::clock;
use crate::config::AgentConfig;
use crate::lock::DirLock;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The checksum of a config and the program's version.
pub(super) fn config_print(checksum: u32) -> u32 {
    crc32fast::hash(format!("{checksum:08x} {}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// The two folders of a journal: the state directory for one that is to outlive the boot, else the runtime directory.
pub(super) struct Folders {
    state_dir: PathBuf,
    runtime_dir: PathBuf,
    /// The lock of the runtime directory, which keeps other programs out; the state directory is locked already.
    lock: RefCell<Option<DirLock>>,
}

impl Folders {
    /// The one that segments begin in.
    pub(super) fn folder(&self, is_synced: bool) -> &Path {
        if is_synced { &self.state_dir } else { &self.runtime_dir }
    }

    /// The other one, if there are two and it is this program's.
    pub(super) fn other(&self, is_synced: bool) -> Option<PathBuf> {
        let is_own = self.state_dir != self.runtime_dir && (!is_synced || self.lock.borrow().is_some());
        is_own.then(|| self.folder(!is_synced).to_owned())
    }

    /// Makes sure that no other program writes segments there.
    ///
    /// # Errors
    /// It cannot be made, or another program holds it.
    pub(super) fn hold(&self, is_synced: bool) -> io::Result<()> {
        let folder = self.folder(is_synced);
        fs::create_dir_all(folder)?;
        let mut lock = self.lock.borrow_mut();
        if folder != self.state_dir && lock.is_none() {
            *lock = DirLock::take(folder)?;
            lock.as_ref().ok_or_else(|| io::Error::other("another headwater holds it"))?;
        }
        Ok(())
    }

    /// Why no journal can be kept in the folder.
    pub(super) fn trouble(&self, is_synced: bool, error: &io::Error) -> String {
        let folder = self.folder(is_synced).display();
        format!("the journal cannot be kept in {folder}: {error}; see [agent] runtime_dir")
    }
}

/// The folders that this program holds for its journal, with the segments that an earlier run left in them.
pub(crate) struct JournalFolder {
    pub(super) folders: Folders,
    pub(super) identity: Identity,
    /// The segments that an earlier run left.
    pub(crate) segments: Segments,
    /// The reason why no journal can be kept here; `None`: one can.
    pub(super) trouble: Option<String>,
}

impl JournalFolder {
    /// That of an agent. What a run before this one has left is used, wherever it was kept, unless it was of another boot
    /// and not synced.
    pub(crate) fn of(agent: &AgentConfig, is_synced: bool) -> Self {
        let identity = Identity { boot: clock::boot_id(), config: config_print(agent.checksum), is_synced };
        let opened = Self::open(&agent.runtime_dir, &agent.state_dir, identity);
        if opened.segments.remove_foreign() > 0 {
            tracing::info!("a journal of another boot is of no use, and removed");
        }
        opened
    }

    /// Locks and reads the folders. The state directory is locked already.
    pub(crate) fn open(runtime_dir: &Path, state_dir: &Path, identity: Identity) -> Self {
        let [state_dir, runtime_dir] = [state_dir, runtime_dir].map(Path::to_owned);
        let folders = Folders { state_dir, runtime_dir, lock: None.into() };
        let read = |is_synced: bool| {
            folders.hold(is_synced)?;
            Segments::read(folders.folder(is_synced), &identity)
        };
        let mut opened = read(identity.is_synced);
        // The other one is of use as far as it can be read.
        if folders.state_dir != folders.runtime_dir
            && let Ok(other) = read(!identity.is_synced)
        {
            opened = opened.map(|own| own.with(other));
        }
        let trouble = opened.as_ref().err().map(|error| folders.trouble(identity.is_synced, error));
        let segments = opened.unwrap_or_default();
        Self { folders, identity, segments, trouble }
    }
}
