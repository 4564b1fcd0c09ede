//! The folder that a journal is kept in, and what an earlier run has left there.

use super::{Identity, Segments};
use crate::clock;
use crate::config::AgentConfig;
use crate::lock::DirLock;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The checksum of a config and the program's version.
pub(super) fn config_print(checksum: u32) -> u32 {
    crc32fast::hash(format!("{checksum:08x} {}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// A folder that this program holds for its journal, with the segments that an earlier run left in it.
pub(crate) struct JournalFolder {
    pub(super) folder: PathBuf,
    pub(super) identity: Identity,
    /// The lock that keeps other programs out.
    pub(super) lock: Option<DirLock>,
    /// The segments that an earlier run left.
    pub(crate) segments: Segments,
    /// The reason why no journal can be kept here; `None`: one can.
    pub(super) trouble: Option<String>,
}

impl JournalFolder {
    /// That of an agent: the state directory, if the journal is to outlive the boot, or if such a one is there. What a run
    /// before this one has left is used, unless it was of another boot and not synced.
    pub(crate) fn of(agent: &AgentConfig, is_synced: bool) -> Self {
        let identity = Identity { boot: clock::boot_id(), config: config_print(agent.checksum), is_synced };
        let is_on_disk = is_synced || Segments::are_in(&agent.state_dir);
        let folder = if is_on_disk { &agent.state_dir } else { &agent.runtime_dir };
        let opened = Self::open(folder, &agent.state_dir, identity);
        if opened.segments.remove_foreign() > 0 {
            tracing::info!("a journal of another boot is of no use, and removed");
        }
        opened
    }

    /// Locks and reads `folder`. The state directory is locked already.
    pub(crate) fn open(folder: &Path, state_dir: &Path, identity: Identity) -> Self {
        let taken = fs::create_dir_all(folder)
            .and_then(|()| if folder == state_dir { Ok(None) } else { DirLock::take(folder).map(Some) });
        let (lock, segments) = match taken {
            Ok(Some(None)) => (None, Err(io::Error::other("another headwater holds it"))),
            Ok(lock) => (lock.flatten(), Segments::read(folder, &identity)),
            Err(error) => (None, Err(error)),
        };
        let trouble = segments.as_ref().err().map(|error| {
            format!("the journal cannot be kept in {}: {error}; see [agent] runtime_dir", folder.display())
        });
        Self { folder: folder.to_owned(), identity, lock, segments: segments.unwrap_or_default(), trouble }
    }
}
