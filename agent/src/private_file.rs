//! Files of the state directory: for their owner alone, and never behind a link that somebody else has laid.

use rustix::fs::{Mode, OFlags};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What the open call is asked for beside reading and writing.
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// For their owner alone.
const MODE: u32 = 0o600;

/// Everything that this process makes from now on is for its owner alone, also what libraries make.
pub(crate) fn keep_others_out() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// A new, empty file, or an old one that is emptied.
///
/// # Errors
/// What the system says, also of a link.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(true).mode(MODE).custom_flags(NOFOLLOW).open(path)?;
    // An old one may be of a time or a tool that let others read it.
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok(file)
}

/// Writes a file so that it replaces the one at `path` as a whole: a power cut leaves the old or the new one.
///
/// # Errors
/// What the system or a part says; the old file then still stands.
pub(crate) fn replace<T: AsRef<[u8]>>(
    path: &Path,
    parts: impl IntoIterator<Item = io::Result<T>>,
) -> io::Result<()> {
    // Its own, whatever else is replaced in the folder: `config.good` and `config.trial` may be at once.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = create(&beside)?;
    parts.into_iter().try_for_each(|part| file.write_all(part?.as_ref()))?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Makes the names in the folder of `path` durable.
///
/// # Errors
/// What the system says.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Copies a file to a place where nothing stands.
///
/// # Errors
/// What the system says, also of a link at either place.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = open(from)?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(MODE).open(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.sync_all()
}

/// A file to read.
///
/// # Errors
/// What the system says, also of a link.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_not_followed_and_others_are_kept_out() {
        let dir = std::env::temp_dir().join(format!("headwater-private-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (file, target, link) = (dir.join("file"), dir.join("target"), dir.join("link"));
        std::fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        assert!(create(&link).is_err() && open(&link).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
        let copied = dir.join("copy");
        assert!(copy(&target, &link).is_err() && copy(&link, &copied).is_err());
        copy(&target, &copied).unwrap();
        assert_eq!(std::fs::read(&copied).unwrap(), b"theirs");
        assert!(copy(&target, &copied).is_err(), "something stands there");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        create(&file).unwrap();
        assert_eq!(open(&file).unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
