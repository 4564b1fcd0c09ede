//! Reserves a little disk space while there are segments, and gives it back when the disk is full, so that sled
//! can open them: it writes before it reads. 1 MiB was measured to be too little. The space is allocated, not
//! written, so it costs no flash.

use super::links;
use fs2::FileExt as _;
use std::fs;
use std::path::Path;

const NAME: &str = "reserve";
const BYTES: u64 = 2 << 20;

/// Gives the reserve of a buffer's folder back. Returns whether there was one.
pub(super) fn give(folder: &Path) -> bool {
    fs::remove_file(folder.join(NAME)).is_ok()
}

/// Takes the reserve, if there is none. A failure costs nothing now.
pub(super) fn take(folder: &Path) {
    let path = folder.join(NAME);
    if path.symlink_metadata().is_ok_and(|data| data.len() == BYTES) {
        return;
    }
    if links::create(&path).and_then(|file| file.allocate(BYTES)).is_err() {
        let _ = fs::remove_file(&path);
    }
}
