//! What systemd gives the service: a folder in memory, and variables.

use crate::agent::service_environment;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder in memory for the journal of an agent, removed when dropped.
pub struct RuntimeDir {
    path: PathBuf,
    text: String,
}

impl RuntimeDir {
    /// Makes a folder on the tmpfs that every Linux has.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/dev/shm/headwater-bench-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder on tmpfs");
        Self { text: path.to_string_lossy().into_owned(), path }
    }

    /// The agent's environment: that of the unit, with this folder.
    #[must_use]
    pub fn environment(&self) -> Vec<(&str, &str)> {
        let mut environment: Vec<(&str, &str)> = service_environment();
        environment.push(("RUNTIME_DIRECTORY", &self.text));
        environment
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the journal in it.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let is_segment = |file: &std::fs::DirEntry| {
            let name = file.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("journal."));
            number.is_some_and(|number| number.parse::<u64>().is_ok())
        };
        files.filter(is_segment).filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }
}

impl Default for RuntimeDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
