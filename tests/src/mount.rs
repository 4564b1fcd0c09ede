//! File systems of a test's own: one in memory, that can be full; and one in a file, that can fail and whose power can be cut.

use crate::wait_for;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system in memory, gone when dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one of a size such as `12m` on a directory, which is made; `None`, and the reason printed, where this user
    /// cannot.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).expect("a directory");
        let tmpfs = Self(path);
        if !tmpfs.try_mount(&format!("size={size}")) {
            println!("skipped: this user cannot mount a tmpfs on this machine");
            return None;
        }
        Some(tmpfs)
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

/// An ext4 in a file. The file as it is at some moment is what a power cut at that moment leaves: what the kernel has not
/// written yet is not in it.
pub struct Disk {
    image: PathBuf,
    copy: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes one in a file beside the mount point, which is made; `None`, and the reason printed, where there is no loop
    /// device for this user.
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
            println!("skipped: no file system over a loop device for this user on this machine");
            return None;
        }
        Some(disk)
    }

    /// Keeps it as a power cut finds it now.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[track_caller]
    pub fn cut_power(&self) {
        assert!(quiet("cp", &["--sparse=always"], &[&self.image, &self.copy]), "a copy of the disk");
    }

    /// The power is back: goes on with what [`Disk::cut_power`] has kept. Whoever used it must have ended.
    ///
    /// # Panics
    /// When it cannot be mounted any more.
    #[track_caller]
    pub fn restore(&self) {
        wait_for("the disk to be free", || quiet("umount", &[], &[&self.mount]).then_some(()));
        std::fs::rename(&self.copy, &self.image).expect("the copy in its place");
        assert!(self.attach(), "the copy cannot be mounted");
    }

    /// It turns read-only, as it does by itself after an I/O error, whoever has files open.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn fail(&self) {
        assert!(quiet("mount", &["-o", "remount,abort"], &[&self.mount]), "an aborted file system");
    }

    fn attach(&self) -> bool {
        // Without a sync nothing becomes safe by itself for a while.
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
