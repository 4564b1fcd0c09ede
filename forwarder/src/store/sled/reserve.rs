//! A little of the disk that is held while there are segments, and let go of on a full disk, so that sled can open
//! them: it writes before it reads. With 1 MiB it got on by fits and starts. Allocated, not written: that costs no flash.

use fs2::FileExt as _;
use std::fs::{self, File};
use std::path::Path;

const NAME: &str = "reserve";
const BYTES: u64 = 2 << 20;

/// Lets go of the reserve of a buffer's folder; whether there was one.
pub(super) fn give(folder: &Path) -> bool {
    fs::remove_file(folder.join(NAME)).is_ok()
}

/// Takes it, if it is not there. A failure costs nothing now.
pub(super) fn take(folder: &Path) {
    let path = folder.join(NAME);
    if path.metadata().is_ok_and(|data| data.len() == BYTES) {
        return;
    }
    if File::create(&path).and_then(|file| file.allocate(BYTES)).is_err() {
        let _ = fs::remove_file(&path);
    }
}
