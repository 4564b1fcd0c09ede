//! File systems of a test's own. One lies in memory and can be full. One lies in a file; it can fail, and its power can be
//! cut.

use crate::wait_for;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system in memory, which is removed when dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Makes a directory and mounts a file system of a size such as `12m` on it. `None`, with the reason printed: this
    /// user cannot mount.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).expect("a directory");
        let tmpfs = Self(path);
        if !tmpfs.try_mount(&format!("size={size}")) {
            crate::skip("this user cannot mount a tmpfs on this machine");
            return None;
        }
        Some(tmpfs)
    }

    /// Lets nobody write to it any more.
    ///
    /// # Panics
    /// When it cannot be changed.
    #[track_caller]
    pub fn make_read_only(&self) {
        assert!(quiet("mount", &["-o", "remount,ro"], &[&self.0]), "a read-only file system");
    }

    fn try_mount(&self, options: &str) -> bool {
        quiet("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], &[&self.0])
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = quiet("umount", &["-l"], &[&self.0]);
    }
}

/// An ext4 in a file. A copy of the file is what a power cut at that moment leaves, because it lacks what the kernel has
/// not written yet.
pub struct Disk {
    image: PathBuf,
    copy: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes a directory and mounts an ext4 from a file beside it. `None`, with the reason printed: this user has no loop
    /// device.
    ///
    /// # Panics
    /// When the files cannot be made.
    #[must_use]
    pub fn make(mount: PathBuf) -> Option<Self> {
        const BYTES: u64 = 1 << 30; // sparse
        let disk = Self { image: mount.with_extension("img"), copy: mount.with_extension("copy"), mount };
        std::fs::create_dir_all(&disk.mount).expect("a directory");
        std::fs::File::create(&disk.image).and_then(|file| file.set_len(BYTES)).expect("a file");
        if !quiet("mkfs.ext4", &["-q"], &[&disk.image]) || !disk.attach() {
            crate::skip("no file system over a loop device for this user on this machine");
            return None;
        }
        Some(disk)
    }

    /// Copies the file as a power cut would leave it now.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[track_caller]
    pub fn cut_power(&self) {
        assert!(quiet("cp", &["--sparse=always"], &[&self.image, &self.copy]), "a copy of the disk");
    }

    /// Mounts the copy of [`Disk::cut_power`] in place of the disk. The disk's users must have ended.
    ///
    /// # Panics
    /// When it cannot be mounted any more.
    #[track_caller]
    pub fn restore(&self) {
        wait_for("the disk to be free", || quiet("umount", &[], &[&self.mount]).then_some(()));
        std::fs::rename(&self.copy, &self.image).expect("the copy in its place");
        assert!(self.attach(), "the copy cannot be mounted");
    }

    /// Makes the disk read-only, as ext4 does after an I/O error, also for open files.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn fail(&self) {
        assert!(quiet("mount", &["-o", "remount,abort"], &[&self.mount]), "an aborted file system");
    }

    fn attach(&self) -> bool {
        // The kernel writes nothing by itself for a minute.
        quiet("mount", &["-o", "loop,commit=60"], &[&self.image, &self.mount])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = quiet("umount", &["-l"], &[&self.mount]);
    }
}

fn quiet(program: &str, arguments: &[&str], paths: &[&Path]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).args(paths).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
