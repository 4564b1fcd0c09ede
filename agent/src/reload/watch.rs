//! Watches the config file. The kernel tells of changes in its folder, so that nothing wakes the agent while there are none,
//! and a file that an editor renames into place is noticed.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use inotify::FileWatch;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use elsewhere::FileWatch;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod inotify {
    use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use tokio::io::unix::AsyncFd;
    use tokio::time::timeout;

    /// The time without a change after which a file is taken as written: editors write, rename and touch in several steps.
    const SETTLED: Duration = Duration::from_millis(300);

    /// One event with the longest name takes less (bytes).
    const EVENT_BYTES: usize = 1024;

    /// The folder of the file, and that of the file which it is a link to.
    pub(in super::super) struct FileWatch(AsyncFd<OwnedFd>);

    impl FileWatch {
        /// Begins to watch.
        ///
        /// # Errors
        /// What the system says.
        pub(in super::super) fn start(path: &Path) -> io::Result<Self> {
            let events = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            let wanted = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::CREATE;
            let folder_of = |path: &Path| match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => PathBuf::from("."),
            };
            let mut folders = vec![folder_of(path), folder_of(&path.canonicalize()?)];
            folders.dedup();
            for folder in folders {
                add_watch(&events, &folder, wanted)?;
            }
            #[expect(
                deprecated,
                reason = "the other way is unsafe, and for types that may lie about their descriptor"
            )]
            let events = AsyncFd::new(events)?;
            Ok(Self(events))
        }

        /// Returns when something has changed beside the file, or the file itself, and no more does.
        pub(in super::super) async fn changed(&mut self) {
            self.event().await;
            while timeout(SETTLED, self.event()).await.is_ok() {}
        }

        async fn event(&mut self) {
            loop {
                let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
                let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
                let mut reader = Reader::new(ready.get_inner(), &mut buffer);
                match reader.next() {
                    Ok(_) => return,
                    Err(Errno::INTR) => {}
                    Err(_) => ready.clear_ready(),
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn a_write_a_rename_and_a_link_are_noticed_and_silence_is_not() {
            let folder = std::env::temp_dir().join(format!("headwater-watch-{}", std::process::id()));
            let (beside, real) = (folder.join("etc"), folder.join("real"));
            [&beside, &real].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
            std::fs::write(real.join("c.toml"), "1").unwrap();
            std::os::unix::fs::symlink(real.join("c.toml"), beside.join("c.toml")).unwrap();
            let mut watch = FileWatch::start(&beside.join("c.toml")).unwrap();
            assert!(timeout(Duration::from_millis(50), watch.changed()).await.is_err(), "nothing changed");
            std::fs::write(real.join("c.toml"), "2").unwrap();
            watch.changed().await;
            std::fs::write(real.join("new"), "3").unwrap();
            std::fs::rename(real.join("new"), real.join("c.toml")).unwrap();
            watch.changed().await;
            std::os::unix::fs::symlink(real.join("c.toml"), beside.join("other")).unwrap();
            std::fs::rename(beside.join("other"), beside.join("c.toml")).unwrap();
            watch.changed().await;
            assert!(timeout(Duration::from_millis(50), watch.changed()).await.is_err(), "each is told once");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere {
    use std::io;
    use std::path::Path;

    /// Nothing: this system has no inotify.
    pub(in super::super) struct FileWatch;

    impl FileWatch {
        /// # Errors
        /// Always.
        pub(in super::super) fn start(_: &Path) -> io::Result<Self> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot"))
        }

        pub(in super::super) async fn changed(&mut self) {
            std::future::pending().await
        }
    }
}
