//! A lock on a directory, so that one program at a time works in it. Two agents, or an agent and `headwater buffer`, would
//! take each other's files for their own.
//!
//! The lock is on the directory itself (`flock`). It leaves no file behind, and it ends with the process.

use fs2::FileExt as _;
use std::fs::File;
use std::io;
use std::path::Path;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _dir: File,
}

impl DirLock {
    /// Takes the lock of a directory; `None`: another program has it.
    ///
    /// # Errors
    /// The directory cannot be opened, or its file system knows no locks.
    pub(crate) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let dir = File::open(dir)?;
        match dir.try_lock_exclusive() {
            Ok(()) => Ok(Some(Self { _dir: dir })),
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = std::env::temp_dir().join(format!("headwater-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let lock = DirLock::take(&dir).unwrap();
        assert!(lock.is_some());
        assert!(DirLock::take(&dir).unwrap().is_none());
        drop(lock);
        assert!(DirLock::take(&dir).unwrap().is_some());
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(DirLock::take(&dir).is_err());
    }
}
